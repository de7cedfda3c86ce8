//! SQLite looks up keys: no statement that unpacks keys scans a table, in an empty catalog (where a
//! scan seems cheapest) or in a full one.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Row, SqliteConnection};

use super::{MIGRATIONS, SqliteFile};
use crate::complete::COMPLETE_PACK;
use crate::engine::Engine;
use crate::fetch_requests::{EXPIRE, EXPIRED, REQUEST};
use crate::healed;
use crate::index::merge::SOME_RUNS;
use crate::index::{
    CONVERTED_RUNS, LAST_CONVERTED, NEWEST_RUNS, PUT_BLOCKS, RUN_SIZES, RUNS, SERIES,
};
use crate::migrations::migrator;
use crate::policies::CHANGED;
use crate::snapshot::{COMMITS, TAGS_WITHOUT_COMMIT};

/// What may be scanned: numbers, and what was looked up before.
const LISTS: [&str; 6] = ["n", "side", "asked", "walk", "history", "CONSTANT"];

const STATEMENTS: [(&str, &str); 33] = [
    ("HISTORY", SqliteFile::HISTORY),
    ("GENERATIONS", SqliteFile::GENERATIONS),
    ("PUT_GENERATIONS", SqliteFile::PUT_GENERATIONS),
    ("PUT_COMMITS", SqliteFile::PUT_COMMITS),
    ("PUT_AWAITED", SqliteFile::PUT_AWAITED),
    ("TAKE_AWAITED", SqliteFile::TAKE_AWAITED),
    ("TAGS_OF", SqliteFile::TAGS_OF),
    ("BLOCKS", SqliteFile::BLOCKS),
    ("OLD_LOOKUP", SqliteFile::OLD_LOOKUP),
    ("RUNS", RUNS),
    ("RUN_SIZES", RUN_SIZES),
    ("NEWEST_RUNS", NEWEST_RUNS),
    ("SOME_RUNS", SOME_RUNS),
    ("CONVERTED_RUNS", CONVERTED_RUNS),
    ("LAST_CONVERTED", LAST_CONVERTED),
    ("SERIES", SERIES),
    ("PUT_BLOCKS", PUT_BLOCKS),
    ("PACKS_ON", SqliteFile::PACKS_ON),
    ("PLANNED_SHELVES", SqliteFile::PLANNED_SHELVES),
    ("PUT_ON_SHELVES", SqliteFile::PUT_ON_SHELVES),
    ("RETIRE_PACKS", SqliteFile::RETIRE_PACKS),
    ("MAPPED_PACKS", SqliteFile::MAPPED_PACKS),
    ("STALE", SqliteFile::STALE),
    ("TOUCHED", SqliteFile::TOUCHED),
    ("DROP_COMMITS", SqliteFile::DROP_COMMITS),
    ("COMPLETE_PACK", COMPLETE_PACK),
    ("TAKE_SCRUB", SqliteFile::TAKE_SCRUB),
    ("COMMITS", COMMITS),
    ("TAGS_WITHOUT_COMMIT", TAGS_WITHOUT_COMMIT),
    ("REQUEST", REQUEST),
    ("CHANGED", CHANGED),
    ("EXPIRED", EXPIRED),
    ("EXPIRE", EXPIRE),
];

/// The steps of a statement.
async fn steps(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explain = format!("EXPLAIN QUERY PLAN {statement}");
    let steps = sqlx::query(AssertSqlSafe(explain)).fetch_all(connection).await.unwrap();
    steps.iter().map(|row| row.get("detail")).collect()
}

/// The steps of a statement that scan something else.
async fn scans(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let scanned = |step: &String| {
        step.strip_prefix("SCAN ")
            .and_then(|rest| rest.split(' ').next())
            .is_some_and(|table| !LISTS.contains(&table))
    };
    steps(connection, statement).await.into_iter().filter(scanned).collect()
}

#[tokio::test]
async fn statements_look_up_keys_and_scan_nothing() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrator(&MIGRATIONS).run_direct(None, &mut connection, false).await.unwrap();
    assert!(!scans(&mut connection, "SELECT * FROM commits").await.is_empty(), "scans are seen");
    for (name, statement) in STATEMENTS {
        let found = scans(&mut connection, statement).await;
        assert!(found.is_empty(), "{name}: {found:?}");
    }
}

/// Of jobs, they read those with the code of damage, and look up other mirrors; and repos by what is
/// damaged.
#[tokio::test]
async fn healed_jobs_are_found_by_their_indexes() {
    let mut connection = SqliteConnectOptions::new().in_memory(true).connect().await.unwrap();
    migrator(&MIGRATIONS).run_direct(None, &mut connection, false).await.unwrap();
    for statement in [healed::HEALED, healed::COUNTS] {
        let steps = steps(&mut connection, statement).await;
        let found = [
            ("j", "COVERING INDEX jobs_by_code (status=? AND error_code=?"),
            ("o", "COVERING INDEX jobs_mirroring (repo=?"),
            ("s", "INDEX shelves_by_pack (pack=?)"),
            ("r", "INTEGER PRIMARY KEY (rowid=?)"),
        ];
        for (table, how) in found {
            let of = format!("SEARCH {table} USING ");
            let is_found = |step: &&String| step.starts_with(&of) && step.contains(how);
            assert!(steps.iter().any(|step| is_found(&step)), "{table}: {steps:#?}");
        }
    }
}
