//! What geometric consolidations write over the life of a repo. In memory: the law is about bytes,
//! not about the catalog.

use std::sync::Arc;

use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_host::{FetchRequest, GcOptions, Progress, PushOptions, RepoName, Visibility};
use packhouse_tests::model;
use packhouse_tests::store::{in_memory, small_pushes};

#[tokio::test]
async fn law_13_over_a_thousand_pushes_each_byte_is_written_few_times() {
    const PUSHES: usize = 1000;
    let packs = small_pushes(PUSHES);
    let (catalog, stored) = (Arc::new(MemoryCatalog::default()), Arc::default());
    let store = in_memory(catalog, stored, "2026-03-02T09:00:00Z").await;
    let repo: RepoName = "a/b".parse().unwrap();
    store.create_repo(&repo, Visibility::Public).await.unwrap();
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
