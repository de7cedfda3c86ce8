//! Nodes: what is in up to 15 leaves, in short.
//!
//! ```text
//! head, with the number of leaves
//! beginnings × 8   of the first key of each leaf
//! rows       × 1   of each leaf
//! tails      × 2   the end of each row's key, leaf by leaf
//! zeros
//! ```
//!
//! A tail is a part of a hash: of 65 536 keys that a leaf does not have, about a hundred seem to be
//! in it.

use std::ops::Range;

use crate::block::{
    BLOCK_BYTES, BlockFault, BlockId, BlockType, Fault, HEAD_BYTES, LEAVES_PER_NODE, open_block,
    seal,
};
use crate::leaf::MAX_ROWS;
use crate::row::{Key, Row, beginning, tail};

/// Size of a beginning.
pub(crate) const BEGINNING_BYTES: usize = 8;

/// Size of a tail.
const TAIL_BYTES: usize = 2;

const _: () = assert!(
    HEAD_BYTES + LEAVES_PER_NODE as usize * (BEGINNING_BYTES + 1 + MAX_ROWS * TAIL_BYTES)
        <= BLOCK_BYTES,
    "a node has room for its leaves"
);

/// A node, checked when it was opened.
#[derive(Clone, Debug)]
pub struct Node {
    bytes: Vec<u8>,
    leaves: usize,
}

impl Node {
    /// Reads a node of the tree.
    ///
    /// # Errors
    /// If the bytes are not that node, as it was written.
    pub fn open(bytes: Vec<u8>, id: BlockId) -> Result<Node, BlockFault> {
        let leaves = usize::from(open_block(&bytes, id, BlockType::Node)?);
        let most = LEAVES_PER_NODE as usize;
        let node = Node { bytes, leaves: leaves.min(most) };
        let rows: usize = node.rows().iter().map(|rows| usize::from(*rows)).sum();
        match leaves <= most && node.tails_at() + rows * TAIL_BYTES <= BLOCK_BYTES {
            true => Ok(node),
            false => Err(id.fault(Fault::Content)),
        }
    }

    /// Its leaves that seem to have a key, counted from its first one: the one that has it, and
    /// seldom another.
    pub fn leaves_with(&self, key: &Key) -> impl Iterator<Item = u32> {
        let leaves = candidates(self.beginnings(), key);
        let mut start = self.rows()[..leaves.start].iter().map(|rows| usize::from(*rows)).sum();
        let tail = tail(key);
        leaves.filter_map(move |leaf| {
            let end = start + usize::from(self.rows()[leaf]);
            let of_leaf = &self.tails()[start..end];
            start = end;
            // All of them, without a branch for each.
            of_leaf
                .iter()
                .fold(false, |found, other| found | (*other == tail))
                .then_some(leaf as u32)
        })
    }

    fn beginnings(&self) -> &[[u8; BEGINNING_BYTES]] {
        self.bytes[HEAD_BYTES..][..self.leaves * BEGINNING_BYTES].as_chunks().0
    }

    fn rows(&self) -> &[u8] {
        &self.bytes[HEAD_BYTES + self.leaves * BEGINNING_BYTES..][..self.leaves]
    }

    fn tails(&self) -> &[[u8; TAIL_BYTES]] {
        self.bytes[self.tails_at()..].as_chunks().0
    }

    fn tails_at(&self) -> usize {
        HEAD_BYTES + self.leaves * (BEGINNING_BYTES + 1)
    }
}

/// Those of some blocks that may have a key, by the beginnings of their first keys: one, or several
/// where keys share their beginnings, or none if it would come before all of them.
pub(crate) fn candidates(beginnings: &[[u8; BEGINNING_BYTES]], key: &Key) -> Range<usize> {
    let of_key = beginning(key);
    let before = beginnings.partition_point(|block| u64::from_be_bytes(*block) < of_key);
    let same =
        beginnings[before..].iter().take_while(|block| u64::from_be_bytes(**block) == of_key);
    before.saturating_sub(1)..before + same.count()
}

/// Leaves that become a node.
#[derive(Debug, Default)]
pub(crate) struct NodeBuilder {
    beginnings: Vec<u8>,
    rows: Vec<u8>,
    tails: Vec<u8>,
}

impl NodeBuilder {
    /// Adds a leaf. There is room for 15.
    pub(crate) fn push(&mut self, leaf: &[Row]) {
        let Some(first) = leaf.first() else { return };
        self.beginnings.extend_from_slice(&beginning(&first.key).to_be_bytes());
        self.rows.push(leaf.len() as u8);
        self.tails.extend(leaf.iter().flat_map(|row| tail(&row.key)));
    }

    /// The beginning of its first key; none if it has no leaf.
    pub(crate) fn beginning(&self) -> Option<[u8; BEGINNING_BYTES]> {
        self.beginnings.first_chunk().copied()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.rows.len() == LEAVES_PER_NODE as usize
    }

    /// Appends the node to some bytes, and begins another.
    pub(crate) fn finish(&mut self, id: BlockId, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&[0; HEAD_BYTES]);
        to.append(&mut self.beginnings);
        let leaves = self.rows.len() as u16;
        to.append(&mut self.rows);
        to.append(&mut self.tails);
        to.resize(start + BLOCK_BYTES, 0);
        seal(&mut to[start..], id, BlockType::Node, leaves);
    }
}
