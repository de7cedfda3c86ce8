//! Attacks: the server survives, reveals nothing, and answers other clients.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use packhouse_muse_client::Remote;
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::connections::{PREFACE, frame, get};
use crate::stores::serve::by_hand::{answer, answer_within, by_hand, is_healthy, token};
use crate::stores::serve::history::long;

/// Every route of the wire answers for a private repo, byte for byte, what it answers for none.
#[test]
fn a_private_repo_and_none_are_alike_on_every_route() {
    let store = Packhouse::with_repo();
    store.run(["repo", "create", "a/shut", "--private"]).ok();
    store.run(["repo", "create", "b/other"]).ok();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--rate", "0"]);
    let key = format!("sha256:{}", "0".repeat(64));
    let tokens = [None, Some(token(&store, "push", "b/*")), Some(token(&store, "admin", "a/b"))];
    let routes = [
        "GET REPO/refs".to_owned(),
        "HEAD REPO/refs".to_owned(),
        "POST REPO/filter-objects".to_owned(),
        "POST REPO/presign".to_owned(),
        "POST REPO/negotiate".to_owned(),
        "POST REPO/fetch".to_owned(),
        "POST REPO/fetch/mpack".to_owned(),
        "POST REPO/push/objects".to_owned(),
        "POST REPO/push".to_owned(),
        "POST REPO/tags".to_owned(),
        "GET REPO/tags".to_owned(),
        "PUT REPO/refs".to_owned(),
        format!("GET REPO/packs/{key}"),
        format!("GET REPO/packs/{key}?assembled=false&token=none&expires=9999999999&signature=00"),
        format!("GET REPO/fetch/{}", "0".repeat(64)),
        format!("GET REPO/fetch/{}?token=none&expires=9999999999&signature=00", "0".repeat(64)),
        "GET REPO/nothing".to_owned(),
        "GET admin/v1/repos/REPO".to_owned(),
        "GET admin/v1/repos/REPO/detail".to_owned(),
        "DELETE admin/v1/repos/REPO".to_owned(),
        "POST admin/v1/repos/REPO/packs".to_owned(),
        "PATCH admin/v1/repos/REPO".to_owned(),
        format!("GET admin/v1/repos/REPO/records?pack={key}"),
        format!("GET admin/v1/repos/REPO/compare?a={key}&b={key}"),
        "GET admin/v1/policy?repo=REPO".to_owned(),
        "GET admin/v1/jobs?repo=REPO".to_owned(),
        "GET admin/v1/history?repo=REPO".to_owned(),
    ];
    for route in routes {
        for token in &tokens {
            let asked = |repo: &str| {
                let request = route.replace("REPO", repo).replacen(' ', " /", 1);
                let token = token
                    .as_ref()
                    .map_or_else(String::new, |token| format!("\r\nAuthorization: Bearer {token}"));
                let head = format!(
                    "{request} HTTP/1.1\r\nConnection: close\r\nX-Request-Id: same\r\nContent-Length: 1{token}"
                );
                let told = answer(by_hand(&served, &head, b"\x80"));
                let lines = told.lines().filter(|line| !line.starts_with("date:"));
                lines.collect::<Vec<_>>().join("\n").replace(repo, "REPO")
            };
            let (shut, none) = (asked("a/shut"), asked("a/none"));
            assert!(!shut.starts_with("HTTP/1.1 2"), "{route}: {shut}");
            assert_eq!(shut, none, "{route} {token:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_stands_in_the_log_whatever_is_logged() {
    let store = Packhouse::with_repo().with_env("PACKHOUSE_LOG", "trace");
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "1"]);
    let (push, admin) = (token(&store, "push", "*"), token(&store, "admin", "*"));
    let remote = Remote::new(&served.remote("a/b"), Some(push.clone())).unwrap();
    let local = long("ann", 2, 2);
    local.push(&remote, "main", false).await.unwrap();
    let url = remote
        .fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(60))
        .await
        .unwrap()
        .mpack_url
        .unwrap();
    remote.download(&url).await.unwrap();
    let body = r#"{"scope": "read", "repos": ["*"]}"#;
    let head = format!(
        "POST /admin/v1/tokens HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Authorization: Bearer {admin}\r\nContent-Length: {}",
        body.len()
    );
    let made = answer(by_hand(&served, &head, body.as_bytes()));
    let made: serde_json::Value =
        serde_json::from_str(made.split_once("\r\n\r\n").unwrap().1).unwrap();
    let forged = format!("{}x", &push[..push.len() - 1]);
    let _ =
        Remote::new(&served.remote("a/b"), Some(forged.clone())).unwrap().refs().await.unwrap_err();
    let (_, log) = served.stop();
    assert!(log.lines().count() > 20, "it logs: {log}");
    let signature = &url[url.find("signature=").unwrap() + 10..];
    for secret in [&push, &admin, &forged, made["token"].as_str().unwrap()] {
        let secret = secret.rsplit('_').next().unwrap();
        assert!(!log.contains(&secret[..secret.len() - 1]), "a token's secret");
    }
    assert!(!log.contains(signature), "a signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_that_was_changed_anywhere_leads_to_nothing() {
    let store = Packhouse::with_repo();
    store.run(["repo", "create", "a/c"]).ok();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let push = token(&store, "push", "*");
    let local = long("ann", 2, 2);
    let mut urls = Vec::new();
    for repo in ["a/b", "a/c"] {
        let remote = Remote::new(&served.remote(repo), Some(push.clone())).unwrap();
        local.push(&remote, "main", false).await.unwrap();
        store.run(["gc", repo]).ok();
        let answer = remote
            .fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(600))
            .await
            .unwrap();
        urls.push(answer.mpack_url.unwrap());
    }
    let (url, other) = (&urls[0], &urls[1]);
    let query = |url: &str, name: &str| {
        let at = url.find(&format!("{name}=")).unwrap() + name.len() + 1;
        url[at..].split('&').next().unwrap().to_owned()
    };
    let (signature, expires, token) =
        (query(url, "signature"), query(url, "expires"), query(url, "token"));
    let key = &url[url.find("sha256:").unwrap()..][..71];
    let flip = |text: &str| {
        text.replacen(
            |c: char| c.is_ascii_hexdigit(),
            if text.starts_with('0') { "1" } else { "0" },
            1,
        )
    };
    let later = (expires.parse::<i64>().unwrap() + 1000).to_string();
    let changed = [
        url.replace(&signature, &flip(&signature)),
        url.replace(&signature, ""),
        url.replace(&signature, &signature[..62]),
        url.replace(&signature, &"0".repeat(64)),
        url.replace(&signature, &query(other, "signature")),
        url.replace(&expires, &later),
        url.replace(&expires, "-1"),
        url.replace(&expires, "99999999999999999999"),
        url.replace(&format!("token={token}"), "token=none"),
        url.replace(&format!("token={token}"), "token=trusted"),
        url.replace(&format!("token={token}&"), ""),
        url.replace("assembled=false", "assembled=x").replace("assembled=true", "assembled=x"),
        url.replace("assembled=false", "assembled=TRUE")
            .replace("assembled=true", "assembled=false"),
        url.replace(key, &format!("sha256:{}", "0".repeat(64))),
        url.replace(key, &key.to_uppercase()),
        url.replace("/a/b/", "/a/c/"),
        url.replace("/a/b/", "/A/b/"),
        url[..url.find('?').unwrap()].to_owned(),
        format!("{url}&expires={later}"),
        format!("{url}&signature={signature}"),
    ];
    let stranger = Remote::new(&served.remote("a/b"), None).unwrap();
    stranger.download(url).await.unwrap();
    for changed in &changed {
        assert_ne!(changed, url);
        let refused = stranger.download(changed).await.expect_err(changed);
        assert_eq!(refused.status(), Some(404), "{changed}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges_are_answered_as_they_should_be_however_odd() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = long("ann", 2, 3);
    local.push(&remote, "main", false).await.unwrap();
    let url = remote
        .fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(600))
        .await
        .unwrap()
        .mpack_url
        .unwrap();
    let whole = remote.download(&url).await.unwrap();
    let total = whole.len();
    let path = &url[url.find("/a/b/").unwrap()..];
    let beyond = format!("bytes={total}-");
    let last = format!("bytes={}-", total - 1);
    let past = format!("bytes=5-{}", total + 5);
    let all = (200, 0..total);
    let none = (416, 0..0);
    for (range, (status, part)) in [
        ("bytes=0-0", (206, 0..1)),
        ("bytes=0-9", (206, 0..10)),
        ("bytes=5-", (206, 5..total)),
        ("bytes=-5", (206, total - 5..total)),
        (&last, (206, total - 1..total)),
        (&past, (206, 5..total)),
        ("bytes=-99999999", (206, 0..total)),
        (&beyond, none.clone()),
        ("bytes=99999999-", none.clone()),
        ("bytes=-0", none.clone()),
        ("bytes=0-1,5-6", all.clone()),
        ("bytes=0-,0-,0-,0-", all.clone()),
        ("bytes=9-5", none.clone()),
        ("bytes=", all.clone()),
        ("bytes=-", all.clone()),
        ("bytes=a-b", all.clone()),
        ("bytes=0x0-0x5", all.clone()),
        ("bytes=18446744073709551616-", all.clone()),
        ("lines=0-5", all.clone()),
        ("0-5", all.clone()),
        ("bytes 0-5", all.clone()),
    ] {
        let client = reqwest::Client::new();
        let request = client.get(format!("{}{path}", served.url())).header("Range", range);
        let response = request.send().await.unwrap();
        let told = response.status().as_u16();
        // What is no range at all may be left out, or be refused: never is anything else sent.
        assert!(
            told == status || (status == 200 && told == 416) || (status == 416 && told == 200),
            "{range}: {told}"
        );
        let length = response.content_length();
        let bytes = response.bytes().await.unwrap();
        match told {
            206 => assert_eq!(bytes, whole.slice(part), "{range}"),
            200 => assert_eq!(bytes, whole, "{range}"),
            _ => assert!(bytes.len() < 500, "{range}"),
        }
        assert!(length.is_none_or(|length| length == bytes.len() as u64));
    }
}

/// Requests of which two servers might think that they end at different places.
#[test]
fn requests_whose_end_is_in_doubt_are_refused_and_never_become_two() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let smuggled = "GET /a/b/refs HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for head in [
        "Content-Length: 5\r\nContent-Length: 60",
        "Content-Length: 5, 60",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 99999999999999999999999",
        "Transfer-Encoding: identity, chunked, identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\n obs: fold",
        "Transfer-Encoding: \x0bchunked",
        "Bad Header: x",
        "X: a\x00b",
    ] {
        let request = format!(
            "POST /a/b/filter-objects HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n5\r\n{{}}   \r\n0\r\n\r\n{smuggled}"
        );
        let mut stream = TcpStream::connect(served.address()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let told = answer(stream);
        assert!(!told.contains("repo_id"), "{head:?}: {told}");
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{head:?}: {told}");
    }
    for chunk in ["FFFFFFFFFFFFFFFFF\r\n{", "-1\r\n{", "zz\r\n{", "5;\nx\r\n{    \r\n", "1 \n{"] {
        let head =
            "POST /a/b/filter-objects HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked";
        let stream = by_hand(&served, head, chunk.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let told = answer(stream);
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{chunk:?}: {told}");
    }
    is_healthy(&served);
}

/// Sends frames until the server closes the connection.
fn flood(served: &Served, frames: impl Iterator<Item = Vec<u8>>) {
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(PREFACE).unwrap();
    for frame in frames {
        if stream.write_all(&frame).is_err() {
            return;
        }
    }
}

#[test]
fn floods_of_http2_frames_cost_the_sender_its_connection_and_nothing_else() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    // Requests that are reset at once.
    flood(
        &served,
        (0..5000).map(|n| {
            [get(2 * n + 1, "/a/b/refs"), frame(3, 0, 2 * n + 1, &8_u32.to_be_bytes())].concat()
        }),
    );
    is_healthy(&served);
    // A head that never ends.
    let begun = frame(1, 0x01, 1, b"\x82\x86");
    let more = (0..5000)
        .map(|n| frame(9, 0, 1, format!("\0\x05x-{n:03}\x7f\x20{}", "v".repeat(120)).as_bytes()));
    flood(&served, std::iter::once(begun).chain(more));
    is_healthy(&served);
    // Settings and pings, each of which wants an answer.
    flood(&served, (0..20_000).map(|_| frame(4, 0, 0, &[])));
    flood(&served, (0..20_000).map(|_| frame(6, 0, 0, &[7; 8])));
    // Windows that overflow, streams out of order, invalid frames.
    flood(
        &served,
        [frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]), frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff])]
            .into_iter(),
    );
    flood(
        &served,
        [get(5, "/healthz"), get(3, "/healthz"), frame(0, 1, 9, b"data"), frame(99, 0, 1, b"?")]
            .into_iter(),
    );
    is_healthy(&served);
    assert!(served.peak_memory() < 200 << 20, "{}", served.peak_memory());
}

#[test]
fn values_that_nest_deeply_are_refused() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0", "--rate", "0"]);
    let deep = vec![0x91; 4 << 20];
    let maps: Vec<u8> = std::iter::repeat_n([0x81, 0xa1, b'x'], 1 << 20).flatten().collect();
    let json = "[".repeat(4 << 20);
    let json_maps = r#"{"x":"#.repeat(1 << 20);
    let post = |path: &str, kind: &str, body: &[u8]| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}",
            body.len()
        );
        answer(by_hand(&served, &head, body))
    };
    for path in [
        "filter-objects",
        "presign",
        "negotiate",
        "fetch",
        "fetch/mpack",
        "push/objects",
        "push",
        "tags",
    ] {
        for (kind, body) in [
            ("application/x-msgpack", &deep[..]),
            ("application/x-msgpack", &maps),
            ("application/json", json.as_bytes()),
            ("application/json", json_maps.as_bytes()),
        ] {
            let told = post(&format!("/a/b/{path}"), kind, body);
            assert!(told.starts_with("HTTP/1.1 4"), "{path} {kind}: {told}");
        }
    }
    for path in ["tokens", "repos", "jobs", "policy/check", "repos/a/b/fetch"] {
        for body in [&json[..1 << 19], &json_maps[..1 << 19]] {
            let told = post(&format!("/admin/v1/{path}"), "application/json", body.as_bytes());
            assert!(told.starts_with("HTTP/1.1 4"), "{path}: {told}");
        }
    }
    is_healthy(&served);
}

/// Eight megabytes of nothing, from many at once.
#[test]
fn small_bodies_take_little_memory_however_many_there_are() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0", "--rate", "0"]);
    let ids = (8 << 20) - 64;
    let mut body = b"\x81\xaaobject_ids\xdd".to_vec();
    body.extend((ids as u32).to_be_bytes());
    body.extend(std::iter::repeat_n(0xa0, ids));
    let head = format!(
        "POST /a/b/filter-objects HTTP/1.1\r\nConnection: close\r\nContent-Length: {}",
        body.len()
    );
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                // There is room for four at once; who waits for too long is asked to try again, and
                // no two keep each other waiting.
                let asked =
                    || answer_within(Duration::from_secs(120), by_hand(&served, &head, &body));
                let answers = std::iter::repeat_with(asked);
                let told = answers
                    .take(20)
                    .find(|told| !told.starts_with("HTTP/1.1 503"))
                    .expect("one is taken in the end");
                assert!(
                    told.starts_with("HTTP/1.1 413") && told.contains(&ids.to_string()),
                    "{told}"
                );
            });
        }
    });
    let peak = served.peak_memory();
    assert!(peak < 200 << 20, "{} MB", peak >> 20);
    is_healthy(&served);
}
