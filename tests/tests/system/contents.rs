//! `log`, `ls`, `cat` and `find`, as scripts and people call them, on a store and on its server.

use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, model};
use serde_json::Value;

fn documents(store: &Packhouse, served: &Served, words: &[&str]) -> Vec<Value> {
    let local = store.run(words).ok().documents();
    let remote = store.run_remote(served.url(), None, words).ok().documents();
    assert_eq!(local, remote, "{words:?}");
    local
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

#[test]
fn a_store_and_its_server_show_what_is_inside() {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    let served = Served::trusting(&store, &[]);
    let (packs, show) = (fixtures::muse_cli_packs(), store.show());
    let records = model::union(&packs);

    let log = documents(&store, &served, &["log", "a/b"]);
    assert_eq!(text(&log[0], "commit"), text(&show["branch_heads"], "main"));
    assert_eq!(log[0]["branches"], serde_json::json!(["main"]));
    assert!(!text(&log[0], "message").is_empty() && !text(&log[0], "committed_at").is_empty());
    assert_eq!(documents(&store, &served, &["log", "a/b", "-n", "2"]), log[..2]);
    for branch in show["branch_heads"].as_object().unwrap().keys() {
        assert!(!documents(&store, &served, &["log", "a/b", "--branch", branch]).is_empty());
    }

    let files = documents(&store, &served, &["ls", "a/b", "main"]);
    assert!(!files.is_empty());
    let head = text(&log[0], "commit").to_owned();
    assert_eq!(documents(&store, &served, &["ls", "a/b", &head]), files);
    let start = head.trim_start_matches("sha256:")[..12].to_owned();
    assert_eq!(documents(&store, &served, &["ls", "a/b", &start]), files);
    let path = text(&files[0], "path").to_owned();
    assert_eq!(documents(&store, &served, &["ls", "a/b", "main", &path]), files[..1]);

    let object = text(&files[0], "object").to_owned();
    let record = &records[&(model::Kind::Object, object.clone())];
    let content = record.bytes[record.content().unwrap()].to_vec();
    let printed = store.text(["cat", "a/b", &object]).ok().stdout;
    assert_eq!(printed, String::from_utf8_lossy(&content));
    let shown = documents(&store, &served, &["cat", "a/b", &object]).remove(0);
    assert_eq!(shown["content_bytes"], content.len());
    let commit = documents(&store, &served, &["cat", "a/b", &head]).remove(0);
    assert_eq!(commit["fields"]["commit_id"], head);

    let found = documents(&store, &served, &["find", &object]).remove(0);
    assert_eq!((text(&found, "repo"), text(&found, "kind")), ("a/b", "object"));
    let named = documents(&store, &served, &["find", &object, "a/b"]);
    assert_eq!(named, std::slice::from_ref(&found));
    let pack = packs.iter().find(|pack| model::key(pack) == text(&found, "mpack_key")).unwrap();
    let at = |field: &str| found[field].as_u64().unwrap() as usize;
    let stored = &pack[at("offset")..at("offset") + at("length")];
    assert_eq!(&stored[stored.len() - content.len()..], content);
}

#[test]
fn what_is_not_there_is_named_with_the_way_out() {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    let served = Served::trusting(&store, &[]);
    let unknown = "0".repeat(64);
    for (words, said) in [
        (vec!["log", "a/b", "--branch", "nope"], vec!["nope", "packhouse branch list a/b"]),
        (vec!["ls", "a/b", &unknown], vec![&unknown[..], "packhouse log a/b"]),
        (vec!["ls", "a/b", "main", "no/such"], vec!["no/such", "packhouse ls a/b"]),
        (vec!["cat", "a/b", "zz"], vec!["`zz`", "first 4 digits"]),
        (vec!["cat", "a/b", &unknown], vec![&unknown[..]]),
        (vec!["find", &unknown], vec![&unknown[..], "1 repo"]),
    ] {
        store.run(&words).exits(1).says(&said);
        store.run_remote(served.url(), None, &words).exits(1).says(&said);
    }
    store.run(["log", "a/bb"]).exits(1).says(&["a/bb", "did you mean `a/b`"]);
    let nothing = store.run(["find", "0000", "a/b", "no/repo"]);
    nothing.exits(1).says(&["no/repo"]);
}

#[test]
fn an_empty_repo_has_no_commits_and_a_store_that_is_not_there_is_not_made() {
    let store = Packhouse::with_repo();
    assert_eq!(store.run(["log", "a/b"]).ok().documents(), Vec::<Value>::new());
    store.run(["ls", "a/b", "main"]).exits(1);
    let none = Packhouse::new();
    for words in [&["log", "a/b"][..], &["ls", "a/b", "main"], &["cat", "a/b", "x"], &["find", "x"]]
    {
        none.run(words).exits(1);
        assert!(!none.data().join("catalog.db").exists(), "{words:?}");
    }
}
