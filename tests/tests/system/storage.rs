//! A catalog with another storage is refused: a mistake in `--storage` starts no second history.

use std::path::Path;

use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::s3::S3Server;
use packhouse_tests::{fixtures, place};

fn url(folder: &Path) -> String {
    format!("file://{}", folder.display())
}

fn with_storage(store: &Packhouse, storage: &str, words: &[&str]) -> Ran {
    store.run(["--storage", storage].iter().chain(words).copied())
}

fn file(number: usize) -> String {
    fixtures::muse_cli()[number].display().to_string()
}

/// Every way to use a storage is refused, and leaves nothing there.
fn refused(store: &Packhouse, storage: &str) {
    let before = store.picture();
    for words in [
        vec!["repo", "list"],
        vec!["push", "a/b", &file(1)],
        vec!["gc", "--all"],
        vec!["verify"],
        vec!["prune"],
    ] {
        with_storage(store, storage, &words)
            .exits(1)
            .says(&["the packs of the catalog", "--storage"]);
    }
    assert_eq!(store.picture(), before);
}

#[test]
fn another_storage_than_the_catalogs_own_is_refused() {
    let store = Packhouse::with_repo();
    store.push([file(0)]).ok();
    let (nowhere, empty, other) =
        (store.scratch().join("nowhere"), store.scratch().join("empty"), Packhouse::with_repo());
    std::fs::create_dir(&empty).unwrap();
    other.push([file(0)]).ok();
    for wrong in [&nowhere, &empty, &other.data()] {
        refused(&store, &url(wrong));
    }
    assert!(!nowhere.exists() && std::fs::read_dir(&empty).unwrap().next().is_none());
    let server = S3Server::start();
    let on_s3 =
        server.env().into_iter().fold(store, |store, (name, value)| store.with_env(&name, &value));
    refused(&on_s3, &server.url("wrong"));
    assert!(server.objects("wrong").is_empty());
}

#[test]
fn a_storage_that_was_moved_as_a_whole_is_the_same() {
    if !place::has_files() {
        return;
    }
    let store = Packhouse::with_repo();
    store.push([file(0)]).ok();
    let moved = store.scratch().join("moved");
    std::fs::rename(store.data(), &moved).unwrap();
    // The catalog was moved as well, or stays where it was and gets the new place of the packs.
    store.at(&moved, ["push", "a/b", &file(1)]).ok();
    std::fs::create_dir_all(store.data()).unwrap();
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::rename(moved.join(name), store.data().join(name));
    }
    with_storage(&store, &url(&moved), &["push", "a/b", &file(2)]).ok();
    assert_eq!(with_storage(&store, &url(&moved), &["verify"]).ok().json()["packs_checked"], 3);
}

#[test]
fn a_store_that_does_not_know_yet_learns_it_from_its_packs() {
    let store = Packhouse::with_repo();
    store.push([file(0)]).ok();
    // As an older packhouse left it, and as copies without the file do.
    std::fs::remove_file(store.data().join("storage-id")).unwrap();
    store.run(["verify"]).ok();
    store.push([file(1)]).ok();
    assert!(store.data().join("storage-id").is_file());
    store.run(["verify"]).ok();
    // Without any pack there is no history to split: another storage may be chosen.
    let fresh = Packhouse::with_repo();
    let chosen = fresh.scratch().join("chosen");
    with_storage(&fresh, &url(&chosen), &["push", "a/b", &file(0)]).ok();
    with_storage(&fresh, &url(&chosen), &["verify"]).ok();
    fresh.run(["push", "a/b", &file(1)]).exits(1).says(&["--storage"]);
}
