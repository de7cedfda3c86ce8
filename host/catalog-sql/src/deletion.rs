//! Unused packs: finding and forgetting them.

use std::collections::BTreeSet;

use jiff::Timestamp;
use packhouse_catalog::UnneededPack;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::{restore, rows, sums};

/// SQL: neither a shelf of an existing repo holds pack `p`, nor needs a queued job it.
macro_rules! is_unneeded {
    () => {
        "NOT EXISTS (SELECT 1 FROM shelves s
           JOIN repos o ON o.id = s.repo AND o.deleted_at IS NULL WHERE s.pack = p.id)
         AND NOT EXISTS (SELECT 1 FROM job_packs j WHERE j.key = p.key)"
    };
}
pub(super) use is_unneeded;

/// Packs that no shelf of an existing repo holds, once per repo that has retired them, by pack.
pub(super) async fn unneeded<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            concat!(
                "SELECT p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at,
                        p.verified_at, t.retired_at,
                        CASE WHEN r.deleted_at IS NULL THEN r.id END AS repo
                 FROM retired t JOIN packs p ON p.id = t.pack JOIN repos r ON r.id = t.repo
                 WHERE ",
                is_unneeded!(),
                " ORDER BY p.key, t.repo"
            ),
            args![],
        )
        .await
}

/// Rows of packs, each pack once, with the last time that a repo retired it.
pub(super) fn each_once(place: &str, found: &[impl Columns]) -> Result<Vec<UnneededPack>> {
    let mut packs: Vec<UnneededPack> = Vec::new();
    for row in found {
        let retired = rows::retired(place, row)?;
        if packs.last().is_none_or(|last| last.pack.id != retired.pack.id) {
            packs.push(UnneededPack { pack: retired.pack, at: retired.at, repos: Vec::new() });
        }
        if let Some(last) = packs.last_mut() {
            last.at = last.at.max(retired.at);
            last.repos.extend(row.maybe_int("repo"));
        }
    }
    Ok(packs)
}

/// Packs that may be deleted: no shelf holds them, no queued job will put them on one, and no repo
/// has retired them later than `until`.
pub(super) async fn deletable<S: Sql>(
    tx: &mut S,
    params: &ForgetParams<'_>,
) -> SqlResult<Vec<UnneededPack>> {
    let mut found = Vec::new();
    for key in params.packs {
        found.extend(
            tx.all(
                "SELECT p.id AS pack_id, p.key, p.bytes, p.records, p.consolidated, p.stored_at,
                        p.verified_at, t.retired_at,
                        CASE WHEN r.deleted_at IS NULL THEN r.id END AS repo
                 FROM packs p JOIN retired t ON t.pack = p.id JOIN repos r ON r.id = t.repo
                 WHERE p.key = $1 AND NOT EXISTS (SELECT 1 FROM shelves s WHERE s.pack = p.id)
                 AND NOT EXISTS (SELECT 1 FROM job_packs j WHERE j.key = p.key) ORDER BY t.repo",
                args![&key.digest()[..]],
            )
            .await?,
        );
    }
    let found =
        each_once(params.place, &found).map_err(|damage| sqlx::Error::Decode(damage.into()))?;
    Ok(found.into_iter().filter(|unneeded| unneeded.at <= params.until).collect())
}

/// Packs that a shelf holds.
pub(super) async fn held<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader
        .all(
            "SELECT key FROM packs p WHERE EXISTS (
                 SELECT 1 FROM shelves s JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL
                   WHERE s.pack = p.id)",
            args![],
        )
        .await
}

/// For each key, whether a repo or a queued job has the pack.
pub(super) async fn knows<E: Engine>(engine: &E, keys: &[MpackKey]) -> SqlResult<Vec<bool>> {
    let mut reader = Reader::of(engine).await?;
    let mut known = Vec::with_capacity(keys.len());
    for key in keys {
        let found = reader
            .maybe(
                "SELECT 1 FROM packs WHERE key = $1 UNION ALL SELECT 1 FROM job_packs WHERE key = $1 LIMIT 1",
                args![&key.digest()[..]],
            )
            .await?;
        known.push(found.is_some());
    }
    Ok(known)
}

/// When the newest pack was stored. Without its `Z` a time's text sorts like the time, with or
/// without a fraction of a second.
pub(super) async fn last_stored<E: Engine>(engine: &E) -> SqlResult<E::Row> {
    let mut reader = Reader::of(engine).await?;
    reader.one("SELECT max(rtrim(stored_at, 'Z')) || 'Z' AS at FROM packs", args![]).await
}

/// Packs to forget.
pub(super) struct ForgetParams<'a> {
    /// Where the catalog is.
    pub(super) place: &'a str,
    pub(super) packs: &'a [MpackKey],
    /// The latest time at which they may have been retired.
    pub(super) until: Timestamp,
}

/// Forgets packs, except those that a shelf holds by now, that a queued job will put on one, or
/// that a repo has retired later than `until`. Returns the forgotten ones.
pub(super) async fn forget<E: Engine>(
    tx: &mut Writing<E>,
    params: &ForgetParams<'_>,
) -> SqlResult<Vec<MpackKey>> {
    let (mut forgotten, mut touched) = (Vec::new(), BTreeSet::new());
    for unneeded in deletable(tx, params).await? {
        let pack = unneeded.pack.id;
        let retired = tx.all("SELECT repo FROM retired WHERE pack = $1", args![pack]).await?;
        touched.extend(retired.iter().map(|row| row.int("repo")));
        for statement in [
            "DELETE FROM retired WHERE pack = $1",
            "DELETE FROM damaged_packs WHERE pack = $1",
            "DELETE FROM complete_packs WHERE pack = $1",
            "DELETE FROM packs WHERE id = $1",
        ] {
            tx.run(statement, args![pack]).await?;
        }
        forgotten.push(unneeded.pack.key);
    }
    for repo in touched {
        sums::recount_packs::<E>(tx, repo).await?;
        restore::remove_row::<E>(tx, repo).await?;
    }
    Ok(forgotten)
}
