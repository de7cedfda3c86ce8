//! What only a catalog in a file promises.

use packhouse_core::Kind;
use packhouse_host::catalog::{JobQuery, LockMode, RunsToMerge};
use packhouse_host::{CatalogPlace, DamageError, Error, OpenError, Policy};
use packhouse_tests::conformance::deleting::full;
use packhouse_tests::conformance::desk::{Desk, at, pack};
use packhouse_tests::conformance::polled;
use sqlx::Connection;

async fn connected(file: &std::path::Path) -> sqlx::SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
    sqlx::SqliteConnection::connect_with(&options).await.unwrap()
}

async fn run(file: &std::path::Path, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut connected(file).await).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_uses_at_once_both_work() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let place = CatalogPlace::Sqlite(folder.path().join("new/catalog.db"));
        let (one, other) =
            tokio::join!(tokio::spawn(open(place.clone())), tokio::spawn(open(place)));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(one.identity(), other.identity());
        Desk::named(&one, "a/b").await;
        Desk::named(&other, "c/d").await.push(vec![pack(1, 0..1)]).await;
        assert_eq!(one.repos(None, 9).await.unwrap().len(), 2);
    }
}

/// Another process may migrate the catalog meanwhile.
#[tokio::test]
async fn columns_that_are_added_change_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(CatalogPlace::Sqlite(file.clone())).await;
    let desk = full(&catalog).await;
    let read = async || {
        let mut read = vec![format!("{:?}", catalog.repos(None, 9).await.unwrap())];
        read.push(format!("{:?}", catalog.listed(None, 9).await.unwrap()));
        let jobs = JobQuery { repo: None, status: None, before: None, limit: 9 };
        read.push(format!("{:?}", catalog.jobs(jobs).await.unwrap()));
        read.push(format!("{:?}", catalog.releases(desk.repo).await.unwrap()));
        read.push(format!("{:?}", catalog.tokens().await.unwrap()));
        read.push(format!("{:?}", catalog.gc_history(desk.repo, 9).await.unwrap()));
        read.push(format!("{:?}", catalog.snapshot(desk.repo).await.unwrap().repo()));
        read
    };
    let before = read().await;
    for table in ["repos", "jobs", "releases", "tokens", "gc_runs", "packs", "shelves", "branches"]
    {
        let add = format!("ALTER TABLE {table} ADD COLUMN later INTEGER");
        sqlx::query(sqlx::AssertSqlSafe(add)).execute(&mut connected(&file).await).await.unwrap();
    }
    assert_eq!(read().await, before);
}

/// Whatever tables there are: nothing of a deleted repo is left when prune has removed it.
#[tokio::test]
async fn no_table_keeps_rows_of_a_repo_that_was_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(CatalogPlace::Sqlite(file.clone())).await;
    let desk = full(&catalog).await;
    let tables = [
        "answers",
        "awaited_parents",
        "branches",
        "changes",
        "commits",
        "complete_packs",
        "fetch_requests",
        "freshened",
        "gc_runs",
        "index_runs",
        "jobs",
        "left_heads",
        "policies",
        "retired",
        "shelves",
        "tag_ids",
    ];
    let filled = of_repo(&file, desk.repo).await;
    let missing: Vec<&str> =
        tables.into_iter().filter(|table| !filled.contains(&(*table).to_owned())).collect();
    assert!(missing.is_empty(), "the repo has rows of every kind, but none in {missing:?}");

    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    // What keeps numbers from being given again is another repo's by then.
    let other = Desk::named(&catalog, "c/d").await;
    catalog
        .record_gc(other.repo, &catalog.gc_history(desk.repo, 1).await.unwrap().remove(0), None)
        .await
        .unwrap();
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert!(catalog.forget_repo(desk.repo, at(7), &lock).await.unwrap());
    assert_eq!(of_repo(&file, desk.repo).await, ["retired"]);
    let packs: Vec<_> =
        catalog.unneeded_packs().await.unwrap().iter().map(|retired| retired.pack.key).collect();
    assert_eq!(catalog.forget_packs(&packs, at(9), &lock).await.unwrap(), packs);
    assert!(of_repo(&file, desk.repo).await.is_empty());
    assert!(catalog.deleted_repos(at(99)).await.unwrap().is_empty());
}

/// All runs and blocks of the index, with their bytes.
async fn runs_and_blocks(file: &std::path::Path) -> Vec<(i64, i64, Vec<u8>)> {
    let mut connection = connected(file).await;
    let all =
        "SELECT -age, id, root FROM index_runs UNION ALL SELECT 0, id, data FROM index_blocks";
    sqlx::query_as(all).fetch_all(&mut connection).await.unwrap()
}

/// Also what a merge was building when its process died.
#[tokio::test]
async fn no_block_is_left_of_a_repo_that_was_forgotten_while_its_runs_were_merged() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(CatalogPlace::Sqlite(file.clone())).await;
    let desk = Desk::new(&catalog).await;
    for number in 0..4 {
        desk.push(vec![pack(number, number * 9000..number * 9000 + 9000)]).await;
    }
    let before = runs_and_blocks(&file).await.len();
    for times in (0..).step_by(5) {
        let now = || at(400 * times as i64);
        polled(times, catalog.merge_index(desk.repo, RunsToMerge::All, &now)).await;
        if runs_and_blocks(&file).await.len() > before + 100 {
            break;
        }
        assert!(times < 999, "it builds nothing");
    }
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert!(catalog.forget_repo(desk.repo, at(7), &lock).await.unwrap());
    assert!(runs_and_blocks(&file).await.is_empty());
}

#[tokio::test]
async fn law_6_publishing_touches_no_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let desk = Desk::new(&open(CatalogPlace::Sqlite(file.clone())).await).await;
    for number in 0..3 {
        desk.push(vec![pack(number, number * 1000..number * 1000 + 1000)]).await;
    }
    let before = runs_and_blocks(&file).await;
    assert!(before.len() > 3 + 3 * 8);
    desk.consolidate(9).await;
    assert!(runs_and_blocks(&file).await == before);
}

#[tokio::test]
async fn no_block_is_without_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(CatalogPlace::Sqlite(file.clone())).await;
    let desk = Desk::new(&catalog).await;
    // Merged at each twelfth.
    for number in 0..30 {
        desk.push(vec![pack(number, number * 200..number * 200 + 200)]).await;
    }
    let found = runs_and_blocks(&file).await;
    let runs: Vec<i64> = found.iter().filter(|row| row.0 < 0).map(|row| row.1).collect();
    assert!(runs.len() < 12, "{} runs", runs.len());
    assert!(found.iter().filter(|row| row.0 == 0).all(|row| runs.contains(&(row.1 >> 24))));
    catalog.delete_repo(desk.repo, at(6)).await.unwrap().unwrap();
    let lock = catalog.lock(LockMode::Deleting).await.unwrap();
    assert!(catalog.forget_repo(desk.repo, at(7), &lock).await.unwrap());
    assert!(runs_and_blocks(&file).await.is_empty());
}

/// Flips a bit of a block, or of a root.
async fn flip(file: &std::path::Path, table: &str, column: &str, id: i64) {
    let mut connection = connected(file).await;
    let read = sqlx::AssertSqlSafe(format!("SELECT {column} FROM {table} WHERE id = ?1"));
    let mut bytes: Vec<u8> =
        sqlx::query_scalar(read).bind(id).fetch_one(&mut connection).await.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let write = sqlx::AssertSqlSafe(format!("UPDATE {table} SET {column} = ?2 WHERE id = ?1"));
    sqlx::query(write).bind(id).bind(bytes).execute(&mut connection).await.unwrap();
}

#[tokio::test]
async fn damage_to_the_index_is_an_error_that_names_the_block() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let desk = Desk::new(&open(CatalogPlace::Sqlite(file.clone())).await).await;
    desk.push(vec![pack(1, 0..1000)]).await;
    let whole = runs_and_blocks(&file).await;
    let number = whole.iter().find(|row| row.0 < 0).unwrap().1;
    let all: Vec<_> = (0..1000)
        .map(|n| packhouse_tests::conformance::desk::row(Kind::Object, n).entity)
        .collect();
    let read = async |name: &str| {
        let mut snapshot = desk.snapshot().await;
        let looked_up = snapshot.lookup(&all).await.err();
        let paged = snapshot.index_page(None, 8192).await.err();
        for error in [looked_up, paged].into_iter().flatten() {
            let is_named = error.to_string().contains(name);
            let is_damage = matches!(&error, Error::Damage(DamageError::DamagedCatalog { .. }));
            assert!(is_named && is_damage, "{name}: {error}");
        }
    };
    for (_, id, _) in whole.iter().filter(|row| row.0 == 0) {
        flip(&file, "index_blocks", "data", *id).await;
        let name = format!("block {} of run {number} of the index is corrupt", id & 0xff_ffff);
        assert!(desk.snapshot().await.lookup(&all).await.is_err());
        read(&name).await;
        flip(&file, "index_blocks", "data", *id).await;
    }
    flip(&file, "index_runs", "root", number).await;
    assert!(desk.snapshot().await.index_page(None, 1).await.is_err());
    read(&format!("the root of run {number} of the index is corrupt")).await;
    flip(&file, "index_runs", "root", number).await;
    assert!(desk.snapshot().await.lookup(&all).await.unwrap().iter().all(Option::is_some));
    run(&file, "DELETE FROM index_blocks WHERE id = (SELECT max(id) FROM index_blocks)").await;
    assert!(desk.snapshot().await.index_page(None, 8192).await.is_err());
    read("of the index is missing").await;
}

/// The tables that have rows of a repo.
async fn of_repo(file: &std::path::Path, repo: i64) -> Vec<String> {
    let mut connection = connected(file).await;
    let tables =
        "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = 'repo'
                  WHERE m.type = 'table' ORDER BY m.name";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut connection).await.unwrap();
    let mut found = Vec::new();
    for table in tables {
        let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table} WHERE repo = ?1"));
        let count: i64 =
            sqlx::query_scalar(count).bind(repo).fetch_one(&mut connection).await.unwrap();
        if count > 0 {
            found.push(table);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_that_ask_for_a_secret_at_once_get_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let place = CatalogPlace::Sqlite(folder.path().join("catalog.db"));
    let (one, other) = (open(place.clone()).await, open(place).await);
    for round in 0..20 {
        let ask = |catalog: &std::sync::Arc<dyn packhouse_host::catalog::Catalog>, fresh| {
            let catalog = catalog.clone();
            tokio::spawn(
                async move { catalog.secret(&round.to_string(), [fresh; 32]).await.unwrap() },
            )
        };
        let (first, second) = tokio::join!(ask(&one, 1), ask(&other, 2));
        assert_eq!(first.unwrap(), second.unwrap());
    }
}

async fn open(place: CatalogPlace) -> std::sync::Arc<dyn packhouse_host::catalog::Catalog> {
    place.open().await.unwrap()
}

/// Servers look every ten seconds, and consoles would read all anew.
#[tokio::test]
async fn looking_for_expired_requests_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let catalog = open(CatalogPlace::Sqlite(folder.path().join("catalog.db"))).await;
    full(&catalog).await;
    let stamp = catalog.change_stamp().await.unwrap();
    assert_eq!(catalog.expire_fetch_requests(at(9)).await.unwrap(), 0);
    assert_eq!(catalog.change_stamp().await.unwrap(), stamp);
    assert_eq!(catalog.expire_fetch_requests(at(10)).await.unwrap(), 1);
    assert_ne!(catalog.change_stamp().await.unwrap(), stamp);
}

#[tokio::test]
async fn a_catalog_from_the_future_is_refused_by_name_and_asking_for_migrations_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let place = CatalogPlace::Sqlite(file.clone());
    let none = place.migrations().await.unwrap();
    assert!(
        none.applied.is_empty() && none.pending().count() == none.known.len() && !file.exists()
    );
    drop(place.open().await.unwrap());
    let all = place.migrations().await.unwrap();
    assert_eq!((all.pending().count(), all.unknown()), (0, None));
    run(
        &file,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', 1, x'00', 0)",
    )
    .await;
    assert_eq!(place.migrations().await.unwrap().unknown(), Some(99));
    let error = place.open().await.expect_err("it is newer");
    assert!(matches!(&error, Error::Open(OpenError::NewerStore { found: 99, .. })), "{error}");
    assert!(error.to_string().contains(&file.display().to_string()), "{error}");
}

/// How many commits the log has: each ends with a frame that says how large the file is then.
fn commits_in_log(file: &std::path::Path) -> usize {
    const HEAD: usize = 32;
    const FRAME: usize = 24 + 4096;
    let log = std::fs::read(file.with_file_name("catalog.db-wal")).unwrap();
    let frames = log[HEAD..].chunks_exact(FRAME);
    frames.filter(|frame| frame[4..8] != [0; 4]).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_that_wait_for_each_other_share_a_commit() {
    const WRITERS: i64 = 64;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("catalog.db");
    let catalog = open(CatalogPlace::Sqlite(file.clone())).await;
    catalog.set_policy(0, Some(&Policy::default())).await.unwrap();
    let before = commits_in_log(&file);
    catalog.set_policy(0, None).await.unwrap();
    assert_eq!(commits_in_log(&file), before + 1, "a lone writer has a commit of its own");
    let writers = (1..=WRITERS).map(|repo| {
        let catalog = catalog.clone();
        tokio::spawn(async move { catalog.set_policy(repo, Some(&Policy::default())).await })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap().unwrap();
    }
    let commits = commits_in_log(&file) - before - 1;
    assert!((1..WRITERS as usize / 2).contains(&commits), "{commits} commits");
    let policies = "SELECT count(*) FROM policies";
    let mut connection = connected(&file).await;
    let count: i64 = sqlx::query_scalar(policies).fetch_one(&mut connection).await.unwrap();
    assert_eq!(count, WRITERS, "each is done when it returns");
}
