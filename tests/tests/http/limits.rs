//! Too much, broken off, malformed: a clear answer, and nothing stays.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use packhouse_muse_client::{Direction, Id, Object, Remote, Upload, object_id};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use crate::stores::serve::by_hand::{answer, by_hand};
use crate::stores::serve::history::{long, noise};

fn ids(count: usize) -> Vec<Id> {
    (0..count).map(|n| object_id(&n.to_le_bytes())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_have_limits() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    assert_eq!(remote.filter_objects(&ids(50_000)).await.unwrap().missing.len(), 50_000);
    assert_eq!(remote.filter_objects(&ids(50_001)).await.unwrap_err().status(), Some(413));
    let presigned = remote.presign(&ids(10_000), Direction::Put, Some(30)).await.unwrap();
    assert_eq!((presigned.inline.len(), presigned.presigned.len()), (10_000, 0));
    assert_eq!(
        remote.presign(&ids(10_001), Direction::Get, None).await.unwrap_err().status(),
        Some(413)
    );
    assert_eq!(
        remote.presign(&ids(1), Direction::Get, Some(29)).await.unwrap_err().status(),
        Some(422)
    );
    let (most, more) = (ids(100_000), ids(100_001));
    assert!(!remote.negotiate(&most, &most).await.unwrap().ready);
    for refused in [
        remote.negotiate(&more, &[]).await.unwrap_err(),
        remote.negotiate(&[], &more).await.unwrap_err(),
        remote.fetch(&more, &[]).await.unwrap_err(),
        remote.fetch(&[], &more).await.unwrap_err(),
        remote.fetch_mpack(&more, &[], None).await.unwrap_err(),
    ] {
        assert_eq!(refused.status(), Some(413), "{refused}");
        assert!(refused.detail().unwrap().contains("100000"), "{refused}");
    }
    assert!(remote.fetch(&[], &most).await.unwrap().commits.is_empty());
    let unknown = remote.fetch(&ids(1), &[]).await.unwrap_err();
    assert!(
        unknown.status() == Some(422) && unknown.detail().unwrap().contains(ids(1)[0].as_str()),
        "{unknown}"
    );
    let objects: Vec<Upload> = (0..1001).map(|n| Object::make(noise(n, 8)).into()).collect();
    assert_eq!(remote.push_objects(&objects).await.unwrap_err().status(), Some(413));
    assert_eq!(remote.push_objects(&objects[..1000]).await.unwrap().stored, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_refused_while_it_comes_and_leaves_nothing() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0", "--max-upload", "1000000"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let before = store.picture();
    let large: Upload = Object::make(noise(1, 1_000_000)).into();
    let refused = remote.push_objects(&[large]).await.unwrap_err();
    assert_eq!(refused.status(), Some(413), "{refused}");
    assert!(refused.detail().unwrap().contains("1000000"), "{refused}");
    assert_eq!(store.picture(), before);
    let fits: Upload = Object::make(noise(1, 999_000)).into();
    assert_eq!(remote.push_objects(&[fits]).await.unwrap().stored, 1);
}

/// Everything that is not as it should be, and that says so with 422.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_none_are_told_what_is_wrong() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0", "--rate", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    long("ann", 1, 1).push(&remote, "main", false).await.unwrap();
    let before = store.picture();
    let deep = [vec![0x81, 0xa7], b"objects".to_vec(), vec![0x91; 3000]].concat();
    let bodies: [&[u8]; 9] = [
        b"",
        b"\xc1",
        b"\xc0",
        b"\x93\x01\x02\x03",
        b"\x81\xa7objects\xdd\xff\xff\xff\xff",
        b"\x81\xa7objects\x91\x80",
        b"\x81\xa6bundle\x81\xa7commits\x91\x80",
        b"\x80\x80",
        &deep,
    ];
    for path in
        ["/push/objects", "/push", "/tags", "/filter-objects", "/presign", "/negotiate", "/fetch"]
    {
        for body in bodies {
            let refused = remote.post_bytes(path, Bytes::copy_from_slice(body)).await;
            let Err(refused) = refused else { panic!("{path} took {body:?}") };
            let status = refused.status();
            // An array of four billion is too much besides.
            assert!(matches!(status, Some(422 | 413)), "{path} {body:?}: {refused}");
            let detail = refused.detail().unwrap();
            assert!(!detail.is_empty());
            assert_eq!(detail.contains("empty"), body.is_empty(), "{path}: {detail}");
        }
    }
    assert_eq!(store.picture(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let before = store.picture();
    let head = "POST /a/b/push/objects HTTP/1.1\r\nContent-Type: application/x-msgpack\r\nContent-Length: 900000";
    for sent in [0, 10, 500_000] {
        drop(by_hand(&served, head, &vec![0x81; sent]));
    }
    let chunked = "POST /a/b/push HTTP/1.1\r\nTransfer-Encoding: chunked";
    drop(by_hand(&served, chunked, b"5\r\n\x81\xa6bun\r\n"));
    for _ in 0..100 {
        if store.picture() == before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.picture(), before);
    assert_eq!(
        Remote::new(&served.remote("a/b"), None).unwrap().refs().await.unwrap().branch_heads.len(),
        0
    );
}

/// While a body is sent, the repo is deleted, and another user creates one of that name, which the
/// sender may not see.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_allowed_when_a_body_began_is_asked_again_when_it_has_come() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let body = b"\x82\xa4want\x90\xa4have\x90";
    let head =
        format!("POST /a/b/fetch HTTP/1.1\r\nConnection: close\r\nContent-Length: {}", body.len());
    let mut open = by_hand(&served, &head, &body[..5]);
    let token = store.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    let head = format!(
        "POST /a/b/push/objects HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {}\r\nContent-Length: 10",
        token["token"].as_str().unwrap()
    );
    let mut pushing = by_hand(&served, &head, b"\x81\xa7obj");
    tokio::time::sleep(Duration::from_millis(300)).await;
    store.run(["repo", "delete", "a/b", "--yes"]).ok();
    store.run(["repo", "create", "a/b", "--private"]).ok();
    store.run(["token", "revoke", token["id"].as_str().unwrap()]).ok();
    open.write_all(&body[5..]).unwrap();
    pushing.write_all(b"ects\x90").unwrap();
    assert!(answer(open).starts_with("HTTP/1.1 404"), "the other repo is private");
    assert!(answer(pushing).starts_with("HTTP/1.1 401"), "the token was revoked");
}

/// A complete request is processed, whether or not the client waits for the response.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_after_its_body_has_pushed() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    // Large: when the last of it has been sent, the rest is under way.
    let object = Object::make(noise(7, 20_000_000));
    let mut body = vec![0x81, 0xa7];
    body.extend(b"objects\x91\x82\xa9object_id\xd9\x40");
    body.extend(object.id.as_str().as_bytes());
    body.extend(b"\xa7content\xc6");
    body.extend(20_000_000_u32.to_be_bytes());
    body.extend(&object.content);
    let stream = by_hand(
        &served,
        &format!("POST /a/b/push/objects HTTP/1.1\r\nContent-Length: {}", body.len()),
        &body,
    );
    drop(stream);
    for _ in 0..200 {
        if store.show()["objects"] == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it was not stored: {}", store.show());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_invent_is_not_remembered_and_health_is_told_to_anybody() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--rate", "2"]);
    for n in 0..40 {
        answer(by_hand(
            &served,
            &format!(
                "INVENTED{n} /a/b/refs HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer x{n}"
            ),
            b"",
        ));
    }
    for path in ["/healthz", "/readyz"] {
        let head =
            format!("GET {path} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer none");
        assert!(answer(by_hand(&served, &head, b"")).starts_with("HTTP/1.1 200"), "{path}");
    }
    // Metrics include private pushes: they are for administrators of the whole store.
    let metrics = |scope: &str, reach: &str| {
        let token = store.run(["token", "create", "--scope", scope, "--repo", reach]).ok().json();
        let token = token["token"].as_str().unwrap();
        answer(by_hand(
            &served,
            &format!("GET /metrics HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token}"),
            b"",
        ))
    };
    for (scope, reach) in [("push", "*"), ("admin", "a/*")] {
        assert!(metrics(scope, reach).starts_with("HTTP/1.1 403"), "{scope} {reach}");
    }
    let metrics = metrics("admin", "*");
    assert!(
        metrics.contains("packhouse_http_requests_total") && !metrics.contains("INVENTED"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_in_the_form_that_is_asked_for_and_browsers_are_kept_out() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let get = |path: &str, more: &str| {
        let text = answer(by_hand(
            &served,
            &format!("GET {path} HTTP/1.1\r\nConnection: close{more}"),
            b"",
        ));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.to_lowercase(), body.to_owned())
    };
    let (head, body) = get("/a/b/refs", "\r\nAccept: application/json");
    assert!(
        head.starts_with("http/1.1 200")
            && head.contains("application/json")
            && body.starts_with("{\"repo_id\""),
        "{head}{body}"
    );
    assert!(
        head.contains("nosniff")
            && head.contains("content-security-policy")
            && head.contains("no-store"),
        "{head}"
    );
    let (head, body) = get("/a/b/refs", "\r\nAccept: application/x-msgpack, application/json");
    assert!(
        head.contains("application/x-msgpack") && body.contains("repo_id") && !body.contains('{'),
        "{head}{body}"
    );
    for path in
        ["/../b/refs", "/a/..%2f..%2fetc/refs", "/a/%2e%2e/refs", "/a/b%00/refs", "/a%2fb/refs"]
    {
        assert!(get(path, "").0.starts_with("http/1.1 404"), "{path}");
    }
    for more in ["\r\nOrigin: https://evil.example", "\r\nSec-Fetch-Site: cross-site"] {
        assert!(get("/a/b/refs", more).0.starts_with("http/1.1 403"), "{more}");
    }
    let mut stream = TcpStream::connect(served.address()).unwrap();
    stream
        .write_all(b"GET /a/b/refs HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert!(answer(stream).starts_with("HTTP/1.1 403"), "a name that was made to lead here");
}

#[test]
fn trusting_everybody_wants_an_address_of_this_machine_alone() {
    let store = Packhouse::with_repo();
    store
        .run(["serve", "--listen", "0.0.0.0:0", "--insecure-loopback"])
        .exits(2)
        .says(&["--insecure-loopback", "127.0.0.1"]);
    let busy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = busy.local_addr().unwrap().to_string();
    store.run(["serve", "--listen", &address]).exits(1).says(&[&address, "in use"]);
}
