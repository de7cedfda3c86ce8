//! What needs attention, in one statement. It reads what is damaged and what is retired, by their
//! indexes, and of jobs those that are due and those that run; the number of
//! repos does not matter.

use jiff::Timestamp;
use packhouse_catalog::{Alerts, StoredPacks};

use super::damage::damaged_repos;
use super::deletion::is_unneeded;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, args};

/// [`Alerts`], with packs that were retired no later than `$1`. Without their `Z`, times sort as
/// texts.
const ALERTS: &str = concat!(
    "SELECT
    (SELECT count(*) FROM (",
    damaged_repos!(),
    ") each_once) AS damaged_repos,
    unneeded.unneeded_packs, unneeded.unneeded_bytes,
    unneeded.prunable_packs, unneeded.prunable_bytes,
    (SELECT count(*) FROM jobs WHERE status = 'queued' AND run_at <= $2) AS jobs_due,
    (SELECT min(run_at) FROM jobs WHERE status = 'queued') AS next_job_at,
    (SELECT max(lease_until) FROM jobs WHERE status = 'running') AS leased_until
 FROM (SELECT count(*) AS unneeded_packs, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS unneeded_bytes,
              CAST(coalesce(sum(due), 0) AS BIGINT) AS prunable_packs,
              CAST(coalesce(sum(due * bytes), 0) AS BIGINT) AS prunable_bytes
       FROM (SELECT p.bytes,
                    CASE WHEN max(rtrim(t.retired_at, 'Z')) <= rtrim($1, 'Z') THEN 1 ELSE 0 END AS due
             FROM retired t JOIN packs p ON p.id = t.pack
             WHERE ",
    is_unneeded!(),
    " GROUP BY p.id, p.bytes) each_once) unneeded"
);

pub(super) async fn read<E: Engine>(
    engine: &E,
    retired_until: Timestamp,
    now: Timestamp,
) -> SqlResult<Alerts> {
    let mut reader = Reader::of(engine).await?;
    let row = reader.one(ALERTS, args![&retired_until.to_string(), now.as_millisecond()]).await?;
    let at = |name| row.maybe_int(name).and_then(|at| Timestamp::from_millisecond(at).ok());
    Ok(Alerts {
        damaged_repos: row.count("damaged_repos"),
        prunable_packs: row.count("prunable_packs"),
        prunable_bytes: row.count("prunable_bytes"),
        unneeded_packs: row.count("unneeded_packs"),
        unneeded_bytes: row.count("unneeded_bytes"),
        jobs_due: row.count("jobs_due"),
        next_job_at: at("next_job_at"),
        leased_until: at("leased_until"),
    })
}

pub(super) async fn stored_packs<E: Engine>(engine: &E) -> SqlResult<StoredPacks> {
    let mut reader = Reader::of(engine).await?;
    let counted =
        "SELECT count(*) AS packs, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes FROM packs";
    let row = reader.one(counted, args![]).await?;
    Ok(StoredPacks { packs: row.count("packs"), bytes: row.count("bytes") })
}
