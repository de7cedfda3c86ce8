//! Rows that older versions wrote: one an entity, in `old_entities`. They are older than every run.

use packhouse_catalog::{EntityKey, IndexRow};
use packhouse_core::row::Fingerprint;
use packhouse_index::{Change, Row};
use packhouse_model::names::ShelfId;

use super::corrupt;
use crate::engine::{BATCH, Engine, Sql, SqlResult, args};
use crate::lines::{found_line, index_line, lines};

/// Rows that are returned as one text.
const PAGE: usize = 8192;

/// Looks up those of some entities that no run has, by their positions in order of their keys.
pub(super) async fn lookup<E: Engine, S: Sql<Row = E::Row>>(
    sql: &mut S,
    repo: i64,
    entities: &[EntityKey],
    unknown: &[usize],
    found: &mut [Option<(ShelfId, Fingerprint)>],
) -> SqlResult<()> {
    for chunk in unknown.chunks(BATCH) {
        let keys: Vec<u8> = chunk.iter().flat_map(|number| entities[*number]).collect();
        let known = sql.one(E::OLD_LOOKUP, args![repo, &keys, chunk.len()]).await?;
        for line in lines(&known) {
            let (number, shelf, fingerprint) = found_line(line).ok_or_else(bad_row)?;
            found[*chunk.get(number).ok_or_else(bad_row)?] = Some((shelf, fingerprint));
        }
    }
    Ok(())
}

/// Rows after a key, in order. There are none after those of an empty page.
pub(super) async fn page<E: Engine, S: Sql<Row = E::Row>>(
    sql: &mut S,
    repo: i64,
    after: Option<&EntityKey>,
) -> SqlResult<Vec<Row>> {
    let after = after.map_or(&[][..], |key| &key[..]);
    let page = sql.one(E::OLD_PAGE, args![repo, after, PAGE]).await?;
    let read = |line| {
        let (IndexRow { entity, fingerprint }, shelf) = index_line(line).ok_or_else(bad_row)?;
        Ok(Row { key: entity, change: Change::New(shelf), fingerprint })
    };
    let mut rows: Vec<Row> = lines(&page).map(read).collect::<SqlResult<_>>()?;
    // The set of rows is defined by the query; their order within the text is the database's own.
    rows.sort_unstable_by_key(|row| row.key);
    Ok(rows)
}

fn bad_row() -> sqlx::Error {
    corrupt("a row of `old_entities` is corrupt")
}
