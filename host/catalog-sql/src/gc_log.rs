//! The log of finished consolidations.

use packhouse_catalog::GcLogQuery;
use packhouse_model::error::Result;
use packhouse_model::report::{GcEntry, GcRecord, GcReport};
use serde::Deserialize;

use super::columns::run_columns;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::rows::{damaged, repo_name, time};

/// A finished consolidation.
pub(super) struct FinishedGc<'a> {
    pub(super) repo: i64,
    pub(super) record: &'a GcRecord,
    pub(super) report: Option<&'a GcReport>,
}

/// Records one.
pub(super) async fn record<E: Engine>(
    tx: &mut Writing<E>,
    ended: &FinishedGc<'_>,
) -> SqlResult<()> {
    let FinishedGc { repo, record, report } = *ended;
    let finished_at = record.finished_at.to_string();
    // Of repeated runs that did nothing, only the last one is kept.
    if record.outcome == "skipped" && report.is_none() {
        let again = tx
            .run(
                "UPDATE gc_runs SET finished_at = $2, elapsed_ms = $3, component = $4
                 WHERE id = (SELECT max(id) FROM gc_runs WHERE repo = $1) AND outcome = 'skipped'
                 AND consolidated_key IS NOT DISTINCT FROM $5
                 AND NOT EXISTS (SELECT 1 FROM gc_reports t WHERE t.run = gc_runs.id)",
                args![
                    repo,
                    &finished_at,
                    record.elapsed_ms,
                    &record.component,
                    record.consolidated_key.as_deref()
                ],
            )
            .await?;
        if again > 0 {
            return Ok(());
        }
    }
    let report =
        report.map(serde_json::to_string).transpose().map_err(|e| sqlx::Error::Encode(e.into()))?;
    let run = tx
        .one(
            "INSERT INTO gc_runs (repo, finished_at, outcome, packs_before, packs_after, consolidated_key,
                                  bytes_before, bytes_after, elapsed_ms, component, error, error_code)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id",
            args![
                repo,
                &finished_at,
                &record.outcome,
                record.packs_before,
                record.packs_after,
                record.consolidated_key.as_deref(),
                record.bytes_before,
                record.bytes_after,
                record.elapsed_ms,
                &record.component,
                record.error.as_deref(),
                record.error_code.as_deref(),
            ],
        )
        .await?;
    if let Some(report) = report {
        tx.run(
            "INSERT INTO gc_reports (run, report) VALUES ($1, $2)",
            args![run.int("id"), &report],
        )
        .await?;
    }
    Ok(())
}

/// The runs of a repo, newest first. Without their reports: lists of repos need only the last run
/// of each.
pub(super) async fn of_repo<E: Engine>(
    engine: &E,
    repo: i64,
    limit: u32,
) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            concat!(
                "SELECT ",
                run_columns!(),
                " FROM gc_runs WHERE repo = $1 ORDER BY id DESC LIMIT $2"
            ),
            args![repo, limit],
        )
        .await
}

/// A list of runs, newest first: each with its repo's name and its report.
macro_rules! listing {
    ($of:literal) => {
        concat!(
            "SELECT ",
            run_columns!("g."),
            ", r.owner, r.slug, t.report FROM gc_runs g
              JOIN repos r ON r.id = g.repo AND r.deleted_at IS NULL
             LEFT JOIN gc_reports t ON t.run = g.id WHERE ",
            $of,
            // A text contains another one if removing that one changes it. Not LIKE: the text may
            // have pattern characters.
            " AND g.id < $2 AND ($3 = ''
              OR replace(lower(r.owner || '/' || r.slug), $3, '') <> lower(r.owner || '/' || r.slug)
                OR replace(lower(g.outcome), $3, '') <> lower(g.outcome)
                OR replace(lower(g.consolidated_key), $3, '') <> lower(g.consolidated_key)
                OR replace(lower(g.error), $3, '') <> lower(g.error))
             ORDER BY g.id DESC LIMIT $4"
        )
    };
}

/// The rows of a query. Without a text it reads no more rows than it returns.
pub(super) async fn list<E: Engine>(engine: &E, query: GcLogQuery<'_>) -> SqlResult<Vec<E::Row>> {
    let listing =
        if query.repo.is_some() { listing!("g.repo = $1") } else { listing!("$1 IS NULL") };
    // `lower` of both databases changes ASCII only: that of SQLite always, that of Postgres in the
    // collation of the columns.
    let text = query.text.to_ascii_lowercase();
    let mut reader = Reader::of(engine).await?;
    reader
        .all(listing, args![query.repo, query.before.unwrap_or(i64::MAX), &text, query.limit])
        .await
}

/// Reads a row of [`list`].
pub(super) fn read_entry(place: &str, row: &impl Columns) -> Result<GcEntry> {
    let report = row.maybe_text("report").map(serde_json::from_str).transpose();
    Ok(GcEntry {
        id: row.int("id"),
        repo: repo_name(place, row)?,
        record: read_record(place, row)?,
        report: report.map_err(|_| damaged(place, "the report of a consolidation"))?,
    })
}

/// Reads the run of a row.
pub(super) fn read_record(place: &str, row: &impl Columns) -> Result<GcRecord> {
    Ok(GcRecord {
        finished_at: time(place, row, "finished_at")?,
        outcome: row.text("outcome").to_owned(),
        packs_before: row.count("packs_before"),
        packs_after: row.count("packs_after"),
        consolidated_key: row.maybe_text("consolidated_key").map(str::to_owned),
        bytes_before: row.count("bytes_before"),
        bytes_after: row.count("bytes_after"),
        elapsed_ms: row.count("elapsed_ms"),
        component: row.text("component").to_owned(),
        error: row.maybe_text("error").map(str::to_owned),
        error_code: row.maybe_text("error_code").map(str::to_owned),
    })
}

/// Of the report of a consolidation, what its pace is computed from.
#[derive(Deserialize)]
struct Written {
    /// Missing in the reports of an older packhouse.
    bytes_written: Option<u64>,
}

/// Bytes written and duration in milliseconds of the last runs that published something.
pub(super) async fn paces<E: Engine>(engine: &E, limit: u32) -> SqlResult<Vec<(u64, u64)>> {
    let mut reader = Reader::of(engine).await?;
    let found = reader
        .all(
            "SELECT g.bytes_after, g.elapsed_ms, t.report FROM gc_runs g
              LEFT JOIN gc_reports t ON t.run = g.id
             WHERE g.outcome = 'consolidated' ORDER BY g.id DESC LIMIT $1",
            args![limit],
        )
        .await?;
    let pace = |row: &E::Row| {
        let report = row.maybe_text("report").map(serde_json::from_str::<Written>);
        let written = report.and_then(Result::ok).and_then(|report| report.bytes_written);
        (written.unwrap_or_else(|| row.count("bytes_after")), row.count("elapsed_ms"))
    };
    Ok(found.iter().map(pace).collect())
}
