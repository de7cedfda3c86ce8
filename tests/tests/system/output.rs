//! A stdout that can't be written stops no work, and the exit code says that it was cut; a reader
//! who goes away has read enough.

use std::fs::File;
use std::process::{Command, Stdio};

use packhouse_tests::binary::Packhouse;
use packhouse_tests::fixtures;

/// Runs a call into a full stdout; gives its exit code and what it says.
fn into_a_full_disk(mut command: Command) -> (Option<i32>, String) {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let ended = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

/// Runs a call whose reader has closed the pipe before it writes.
fn into_a_closed_pipe(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

/// Three repos, each of which is to be consolidated.
fn fragmented() -> Packhouse {
    let store = Packhouse::new();
    for repo in ["a/b", "a/c", "a/d"] {
        store.run(["repo", "create", repo]).ok();
        for file in &fixtures::muse_cli()[..3] {
            store.run(["push", repo, file.to_str().unwrap()]).ok();
        }
    }
    store
}

fn packs(store: &Packhouse) -> Vec<u64> {
    store
        .run(["repo", "list"])
        .ok()
        .documents()
        .iter()
        .map(|repo| repo["packs"].as_u64().unwrap())
        .collect()
}

#[test]
fn a_full_stdout_stops_no_work_and_the_exit_code_says_that_it_was_cut() {
    for json in [true, false] {
        let store = fragmented();
        let mut command = store.command(["gc", "--all"]);
        if !json {
            command = Command::new(packhouse_tests::binary::program());
            command.arg("--data").arg(store.data()).args(["gc", "--all"]);
        }
        let (code, said) = into_a_full_disk(command);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("writing the output failed")
                && said.contains("the command itself succeeded"),
            "{said}"
        );
        assert!(!said.contains("nothing was changed"), "{said}");
        assert_eq!(packs(&store), [1, 1, 1]);
    }
}

#[test]
fn so_it_is_for_every_verb_that_does_something() {
    let store = Packhouse::with_repo();
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    let calls: [&[&str]; 9] = [
        &["repo", "create", "c/d"],
        &["push", "a/b", &file],
        &["gc", "a/b"],
        &["fetch", "a/b"],
        &["verify"],
        &["token", "create", "--scope", "read", "--repo", "*"],
        &["gc", "a/b", "--async"],
        &["worker", "--drain"],
        &["branch", "delete", "a/b", "main", "--yes"],
    ];
    for words in calls {
        let (code, said) = into_a_full_disk(store.command(words));
        assert_eq!(code, Some(1), "{words:?}: {said}");
        assert!(said.contains("writing the output failed"), "{words:?}: {said}");
    }
    assert_eq!(store.run(["repo", "list"]).ok().documents().len(), 2);
    assert_eq!(store.run(["token", "list"]).ok().documents().len(), 1);
    assert_eq!(store.run(["jobs", "list"]).ok().json()["status"], "done");
    let repo = store.show();
    assert_eq!((&repo["packs"], &repo["branch_heads"]), (&1.into(), &serde_json::json!({})));
    let (code, said) = into_a_full_disk(store.command(["--help"]));
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn a_reader_who_goes_away_is_told_nothing_and_the_work_goes_on() {
    let store = fragmented();
    assert_eq!(into_a_closed_pipe(store.command(["gc", "--all", "-q"])), (Some(0), String::new()));
    assert_eq!(packs(&store), [1, 1, 1]);
    assert_eq!(into_a_closed_pipe(store.command(["repo", "list"])), (Some(0), String::new()));
}

#[test]
fn what_is_graver_goes_before() {
    let store = fragmented();
    let pack = store.pack_files().remove(0);
    std::fs::write(pack, "spoiled").unwrap();
    let (code, said) = into_a_full_disk(store.command(["verify"]));
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("writing the output failed"), "{said}");
}
