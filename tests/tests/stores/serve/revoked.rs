//! A token that is revoked, or a repo that is replaced, while something is under way.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use packhouse_host::catalog::LockMode;
use packhouse_host::sample::{HistoryOptions, history};
use packhouse_muse_client::Remote;
use packhouse_tests::binary::Packhouse;
use packhouse_tests::place;
use packhouse_tests::server::Served;
use serde_json::Value;

use super::by_hand::{answer, by_hand};
use super::history::long;

fn served() -> (Packhouse, Served) {
    let store = Packhouse::with_repo();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    (store, served)
}

fn token(store: &Packhouse, scope: &str) -> (String, String) {
    let made = store.run(["token", "create", "--scope", scope, "--repo", "*"]).ok().json();
    (made["token"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
}

fn delete(store: &Packhouse, served: &Served, repo: &str) {
    let (token, _) = token(store, "admin");
    let head = format!(
        "DELETE /admin/v1/repos/{repo} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token}"
    );
    let answer = answer(by_hand(served, &head, b""));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// A request with half of its body. The server has begun to read it: it sends 100 Continue.
fn half(served: &Served, request: &str, kind: &str, token: &str, body: &[u8]) -> TcpStream {
    let head = format!(
        "{request} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\n\
         Expect: 100-continue\r\nContent-Length: {}",
        body.len()
    );
    let mut stream = by_hand(served, &head, b"");
    let mut line = [0; 25];
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.read_exact(&mut line).unwrap();
    assert!(line.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&line));
    stream.write_all(&body[..body.len() / 2]).unwrap();
    stream
}

fn rest(mut stream: TcpStream, body: &[u8]) -> String {
    stream.write_all(&body[body.len() / 2..]).unwrap();
    answer(stream)
}

#[test]
fn half_a_body_of_an_admin_token_that_is_revoked_then_does_nothing() {
    let (store, served) = served();
    let id = "0123456789abcdef0123456789abcdef";
    for (request, body) in [
        ("POST /admin/v1/tokens".to_owned(), r#"{"scope": "admin", "repos": ["*"]}"#),
        ("POST /admin/v1/repos".to_owned(), r#"{"repo": "c/d", "visibility": "public"}"#),
        ("PUT /admin/v1/policy?repo=a/b".to_owned(), r#"{"max_packs": 2}"#),
        ("PUT /admin/v1/policy".to_owned(), r#"{"max_packs": 2}"#),
        ("POST /admin/v1/policy/check".to_owned(), r#"{"queue": true}"#),
        ("POST /admin/v1/jobs".to_owned(), r#"{"type": "mpack.verify", "repo": "a/b"}"#),
        (format!("PUT /admin/v1/runs/{id}"), r#"{"kind": "prune", "grace_seconds": 0}"#),
        (
            "POST /admin/v1/repos/a/b/fetch".to_owned(),
            r#"{"want": [], "have": [], "ttl_seconds": 60}"#,
        ),
    ] {
        let (token, token_id) = token(&store, "admin");
        let begun = half(&served, &request, "application/json", &token, body.as_bytes());
        store.run(["token", "revoke", &token_id]).ok();
        let answer = rest(begun, body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 401"), "{request}: {answer}");
    }
    let tokens = store.run(["token", "list"]).ok().documents();
    assert!(
        tokens.iter().all(|token| token["revoked_at"] != Value::Null),
        "none was made: {tokens:?}"
    );
    assert_eq!(store.run(["repo", "list"]).ok().documents().len(), 1);
    assert!(store.run(["jobs", "list"]).ok().documents().is_empty());
}

/// A form with one pack.
fn form(pack: &[u8]) -> Vec<u8> {
    let head =
        b"--X\r\nContent-Disposition: form-data; name=\"pack\"; filename=\"p.mpack\"\r\n\r\n";
    [head.as_slice(), pack, b"\r\n--X--\r\n"].concat()
}

fn pack() -> Vec<u8> {
    history(&HistoryOptions { seed: 3, pushes: 1, ..HistoryOptions::default() })
        .into_iter()
        .next()
        .unwrap()
}

const FORM: &str = "multipart/form-data; boundary=X";

#[test]
fn a_pack_whose_token_is_revoked_while_it_comes_is_not_stored() {
    let (store, served) = served();
    let (body, before) = (form(&pack()), store.picture());
    for request in ["POST /admin/v1/repos/a/b/packs", "POST /admin/v1/repos/a/b/packs?async=true"] {
        let (token, id) = token(&store, "admin");
        let begun = half(&served, request, FORM, &token, &body);
        store.run(["token", "revoke", &id]).ok();
        let answer = rest(begun, &body);
        assert!(answer.starts_with("HTTP/1.1 401"), "{request}: {answer}");
    }
    assert_eq!(store.picture(), before);
}

#[test]
fn a_pack_for_a_private_repo_does_not_come_into_a_public_one_that_took_its_name() {
    let (store, served) = served();
    store.run(["repo", "create", "a/shut", "--private"]).ok();
    let (token, _) = token(&store, "admin");
    let body = form(&pack());
    let begun = half(&served, "POST /admin/v1/repos/a/shut/packs", FORM, &token, &body);
    delete(&store, &served, "a/shut");
    store.run(["repo", "create", "a/shut"]).ok();
    let answer = rest(begun, &body);
    assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    assert_eq!(store.run(["repo", "show", "a/shut"]).ok().json()["packs"], 0);
}

/// What is said about a repo is about the repo of that name when the request began.
#[test]
fn half_a_body_for_a_repo_says_nothing_about_another_that_took_its_name() {
    let (store, served) = served();
    let (token, _) = token(&store, "admin");
    let file = store.file("pack.mpack", &pack());
    for (request, body) in [
        ("POST /admin/v1/repos/a/swap/fetch", r#"{"want": [], "have": [], "ttl_seconds": 60}"#),
        ("PUT /admin/v1/policy?repo=a/swap", r#"{"max_packs": 2}"#),
    ] {
        store.run(["repo", "create", "a/swap"]).ok();
        let begun = half(&served, request, "application/json", &token, body.as_bytes());
        delete(&store, &served, "a/swap");
        store.run(["repo", "create", "a/swap"]).ok();
        store.run(["push", "a/swap", &file]).ok();
        let answer = rest(begun, body.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 404"), "{request}: {answer}");
        let policy = store.run(["policy", "show", "a/swap"]).ok().json();
        assert_eq!(policy["set"], false, "{policy}");
        delete(&store, &served, "a/swap");
    }
}

#[test]
fn parts_of_a_form_have_names_and_headers_of_a_bounded_length() {
    let (store, served) = served();
    let (token, _) = token(&store, "admin");
    let before = store.picture();
    let long_name = String::from_utf8_lossy(&form(b"x")).replace("p.mpack", &"n".repeat(5000));
    let endless = format!("--X\r\nContent-Disposition: form-data; name=\"{}", "n".repeat(4 << 20));
    let control = String::from_utf8_lossy(&form(b"x")).replace("p.mpack", "p\u{1}k");
    for (status, body, word) in [
        (422, long_name, "name of part 1"),
        (422, endless, "headers of a part"),
        (400, control, "part 1"),
    ] {
        let head = format!(
            "POST /admin/v1/repos/a/b/packs HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {FORM}\r\nContent-Length: {}",
            body.len()
        );
        let answer = answer(by_hand(&served, &head, body.as_bytes()));
        let begins = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&begins) && answer.contains(word), "{word}: {answer}");
    }
    assert_eq!(store.picture(), before);
}

/// The events of a run end with their token, and so does the run.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_and_its_events_end_with_the_token_that_began_it() {
    let (store, served) = served();
    let packs = history(&HistoryOptions { seed: 3, pushes: 2, ..HistoryOptions::default() });
    for (n, pack) in packs.iter().enumerate() {
        store.push([store.file(&format!("{n}.mpack"), pack)]).ok();
    }
    // While another process deletes, a consolidation waits before it publishes.
    let deleting =
        place::catalog(&store.data()).open().await.unwrap().lock(LockMode::Deleting).await.unwrap();
    let (token, id) = token(&store, "admin");
    let ask = |request: &str, token: &str, body: &str| {
        let head = format!(
            "{request} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}",
            body.len()
        );
        by_hand(&served, &head, body.as_bytes())
    };
    let run = "/admin/v1/runs/0123456789abcdef0123456789abcdef";
    let begun = answer(ask(&format!("PUT {run}"), &token, r#"{"kind": "gc", "repo": "a/b"}"#));
    assert!(begun.starts_with("HTTP/1.1 202"), "{begun}");
    let mut events = ask(&format!("GET {run}/events"), &token, "");
    events.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut first = [0; 15];
    events.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    store.run(["token", "revoke", &id]).ok();
    let mut heard = Vec::new();
    events
        .read_to_end(&mut heard)
        .expect("it ends, and nobody has to wait for longer than the timeout");
    drop(deleting);
    let (other, _) = self::token(&store, "admin");
    let told = loop {
        let text = answer(ask(&format!("GET {run}"), &other, ""));
        let told: Value = serde_json::from_str(text.split_once("\r\n\r\n").unwrap().1).unwrap();
        if told["state"] != "running" {
            break told;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(
        told["state"] == "cancelled"
            && told["problem"]["detail"].as_str().unwrap().contains("revoked"),
        "{told}"
    );
    assert_eq!(store.show()["packs"], 2, "it published nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_dies_with_its_token_and_with_its_repo() {
    let (store, served) = served();
    let (push, push_id) = token(&store, "push");
    let local = long("ann", 2, 2);
    let fetch = async |token: Option<&str>| {
        let remote = Remote::new(&served.remote("a/b"), token.map(str::to_owned)).unwrap();
        if token.is_some() {
            local.push(&remote, "main", false).await.unwrap();
        }
        let answer = remote
            .fetch_mpack(&[local.head("main").unwrap().clone()], &[], Some(600))
            .await
            .unwrap();
        answer.mpack_url.unwrap()
    };
    let stranger = Remote::new(&served.remote("a/b"), None).unwrap();
    let theirs = fetch(Some(&push)).await;
    let open = fetch(None).await;
    for url in [&theirs, &open] {
        stranger.download(url).await.unwrap();
    }
    store.run(["token", "revoke", &push_id]).ok();
    assert_eq!(
        stranger.download(&theirs).await.unwrap_err().status(),
        Some(404),
        "its token was revoked"
    );
    stranger.download(&open).await.unwrap();
    // Another repo of its name, which has that very pack.
    delete(&store, &served, "a/b");
    assert_eq!(stranger.download(&open).await.unwrap_err().status(), Some(404), "its repo is gone");
    store.run(["repo", "create", "a/b"]).ok();
    let (again, _) = token(&store, "push");
    let new = fetch(Some(&again)).await;
    stranger.download(&new).await.unwrap();
    assert_eq!(
        stranger.download(&open).await.unwrap_err().status(),
        Some(404),
        "it was another repo"
    );
    delete(&store, &served, "a/b");
    store.run(["repo", "create", "a/b", "--private"]).ok();
    assert_eq!(
        stranger.download(&new).await.unwrap_err().status(),
        Some(404),
        "and now a private one"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_url_dies_when_its_repo_becomes_private_for_those_who_may_not_read_it_then() {
    let (store, served) = served();
    store.run(["repo", "create", "c/d"]).ok();
    let other = store.run(["token", "create", "--scope", "push", "--repo", "c/d"]).ok().json();
    let (own, other) = (token(&store, "push").0, other["token"].as_str().unwrap().to_owned());
    let local = long("ann", 2, 2);
    let remote =
        |token: Option<&str>| Remote::new(&served.remote("a/b"), token.map(str::to_owned)).unwrap();
    local.push(&remote(Some(&own)), "main", false).await.unwrap();
    let heads = [local.head("main").unwrap().clone()];
    let mut urls = Vec::new();
    for token in [Some(&*own), Some(&*other), None] {
        let answer = remote(token).fetch_mpack(&heads, &[], Some(600)).await.unwrap();
        urls.push(answer.mpack_url.unwrap());
    }
    let stranger = remote(None);
    let statuses = async || {
        let mut statuses = Vec::new();
        for url in &urls {
            statuses.push(stranger.download(url).await.map(|_| ()).map_err(|error| error.status()));
        }
        statuses
    };
    assert_eq!(statuses().await, [Ok(()); 3]);
    store.run(["repo", "set", "a/b", "--private"]).ok();
    assert_eq!(statuses().await, [Ok(()), Err(Some(404)), Err(Some(404))]);
    store.run(["repo", "set", "a/b", "--public"]).ok();
    assert_eq!(statuses().await, [Ok(()); 3]);
}
