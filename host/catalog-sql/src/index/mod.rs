//! The index of a repo on a database: runs of `packhouse-index`, and beneath them the rows that older
//! versions wrote. Decision 28 (`docs/decisions`) says why.
//!
//! A publication writes one run, in its transaction, and merges it with small ones if that is due;
//! large ones are merged in the background ([`merge`]). Runs never change: a reader sees those of
//! its transaction, whatever is merged meanwhile.

mod blocks;
mod convert;
mod cursors;
mod lookup;
pub(crate) mod merge;
mod old;
mod write;

use std::collections::HashMap;

use packhouse_catalog::{EntityKey, IndexRow};
use packhouse_index::{BlockFault, BlockId, Node, Run, RunId};
use packhouse_model::error::{DamageError, Error};
use packhouse_model::names::ShelfId;

use self::cursors::Cursors;
use super::engine::{Columns, Engine, Sql, SqlResult, args};

#[cfg(test)]
pub(super) use blocks::{PUT_BLOCKS, SERIES};
pub(super) use convert::convert;
#[cfg(test)]
pub(super) use convert::{CONVERTED_RUNS, LAST_CONVERTED};
pub(super) use packhouse_index::{Change, Row};
#[cfg(test)]
pub(super) use write::{NEWEST_RUNS, RUN_SIZES};
pub(super) use write::{forget, put};

/// The runs of repo `$1`, newest first, with whether it has old rows. One row at least, if there is
/// such a repo.
pub(super) const RUNS: &str = "SELECT r.old_index, i.id, i.root
    FROM repos r LEFT JOIN index_runs i ON i.repo = r.id WHERE r.id = $1 ORDER BY i.age DESC";

/// What to do about a damaged index.
const REBUILD: &str = ". Rebuild it from the packs with: packhouse verify --repair OWNER/SLUG, or restore the catalog from a backup (made with packhouse backup)";

/// The index of a repo, as one transaction sees it.
pub(super) struct Index {
    repo: i64,
    /// Newest first.
    runs: Vec<Run>,
    /// Whether there are rows of an older version beneath them.
    has_old_rows: bool,
    /// Nodes that were read, for later lookups.
    nodes: HashMap<BlockId, Node>,
    /// Where the last page ended.
    pages: Option<(Option<EntityKey>, Cursors)>,
}

impl Index {
    /// Reads the roots of all runs. One statement.
    pub(super) async fn read<S: Sql>(sql: &mut S, repo: i64) -> SqlResult<Index> {
        let rows = sql.all(RUNS, args![repo]).await?;
        let has_old_rows = rows.first().is_some_and(|row| row.int("old_index") != 0);
        let runs = runs(&rows)?;
        Ok(Index { repo, runs, has_old_rows, nodes: HashMap::new(), pages: None })
    }

    /// Rows with their shelves, in order, after an entity: `limit`, or all that are left.
    pub(super) async fn page<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        after: Option<&EntityKey>,
        limit: usize,
    ) -> SqlResult<Vec<(IndexRow, ShelfId)>> {
        let (_, mut cursors) = self
            .pages
            .take()
            .filter(|(ended, _)| ended.as_ref() == after)
            .unwrap_or_else(|| (None, Cursors::new(&self.runs, self.has_old_rows, after)));
        let mut page = Vec::with_capacity(limit.min(1 << 13));
        while page.len() < limit
            && let Some(row) = cursors.next::<E, S>(sql, self.repo, &self.runs).await?
        {
            let Row { key: entity, change, fingerprint } = row;
            page.extend(change.shelf().map(|shelf| (IndexRow { entity, fingerprint }, shelf)));
        }
        let ended = page.last().map(|(row, _)| row.entity);
        self.pages = ended.map(|ended| (Some(ended), cursors));
        Ok(page)
    }
}

/// The runs in rows that have `id` and `root`, in their order.
fn runs<R: Columns>(rows: &[R]) -> SqlResult<Vec<Run>> {
    let rows = rows.iter().filter_map(|row| Some((row.maybe_int("id")?, row.bytes("root"))));
    rows.map(|(id, root)| Run::open(RunId(id), root.to_vec()).map_err(damaged)).collect()
}

/// The error for a damaged block. Where the catalog is, is added to it.
fn damaged(fault: BlockFault) -> sqlx::Error {
    corrupt(&fault.to_string())
}

/// The error for an index that contradicts itself.
fn corrupt(what: &str) -> sqlx::Error {
    let (catalog, doing) = (String::new(), String::new());
    let reason = format!("{what}{REBUILD}");
    let error = Error::Damage(DamageError::DamagedCatalog { catalog, doing, reason });
    sqlx::Error::Decode(error.into())
}
