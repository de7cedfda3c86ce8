//! Releases over the wire: who may do what, what is kept, and what they keep.

use bytes::Bytes;
use packhouse_muse_client::{Id, Local, Remote};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use serde_json::{Value, json};

use super::by_hand::{answer, by_hand};
use super::history::{files, long};

/// All that a client says of a release, and a field that only a later one knows.
fn release(tag: &str, commit: &Id) -> Value {
    json!({
        "release_id": format!("id-of-{tag}"), "repo_id": "the client's", "tag": tag,
        "semver": {"major": 1, "minor": 0, "patch": 0, "pre": "", "build": ""}, "channel": "stable",
        "commit_id": commit.as_str(), "snapshot_id": "0".repeat(64), "title": "Größe", "body": "# notes\n",
        "changelog": [{"commit_id": commit.as_str(), "message": "on", "sem_ver_bump": "minor", "breaking_changes": []}],
        "agent_id": "", "model_id": "", "is_draft": false, "gpg_signature": "", "created_at": "2026-03-02T09:00:00+00:00",
        "semantic_report": {"languages": [{"language": "Rust", "files": 3, "share": 0.25}], "later": null},
    })
}

fn tags(listed: &[Value]) -> Vec<&str> {
    listed.iter().map(|release| release["tag"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn releases_are_kept_whole_listed_and_retracted() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = long("ann", 2, 1);
    let head = local.head("main").unwrap().clone();
    let early = remote.push_release(&release("v1.0.0", &head)).await.unwrap_err();
    assert_eq!(early.status(), Some(422), "{early}");
    assert!(early.detail().unwrap().contains(head.as_str()), "{early}");
    local.push(&remote, "main", false).await.unwrap();

    let first = release("v1.0.0", &head);
    let mut draft = release("v1.1.0-beta.1", &head);
    (draft["is_draft"], draft["channel"]) = (json!(true), json!("beta"));
    let last = release("v2/rc", &head);
    for one in [&first, &draft, &last] {
        assert_eq!(remote.push_release(one).await.unwrap(), one["release_id"].as_str().unwrap());
    }
    assert_eq!(
        remote.releases(None, false).await.unwrap(),
        [last.clone(), first.clone()],
        "newest first, and all fields"
    );
    assert_eq!(remote.releases(None, true).await.unwrap().len(), 3);
    assert_eq!(remote.releases(Some("beta"), true).await.unwrap(), [draft]);
    assert!(remote.releases(Some("beta"), false).await.unwrap().is_empty());
    // As JSON it is what was sent, to the letter.
    let url = format!("{}/releases", served.remote("a/b"));
    let text = reqwest::get(&url).await.unwrap().text().await.unwrap();
    assert_eq!(text, format!("{{\"releases\":[{last},{first}]}}"));

    // The same again is fine; another one under its tag or its id is not.
    assert_eq!(remote.push_release(&first).await.unwrap(), "id-of-v1.0.0");
    let (mut other, mut same_id) = (first.clone(), first.clone());
    (other["title"], same_id["tag"]) = (json!("another"), json!("v9"));
    for taken in [other, same_id] {
        let refused = remote.push_release(&taken).await.unwrap_err();
        assert!(
            refused.status() == Some(409) && refused.detail().unwrap().contains("v1.0.0"),
            "{refused}"
        );
    }
    assert_eq!(remote.releases(None, true).await.unwrap().len(), 3);

    remote.delete_release("v2/rc").await.unwrap();
    remote.delete_release("v1.0.0").await.unwrap();
    assert_eq!(remote.delete_release("v1.0.0").await.unwrap_err().status(), Some(404));
    assert_eq!(tags(&remote.releases(None, true).await.unwrap()), ["v1.1.0-beta.1"]);
    for bad in [
        json!({}),
        json!([1]),
        // What serde would read as the fields of a release.
        json!(["r", "v7", head.as_str(), "stable", false]),
        json!({"release_id": "r", "tag": "../x", "commit_id": head.as_str()}),
    ] {
        assert_eq!(remote.push_release(&bad).await.unwrap_err().status(), Some(422), "{bad}");
    }
    assert_eq!(tags(&remote.releases(None, true).await.unwrap()), ["v1.1.0-beta.1"]);
}

/// A list is answered as MessagePack, too: what that can't say is not taken.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_not_come_back_as_it_was_sent_is_refused_by_name() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let local = long("ann", 1, 1);
    local.push(&remote, "main", false).await.unwrap();
    let good = release("v1", local.head("main").unwrap()).to_string();
    let post = |body: String| {
        let head = format!(
            "POST /a/b/releases HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}",
            body.len()
        );
        answer(by_hand(&served, &head, body.as_bytes()))
    };
    let with = |field: &str| format!("{{{field},{}", &good[1..]);
    for (field, place) in [
        (r#""n": 18446744073709551616"#, "`n`"),
        (r#""n": {"deep": [-9223372036854775809]}"#, "`n.deep[0]`"),
        (r#""title": "twice""#, "`title`"),
        (r#""s": "\ud800""#, "`s`"),
    ] {
        let told = post(with(field));
        assert!(told.starts_with("HTTP/1.1 422") && told.contains(place), "{field}: {told}");
    }
    assert!(remote.releases(None, true).await.unwrap().is_empty());
    let told = post(with(r#""n": 18446744073709551615"#));
    assert!(told.starts_with("HTTP/1.1 200"), "{told}");
    assert_eq!(remote.releases(None, true).await.unwrap()[0]["n"], u64::MAX);
}

#[tokio::test(flavor = "multi_thread")]
async fn to_list_takes_the_right_to_read_and_to_publish_that_to_push() {
    let store = Packhouse::with_repo();
    store.run(["repo", "create", "a/shut", "--private"]).ok();
    let served = Served::start(&store, "127.0.0.1:0", &["--workers", "0"]);
    let token = |scope: &str| {
        let made = store.run(["token", "create", "--scope", scope, "--repo", "a/*"]).ok().json();
        Some(made["token"].as_str().unwrap().to_owned())
    };
    let (read, push) = (token("read"), token("push"));
    let remote = |repo: &str, token: &Option<String>| {
        Remote::new(&served.remote(repo), token.clone()).unwrap()
    };
    let local = long("ann", 1, 1);
    let one = release("v1", local.head("main").unwrap());
    for repo in ["a/b", "a/shut"] {
        local.push(&remote(repo, &push), "main", false).await.unwrap();
        remote(repo, &push).push_release(&one).await.unwrap();
    }
    for (repo, token, list, write) in [
        ("a/b", &None, None, Some(401)),
        ("a/b", &read, None, Some(401)),
        ("a/shut", &None, Some(404), Some(404)),
        ("a/shut", &read, None, Some(401)),
        ("a/none", &push, Some(404), Some(404)),
    ] {
        let remote = remote(repo, token);
        assert_eq!(
            remote.releases(None, false).await.err().and_then(|error| error.status()),
            list,
            "{repo} {token:?}"
        );
        assert_eq!(
            remote.push_release(&one).await.unwrap_err().status(),
            write,
            "{repo} {token:?}"
        );
        assert_eq!(
            remote.delete_release("v1").await.unwrap_err().status(),
            write,
            "{repo} {token:?}"
        );
    }
    remote("a/shut", &push).delete_release("v1").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_release_pins_outlives_its_branch_until_it_is_retracted() {
    let store = Packhouse::with_repo();
    let served = Served::trusting(&store, &["--workers", "0"]);
    let remote = Remote::new(&served.remote("a/b"), None).unwrap();
    let base = long("ann", 1, 1);
    let with = |text: &'static str| {
        let mut local: Local = base.clone();
        let content = Bytes::from_static(text.as_bytes());
        local.commit("main", files(&[(text, &content)]), text).unwrap();
        local
    };
    let (released, kept) = (with("released"), with("kept"));
    released.push(&remote, "main", false).await.unwrap();
    let commit = released.head("main").unwrap().clone();
    remote.push_release(&release("v1", &commit)).await.unwrap();
    kept.push(&remote, "main", true).await.unwrap();
    let expire = || store.run(["gc", "a/b", "--expire-unreachable", "0s"]).ok().json();
    expire();
    let fetched = remote.fetch(std::slice::from_ref(&commit), &[]).await.unwrap();
    assert_eq!(fetched.commits.len(), 2);
    remote.delete_release("v1").await.unwrap();
    let report = expire();
    assert_eq!(report["dropped"]["commits"], 1, "{report}");
    assert_eq!(
        remote.fetch(std::slice::from_ref(&commit), &[]).await.unwrap_err().status(),
        Some(422)
    );
    // What was dropped can't be released any more.
    assert_eq!(remote.push_release(&release("v1", &commit)).await.unwrap_err().status(), Some(422));
    store.run(["verify", "a/b"]).ok();
}
