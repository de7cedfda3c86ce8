//! How many statements a pull runs on Postgres: as many as what it walks and locates needs, however
//! long the history is.

use std::time::Duration;

use packhouse_host::{
    CatalogPlace, FetchRequest, GcOptions, Progress, PushOptions, StoreOptions, Visibility,
};
use packhouse_tests::cases::line_of_commits;
use packhouse_tests::conformance::desk;
use packhouse_tests::postgres::{Cluster, cluster};
use packhouse_tests::store::options;

/// Statements that sessions of a database have run so far.
fn statements(cluster: &Cluster, database: &str) -> usize {
    // The server writes its log a moment later.
    std::thread::sleep(Duration::from_millis(300));
    let log = std::fs::read_to_string(&cluster.log).unwrap();
    let is_statement = |line: &&str| {
        line.strip_prefix(database).is_some_and(|rest| {
            rest.starts_with(" LOG:  execute") || rest.starts_with(" LOG:  statement:")
        })
    };
    log.lines().filter(is_statement).count()
}

/// Statements of pulls of 1, 10 and 300 commits from the consolidated pack of so many.
async fn of_pulls(cluster: &Cluster, commits: usize) -> [usize; 3] {
    let database = format!("pulls_{commits}");
    let folder = tempfile::tempdir().unwrap();
    let catalog = CatalogPlace::Postgres(cluster.database(&database));
    let store = StoreOptions { catalog, ..options(folder.path()) }.open().await.unwrap();
    let (repo, silent) = (desk::name("a/b"), Progress::silent());
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    let (packs, ids) = line_of_commits(commits, 2, |_, _| ());
    for (number, pack) in packs.iter().enumerate() {
        let file = folder.path().join(format!("{number}.mpack"));
        std::fs::write(&file, pack).unwrap();
        store.push(&repo, &[file], PushOptions::default(), &silent).await.unwrap();
    }
    store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
    let mut counts = [0; 3];
    for (count, brought) in counts.iter_mut().zip([1, 10, 300]) {
        let have = vec![ids[commits - 1 - brought].clone()];
        let before = statements(cluster, &database);
        let request = FetchRequest { have, ..FetchRequest::default() };
        let answer = store.fetch(&repo, &request, &silent).await.unwrap();
        assert_eq!(answer.commit_count, brought as u64);
        *count = statements(cluster, &database) - before;
    }
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn law_13_a_pull_runs_as_many_statements_as_what_it_brings_needs() {
    let Some(cluster) = cluster() else { return };
    let (short, long) = (of_pulls(cluster, 400).await, of_pulls(cluster, 4000).await);
    // The pool may open a session meanwhile, which sets itself up by a statement or two. And of a
    // longer index, a lookup may read nodes that were not read before: a statement each, at most.
    for (short, long) in short.iter().zip(long) {
        assert!(short.abs_diff(long) <= 5, "{short} and {long} for ten times the history");
    }
    assert!(short.iter().all(|count| *count <= 50), "{short:?}");
}
