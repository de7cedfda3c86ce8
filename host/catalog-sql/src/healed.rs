//! Jobs that failed because of damage that was repaired since.

use std::ops::RangeInclusive;

use packhouse_model::error::Error;
use packhouse_model::report::Report;

use super::engine::{Engine, Reader, Sql, SqlResult, args};

/// SQL: the repos with known damage, without deleted ones. Damaged packs are few.
macro_rules! damaged_repos {
    () => {
        "SELECT found.repo FROM (
             SELECT s.repo FROM damaged_packs d JOIN shelves s ON s.pack = d.pack
             UNION SELECT repo FROM damaged_repos) found
         JOIN repos r ON r.id = found.repo WHERE r.deleted_at IS NULL"
    };
}

/// Of failed jobs, `$1` and `$2` are what the reasons of verifications and prunes contain that met
/// damage. Of consolidations, the code of the error is in their log, which has the times of the job.
const HEALED: &str = concat!(
    "SELECT j.id FROM jobs j
     WHERE j.status = 'failed' AND j.id BETWEEN $4 AND $5 AND (
         (j.type = 'mpack.prune' AND j.reason LIKE $2 AND NOT EXISTS (",
    damaged_repos!(),
    "))
         OR (j.repo IS NOT NULL AND j.repo NOT IN (",
    damaged_repos!(),
    ") AND ((j.type = 'mpack.verify' AND j.reason LIKE $1)
             OR (j.type = 'mpack.gc' AND EXISTS (
                 SELECT 1 FROM gc_runs g WHERE g.repo = j.repo AND g.error_code = $3
                 AND rtrim(g.finished_at, 'Z') >= rtrim(j.started_at, 'Z')
                 AND rtrim(g.finished_at, 'Z') <= rtrim(j.finished_at, 'Z'))))))"
);

pub(super) async fn list<E: Engine>(
    engine: &E,
    among: &RangeInclusive<i64>,
) -> SqlResult<Vec<E::Row>> {
    let mut reader = Reader::of(engine).await?;
    let contains = |text: &str| format!("%{text}%");
    let (found, kept) = (contains(Report::FOUND_DAMAGE), contains(Report::KEPT_PACKS));
    reader.all(HEALED, args![&found, &kept, Error::DAMAGE_CODE, *among.start(), *among.end()]).await
}
