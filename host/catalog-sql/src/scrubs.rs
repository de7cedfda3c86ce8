//! [`Scrubs`] on a database. Times have fractions of any length: without their `Z`, their texts sort
//! as they do.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{ScrubTask, Scrubs};
use packhouse_model::error::Result;
use packhouse_model::report::ScrubState;

use super::engine::{Columns, Engine, Reader, Sql, SqlResult, Writing, args};
use super::{SqlCatalog, rows};

/// The oldest pack on a shelf, and how many were read before `$1`.
pub(super) const SCRUB_STATE: &str = "SELECT
    (SELECT rtrim(coalesce(p.verified_at, p.stored_at), 'Z') || 'Z' FROM packs p
     WHERE EXISTS (SELECT 1 FROM shelves s JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL
       WHERE s.pack = p.id)
     ORDER BY rtrim(coalesce(p.verified_at, p.stored_at), 'Z') LIMIT 1) AS oldest,
    (SELECT count(*) FROM packs p
     WHERE rtrim(coalesce(p.verified_at, p.stored_at), 'Z') < rtrim($1, 'Z')
     AND EXISTS (SELECT 1 FROM shelves s JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL
       WHERE s.pack = p.id)) AS due";

#[async_trait]
impl<E: Engine> Scrubs for SqlCatalog<E> {
    async fn take_scrub(
        &self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ScrubTask>> {
        let params = (now.as_millisecond(), verified_before.to_string(), until.as_millisecond());
        let row = self
            .writing("looking for a pack to check", &params, |tx, params| {
                Box::pin(take::<E>(tx, params))
            })
            .await?;
        let Some(row) = row else { return Ok(None) };
        let pack = rows::pack(self.engine.place(), &row)?;
        Ok(Some(ScrubTask { pack, lease_until: until }))
    }

    async fn renew_scrub(&self, task: &ScrubTask, until: Timestamp) -> Result<Option<ScrubTask>> {
        let params = (task.pack.id, task.lease_until.as_millisecond(), until.as_millisecond());
        let renewed = self
            .writing("checking a pack", &params, |tx, params| Box::pin(renew::<E>(tx, params)))
            .await?;
        Ok(renewed.then(|| ScrubTask { lease_until: until, ..task.clone() }))
    }

    async fn scrub_state(&self, verified_before: Timestamp) -> Result<ScrubState> {
        let doing = "looking for packs to check";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let row = reader
            .one(SCRUB_STATE, args![&verified_before.to_string()])
            .await
            .map_err(self.failed(doing))?;
        let oldest = rows::maybe_time(self.engine.place(), &row, "oldest")?;
        Ok(ScrubState { oldest, due: row.count("due") })
    }
}

async fn take<E: Engine>(
    tx: &mut Writing<E>,
    params: &(i64, String, i64),
) -> SqlResult<Option<E::Row>> {
    let (now, verified_before, until) = params;
    tx.maybe(E::TAKE_SCRUB, args![*now, verified_before, *until]).await
}

async fn renew<E: Engine>(tx: &mut Writing<E>, params: &(i64, i64, i64)) -> SqlResult<bool> {
    let (pack, before, until) = *params;
    let renewed = tx
        .run(
            "UPDATE packs SET scrub_until = $3 WHERE id = $1 AND scrub_until = $2
             AND EXISTS (SELECT 1 FROM shelves s JOIN repos r ON r.id = s.repo AND r.deleted_at IS NULL
               WHERE s.pack = packs.id)",
            args![pack, before, until],
        )
        .await?;
    Ok(renewed > 0)
}
