//! A catalog of runs in memory, and rows to fill it with.

use std::collections::BTreeMap;

use packhouse_model::names::ShelfId;
use proptest::collection::btree_map;
use proptest::prelude::*;

use crate::block::BLOCK_BYTES;
use crate::{
    BlockFault, BlockId, Change, Chunk, Fault, Key, Leaf, Lookup, Merge, Node, Outline, Row, Run,
    RunBuilder, RunId, Step,
};

/// Blocks of runs, and their roots.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) blocks: BTreeMap<i64, Vec<u8>>,
    /// Oldest first.
    pub(super) roots: Vec<(RunId, Vec<u8>)>,
}

impl Memory {
    pub(super) fn write(&mut self, rows: &[Row]) {
        let id = RunId(self.roots.len() as i64 + 1);
        let mut builder = RunBuilder::new(id);
        for row in rows {
            let full = builder.push(row).unwrap();
            self.store(full);
        }
        let Outline { rows: written, root, rest } = builder.finish();
        assert_eq!(written, rows.len() as u64);
        self.store(rest);
        self.roots.push((id, root));
    }

    fn store(&mut self, chunk: Option<Chunk>) {
        for (first, blocks) in chunk.iter().flat_map(Chunk::series) {
            assert!(!blocks.is_empty() && blocks.len() % BLOCK_BYTES == 0);
            for (number, block) in (0..).zip(blocks.chunks(BLOCK_BYTES)) {
                let there = self.blocks.insert(first.to_i64() + number, block.to_vec());
                assert_eq!(there, None, "each block is written once");
            }
        }
    }

    /// Newest first.
    pub(super) fn runs(&self) -> Result<Vec<Run>, BlockFault> {
        self.roots.iter().rev().map(|(id, root)| Run::open(*id, root.clone())).collect()
    }

    fn block(&self, id: BlockId) -> Result<Vec<u8>, BlockFault> {
        self.blocks.get(&id.to_i64()).cloned().ok_or(id.fault(Fault::Missing))
    }

    /// Looks up keys, ascending; also returns how many leaves that read.
    pub(super) fn lookup(&self, keys: &[Key]) -> Result<(Vec<Option<Row>>, usize), BlockFault> {
        let runs = self.runs()?;
        let mut lookup = Lookup::new(&runs, keys);
        let mut nodes = BTreeMap::new();
        for id in lookup.blocks() {
            nodes.insert(id, Node::open(self.block(id)?, id)?);
        }
        lookup.take_nodes(|id| nodes.get(&id))?;
        let mut leaves = BTreeMap::new();
        for id in lookup.blocks() {
            leaves.insert(id, Leaf::open(self.block(id)?, id)?);
        }
        lookup.take_leaves(|id| leaves.get(&id))?;
        Ok((lookup.finish().collect(), leaves.len()))
    }

    /// All rows of all runs, merged, after a key.
    pub(super) fn merged(&self, after: Option<&Key>) -> Result<Vec<Row>, BlockFault> {
        let runs = self.runs()?;
        let mut next: Vec<u32> =
            runs.iter().map(|run| after.map_or(0, |key| run.leaf_after(key))).collect();
        let mut inline: Vec<_> = runs.iter().map(Run::leaf).collect();
        let (mut merge, mut rows) = (Merge::new(runs.len()), Vec::new());
        loop {
            match merge.step().unwrap() {
                Step::Row(row) => rows.push(row),
                Step::End => return Ok(rows),
                Step::Needs(source) => {
                    let leaf = match inline[source].take() {
                        Some(leaf) => Some(leaf.clone()),
                        None => match runs[source].leaf_blocks(next[source], 1).first() {
                            Some(id) => Some(Leaf::open(self.block(*id)?, *id)?),
                            None => None,
                        },
                    };
                    next[source] += 1;
                    match leaf {
                        None => merge.end(source),
                        Some(leaf) => merge.supply(
                            source,
                            leaf.rows().filter(|row| after.is_none_or(|after| row.key > *after)),
                        ),
                    }
                }
            }
        }
    }
}

/// Rows by key.
pub(super) fn rows(from: impl IntoIterator<Item = (Key, (Change, [u8; 16]))>) -> Vec<Row> {
    from.into_iter()
        .map(|(key, (change, fingerprint))| {
            let fingerprint = change.shelf().map_or([0; 16], |_| fingerprint);
            Row { key, change, fingerprint }
        })
        .collect()
}

/// A key with the digest of a number, spread evenly.
pub(super) fn spread(number: u64) -> Key {
    let mut key = [0; 34];
    key[0] = 2;
    for (at, part) in key[2..].chunks_exact_mut(8).enumerate() {
        let mixed = (number + 1 + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        part.copy_from_slice(
            &(mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes(),
        );
    }
    key
}

/// Some rows with such keys, in order, all on one shelf.
pub(super) fn many(numbers: impl Iterator<Item = u64>) -> Vec<Row> {
    let row = |number: u64| {
        let fingerprint = if number.is_multiple_of(5) { [number as u8 | 1; 16] } else { [0; 16] };
        Row { key: spread(number), change: Change::New(ShelfId(7)), fingerprint }
    };
    let mut rows: Vec<Row> = numbers.map(row).collect();
    rows.sort_unstable_by_key(|row| row.key);
    rows
}

/// Keys of few kinds and forms, many of which share their beginnings or their ends.
pub(super) fn key() -> impl Strategy<Value = Key> {
    let part = || prop_oneof![Just([0; 8]), Just([0xff; 8]), any::<[u8; 8]>()];
    (0_u8..3, 0_u8..2, part(), part(), any::<u8>()).prop_map(|(kind, form, first, last, middle)| {
        let mut key = [0; 34];
        (key[0], key[1], key[20]) = (kind, form, middle);
        key[2..10].copy_from_slice(&first);
        key[26..].copy_from_slice(&last);
        key
    })
}

pub(super) fn change() -> impl Strategy<Value = (Change, [u8; 16])> {
    let shelf = prop_oneof![Just(i64::MAX), Just(0), 1_i64..9, 1_i64..70_000].prop_map(ShelfId);
    let change = shelf.prop_flat_map(|shelf| {
        prop_oneof![Just(Change::New(shelf)), Just(Change::Replaces(shelf)), Just(Change::Dropped)]
    });
    (change, prop_oneof![Just([0; 16]), any::<[u8; 16]>()])
}

/// Some rows, in order.
pub(super) fn some_rows(most: usize) -> impl Strategy<Value = Vec<Row>> {
    btree_map(key(), change(), 0..most).prop_map(rows)
}
