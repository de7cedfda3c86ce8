//! What needs attention, in one statement. It reads what is damaged and what is retired, by their
//! indexes; the number of repos does not matter.

use jiff::Timestamp;
use packhouse_catalog::Alerts;

use super::deletion::is_unneeded;
use super::engine::{Columns, Engine, Reader, Sql, SqlResult, args};

/// [`Alerts`], with packs that were retired no later than `$1`. Without their `Z`, times sort as
/// texts.
const ALERTS: &str = concat!(
    "SELECT
    (SELECT count(*) FROM (
        SELECT s.repo FROM damaged_packs d JOIN shelves s ON s.pack = d.pack
        UNION SELECT repo FROM damaged_repos) found
     JOIN repos r ON r.id = found.repo WHERE r.deleted_at IS NULL) AS damaged_repos,
    count(*) AS prunable_packs, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS prunable_bytes
 FROM (SELECT p.id, p.bytes FROM retired t JOIN packs p ON p.id = t.pack
       WHERE ",
    is_unneeded!(),
    " GROUP BY p.id, p.bytes HAVING max(rtrim(t.retired_at, 'Z')) <= rtrim($1, 'Z')) due"
);

pub(super) async fn read<E: Engine>(engine: &E, retired_until: Timestamp) -> SqlResult<Alerts> {
    let mut reader = Reader::of(engine).await?;
    let row = reader.one(ALERTS, args![&retired_until.to_string()]).await?;
    Ok(Alerts {
        damaged_repos: row.count("damaged_repos"),
        prunable_packs: row.count("prunable_packs"),
        prunable_bytes: row.count("prunable_bytes"),
    })
}
