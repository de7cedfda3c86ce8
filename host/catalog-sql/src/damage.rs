//! Known damage, until it is found repaired.

use packhouse_catalog::DamageFindings;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::report::Damage;

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::rows::time;

/// SQL: the repos with known damage, without deleted ones. Damaged packs are few, so each is looked up:
/// `CROSS JOIN` has SQLite begin with them.
macro_rules! damaged_repos {
    () => {
        "SELECT found.repo FROM (
             SELECT s.repo FROM damaged_packs d CROSS JOIN shelves s WHERE s.pack = d.pack
             UNION SELECT repo FROM damaged_repos) found
         CROSS JOIN repos r WHERE r.id = found.repo AND r.deleted_at IS NULL"
    };
}
pub(crate) use damaged_repos;

/// Reads a row with `since`, `found_by` and `detail`.
pub(super) fn read(place: &str, row: &impl Columns, mpack_key: Option<MpackKey>) -> Result<Damage> {
    Ok(Damage {
        mpack_key,
        since: time(place, row, "since")?,
        found_by: row.text("found_by").to_owned(),
        detail: row.text("detail").to_owned(),
    })
}

/// The keys of all packs with known damage.
pub(super) async fn all<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT p.key FROM damaged_packs d JOIN packs p ON p.id = d.pack ORDER BY p.key",
            args![],
        )
        .await
}

/// Records the findings of reading packs.
pub(super) async fn note<E: Engine>(
    tx: &mut Writing<E>,
    findings: &DamageFindings,
) -> SqlResult<()> {
    let now = findings.at.to_string();
    for key in &findings.sound {
        let key = &key.digest()[..];
        tx.run(
            "UPDATE packs SET verified_at = $2, scrub_until = NULL WHERE key = $1",
            args![key, &now],
        )
        .await?;
        tx.run(
            "DELETE FROM damaged_packs WHERE pack IN (SELECT id FROM packs WHERE key = $1)",
            args![key],
        )
        .await?;
    }
    for damage in &findings.damaged {
        let Some(key) = &damage.mpack_key else { continue };
        let Damage { since, found_by, detail, .. } = damage;
        tx.run(
            "INSERT INTO damaged_packs (pack, since, found_by, detail) SELECT id, $2, $3, $4
              FROM packs WHERE key = $1
             ON CONFLICT (pack) DO NOTHING",
            args![&key.digest()[..], &since.to_string(), found_by, detail],
        )
        .await?;
    }
    let Some((repo, damage)) = &findings.repo else { return Ok(()) };
    match damage {
        None => tx.run("DELETE FROM damaged_repos WHERE repo = $1", args![*repo]).await?,
        Some(Damage { since, found_by, detail, .. }) => {
            tx.run(
                "INSERT INTO damaged_repos (repo, since, found_by, detail)
                 SELECT id, $2, $3, $4 FROM repos WHERE id = $1 AND deleted_at IS NULL
                   ON CONFLICT (repo) DO NOTHING",
                args![*repo, &since.to_string(), found_by, detail],
            )
            .await?
        }
    };
    Ok(())
}
