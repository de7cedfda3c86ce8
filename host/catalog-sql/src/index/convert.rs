//! Turns rows that older versions wrote into runs, part by part: each part is a transaction that
//! moves the next rows, so a conversion that ends anywhere goes on where it was.
//!
//! These runs are older than all that were pushed: their ages go down from 0. Their keys differ, so
//! that they can be merged with each other as pushes are.

use packhouse_index::{Row, merged_by_push};

use super::cursors::Cursors;
use super::{old, runs, write};
use crate::engine::{Columns, Engine, Sql, SqlResult, Writing, args};

/// Rows of a part.
const PART: usize = 65_536;

/// The converted runs of repo `$1`, the last that was converted first.
pub(crate) const CONVERTED_RUNS: &str =
    "SELECT id, rows FROM index_runs WHERE repo = $1 AND age <= 0 ORDER BY age";

/// The first `$2` of those.
pub(crate) const LAST_CONVERTED: &str =
    "SELECT id, root FROM index_runs WHERE repo = $1 AND age <= 0 ORDER BY age LIMIT $2";

/// Converts the next rows of a repo. Returns how many: 0 if there are none left.
pub(crate) async fn convert<E: Engine>(tx: &mut Writing<E>, repo: &i64) -> SqlResult<u64> {
    let repo = *repo;
    tx.maybe(E::LOCK_REPO, args![repo]).await?;
    let has_old_rows = "SELECT 1 FROM repos WHERE id = $1 AND old_index <> 0";
    if tx.maybe(has_old_rows, args![repo]).await?.is_none() {
        return Ok(0);
    }
    let mut rows: Vec<Row> = Vec::with_capacity(PART);
    while rows.len() < PART {
        let after = rows.last().map(|row| row.key);
        match old::page::<E, _>(tx, repo, after.as_ref()).await? {
            page if page.is_empty() => break,
            page => rows.extend(page),
        }
    }
    let converted = rows.len() as u64;
    match rows.last().map(|row| row.key) {
        Some(last) => {
            put::<E>(tx, repo, rows).await?;
            let moved = "DELETE FROM old_entities WHERE repo = $1 AND entity <= $2";
            tx.run(moved, args![repo, &last[..]]).await?;
        }
        None => {
            tx.run("UPDATE repos SET old_index = 0 WHERE id = $1", args![repo]).await?;
        }
    }
    Ok(converted)
}

/// Writes the rows of a part as a run, merged with earlier parts if that is due.
async fn put<E: Engine>(tx: &mut Writing<E>, repo: i64, rows: Vec<Row>) -> SqlResult<()> {
    let least = "SELECT coalesce(min(age), 1) AS age FROM index_runs WHERE repo = $1";
    let age = tx.one(least, args![repo]).await?.int("age").min(1) - 1;
    let there = tx.all(CONVERTED_RUNS, args![repo]).await?;
    let mut sizes = vec![rows.len() as u64];
    sizes.extend(there.iter().map(|row| row.count("rows")));
    let merged = merged_by_push(&sizes) - 1;
    let replaced = match merged {
        0 => Vec::new(),
        _ => runs(&tx.all(LAST_CONVERTED, args![repo, merged]).await?)?,
    };
    let cursors = Cursors::with_newer(rows, &replaced, false);
    write::replace::<E>(tx, repo, age, cursors, &replaced, false).await.map(drop)
}
