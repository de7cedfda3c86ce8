//! Summaries of repos. One statement per page, which sees one state and reads two rows per repo:
//! its own, with the totals that pushes and consolidations update, and its last consolidation.

use packhouse_catalog::Totals;
use packhouse_model::error::Result;
use packhouse_model::names::RepoName;
use packhouse_model::report::RepoSummary;

use super::engine::{
    Columns, Engine, Reader, Sql, SqlResult, args, from_repos, page_of_repos, repo_state,
};
use super::gc_log::read_record;
use super::rows::{repo_name, sums, time};

/// Summaries of some repos.
///
/// An uncounted shelf maps its share of the pack by records, as in
/// [`packhouse_catalog::Shelf::needed_bytes`]: for repos with such a shelf, the shelves are read.
macro_rules! summaries {
    ($of:expr) => {
        concat!(
            "SELECT r.owner, r.slug, r.created_at, r.packs, r.commits, r.snapshots, r.objects,
                    r.tags, r.bytes, r.needed_bytes,
                    r.stored_bytes,
                    CASE WHEN r.needed_bytes IS NULL THEN (
                        SELECT CAST(sum(coalesce(s.mapped_bytes, CAST(
                            CAST(p.bytes AS DOUBLE PRECISION) * (s.commits + s.snapshots + s.objects + s.tags)
                                / CASE WHEN p.records > 0 THEN p.records ELSE 1 END AS BIGINT))) AS BIGINT)
                        FROM shelves s JOIN packs p ON p.id = s.pack
                          WHERE s.repo = r.id) END AS estimated_bytes, ",
            repo_state!(),
            from_repos!(),
            $of
        )
    };
}

/// Rows by name, after one, at most `limit`.
pub(super) async fn page<E: Engine>(
    engine: &E,
    after: Option<&RepoName>,
    limit: u32,
) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            summaries!(page_of_repos!()),
            args![after.map_or("", RepoName::owner), after.map_or("", RepoName::slug), limit],
        )
        .await
}

/// The row of one repo.
pub(super) async fn one<E: Engine>(engine: &E, name: &RepoName) -> SqlResult<Option<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader.maybe(summaries!("r.owner = $1 AND r.slug = $2"), args![name.owner(), name.slug()]).await
}

/// [`Totals`] of all repos: one statement that reads one row per repo.
pub(super) async fn totals<E: Engine>(engine: &E) -> SqlResult<E::Row> {
    let mut reader = Reader::of(engine).await?;
    reader
        .one(
            "SELECT count(*) AS repos, CAST(coalesce(max(packs), 0) AS BIGINT) AS most_packs,
                CAST(coalesce(sum(packs), 0) AS BIGINT) AS packs,
                CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes,
                CAST(coalesce(sum(CASE WHEN packs > 1 AND needed_bytes IS NOT NULL AND bytes > needed_bytes
                    THEN bytes - needed_bytes ELSE 0 END), 0) AS BIGINT) AS duplicate_bytes,
                CAST(coalesce(sum(CASE WHEN stored_bytes > bytes THEN stored_bytes - bytes
                  ELSE 0 END), 0) AS BIGINT)
                    AS superseded_bytes,
                CAST(coalesce(sum(objects), 0) AS BIGINT) AS objects,
                (SELECT count(*) FROM (SELECT DISTINCT s.repo, s.pack FROM damaged_packs d
                  JOIN shelves s ON s.pack = d.pack
                    JOIN repos r ON r.id = s.repo WHERE r.deleted_at IS NULL) on_shelves)
                + (SELECT count(*) FROM damaged_repos d JOIN repos r ON r.id = d.repo
                  WHERE r.deleted_at IS NULL) AS damaged
             FROM repos WHERE deleted_at IS NULL",
            args![],
        )
        .await
}

/// Reads the row of [`totals`].
pub(super) fn read_totals(row: &impl Columns) -> Totals {
    Totals {
        repos: row.count("repos"),
        most_packs: row.count("most_packs"),
        packs: row.count("packs"),
        bytes: row.count("bytes"),
        duplicate_bytes: row.count("duplicate_bytes"),
        superseded_bytes: row.count("superseded_bytes"),
        objects: row.count("objects"),
        damaged: row.count("damaged"),
    }
}

/// Reads a row of [`page`] or [`one`].
pub(super) fn read(place: &str, row: &impl Columns) -> Result<RepoSummary> {
    let sums = sums(place, row)?;
    let estimated = || row.maybe_int("estimated_bytes").map_or(0, |bytes| bytes as u64);
    let needed = sums.needed_bytes.unwrap_or_else(estimated);
    Ok(RepoSummary {
        repo: repo_name(place, row)?,
        packs: sums.packs,
        objects: sums.mapped.objects,
        commits: sums.mapped.commits,
        snapshots: sums.mapped.snapshots,
        tags: sums.mapped.tags,
        bytes: sums.bytes,
        stored_bytes: sums.stored_bytes,
        duplicate_bytes: if sums.packs > 1 { sums.bytes.saturating_sub(needed) } else { 0 },
        superseded_bytes: sums.stored_bytes.saturating_sub(sums.bytes),
        last_gc: row.maybe_text("outcome").map(|_| read_record(place, row)).transpose()?,
        damaged: row.count("damaged"),
        created_at: time(place, row, "created_at")?,
    })
}
