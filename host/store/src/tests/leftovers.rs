//! Law 5, what crashes and disks leave behind: staged files, directories that are gone or wrong.
//! Crashes themselves are in `tests/tests/stores/law_5.rs`, where every call that changes something
//! fails once.

use std::collections::BTreeSet;

use packhouse_catalog::entity_of;
use packhouse_core::{Kind, Row};
use packhouse_model::operation::{GcOptions, VerifyOptions};
use packhouse_model::progress::Progress;
use packhouse_pack::Directory;
use packhouse_vault::SweepResult;
use ring::digest::{SHA256, digest};

use super::{Fixture, history_packs, open};
use crate::load::distinct_packs;

#[tokio::test]
async fn law_5_what_a_crash_leaves_in_staging_is_swept_and_what_is_in_use_is_not() {
    let fixture = Fixture::with_history().await;
    std::fs::write(fixture.folder.path().join("staging").join("a".repeat(32)), b"half a pack")
        .unwrap();
    let in_use = fixture.store.vault.stage([7; 16]).unwrap();
    let store = open(fixture.folder.path(), 0).await;
    assert_eq!(store.swept(), SweepResult::default(), "who only reads changes nothing");
    assert_eq!(store.begin_writing().await.unwrap(), SweepResult { removed: 1, in_use: 1 });
    assert_eq!(store.begin_writing().await.unwrap(), store.swept(), "once");
    assert!(in_use.path().exists());
}

#[tokio::test]
async fn directories_are_a_cache() {
    let fixture = Fixture::with_history().await;
    let before = fixture.fetch().await;
    let mut harmed = 0;
    for entry in std::fs::read_dir(fixture.folder.path().join("packs")).unwrap() {
        for file in std::fs::read_dir(entry.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|e| e == "dir") {
                // Some gone, some damaged.
                if harmed % 2 == 0 {
                    std::fs::remove_file(&path).unwrap()
                } else {
                    std::fs::write(&path, b"PACKDIR1 and nonsense").unwrap()
                }
                harmed += 1;
            }
        }
    }
    assert_eq!(harmed, 4);
    let verified = fixture
        .store
        .verify(&fixture.repo, VerifyOptions::default(), &Progress::silent())
        .await
        .unwrap();
    assert!(verified.ok, "a missing directory is no damage: {:?}", verified.problems);
    assert_eq!(verified.repaired.unwrap().len(), 2, "a wrong one is rebuilt");
    fixture.store.gc(&fixture.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    fixture.assert_unharmed(&before, "after the directories were made anew").await;
}

/// The file of a directory as version 1 wrote it.
pub(super) fn version_1(directory: &Directory) -> Vec<u8> {
    let mut file = b"PACKDIR1".to_vec();
    file.extend(directory.len().to_le_bytes());
    file.extend(directory.pack_bytes.to_le_bytes());
    file.extend(directory.key.digest());
    file.extend(directory.page(0, u64::MAX).unwrap());
    let sum = digest(&SHA256, &file);
    file.extend(sum.as_ref());
    file
}

#[tokio::test]
async fn a_directory_of_version_1_is_written_again_without_its_pack() {
    let fixture = Fixture::with_history().await;
    let row = fixture.store.catalog.repo(&fixture.repo).await.unwrap().unwrap();
    let shelves = fixture.store.catalog.snapshot(row.id).await.unwrap().shelves().await.unwrap();
    let packs = distinct_packs(&shelves);
    let vault = &fixture.store.vault;
    let mut expected = Vec::new();
    for pack in &packs {
        let file = vault.directory(&pack.key).await.unwrap().unwrap();
        let directory = Directory::read(pack.key, file).unwrap();
        vault.put_directory(&pack.key, version_1(&directory)).await.unwrap();
        std::fs::remove_file(vault.file_of(&pack.key).unwrap()).unwrap();
        // The frame is not in version 1: only the pack has it.
        let rows: Vec<Row> = directory.rows().collect();
        expected.push(Directory::new(pack.key, pack.bytes, &rows).to_file());
    }
    assert_eq!(fixture.store.directories(&fixture.repo, &packs).await.unwrap().len(), 4);
    for (pack, expected) in packs.iter().zip(&expected) {
        assert_eq!(vault.directory(&pack.key).await.unwrap().as_ref(), Some(expected));
    }
}

#[tokio::test]
async fn verify_writes_the_frame_of_a_pack_into_an_older_directory() {
    let fixture = Fixture::with_history().await;
    let row = fixture.store.catalog.repo(&fixture.repo).await.unwrap().unwrap();
    let shelves = fixture.store.catalog.snapshot(row.id).await.unwrap().shelves().await.unwrap();
    let (key, vault) = (shelves[0].pack.key, &fixture.store.vault);
    let file = vault.directory(&key).await.unwrap().unwrap();
    let directory = Directory::read(key, file.clone()).unwrap();
    assert!(!directory.frame().is_empty());
    let rows: Vec<Row> = directory.rows().collect();
    let without = Directory::new(key, directory.pack_bytes, &rows).to_file();
    for older in [version_1(&directory), without] {
        vault.put_directory(&key, older).await.unwrap();
        let (options, progress) = (VerifyOptions::default(), Progress::silent());
        let verified = fixture.store.verify(&fixture.repo, options, &progress).await.unwrap();
        assert!(verified.ok && verified.repaired.is_none(), "{verified:?}");
        assert_eq!(vault.directory(&key).await.unwrap().unwrap(), file);
    }
}

/// A client that pushes sends what it is told to be missing: so lost data is pushed again.
#[tokio::test]
async fn clients_are_asked_for_objects_of_a_pack_that_is_known_to_be_damaged() {
    let fixture = Fixture::with_history().await;
    let (store, repo) = (&fixture.store, &fixture.repo);
    let row = store.known_repo(repo).await.unwrap();
    let mut snapshot = store.catalog.snapshot(row.id).await.unwrap();
    let shelf = snapshot.shelves().await.unwrap().remove(1);
    let index = snapshot.index_page(None, 8192).await.unwrap();
    drop(snapshot);
    let objects = |on: &dyn Fn(packhouse_model::names::ShelfId) -> bool| -> BTreeSet<String> {
        let of_kind = index
            .iter()
            .filter(|(_, shelf)| on(*shelf))
            .filter_map(|(row, _)| entity_of(&row.entity));
        of_kind.filter(|(kind, _)| *kind == Kind::Object).map(|(_, id)| id.to_string()).collect()
    };
    let all: Vec<String> = objects(&|_| true).into_iter().collect();
    assert!(store.missing_objects(repo, all.clone(), true).await.unwrap().is_empty());
    std::fs::remove_file(store.vault.place_of(&shelf.pack.key)).unwrap();
    assert!(!store.verify(repo, VerifyOptions::default(), &Progress::silent()).await.unwrap().ok);
    let asked: BTreeSet<String> =
        store.missing_objects(repo, all.clone(), true).await.unwrap().into_iter().collect();
    assert!(!asked.is_empty() && asked == objects(&|on| on == shelf.id));
    assert!(store.verify(repo, VerifyOptions::REPAIR, &Progress::silent()).await.is_ok());
    let again = history_packs().swap_remove(1);
    fixture.push("again.mpack", &again).await;
    assert!(store.missing_objects(repo, all, true).await.unwrap().is_empty());
    assert!(store.verify(repo, VerifyOptions::default(), &Progress::silent()).await.unwrap().ok);
}
