//! Names of branches are paths in a clone, so they have a grammar, on every way in; those that were
//! stored before are shown with escapes, reported by `verify`, hidden from clients, and can be
//! deleted.

use std::path::Path;

use packhouse_core::{EntityId, Head};
use packhouse_host::catalog::{LockMode, PublishOutcome, Push};
use packhouse_host::sample::{CommitSpec, IdForm, PackBuilder, SnapshotSpec};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, place, value};
use serde_json::{Value, json};

/// Heads that are paths or options, that hide or mislead, or that clients take for something else.
const BAD: [&str; 12] = [
    "../../../../PWNED",
    "a/../b",
    "/etc/passwd",
    "-rf",
    "HEAD",
    "x.lock",
    "a//b",
    "a b",
    "a\u{1b}[2Jb",
    "main\u{202e}niam",
    "ma\u{200b}in",
    "a\u{e000}",
];

const AT: &str = "2026-03-02T09:00:00+00:00";

/// A pack with one commit, which is the head of some branches.
fn pack(message: &str, branches: &[&str]) -> (String, Vec<u8>) {
    let mut pack = PackBuilder::with_ids(IdForm::Bare);
    let content = pack.object(message.as_bytes());
    let manifest = vec![("file".to_owned(), content)];
    let id = SnapshotSpec::id_of(IdForm::Bare, &manifest.iter().cloned().collect());
    let commit = CommitSpec::new(IdForm::Bare, [None, None], &id, message, AT);
    let tree = SnapshotSpec::Whole { id, manifest, created_at: AT.into() };
    pack.snapshot(&tree).commit(&commit);
    for branch in branches {
        pack.branch_head(*branch, &commit.id);
    }
    (commit.id.clone(), pack.finish())
}

/// Puts branches into a catalog as they were stored before names had a grammar.
async fn store_as_before(data: &Path, branches: &[(&str, &str)]) {
    let catalog = place::catalog(data).open().await.unwrap();
    let row = catalog.repo(&"a/b".parse().unwrap()).await.unwrap().unwrap();
    let repo = catalog.snapshot(row.id).await.unwrap().repo().clone();
    let heads = branches.iter().map(|(branch, id)| Head {
        branch: (*branch).to_owned(),
        commit: EntityId::parse(id.as_bytes()).unwrap(),
    });
    let now = "2026-03-02T09:00:00Z".parse().unwrap();
    let (packs, known, broken, edges) = (vec![], vec![], vec![], vec![]);
    let push = Push {
        repo,
        packs,
        known,
        broken,
        edges,
        heads: heads.collect(),
        forced: false,
        fence: None,
        complete: None,
        now,
    };
    let lock = catalog.lock(LockMode::Publishing).await.unwrap();
    assert!(matches!(
        catalog.publish_push(&push, &lock).await.unwrap(),
        PublishOutcome::Done { .. }
    ));
}

fn names(branches: &[Value]) -> Vec<&str> {
    branches.iter().map(|branch| branch["name"].as_str().unwrap()).collect()
}

/// What every reader of a terminal can see, whatever was stored.
#[track_caller]
fn can_be_seen(text: &str) {
    let hidden = text
        .chars()
        .find(|c| *c != '\n' && (c.is_control() || "\u{202e}\u{200b}\u{e000}".contains(*c)));
    assert_eq!(hidden, None, "{text}");
}

#[test]
fn a_push_of_files_refuses_bad_names_with_file_name_and_byte() {
    let store = Packhouse::with_repo();
    store.push(&fixtures::muse_cli()[..2]).ok();
    let before = store.picture();
    for (number, bad) in BAD.into_iter().enumerate() {
        let (_, bytes) = pack("x", &["fine", bad]);
        let file = store.file(&format!("{number}.mpack"), &bytes);
        let at = bytes.windows(bad.len()).rposition(|part| part == bad.as_bytes()).unwrap() - 1;
        let escaped = bad.replace('\u{1b}', "\\u{1b}").replace('\u{202e}', "\\u{202e}");
        let escaped = escaped.replace('\u{200b}', "\\u{200b}").replace('\u{e000}', "\\u{e000}");
        for words in [
            vec!["push", "a/b", &file],
            vec!["push", "a/b", "--force", &file],
            vec!["push", "a/b", "--async", &file],
        ] {
            let refused = store.run(&words).exits(1);
            can_be_seen(&refused.stderr);
            refused.says(&[
                &file,
                &format!("byte {at}"),
                &format!("`{escaped}`"),
                "nothing was stored",
            ]);
        }
        assert_eq!(store.picture(), before, "{bad:?}");
    }
    let (_, none) = pack("x", &[""]);
    let file = store.file("none.mpack", &none);
    store.push([&file]).exits(1).says(&[&file, "byte", "it is empty"]);
    assert_eq!(store.picture(), before);
}

#[test]
fn no_branch_is_a_folder_of_another() {
    let store = Packhouse::with_repo();
    let (_, both) = pack("both", &["a", "a/b"]);
    let file = store.file("both.mpack", &both);
    store.push([&file]).exits(1).says(&[
        &file,
        "byte",
        "`a/b`",
        "conflicts with branch `a`",
        "nothing was stored",
    ]);
    let apart = [pack("one", &["t/u/v"]), pack("two", &["t/u"])];
    let files: Vec<String> = apart
        .iter()
        .enumerate()
        .map(|(n, (_, pack))| store.file(&format!("{n}.mpack"), pack))
        .collect();
    store.push(&files).exits(1).says(&["`t/u`", "`t/u/v`", "nothing was stored"]);
    assert_eq!(store.show()["branch_heads"], json!({}));
    store.push(&files[..1]).ok();
    let before = store.picture();
    for name in ["t", "t/u", "t/u/v/w"] {
        let file = store.file("more.mpack", &pack("more", &[name]).1);
        store.push([&file]).exits(1).says(&[
            &format!("`{name}`"),
            "`t/u/v`",
            "packhouse branch delete a/b 't/u/v'",
        ]);
    }
    assert_eq!(store.picture(), before);
    // Beside it there is room for others, and the case of letters counts.
    for (number, name) in ["t/u/w", "t/U", "T", "t-u"].into_iter().enumerate() {
        store.push([store.file(&format!("fine{number}.mpack"), &pack(name, &[name]).1)]).ok();
    }
    store.run(["branch", "delete", "a/b", "t/u/v", "--yes"]).ok();
    store.run(["branch", "delete", "a/b", "t/u/w", "--yes"]).ok();
    store.push(&files[1..]).ok();
    store.run(["verify", "a/b"]).ok();
}

#[test]
fn a_name_is_not_taken_twice_in_different_characters() {
    let store = Packhouse::with_repo();
    let push = |file: &str, name: &str| store.push([store.file(file, &pack(name, &[name]).1)]);
    push("one.mpack", "caf\u{e9}").ok();
    let before = store.picture();
    push("two.mpack", "cafe\u{301}").exits(1).says(&[
        "`cafe\\u{301}`",
        "`caf\\u{e9}`",
        "nothing was stored",
    ]);
    assert_eq!(store.picture(), before);
    push("three.mpack", "cafe").ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_bad_names_stop_nothing_are_given_to_nobody_and_can_be_deleted() {
    let store = Packhouse::with_repo();
    store.push(&fixtures::muse_cli()[..2]).ok();
    let main = store.show()["branch_heads"]["main"].as_str().unwrap().to_owned();
    let (side, bytes) = pack("side", &["side"]);
    store.push([store.file("side.mpack", &bytes)]).ok();
    let bad = ["../../../../PWNED", "main\u{202e}niam", "main/x"];
    store_as_before(&store.data(), &[(bad[0], &side), (bad[1], &side), (bad[2], &main)]).await;
    store.run(["branch", "delete", "a/b", "side", "--yes"]).ok();

    // Shown with escapes, exact in JSON, found by verify with the way out.
    let listed = store.run(["branch", "list", "a/b"]).ok().documents();
    assert_eq!(names(&listed), ["../../../../PWNED", "main", "main/x", bad[1]]);
    assert!(
        listed.iter().all(|one| one["repo"] == "a/b" && one["default"] == (one["name"] == "main"))
    );
    assert!(listed.iter().all(|one| one["problem"].is_null() == (one["name"] == "main")));
    assert_eq!((&listed[0]["head"], &listed[2]["head"]), (&json!(side), &json!(main)));
    for words in [["branch", "list", "a/b"], ["repo", "show", "a/b"]] {
        let told = store.text(words).ok();
        can_be_seen(&told.stdout);
        assert!(told.stdout.contains("main\\u{202e}niam"), "{}", told.stdout);
    }
    can_be_seen(&store.text(["verify", "a/b"]).exits(4).stdout);
    let problems = store.run(["verify", "a/b"]).exits(4).json()["problems"].clone();
    let kinds: Vec<&Value> =
        problems.as_array().unwrap().iter().map(|problem| &problem["kind"]).collect();
    assert_eq!(kinds, [&json!("bad-branch-name"); 3]);
    assert!(
        problems[2]["detail"]
            .as_str()
            .unwrap()
            .contains("packhouse branch delete a/b 'main\\u{202e}niam'")
    );

    // Everything else goes on, and a fetch of everything has what those branches lead to, without
    // their names.
    store.push(&fixtures::muse_cli()[3..4]).ok();
    let consolidated = store.gc();
    assert_eq!(consolidated["packs_after"], 1);
    let (_, fetched) = store.fetch(&[]);
    let fetched = value::read(&fetched);
    let heads: Vec<String> =
        fetched.texts("branch_heads").into_iter().map(|(name, _)| name).collect();
    assert!(
        heads.contains(&"main".to_owned())
            && bad.iter().all(|bad| !heads.contains(&(*bad).to_owned())),
        "{heads:?}"
    );
    let commits = fetched.field("commits").unwrap().items();
    assert!(
        commits
            .iter()
            .any(|commit| commit.field("commit_id").unwrap().text().as_deref() == Some(&side))
    );
    {
        let served = Served::trusting(&store, &["--workers", "0"]);
        let remote = packhouse_muse_client::Remote::new(&served.remote("a/b"), None).unwrap();
        let refs = remote.refs().await.unwrap();
        let given: Vec<&String> = refs.branch_heads.keys().collect();
        assert_eq!(given, heads.iter().collect::<Vec<_>>());
        // From elsewhere the same is shown, and the second can be deleted by what is shown.
        let url = served.url();
        let there = store.run_remote(url, None, ["branch", "list", "a/b"]).ok().documents();
        assert_eq!(there, store.run(["branch", "list", "a/b"]).ok().documents());
        let gone = store
            .run_remote(url, None, ["branch", "delete", "a/b", "main\\u{202e}niam", "--yes"])
            .ok()
            .json();
        let expected = json!({"repo": "a/b", "name": bad[1], "head": side, "deleted": true, "default_branch": "main"});
        assert_eq!(gone, expected);
        store
            .run_remote(url, None, ["branch", "delete", "a/b", "main\\u{202e}niam", "--yes"])
            .exits(1)
            .says(&["no branch", "branch list a/b"]);
        let (_, log) = served.stop();
        assert!(log.contains("../../../../PWNED"), "the log says what is left out: {log}");
        can_be_seen(&log);
    }
    for (name, head) in [(bad[0], &side), (bad[2], &main)] {
        let gone = store.run(["branch", "delete", "a/b", name, "--yes"]).ok().json();
        assert_eq!((&gone["name"], &gone["head"]), (&json!(name), &json!(head)));
    }
    store.run(["verify", "a/b"]).ok();
    store.run(["branch", "delete", "a/b", "main"]).exits(2).says(&["--yes", "main"]);
    store.run(["branch", "delete", "a/b", "nothing", "--yes"]).exits(1).says(&["`nothing`", "a/b"]);
    store.run(["branch", "delete", "a/c", "main", "--yes"]).exits(1).says(&["a/c"]);
    // What only a deleted branch led to stays until it expires.
    store.fetch(&["--want", &side]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_default_branch_is_deleted_another_one_is_it() {
    let store = Packhouse::with_repo();
    let (id, bytes) = pack("x", &["main", "alpha", "zeta"]);
    store.push([store.file("x.mpack", &bytes)]).ok();
    store_as_before(&store.data(), &[("../a", &id)]).await;
    for (gone, default) in [("main", "alpha"), ("zeta", "alpha"), ("alpha", "main")] {
        let told = store.run(["branch", "delete", "a/b", gone, "--yes"]).ok().json();
        assert_eq!(
            (&told["default_branch"], &store.show()["default_branch"]),
            (&json!(default), &json!(default)),
            "{gone}"
        );
    }
    // No sound one is left: the next that is pushed is the default.
    store.push([store.file("y.mpack", &pack("y", &["next"]).1)]).ok();
    assert_eq!(store.show()["default_branch"], "next");
}

#[test]
fn a_repo_does_not_shadow_the_servers_own_paths() {
    let store = Packhouse::new();
    for name in ["admin/v1", "admin/notes"] {
        store.run(["repo", "create", name]).exits(2).says(&[name, "another owner"]);
    }
    assert_eq!(store.run(["repo", "list"]).ok().stdout, "");
    store.run(["repo", "create", "administrators/v1"]).ok();
}
