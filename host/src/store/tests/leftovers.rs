//! Law 5, what crashes and disks leave behind: staged files, directories that are gone or wrong. Crashes themselves are in
//! `tests/tests/law_5.rs`, where every call that changes something fails once.

use super::{Fixture, options};
use crate::progress::Progress;
use crate::store::Store;
use crate::vault::Swept;

#[tokio::test]
async fn law_5_what_a_crash_leaves_in_staging_is_swept_and_what_is_in_use_is_not() {
    let fixture = Fixture::with_history().await;
    std::fs::write(fixture.folder.path().join("staging/left-behind"), b"half a pack").unwrap();
    let in_use = fixture.store.vault.stage([7; 16]).unwrap();
    let store = Store::open(options(fixture.folder.path())).await.unwrap();
    assert_eq!(store.swept(), Swept { removed: 1, in_use: 1 });
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
    let verified = fixture.store.verify(&fixture.repo, &Progress::silent()).await.unwrap();
    assert_eq!(verified.problems.len(), 2, "a missing directory is no damage, a wrong one is: {:?}", verified.problems);
    fixture.store.gc(&fixture.repo, &Progress::silent()).await.unwrap();
    fixture.assert_unharmed(&before, "after the directories were made anew").await;
}
