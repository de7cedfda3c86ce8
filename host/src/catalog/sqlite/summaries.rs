//! Repos in a line each. One statement a page, which sees one state and reads two rows a repo: its own, with the sums that pushes and
//! consolidations keep, and its last consolidation.

use std::path::Path;

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::runs::read_record;
use super::sums::read_sums;
use super::{read_repo_name, read_time};
use crate::error::Result;
use crate::names::RepoName;
use crate::report::RepoSummary;

/// Summaries of some repos.
///
/// What the index maps to a shelf that nobody counted is its share of the pack by records, as in
/// [`crate::catalog::Shelf::needed_bytes`]: for repos with such a shelf, the shelves are read.
macro_rules! summaries {
    ($of:literal) => {
        concat!(
            "SELECT r.owner, r.slug, r.created_at, r.packs, r.commits, r.snapshots, r.objects, r.tags, r.bytes, r.needed_bytes,
                    r.stored_bytes, g.finished_at, g.outcome, g.packs_before, g.packs_after, g.consolidated_key, g.bytes_before, g.bytes_after,
                    g.elapsed_ms, g.component, g.error,
                    CASE WHEN r.needed_bytes IS NULL THEN (
                        SELECT sum(coalesce(s.mapped_bytes, CAST(
                            CAST(p.bytes AS REAL) * (s.commits + s.snapshots + s.objects + s.tags) / max(p.records, 1) AS INTEGER)))
                        FROM shelves s JOIN packs p ON p.id = s.pack WHERE s.repo = r.id) END AS estimated_bytes
             FROM repos r LEFT JOIN gc_runs g ON g.id = (SELECT max(id) FROM gc_runs WHERE repo = r.id)
             WHERE ",
            $of
        )
    };
}

/// Rows by name, after one, at most `limit`.
pub(super) async fn page(
    readers: &SqlitePool,
    after: Option<&RepoName>,
    limit: u32,
) -> std::result::Result<Vec<SqliteRow>, sqlx::Error> {
    sqlx::query(summaries!("(r.owner, r.slug) > (?1, ?2) ORDER BY r.owner, r.slug LIMIT ?3"))
        .bind(after.map_or("", RepoName::owner))
        .bind(after.map_or("", RepoName::slug))
        .bind(limit)
        .fetch_all(readers)
        .await
}

/// The row of one repo.
pub(super) async fn one(readers: &SqlitePool, name: &RepoName) -> std::result::Result<Option<SqliteRow>, sqlx::Error> {
    sqlx::query(summaries!("r.owner = ?1 AND r.slug = ?2")).bind(name.owner()).bind(name.slug()).fetch_optional(readers).await
}

/// Reads a row of [`page`] or [`one`].
pub(super) fn read(path: &Path, row: &SqliteRow) -> Result<RepoSummary> {
    let sums = read_sums(path, row)?;
    let estimated = || row.get::<Option<i64>, _>("estimated_bytes").map_or(0, |bytes| bytes as u64);
    let needed = sums.needed_bytes.unwrap_or_else(estimated);
    Ok(RepoSummary {
        repo: read_repo_name(path, row)?,
        packs: sums.packs,
        objects: sums.mapped.objects,
        commits: sums.mapped.commits,
        snapshots: sums.mapped.snapshots,
        tags: sums.mapped.tags,
        bytes: sums.bytes,
        stored_bytes: sums.stored_bytes,
        duplicate_bytes: if sums.packs > 1 { sums.bytes.saturating_sub(needed) } else { 0 },
        superseded_bytes: sums.stored_bytes.saturating_sub(sums.bytes),
        last_gc: row.get::<Option<&str>, _>("outcome").map(|_| read_record(path, row)).transpose()?,
        created_at: read_time(path, row, "created_at")?,
    })
}
