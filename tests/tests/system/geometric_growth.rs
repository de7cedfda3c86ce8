//! What geometric consolidations write over the life of a repo. In memory: the law is about bytes,
//! not about the catalog.

use std::sync::Arc;

use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HistoryOptions, SnapshotForm, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::Vault;
use packhouse_host::vault::memory::MemoryPacks;
use packhouse_host::{FetchRequest, GcOptions, Progress, PushOptions, RepoName, Store, Visibility};
use packhouse_tests::model;

/// A store in memory, with an empty repo `a/b`.
async fn in_memory() -> (Store, RepoName) {
    let now = "2026-03-02T09:00:00Z".parse().unwrap();
    let store = Store::with_parts(
        Arc::new(MemoryCatalog::default()),
        Vault::in_memory(Arc::new(MemoryPacks::default())).unwrap(),
        Arc::new(Sandbox::reference(None).unwrap()),
        Arc::new(FixedClock::starting_at(now)),
    );
    let (store, repo) = (store.await.unwrap(), "a/b".parse().unwrap());
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    (store, repo)
}

#[tokio::test]
async fn law_13_over_a_thousand_pushes_each_byte_is_written_few_times() {
    const PUSHES: usize = 1000;
    let packs = history(&HistoryOptions {
        pushes: PUSHES,
        commits_per_push: 1,
        objects_per_commit: 1,
        object_bytes: 16..64,
        form: SnapshotForm::Delta,
        merges: false,
        overlap: false,
        tags: false,
        ..HistoryOptions::default()
    });
    let (store, repo) = in_memory().await;
    let silent = Progress::silent();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pushed.mpack");
    let (mut pushed, mut written, mut most_packs) = (0, 0, 0);
    for (n, pack) in packs.iter().enumerate() {
        std::fs::write(&file, pack).unwrap();
        store
            .push(&repo, std::slice::from_ref(&file), PushOptions::default(), &silent)
            .await
            .unwrap();
        pushed += pack.len() as u64;
        let done = store.gc(&repo, GcOptions::GEOMETRIC, &silent).await.unwrap();
        written += done.bytes_written;
        most_packs = most_packs.max(done.packs_after);
        if n % 250 == 249 {
            let heads = model::heads_of(&packs[..=n]);
            let expected = model::consolidate(&packs[..=n], &heads);
            let answer = folder.path().join("answer.mpack");
            let request = FetchRequest { output: Some(answer.clone()), ..FetchRequest::default() };
            store.fetch(&repo, &request, &silent).await.unwrap();
            assert!(std::fs::read(&answer).unwrap() == expected, "after {n} pushes");
        }
    }
    let most = (PUSHES as f64).log2() + 2.0;
    assert!(
        written as f64 <= most * pushed as f64,
        "{written} of {pushed}: more than {most} times"
    );
    assert!(most_packs <= 7, "{most_packs} packs: each makes the sum three times as large");
    let full = store.gc(&repo, GcOptions::FULL, &silent).await.unwrap();
    let expected = model::consolidate(&packs, &model::heads_of(&packs));
    assert_eq!(full.consolidated_key.unwrap().to_string(), model::key(&expected));
}
