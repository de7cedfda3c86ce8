//! Keys in all runs of a repo.

use std::collections::HashMap;

use packhouse_catalog::EntityKey;
use packhouse_core::row::Fingerprint;
use packhouse_index::{BlockId, Leaf, Lookup, Node, Row};
use packhouse_model::names::ShelfId;

use super::{Index, blocks, damaged, old};
use crate::engine::{Engine, Sql, SqlResult};

/// Keys that are looked up at once. Each may take a leaf of a large run: 16 MiB.
const KEYS: usize = 4096;

/// Nodes that are kept: 4 MiB.
const NODES: usize = 1024;

/// Where an entity is, and in which encoding.
type Place = (ShelfId, Fingerprint);

impl Index {
    /// The shelf and the encoding of each entity, in the order of `entities`. Two statements for
    /// 4 096 of them, and one more for what an older version may have written.
    pub(crate) async fn lookup<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        entities: &[EntityKey],
    ) -> SqlResult<Vec<Option<Place>>> {
        let mut order: Vec<usize> = (0..entities.len()).collect();
        order.sort_unstable_by_key(|number| entities[*number]);
        let mut found = vec![None; entities.len()];
        let mut unknown = Vec::new();
        for numbers in order.chunks(KEYS) {
            let keys: Vec<EntityKey> = numbers.iter().map(|number| entities[*number]).collect();
            let rows = self.rows::<E, S>(sql, &keys).await?;
            for (number, row) in numbers.iter().zip(rows) {
                match row {
                    Some(row) => {
                        found[*number] = row.change.shelf().map(|at| (at, row.fingerprint))
                    }
                    None => unknown.push(*number),
                }
            }
        }
        if self.has_old_rows {
            old::lookup::<E, S>(sql, self.repo, entities, &unknown, &mut found).await?;
        }
        Ok(found)
    }

    /// The newest row of each key, ascending.
    async fn rows<E: Engine, S: Sql<Row = E::Row>>(
        &mut self,
        sql: &mut S,
        keys: &[EntityKey],
    ) -> SqlResult<Vec<Option<Row>>> {
        let mut lookup = Lookup::new(&self.runs, keys);
        let wanted: Vec<BlockId> = lookup.blocks().collect();
        if self.nodes.len() + wanted.len() > NODES {
            self.nodes.clear();
        }
        let unread: Vec<BlockId> =
            wanted.into_iter().filter(|id| !self.nodes.contains_key(id)).collect();
        self.nodes.extend(blocks::read::<E, S, _>(sql, &unread, Node::open).await?);
        lookup.take_nodes(|id| self.nodes.get(&id)).map_err(damaged)?;
        let wanted: Vec<BlockId> = lookup.blocks().collect();
        let leaves: HashMap<BlockId, Leaf> =
            blocks::read::<E, S, _>(sql, &wanted, Leaf::open).await?.into_iter().collect();
        lookup.take_leaves(|id| leaves.get(&id)).map_err(damaged)?;
        Ok(lookup.finish().collect())
    }
}
