//! Law 5: write, read back, publish. Every call of a consolidation and of a push to catalog and
//! vault fails once, before or after it has done its work; every fetch keeps working, and the next
//! run finishes.

use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    FetchRequest, GcOptions, Progress, PushOptions, RepoName, Store, VerifyOptions,
};
use packhouse_tests::faulty::{self, Fault, Moment};
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{model, store};

async fn fetched(store: &Store, repo: &RepoName) -> Vec<u8> {
    let answer = store.fetch(repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
    std::fs::read(answer.mpack_url.strip_prefix("file://").unwrap()).unwrap()
}

fn packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..200,
        ..HistoryOptions::default()
    })
}

async fn sound(store: &Store, repo: &RepoName, place: &str) {
    let report = store.verify(repo, VerifyOptions::default(), &Progress::silent()).await.unwrap();
    assert!(report.ok, "{place}: {:?}", report.problems);
    assert_eq!(store.begin_writing().await.unwrap().in_use, 0, "{place}");
}

#[tokio::test]
async fn law_5_a_consolidation_that_fails_anywhere_loses_nothing_and_the_next_finishes() {
    let sandbox = Sandbox::reference(None).unwrap();
    let packs = packs();
    let filled = TestStore::new().await;
    filled.push(&packs).await.unwrap();
    let (_, expected) = filled.fetch(&[], &[]).await.unwrap();
    let key = model::key(&model::consolidate(&packs, &model::heads_of(&packs)));
    let (repo, data) = (filled.repo.clone(), filled.data());
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let place = format!("call {call} fails {moment:?}");
            let folder = tempfile::tempdir().unwrap();
            faulty::copy(&data, folder.path());
            let fault = Fault::at(call, moment);
            let faulty =
                faulty::open(options(folder.path()), sandbox.clone(), &fault).await.unwrap();
            let failed = faulty.gc(&repo, GcOptions::default(), &Progress::silent()).await.is_err();
            drop(faulty);

            let store = options(folder.path()).open().await.unwrap();
            assert_eq!(fetched(&store, &repo).await, expected, "{place}");
            sound(&store, &repo, &place).await;
            let report = store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
            assert_eq!(report.consolidated_key.unwrap().to_string(), key, "{place}");
            assert_eq!(fetched(&store, &repo).await, expected, "{place}");
            if !fault.struck() {
                assert!(!failed && call > 5, "{call} calls in all");
                break;
            }
        }
    }
}

#[tokio::test]
async fn law_5_a_geometric_consolidation_that_fails_anywhere_loses_nothing_and_the_next_finishes() {
    let sandbox = Sandbox::reference(None).unwrap();
    // One pack is much larger than the others together: it stays.
    let packs = history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..200,
        large_object: Some(100_000),
        ..HistoryOptions::default()
    });
    let filled = TestStore::new().await;
    filled.push_each(&packs).await;
    let (_, expected) = filled.fetch(&[], &[]).await.unwrap();
    let key = model::key(&model::consolidate(&packs, &filled.heads().await));
    let (repo, data) = (filled.repo.clone(), filled.data());
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let place = format!("call {call} fails {moment:?}");
            let folder = tempfile::tempdir().unwrap();
            faulty::copy(&data, folder.path());
            let fault = Fault::at(call, moment);
            let faulty =
                faulty::open(options(folder.path()), sandbox.clone(), &fault).await.unwrap();
            let failed = faulty.gc(&repo, GcOptions::GEOMETRIC, &Progress::silent()).await.is_err();
            drop(faulty);

            let store = options(folder.path()).open().await.unwrap();
            let left = store.repo(&repo).await.unwrap().packs;
            assert!(left == 2 || (left == 4 && failed), "{place}: {left} packs");
            assert_eq!(fetched(&store, &repo).await, expected, "{place}");
            sound(&store, &repo, &place).await;
            let again = store.gc(&repo, GcOptions::GEOMETRIC, &Progress::silent()).await.unwrap();
            assert_eq!((again.packs_after, again.skipped), (2, left == 2), "{place}");
            assert_eq!(fetched(&store, &repo).await, expected, "{place}");
            let full = store.gc(&repo, GcOptions::FULL, &Progress::silent()).await.unwrap();
            assert_eq!(full.consolidated_key.unwrap().to_string(), key, "{place}");
            if !fault.struck() {
                assert!(!failed && call > 5, "{call} calls in all");
                break;
            }
        }
    }
}

#[tokio::test]
async fn law_5_a_push_that_fails_anywhere_is_there_whole_or_not_at_all() {
    let sandbox = Sandbox::reference(None).unwrap();
    let packs = packs();
    let filled = TestStore::new().await;
    filled.push(&packs[..1]).await.unwrap();
    let (repo, data) = (filled.repo.clone(), filled.data());
    let files = [filled.file(&packs[1]), filled.file(&packs[2])];
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let place = format!("call {call} fails {moment:?}");
            let folder = tempfile::tempdir().unwrap();
            faulty::copy(&data, folder.path());
            let fault = Fault::at(call, moment);
            let faulty =
                faulty::open(options(folder.path()), sandbox.clone(), &fault).await.unwrap();
            let failed = faulty
                .push(&repo, &files, PushOptions::default(), &Progress::silent())
                .await
                .is_err();
            drop(faulty);

            let store = options(folder.path()).open().await.unwrap();
            let stored = store.repo(&repo).await.unwrap().packs;
            assert!(stored == 1 || stored == 3, "{place}: {stored} packs");
            assert!(failed || stored == 3, "{place}: it said yes and stored nothing");
            sound(&store, &repo, &place).await;
            store.push(&repo, &files, PushOptions::default(), &Progress::silent()).await.unwrap();
            let key = store
                .gc(&repo, GcOptions::default(), &Progress::silent())
                .await
                .unwrap()
                .consolidated_key
                .unwrap()
                .to_string();
            assert_eq!(
                key,
                model::key(&model::consolidate(&packs, &model::heads_of(&packs))),
                "{place}"
            );
            if !fault.struck() {
                assert!(!failed && call > 5, "{call} calls in all");
                break;
            }
        }
    }
}

#[tokio::test]
async fn law_5_what_a_crash_left_in_staging_is_swept_before_the_next_write() {
    let filled = TestStore::new().await;
    filled.push(&packs()).await.unwrap();
    let left = filled.data().join("staging").join("0".repeat(32));
    std::fs::write(&left, b"half a pack").unwrap();
    let store = store::options(&filled.data()).open().await.unwrap();
    assert_eq!(store.begin_writing().await.unwrap().removed, 1);
    assert!(!left.exists());
    sound(&store, &filled.repo, "after the sweep").await;
}
