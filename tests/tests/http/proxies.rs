//! Behind a proxy: which headers are trusted, and what follows.

use packhouse_muse_client::Remote;
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use crate::stores::serve::by_hand::{answer, by_hand};
use crate::stores::serve::history::long;

fn refs(served: &Served, headers: &str) -> String {
    answer(by_hand(served, &format!("GET /a/b/refs HTTP/1.1\r\nConnection: close{headers}"), b""))
}

#[test]
fn clients_behind_a_trusted_proxy_are_counted_each_on_their_own() {
    let store = Packhouse::with_repo();
    let words = ["--workers", "0", "--rate", "1", "--trusted-proxy", "127.0.0.0/8"];
    let served = Served::start(&store, "127.0.0.1:0", &words);
    let many = |client: &str| {
        let header = format!("\r\nX-Forwarded-For: 6.6.6.6, {client}");
        (0..40).filter(|_| refs(&served, &header).starts_with("HTTP/1.1 429")).count()
    };
    assert!(many("1.2.3.4") > 10, "one is slowed down");
    assert!(
        refs(&served, "\r\nX-Forwarded-For: 1.2.3.5").starts_with("HTTP/1.1 200"),
        "another is not"
    );
    // An untrusted client counts by its own address, whatever it sends.
    let served = Served::start(
        &store,
        "127.0.0.1:0",
        &["--workers", "0", "--rate", "1", "--trusted-proxy", "10.0.0.0/8"],
    );
    let refused = (0..40).filter(|n| {
        refs(&served, &format!("\r\nX-Forwarded-For: 1.2.3.{n}")).starts_with("HTTP/1.1 429")
    });
    assert!(refused.count() > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_lead_to_where_the_client_asked_the_proxy() {
    let store = Packhouse::with_repo();
    let served =
        Served::start(&store, "127.0.0.1:0", &["--workers", "0", "--trusted-proxy", "127.0.0.1"]);
    let token = store.run(["token", "create", "--scope", "push", "--repo", "*"]).ok().json();
    let remote =
        Remote::new(&served.remote("a/b"), token["token"].as_str().map(str::to_owned)).unwrap();
    long("ann", 1, 1).push(&remote, "main", false).await.unwrap();
    let url = |headers: &str| {
        let head = format!(
            "POST /a/b/fetch/mpack HTTP/1.1\r\nConnection: close\r\nAccept: application/json\r\nContent-Length: 1{headers}"
        );
        let answer = answer(by_hand(&served, &head, b"\x80"));
        let body: serde_json::Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).expect(&answer);
        body["mpack_url"].as_str().unwrap().to_owned()
    };
    let outside = url("\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: packs.example.org");
    assert!(outside.starts_with("https://packs.example.org/a/b/fetch/"), "{outside}");
    assert!(url("").starts_with("http://localhost/a/b/fetch/"), "{}", url(""));
}

/// URLs of packs begin with the host that was asked.
#[test]
fn a_host_that_is_none_is_refused_and_not_taken_over() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let ask = |path: &str, host: &str| {
        let mut stream = std::net::TcpStream::connect(served.address()).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: application/json\r\nContent-Length: 1\r\n\r\n"
        );
        std::io::Write::write_all(&mut stream, &[head.as_bytes(), b"\x80"].concat()).unwrap();
        answer(stream)
    };
    for host in ["evil.example/x?", "evil.example#", "ann@evil.example", "evil.example:x"] {
        for path in ["/a/b/fetch/mpack", "/admin/v1/repos/a/b/fetch"] {
            let told = ask(path, host);
            assert!(told.starts_with("HTTP/1.1 400") && told.contains("Host"), "{host}: {told}");
        }
    }
    let told = ask("/a/b/fetch/mpack", "packs.example:7070");
    assert!(told.contains("http://packs.example:7070/a/b/fetch/"), "{told}");
}

#[test]
fn who_trusts_everybody_is_asked_by_nobody_through_a_proxy() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    assert!(refs(&served, "").starts_with("HTTP/1.1 200"));
    for header in [
        "Forwarded: for=1.2.3.4",
        "Via: 1.1 proxy",
        "X-Forwarded-For: 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: localhost",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Server: proxy",
        "X-Real-IP: 1.2.3.4",
        "CF-Connecting-IP: 1.2.3.4",
        "CF-Ray: 1",
        "True-Client-IP: 1.2.3.4",
        "X-Client-IP: 1.2.3.4",
        "X-Original-URL: /",
        "Fastly-Client-IP: 1.2.3.4",
        "X-Varnish: 7",
        "X-Request-Start: t=1",
        "Front-End-Https: on",
        "Ali-CDN-Real-IP: 1.2.3.4",
        "Ngrok-Trace-Id: 7",
        "Tailscale-User-Login: ann",
    ] {
        let told = refs(&served, &format!("\r\n{header}"));
        assert!(told.starts_with("HTTP/1.1 403") && told.contains("proxy"), "{header}: {told}");
    }
    store
        .run([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--insecure-loopback",
            "--trusted-proxy",
            "127.0.0.1",
        ])
        .exits(2)
        .says(&["--trusted-proxy"]);
    store.run(["serve", "--trusted-proxy", "10.0.0.0/40"]).exits(2).says(&["10.0.0.0/40"]);
}
