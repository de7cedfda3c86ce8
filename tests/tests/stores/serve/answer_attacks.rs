//! Attacks with URLs of answers, and with answers that are not read.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use packhouse_muse_client::{Files, Local, Remote, object_id};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;

use super::by_hand::{is_healthy, token};
use super::history::{files, long, noise};

/// A URL of an answer is good for its request alone, whatever is put into it.
#[tokio::test(flavor = "multi_thread")]
async fn the_url_of_an_answer_that_was_changed_anywhere_leads_to_nothing() {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), Some(token(&store, "push", "*"))).unwrap();
    let local = long("ann", 4, 2);
    local.push(&remote, "main", false).await.unwrap();
    let commits: Vec<_> = local.commits().keys().cloned().collect();
    let unknown = (0..100).map(|n| object_id(&[n]));
    let long_have: Vec<_> = unknown.chain([commits[0].clone()]).collect();
    let stranger = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut tried = 0;
    for have in [commits[..1].to_vec(), long_have] {
        let answer = remote.fetch_mpack(&commits[2..3], &have, Some(600)).await.unwrap();
        let url = answer.mpack_url.unwrap();
        stranger.download(&url).await.unwrap();
        let (place, query) = url.split_once('?').unwrap();
        let (path, etag) = place.rsplit_once('/').unwrap();
        let pairs: Vec<&str> = query.split('&').collect();
        let flipped = |text: &str| {
            let last = if text.ends_with('0') { "1" } else { "0" };
            format!("{}{last}", &text[..text.len() - 1])
        };
        let mut changed = vec![
            format!("{path}/{}?{query}", flipped(etag)),
            format!("{path}/{}?{query}", "0".repeat(64)),
            format!("{path}/%00?{query}"),
            format!("{url}&want={}", "00".repeat(33)),
            format!("{url}&request={}", "0".repeat(64)),
            format!("{place}?{}", pairs.last().unwrap()),
        ];
        for (number, pair) in pairs.iter().enumerate() {
            let with = |other: &str| {
                let mut pairs = pairs.clone();
                pairs[number] = other;
                format!("{place}?{}", pairs.join("&"))
            };
            let (name, value) = pair.split_once('=').unwrap();
            changed.extend([
                with(&flipped(pair)),
                with(&format!("{name}=")),
                with(&format!("{pair}{value}")),
                with(&format!("{name}={}", "f".repeat(20_000))),
                with("x=y"),
            ]);
        }
        for changed in changed {
            let refused = stranger.download(&changed).await.expect_err(&changed);
            // Heads of requests have a limit, too.
            let status = refused.status();
            assert!(matches!(status, Some(404 | 414 | 431)), "{changed}: {refused}");
            tried += 1;
        }
    }
    assert!(tried > 40, "{tried}");
    is_healthy(&served);
}

/// Clients that read nothing keep no one else from planning.
#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_of_answers_leave_the_others_alone() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let mut local = Local::new("ann");
    let tree = files(&[("large", &noise(3, 20_000_000))]);
    local.commit("main", tree.clone(), "one").unwrap();
    local.push(&remote, "main", false).await.unwrap();
    local.commit("main", Files::new(), "two").unwrap();
    local.push(&remote, "main", false).await.unwrap();
    let mut urls = Vec::new();
    for commit in local.commits().keys() {
        let answer = remote.fetch_mpack(std::slice::from_ref(commit), &[], Some(600)).await;
        urls.push(answer.unwrap().mpack_url.unwrap());
    }
    // More than answers may be planned at once.
    let slow: Vec<TcpStream> = (0..24)
        .map(|n: usize| {
            let path = &urls[n % 2][served.url().len()..];
            let mut stream = TcpStream::connect(served.address()).unwrap();
            let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    let heads = [local.head("main").unwrap().clone()];
    for _ in 0..3 {
        let pack = tokio::time::timeout(Duration::from_secs(20), remote.fetch(&heads, &[])).await;
        assert_eq!(pack.expect("it is sent").unwrap().commits.len(), 2);
    }
    is_healthy(&served);
    let memory = served.peak_memory();
    assert!(memory < 300 << 20, "{memory}");
    drop(slow);
}
