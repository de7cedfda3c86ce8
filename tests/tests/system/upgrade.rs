//! An upgrade from the first packhouse that had jobs to this one, with jobs that wait: on both
//! engines.
//!
//! The older catalog is made from one of today: the migrations that the older packhouse knew, and the
//! rows of the tables that they make.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::SignedDuration;
use packhouse_host::catalog::sql::{MigrationStep, migrator, postgres, sqlite};
use packhouse_host::catalog::{Failure, JobEnd};
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::worker::{Stop, Worker, WorkerOptions};
use packhouse_host::{
    CatalogPlace, Error, GcOptions, JobReport, JobStatus, JobsQuery, MirrorOptions, Operation,
    Progress, PruneOptions, PushOptions, RepoName, Store, StoreOptions, VerifyOptions, Visibility,
};
use packhouse_tests::postgres::cluster;
use serde_json::json;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, PgPool, SqlitePool};

/// Tables of the older packhouse whose rows are copied, each after those that it names. The index is
/// copied by itself.
const TABLES: [&str; 10] = [
    "repos",
    "branches",
    "packs",
    "shelves",
    "commits",
    "tag_ids",
    "retired",
    "gc_runs",
    "jobs",
    "job_packs",
];

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const ALL_JOBS: JobsQuery = JobsQuery { repo: None, status: None, before: None, limit: 100 };

fn repo() -> RepoName {
    "law/test".parse().unwrap()
}

async fn open(folder: &Path, catalog: &CatalogPlace) -> Store {
    let options = StoreOptions { catalog: catalog.clone(), ..StoreOptions::embedded(folder) };
    options.open().await.unwrap()
}

/// A store with two packs, a third that waits for its job, and other jobs. Returns the jobs, newest
/// first.
async fn fill(store: &Store, folder: &Path) -> Vec<JobReport> {
    let silent = Progress::silent();
    let packs = history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    let files: Vec<PathBuf> =
        (0..packs.len()).map(|number| folder.join(format!("{number}.mpack"))).collect();
    for (file, pack) in files.iter().zip(&packs) {
        std::fs::write(file, pack).unwrap();
    }
    store.create_repo(&repo(), Visibility::Public).await.unwrap();
    for file in &files[..2] {
        let file = std::slice::from_ref(file);
        store.push(&repo(), file, PushOptions::default(), &silent).await.unwrap();
    }
    // One that is done, one that has met damage, and one whose worker was killed.
    let failure = Failure { reason: "broken".into(), code: Error::DAMAGE_CODE };
    let verify = Operation::Verify(VerifyOptions::default());
    for end in [JobEnd::Done(json!({ "ok": true })), JobEnd::Failed(failure)] {
        store.queue(Some(&repo()), verify.clone()).await.unwrap();
        let now = store.now();
        let (_, fence) = store.take_job("w", now, now + MINUTE).await.unwrap().unwrap();
        store.end_job(fence, &end).await.unwrap().unwrap();
    }
    store.push_async(&repo(), &files[2..], PushOptions::default(), &silent).await.unwrap();
    let now = store.now();
    store.take_job("killed", now, now).await.unwrap().unwrap();
    let gc = Operation::Gc(GcOptions::default());
    store.queue(Some(&repo()), gc).await.unwrap();
    store.queue(Some(&repo()), verify.clone()).await.unwrap();
    store.queue(None, Operation::Prune(PruneOptions::default())).await.unwrap();
    let cancelled = store.queue(Some(&repo()), verify).await.unwrap().job;
    store.cancel_job(cancelled).await.unwrap();
    store.jobs(&ALL_JOBS).await.unwrap()
}

/// A row of the index of a repo: its number, the key of the entity, the shelf, and the fingerprint if
/// there is one.
type OldRow = (i64, Vec<u8>, i64, Option<Vec<u8>>);

async fn index(catalog: &CatalogPlace) -> Vec<OldRow> {
    let catalog = catalog.open().await.unwrap();
    let number = catalog.repo(&repo()).await.unwrap().unwrap().id;
    let mut snapshot = catalog.snapshot(number).await.unwrap();
    let rows = snapshot.index_page(None, u32::MAX).await.unwrap();
    let old = rows.into_iter().map(|(row, shelf)| {
        let print = Some(row.fingerprint.to_vec()).filter(|print| print.iter().any(|b| *b != 0));
        (number, row.entity.to_vec(), shelf.0, print)
    });
    old.collect()
}

/// A folder with the same packs: two catalogs don't share one.
fn with_the_packs_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    let packs = Command::new("cp").arg("-r").arg(folder.join("packs")).arg(copy.path()).status();
    assert!(packs.unwrap().success());
    copy
}

/// Opens an older catalog, which migrates it: jobs are as they were, and are done.
async fn is_upgraded(folder: &Path, older: &CatalogPlace, newer: &Store, jobs: &[JobReport]) {
    let packs = with_the_packs_of(folder);
    let store = open(packs.path(), older).await;
    // Except for codes of errors, which it did not record: nothing says that such a job is healed.
    let without_code =
        |job: &JobReport| JobReport { error_code: None, healed: false, ..job.clone() };
    let expected: Vec<JobReport> = jobs.iter().map(without_code).collect();
    assert!(expected != jobs && store.jobs(&ALL_JOBS).await.unwrap() == expected);
    // Numbers go on, and what the older packhouse did not know is accepted.
    let source = "http://127.0.0.1:9/a/b".to_owned();
    let every = std::time::Duration::from_secs(3600);
    let mirror = Operation::Mirror(MirrorOptions { source, every, force: false });
    let queued = store.queue(Some(&repo()), mirror).await.unwrap().job;
    assert_eq!(queued, jobs[0].id + 1);
    store.cancel_job(queued).await.unwrap();

    let work = async |store: &Store| {
        let options = WorkerOptions { drain: true, policies: None, ..WorkerOptions::default() };
        Worker::new(store.clone(), options, Stop::default()).run(|_| {}).await.unwrap();
    };
    work(&store).await;
    work(newer).await;
    for job in store.jobs(&ALL_JOBS).await.unwrap() {
        let before = jobs.iter().find(|before| before.id == job.id);
        let expected = match before.map(|before| before.status) {
            Some(JobStatus::Queued | JobStatus::Running) => JobStatus::Done,
            Some(ended) => ended,
            None => JobStatus::Cancelled,
        };
        assert_eq!(job.status, expected, "{job:?}");
    }
    let (upgraded, same) = (store.repo(&repo()).await.unwrap(), newer.repo(&repo()).await.unwrap());
    assert_eq!((upgraded.packs, &upgraded.branch_heads), (1, &same.branch_heads));
    assert_eq!(
        (upgraded.commits, upgraded.snapshots, upgraded.objects),
        (same.commits, same.snapshots, same.objects)
    );
    let silent = Progress::silent();
    let verified = store.verify(&repo(), VerifyOptions::default(), &silent).await.unwrap();
    assert!(verified.ok, "{:?}", verified.problems);
}

fn up_to(steps: &[MigrationStep], version: i64) -> Vec<MigrationStep> {
    steps.iter().copied().filter(|(known, ..)| *known <= version).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_jobs_that_wait_are_done_after_an_upgrade() {
    let folder = tempfile::tempdir().unwrap();
    let [old, new] = ["older.db", "catalog.db"].map(|name| folder.path().join(name));
    let places = [&old, &new].map(|file| CatalogPlace::Sqlite(file.clone()));
    let store = open(folder.path(), &places[1]).await;
    let jobs = fill(&store, folder.path()).await;

    let to = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(SqliteConnectOptions::new().filename(&old).create_if_missing(true))
        .await
        .unwrap();
    migrator(&up_to(&sqlite::MIGRATIONS, 3)).run(&to).await.unwrap();
    let run = async |statement: String| {
        sqlx::query(AssertSqlSafe(statement)).execute(&to).await.unwrap();
    };
    run(format!("ATTACH '{}' AS newer", new.display())).await;
    for table in TABLES {
        let columns = columns_on_sqlite(&to, table).await;
        run(format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}"))
            .await;
    }
    for (repo, entity, shelf, print) in index(&places[1]).await {
        let insert = "INSERT INTO entities (repo, entity, shelf, print) VALUES ($1, $2, $3, $4)";
        let insert = sqlx::query(insert).bind(repo).bind(entity).bind(shelf).bind(print);
        insert.execute(&to).await.unwrap();
    }
    to.close().await;
    is_upgraded(folder.path(), &places[0], &store, &jobs).await;
}

async fn columns_on_sqlite(to: &SqlitePool, table: &str) -> String {
    let columns = "SELECT group_concat(name) FROM pragma_table_info($1)";
    sqlx::query_scalar(columns).bind(table).fetch_one(to).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_jobs_that_wait_are_done_after_an_upgrade() {
    let Some(cluster) = cluster() else { return };
    let folder = tempfile::tempdir().unwrap();
    let urls = ["upgrade_older", "upgrade_newer"].map(|name| cluster.database(name));
    let places = urls.clone().map(CatalogPlace::Postgres);
    let store = open(folder.path(), &places[1]).await;
    let jobs = fill(&store, folder.path()).await;

    let pool = async |url: &str| PgPoolOptions::new().connect(url).await.unwrap();
    let (to, from) = (pool(&urls[0]).await, pool(&urls[1]).await);
    migrator(&up_to(&postgres::MIGRATIONS, 1)).run(&to).await.unwrap();
    for table in TABLES {
        copy_on_postgres(&from, &to, table).await;
    }
    for (repo, entity, shelf, print) in index(&places[1]).await {
        let insert = "INSERT INTO entities (repo, entity, shelf, print) VALUES ($1, $2, $3, $4)";
        let insert = sqlx::query(insert).bind(repo).bind(entity).bind(shelf).bind(print);
        insert.execute(&to).await.unwrap();
    }
    to.close().await;
    is_upgraded(folder.path(), &places[0], &store, &jobs).await;
}

/// Copies the rows of a table, with the columns that are in both databases, and its sequence.
async fn copy_on_postgres(from: &PgPool, to: &PgPool, table: &str) {
    let columns =
        "SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_name = $1";
    let columns: String = sqlx::query_scalar(columns).bind(table).fetch_one(to).await.unwrap();
    let rows = format!("SELECT coalesce(json_agg(t), '[]')::text FROM {table} t");
    let rows: String = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_one(from).await.unwrap();
    let insert = format!(
        "INSERT INTO {table} ({columns}) SELECT {columns} FROM json_populate_recordset(NULL::{table}, $1::json)"
    );
    sqlx::query(AssertSqlSafe(insert)).bind(rows).execute(to).await.unwrap();
    let is_number = "SELECT data_type = 'bigint' FROM information_schema.columns WHERE table_name = $1 AND column_name = 'id'";
    let is_number: Option<bool> =
        sqlx::query_scalar(is_number).bind(table).fetch_optional(to).await.unwrap();
    if is_number == Some(true) {
        let next =
            format!("SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}");
        sqlx::query(AssertSqlSafe(next)).execute(to).await.unwrap();
    }
}
