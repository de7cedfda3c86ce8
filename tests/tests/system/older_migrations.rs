//! Stores that an older packhouse made.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use packhouse_host::catalog::IndexRow;
use packhouse_host::catalog::sql::migrator;
use packhouse_host::catalog::sql::sqlite::MIGRATIONS;
use packhouse_host::clock::FixedClock;
use packhouse_host::report::Cause;
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::{
    CatalogPlace, Error, GcOptions, Progress, PruneOptions, PushOptions, RepoName, RestoreError,
    ShelfId, Store, StoreOptions, VerifyOptions, Visibility,
};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

fn options(folder: &Path) -> StoreOptions {
    let start = "2026-01-01T00:00:00Z".parse().unwrap();
    StoreOptions {
        clock: Arc::new(FixedClock::starting_at(start)),
        cache: None,
        ..StoreOptions::embedded(folder)
    }
}

/// Makes a catalog of what is in another, as it would be if only the first migration were known.
async fn make_old(catalog: &Path, old: &Path) {
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(old).create_if_missing(true))
        .await
        .unwrap();
    migrator(&MIGRATIONS[..1]).run(&pool).await.unwrap();
    let attach = format!("ATTACH '{}' AS newer", catalog.display());
    sqlx::query(AssertSqlSafe(attach)).execute(&pool).await.unwrap();
    for table in
        ["repos", "branches", "packs", "shelves", "commits", "tag_ids", "retired", "gc_runs"]
    {
        let columns: String =
            sqlx::query_scalar("SELECT group_concat(name) FROM pragma_table_info(?1)")
                .bind(table)
                .fetch_one(&pool)
                .await
                .unwrap();
        let copy =
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}");
        sqlx::query(AssertSqlSafe(copy)).execute(&pool).await.unwrap();
    }
    let numbers: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT id, owner, slug FROM repos").fetch_all(&pool).await.unwrap();
    for (repo, owner, slug) in numbers {
        let name = format!("{owner}/{slug}").parse().unwrap();
        for (row, shelf) in index(catalog, &name).await {
            let print = Some(&row.fingerprint[..]).filter(|print| **print != [0; 16]);
            sqlx::query(
                "INSERT INTO entities (repo, entity, shelf, print) VALUES (?1, ?2, ?3, ?4)",
            )
            .bind(repo)
            .bind(&row.entity[..])
            .bind(shelf.0)
            .bind(print)
            .execute(&pool)
            .await
            .unwrap();
        }
    }
    pool.close().await;
}

/// All of a repo's index.
async fn index(catalog: &Path, repo: &RepoName) -> Vec<(IndexRow, ShelfId)> {
    let catalog = CatalogPlace::Sqlite(catalog.to_owned()).open().await.unwrap();
    let number = catalog.repo(repo).await.unwrap().unwrap().id;
    let (mut snapshot, mut rows) = (catalog.snapshot(number).await.unwrap(), Vec::new());
    loop {
        let after = rows.last().map(|(row, _): &(IndexRow, ShelfId)| row.entity);
        match snapshot.index_page(after.as_ref(), 1000).await.unwrap() {
            page if page.is_empty() => return rows,
            page => rows.extend(page),
        }
    }
}

/// How many rows of a repo an older version wrote, and how many runs there are.
async fn old_rows_and_runs(catalog: &Path) -> (i64, i64) {
    let pool = SqlitePoolOptions::new()
        .connect_with(SqliteConnectOptions::new().filename(catalog))
        .await
        .unwrap();
    let counts = "SELECT (SELECT count(*) FROM old_entities), (SELECT count(*) FROM index_runs)";
    sqlx::query_as(counts).fetch_one(&pool).await.unwrap()
}

/// The walk floor of a repo, and the highest generation of its commits.
async fn walks(catalog: &Path, repo: &RepoName) -> (Option<u64>, u64) {
    let catalog = CatalogPlace::Sqlite(catalog.to_owned()).open().await.unwrap();
    let number = catalog.repo(repo).await.unwrap().unwrap().id;
    let mut snapshot = catalog.snapshot(number).await.unwrap();
    let commits = snapshot.commits(None, u32::MAX).await.unwrap();
    let highest = commits.iter().map(|commit| commit.generation).max().unwrap();
    (snapshot.walk_floor().await.unwrap(), highest)
}

/// A store of two pushes by an older version; and the same store as this version has it.
async fn old_store(folder: &Path, repo: &RepoName) -> (Store, Store, Vec<PathBuf>) {
    let packs = history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    let mut files = Vec::new();
    for (number, pack) in packs.iter().enumerate() {
        files.push(folder.join(format!("{number}.mpack")));
        std::fs::write(&files[number], pack).unwrap();
    }
    let newer = options(folder).open().await.unwrap();
    newer.create_repo(repo, Visibility::Public).await.unwrap();
    for file in &files[..2] {
        push(&newer, repo, file).await;
    }
    let catalog = folder.join("older.db");
    make_old(&folder.join("catalog.db"), &catalog).await;
    let older = StoreOptions { catalog: CatalogPlace::Sqlite(catalog), ..options(folder) };
    (older.open().await.unwrap(), newer, files)
}

async fn push(store: &Store, repo: &RepoName, file: &Path) {
    let silent = Progress::silent();
    store.push(repo, &[file.to_owned()], PushOptions::default(), &silent).await.unwrap();
}

#[tokio::test]
async fn a_store_with_old_rows_is_read_and_converted_by_the_next_push() {
    let folder = tempfile::tempdir().unwrap();
    let repo: RepoName = "law/test".parse().unwrap();
    let (older, newer, files) = old_store(folder.path(), &repo).await;
    let [old, new] = ["older.db", "catalog.db"].map(|name| folder.path().join(name));
    let (rows, runs) = old_rows_and_runs(&old).await;
    assert!(rows > 40 && runs == 0);
    assert_eq!(index(&old, &repo).await, index(&new, &repo).await);
    let silent = Progress::silent();
    assert!(older.verify(&repo, VerifyOptions::default(), &silent).await.unwrap().ok);

    push(&older, &repo, &files[2]).await;
    push(&newer, &repo, &files[2]).await;
    assert_eq!(old_rows_and_runs(&old).await, (0, 1));
    assert_eq!(index(&old, &repo).await, index(&new, &repo).await);
    push(&older, &repo, &files[3]).await;
    assert!(older.verify(&repo, VerifyOptions::default(), &silent).await.unwrap().ok);
}

#[tokio::test]
async fn old_rows_that_are_too_many_for_a_push_stay_beneath_its_runs() {
    let folder = tempfile::tempdir().unwrap();
    let repo: RepoName = "law/test".parse().unwrap();
    let (older, newer, files) = old_store(folder.path(), &repo).await;
    let [old, new] = ["older.db", "catalog.db"].map(|name| folder.path().join(name));
    // What the repo counts decides; these counts are taken back afterwards.
    let count = async |change: &'static str| {
        let pool = SqlitePoolOptions::new()
            .connect_with(SqliteConnectOptions::new().filename(&old))
            .await
            .unwrap();
        let count = format!("UPDATE repos SET objects = objects {change} 100000");
        sqlx::query(AssertSqlSafe(count)).execute(&pool).await.unwrap();
    };
    count("+").await;
    for file in &files[2..] {
        push(&older, &repo, file).await;
        push(&newer, &repo, file).await;
    }
    count("-").await;
    let (rows, runs) = old_rows_and_runs(&old).await;
    assert!(rows > 40 && runs == 2, "{rows} {runs}");
    assert_eq!(index(&old, &repo).await, index(&new, &repo).await);
    let silent = Progress::silent();
    assert!(older.verify(&repo, VerifyOptions::default(), &silent).await.unwrap().ok);
    assert_eq!(older.old_indexes().await.unwrap(), 1);
    older.gc(&repo, GcOptions::default(), &silent).await.unwrap();
    assert_eq!(old_rows_and_runs(&old).await, (0, 1), "a consolidation converts and merges them");
    assert_eq!(older.old_indexes().await.unwrap(), 0);
    assert_eq!(index(&old, &repo).await, index(&new, &repo).await);
    assert!(older.verify(&repo, VerifyOptions::default(), &silent).await.unwrap().ok);
}

/// Older versions removed a deleted repo's index at once: it must not come back empty.
#[tokio::test]
async fn a_repo_that_an_older_packhouse_deleted_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(&file).create_if_missing(true))
        .await
        .unwrap();
    let older: Vec<_> = MIGRATIONS.into_iter().filter(|(version, ..)| *version < 5).collect();
    migrator(&older).run(&pool).await.unwrap();
    let rows =
        "INSERT INTO repos (id, repo_id, owner, slug, visibility, created_at, deleted_at) VALUES
        (1, 'x', 'a', 'b~1', 'public', '2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'),
        (2, 'y', 'a', 'b~2', 'public', '2026-01-03T00:00:00Z', '2026-01-04T00:00:00Z'),
        (3, 'z', 'a', 'c', 'public', '2026-01-03T00:00:00Z', NULL)";
    sqlx::query(rows).execute(&pool).await.unwrap();
    pool.close().await;
    let store = options(folder.path()).open().await.unwrap();
    let error = store.restore_repo(&"a/b".parse().unwrap(), &Default::default()).await.unwrap_err();
    assert!(
        matches!(error, Error::Restore(RestoreError::Pruned { at, pack: None, .. }) if at.to_string() == "2026-01-04T00:00:00Z"),
        "{error}"
    );
    assert_eq!(store.reports(None, 99).await.unwrap().len(), 1);
    store.prune(PruneOptions::default(), &Progress::silent()).await.unwrap();
}

#[tokio::test]
async fn a_store_of_the_first_migration_is_brought_up_to_date_and_estimates_what_nobody_counted() {
    let folder = tempfile::tempdir().unwrap();
    let silent = Progress::silent();
    let repo: RepoName = "law/test".parse().unwrap();
    let packs = history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    let push = async |store: &Store, number: usize| {
        let file = folder.path().join(format!("{number}.mpack"));
        std::fs::write(&file, &packs[number]).unwrap();
        store.push(&repo, &[file], PushOptions::default(), &silent).await.unwrap();
    };
    let newer = options(folder.path()).open().await.unwrap();
    newer.create_repo(&repo, Visibility::Public).await.unwrap();
    for number in 0..3 {
        push(&newer, number).await;
    }
    let exact = newer.summary(&repo).await.unwrap();
    let (told, timeline) =
        (newer.packs(&repo).await.unwrap(), newer.timeline(&repo, 10).await.unwrap());
    assert_eq!(timeline.len(), 3);
    let catalog = folder.path().join("older.db");
    make_old(&folder.path().join("catalog.db"), &catalog).await;

    let store = StoreOptions { catalog: CatalogPlace::Sqlite(catalog), ..options(folder.path()) }
        .open()
        .await
        .unwrap();
    let estimated = store.summary(&repo).await.unwrap();
    assert_eq!(
        (estimated.packs, estimated.bytes, estimated.objects),
        (exact.packs, exact.bytes, exact.objects)
    );
    assert!(
        estimated.duplicate_bytes > 0 && estimated.duplicate_bytes < estimated.bytes,
        "{estimated:?}"
    );
    let packs_estimated = store.packs(&repo).await.unwrap();
    let needed: u64 = packs_estimated.iter().map(|pack| pack.needed_bytes).sum();
    assert_eq!(
        estimated.duplicate_bytes,
        estimated.bytes - needed,
        "the line and the packs tell the same"
    );
    for (pack, told) in packs_estimated.iter().zip(&told) {
        assert_eq!((pack.key, pack.needed_records), (told.key, told.needed_records));
        assert!(pack.needed_bytes <= pack.bytes, "{pack:?}");
    }
    assert_eq!(store.timeline(&repo, 10).await.unwrap(), [], "nobody counted");
    let verified = store.verify(&repo, VerifyOptions::default(), &silent).await.unwrap();
    assert!(verified.ok, "{:?}", verified.problems);
    let older = folder.path().join("older.db");
    assert_eq!(walks(&older, &repo).await, (Some(0), 0), "all of its history is walked");

    push(&store, 3).await;
    assert_eq!(walks(&older, &repo).await.0, Some(0), "a push does not raise the floor");
    let report = store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
    let (floor, highest) = walks(&older, &repo).await;
    assert!(floor.is_none() && highest > 1, "{floor:?} {highest}: a consolidation does");
    let timeline = store.timeline(&repo, 10).await.unwrap();
    assert_eq!(
        timeline.iter().map(|m| (m.cause, m.packs)).collect::<Vec<_>>(),
        [(Cause::Push, 4), (Cause::Consolidation, 1)]
    );
    assert_eq!((timeline[0].bytes, timeline[1].bytes), (report.bytes_before, report.bytes_after));
    let verified = store.verify(&repo, VerifyOptions::default(), &silent).await.unwrap();
    assert!(verified.ok, "{:?}", verified.problems);
}
