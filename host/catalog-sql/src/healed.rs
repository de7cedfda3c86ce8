//! Jobs that failed because of damage that was repaired since.

use std::ops::RangeInclusive;

use packhouse_model::error::Error;

use super::damage::damaged_repos;
use super::engine::{Engine, Reader, Sql, SqlResult, args};

/// SQL: what `$select` says of healed jobs `j`, with `$and` as another condition. Their code is `$1`.
macro_rules! healed {
    ($select:literal, $and:literal) => {
        concat!(
            "WITH damaged AS (",
            damaged_repos!(),
            ") SELECT ",
            $select,
            " FROM jobs j
             WHERE j.status = 'failed' AND j.error_code = $1
             AND CASE WHEN j.repo IS NULL THEN NOT EXISTS (SELECT 1 FROM damaged)
                      ELSE j.repo NOT IN (SELECT repo FROM damaged) END
             AND j.type <> 'mpack.index'
             AND (j.type <> 'repo.mirror' OR EXISTS (
                 SELECT 1 FROM jobs o WHERE o.repo = j.repo AND o.type = 'repo.mirror'
                 AND (o.id > j.id OR o.id < j.id AND o.status IN ('queued', 'running')))) ",
            $and
        )
    };
}

/// The ids of healed jobs from `$2` to `$3`.
pub(crate) const HEALED: &str = healed!("j.id", "AND j.id BETWEEN $2 AND $3");

/// How many jobs of each type are healed.
pub(crate) const COUNTS: &str =
    healed!("j.type, count(*) AS jobs", "GROUP BY j.type ORDER BY j.type");

pub(super) async fn list<E: Engine>(
    engine: &E,
    among: &RangeInclusive<i64>,
) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader.all(HEALED, args![Error::DAMAGE_CODE, *among.start(), *among.end()]).await
}

pub(super) async fn counts<E: Engine>(engine: &E) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    reader.all(COUNTS, args![Error::DAMAGE_CODE]).await
}
