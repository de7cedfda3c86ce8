//! Reading and writing blocks. Their bytes are compared where they are opened.

use packhouse_index::{BLOCK_BYTES, BlockFault, BlockId, Chunk, Fault, RunId};

use super::damaged;
use crate::engine::{Columns, Engine, Sql, SqlResult, Writing, args};

/// Blocks that a statement returns: 4 MiB.
const BATCH: usize = 1024;

/// Writes the `$3` blocks in `$2`, one after the other, of which the first has ID `$1`.
pub(crate) const PUT_BLOCKS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
     INSERT INTO index_blocks (id, data)
     SELECT CAST($1 AS BIGINT) + i, substr($2, 1 + 4032 * i, 4032) FROM n";

/// The blocks from ID `$1` to ID `$2`, in order.
pub(crate) const SERIES: &str =
    "SELECT id, data FROM index_blocks WHERE id >= $1 AND id <= $2 ORDER BY id";

/// Reads blocks, in no order; those that are missing are left out.
pub(super) async fn read<E: Engine, S: Sql<Row = E::Row>, T>(
    sql: &mut S,
    ids: &[BlockId],
    open: impl Fn(Vec<u8>, BlockId) -> Result<T, BlockFault> + Send,
) -> SqlResult<Vec<(BlockId, T)>> {
    let mut read = Vec::with_capacity(ids.len());
    for ids in ids.chunks(BATCH) {
        for row in sql.all(E::BLOCKS, args![&json(ids)]).await? {
            // What is made of no block is NULL.
            let Some(ids) = row.maybe_text("ids") else { continue };
            let mut blocks = row.bytes("data").chunks_exact(BLOCK_BYTES);
            for id in ids.split(',').filter_map(|id| id.parse().ok()).map(BlockId::from_i64) {
                let block = blocks.next().ok_or_else(|| damaged(id.fault(Fault::Length)))?;
                read.push((id, open(block.to_vec(), id).map_err(damaged)?));
            }
        }
    }
    Ok(read)
}

/// Reads blocks whose IDs follow each other, in order.
///
/// # Errors
/// If one of them is missing.
pub(super) async fn series<S: Sql>(
    sql: &mut S,
    ids: &[BlockId],
) -> SqlResult<Vec<(BlockId, Vec<u8>)>> {
    let (Some(first), Some(last)) = (ids.first(), ids.last()) else { return Ok(Vec::new()) };
    let rows = sql.all(SERIES, args![first.to_i64(), last.to_i64()]).await?;
    let mut found = rows.iter().map(|row| (BlockId::from_i64(row.int("id")), row.bytes("data")));
    let whole = |id: &BlockId| match found.next() {
        Some((there, data)) if there == *id => Ok((*id, data.to_vec())),
        _ => Err(damaged(id.fault(Fault::Missing))),
    };
    ids.iter().map(whole).collect()
}

/// Writes a chunk. Returns how many blocks that is.
pub(super) async fn put<E: Engine>(tx: &mut Writing<E>, chunk: &Chunk) -> SqlResult<u64> {
    let mut written = 0;
    for (first, blocks) in chunk.series() {
        let count = blocks.len() / BLOCK_BYTES;
        written += tx.run(PUT_BLOCKS, args![first.to_i64(), blocks, count]).await?;
    }
    Ok(written)
}

/// Deletes a run with its blocks. Returns how many rows that is.
pub(super) async fn delete<E: Engine>(tx: &mut Writing<E>, run: RunId) -> SqlResult<u64> {
    let (first, end) = run.blocks();
    let blocks = "DELETE FROM index_blocks WHERE id >= $1 AND id < $2";
    let blocks = tx.run(blocks, args![first, end]).await?;
    Ok(blocks + tx.run("DELETE FROM index_runs WHERE id = $1", args![run.0]).await?)
}

/// IDs as a JSON array.
fn json(ids: &[BlockId]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 + ids.len() * 12);
    for id in ids {
        // Writing to a text does not fail.
        let _ = write!(text, "{}{}", if text.is_empty() { '[' } else { ',' }, id.to_i64());
    }
    text.push_str(if ids.is_empty() { "[]" } else { "]" });
    text
}
