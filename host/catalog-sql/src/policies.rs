//! Policies in the catalog, and the numbers that they are checked against.

use packhouse_catalog::Pressure;
use packhouse_model::error::Result;
use packhouse_model::report::Policy;

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::rows::{damaged, maybe_time};

pub(super) async fn list<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT p.repo, p.max_packs, p.growth, p.max_age_seconds, p.scrub_age_seconds FROM policies p
              LEFT JOIN repos r ON r.id = p.repo
             WHERE r.deleted_at IS NULL ORDER BY p.repo",
            args![],
        )
        .await
}

pub(super) fn read(place: &str, row: &impl Columns) -> Result<(i64, Policy)> {
    let growth = row
        .maybe_text("growth")
        .map(str::parse)
        .transpose()
        .map_err(|_| damaged(place, "a policy"))?;
    let number = |column: &str| row.maybe_int(column).map(|number| number as u64);
    Ok((
        row.int("repo"),
        Policy {
            max_packs: number("max_packs"),
            growth,
            max_age_seconds: number("max_age_seconds"),
            scrub_age_seconds: number("scrub_age_seconds"),
        },
    ))
}

/// Sets or resets the policy of a repo.
pub(super) async fn set<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, Option<&Policy>),
) -> SqlResult<()> {
    let (repo, policy) = *params;
    let Some(policy) = policy else {
        return tx.run("DELETE FROM policies WHERE repo = $1", args![repo]).await.map(drop);
    };
    let growth = policy.growth.map(|growth| growth.to_string());
    let number = |number: Option<u64>| number.map(|number| number as i64);
    tx.run(
        "INSERT INTO policies (repo, max_packs, growth, max_age_seconds, scrub_age_seconds)
         VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (repo) DO UPDATE
         SET max_packs = excluded.max_packs, growth = excluded.growth,
           max_age_seconds = excluded.max_age_seconds,
           scrub_age_seconds = excluded.scrub_age_seconds",
        args![
            repo,
            number(policy.max_packs),
            growth.as_deref(),
            number(policy.max_age_seconds),
            number(policy.scrub_age_seconds)
        ],
    )
    .await
    .map(drop)
}

/// Writes a row and deletes it, to test whether the catalog is writable: the policy of a repo that
/// no catalog has.
pub(super) async fn probe<E: Engine>(tx: &mut Writing<E>, (): &()) -> SqlResult<()> {
    const NO_REPO: i64 = -1;
    set(tx, &(NO_REPO, Some(&Policy::OFF))).await?;
    set(tx, &(NO_REPO, None)).await
}

/// Repos with more than one pack. Times have fractions of any length: without their `Z`, their
/// texts sort as they do. Their shelves are read: there are few, unless automatic consolidation has
/// been off for long.
pub(super) async fn pressures<E: Engine>(engine: &E, repo: Option<i64>) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT r.id, CAST(coalesce(sum(CASE WHEN p.consolidated > 0
              THEN p.bytes END), 0) AS BIGINT) AS consolidated_bytes,
                    min(CASE WHEN p.consolidated = 0 THEN rtrim(p.stored_at, 'Z') END) || 'Z' AS oldest
             FROM repos r JOIN packs p ON p.id IN (
                 SELECT s.pack FROM shelves s
                   WHERE s.repo = r.id AND s.commits + s.snapshots + s.objects + s.tags > 0)
             WHERE r.packs > 1 AND r.deleted_at IS NULL AND ($1 IS NULL OR r.id = $1) GROUP BY r.id
               ORDER BY r.id",
            args![repo],
        )
        .await
}

/// Repos with changes after number `$1`.
pub(super) const CHANGED: &str = "SELECT DISTINCT r.owner, r.slug
    FROM changes c JOIN repos r ON r.id = c.repo
    WHERE c.id > $1 AND r.deleted_at IS NULL ORDER BY r.owner, r.slug";

/// The number of the newest change, and the names of repos with changes after one.
pub(super) async fn changed_repos<E: Engine>(
    engine: &E,
    since: i64,
) -> SqlResult<(i64, Vec<E::Row>)> {
    let mut reader = Reader::of(engine).await?;
    // First the number: what comes in between is seen again next time.
    let last = reader.one("SELECT coalesce(max(id), 0) AS last FROM changes", args![]).await?;
    Ok((last.int("last"), reader.all(CHANGED, args![since]).await?))
}

pub(super) fn read_pressure(place: &str, row: &impl Columns) -> Result<Pressure> {
    Ok(Pressure {
        repo: row.int("id"),
        consolidated_bytes: row.count("consolidated_bytes"),
        oldest_unconsolidated: maybe_time(place, row, "oldest")?,
    })
}
