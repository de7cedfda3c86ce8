//! What the catalog remembers of consolidations that ended.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::super::RunsQuery;
use super::{damaged_row, read_repo_name, read_time};
use crate::error::Result;
use crate::report::{GcEntry, GcRecord, GcReport};

/// Remembers one.
pub(super) async fn record(
    writer: &SqlitePool,
    repo: i64,
    record: &GcRecord,
    report: Option<&GcReport>,
) -> Result<(), sqlx::Error> {
    // Doing nothing again is no news: only the time of the last such run is kept.
    if record.outcome == "skipped" {
        let again = sqlx::query(
            "UPDATE gc_runs SET finished_at = ?2, elapsed_ms = ?3, component = ?4
             WHERE id = (SELECT max(id) FROM gc_runs WHERE repo = ?1) AND outcome = 'skipped' AND consolidated_key IS ?5",
        )
        .bind(repo)
        .bind(record.finished_at.to_string())
        .bind(record.elapsed_ms as i64)
        .bind(&record.component)
        .bind(&record.consolidated_key)
        .execute(writer)
        .await?;
        if again.rows_affected() > 0 {
            return Ok(());
        }
    }
    let report = report.map(serde_json::to_string).transpose().map_err(|e| sqlx::Error::Encode(e.into()))?;
    let mut tx = writer.begin_with("BEGIN IMMEDIATE").await?;
    let run: i64 = sqlx::query_scalar(
        "INSERT INTO gc_runs (repo, finished_at, outcome, packs_before, packs_after, consolidated_key,
                              bytes_before, bytes_after, elapsed_ms, component, error)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING id",
    )
    .bind(repo)
    .bind(record.finished_at.to_string())
    .bind(&record.outcome)
    .bind(record.packs_before as i64)
    .bind(record.packs_after as i64)
    .bind(&record.consolidated_key)
    .bind(record.bytes_before as i64)
    .bind(record.bytes_after as i64)
    .bind(record.elapsed_ms as i64)
    .bind(&record.component)
    .bind(&record.error)
    .fetch_one(&mut *tx)
    .await?;
    if let Some(report) = report {
        sqlx::query("INSERT INTO gc_reports (run, report) VALUES (?1, ?2)").bind(run).bind(report).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// The runs of a repo, newest first. Without their reports: lists of repos ask for the last one of each.
pub(super) async fn of_repo(readers: &SqlitePool, repo: i64, limit: u32) -> Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query("SELECT * FROM gc_runs WHERE repo = ?1 ORDER BY id DESC LIMIT ?2").bind(repo).bind(limit).fetch_all(readers).await
}

/// A list of runs, newest first: each with its repo's name and its report.
macro_rules! listing {
    ($of:literal) => {
        concat!(
            "SELECT g.*, r.owner, r.slug, t.report FROM gc_runs g JOIN repos r ON r.id = g.repo
             LEFT JOIN gc_reports t ON t.run = g.id WHERE ",
            $of,
            // `instr`, since a text may hold what LIKE takes for a pattern.
            " AND g.id < ?2 AND (?3 = '' OR instr(lower(r.owner || '/' || r.slug), ?3) OR instr(lower(g.outcome), ?3)
                OR instr(lower(coalesce(g.consolidated_key, '')), ?3) OR instr(lower(coalesce(g.error, '')), ?3))
             ORDER BY g.id DESC LIMIT ?4"
        )
    };
}

/// The rows that a query asks for. Without a text it reads no more rows than it answers.
pub(super) async fn list(readers: &SqlitePool, query: RunsQuery<'_>) -> Result<Vec<SqliteRow>, sqlx::Error> {
    let listing = if query.repo.is_some() { listing!("g.repo = ?1") } else { listing!("?1 IS NULL") };
    sqlx::query(listing)
        .bind(query.repo)
        .bind(query.before.unwrap_or(i64::MAX))
        // SQLite's `lower` knows ASCII only.
        .bind(query.text.to_ascii_lowercase())
        .bind(query.limit)
        .fetch_all(readers)
        .await
}

/// Reads a row of [`list`].
pub(super) fn read_entry(path: &Path, row: &SqliteRow) -> Result<GcEntry> {
    let report = row.get::<Option<&str>, _>("report").map(serde_json::from_str).transpose();
    Ok(GcEntry {
        id: row.get("id"),
        repo: read_repo_name(path, row)?,
        record: read_record(path, row)?,
        report: report.map_err(|_| damaged_row(path, "the report of a consolidation"))?,
    })
}

/// Reads the run of a row.
pub(super) fn read_record(path: &Path, row: &SqliteRow) -> Result<GcRecord> {
    let count = |name: &str| row.get::<i64, _>(name) as u64;
    Ok(GcRecord {
        finished_at: read_time(path, row, "finished_at")?,
        outcome: row.get("outcome"),
        packs_before: count("packs_before"),
        packs_after: count("packs_after"),
        consolidated_key: row.get("consolidated_key"),
        bytes_before: count("bytes_before"),
        bytes_after: count("bytes_after"),
        elapsed_ms: count("elapsed_ms"),
        component: row.get("component"),
        error: row.get("error"),
    })
}

/// Bytes made and milliseconds taken, of the last runs that published something.
pub(super) async fn paces(readers: &SqlitePool, limit: u32) -> Result<Vec<(u64, u64)>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT bytes_after, elapsed_ms FROM gc_runs WHERE outcome = 'consolidated' ORDER BY id DESC LIMIT ?1")
            .bind(limit)
            .fetch_all(readers)
            .await?;
    Ok(rows.iter().map(|row| (row.get::<i64, _>(0) as u64, row.get::<i64, _>(1) as u64)).collect())
}
