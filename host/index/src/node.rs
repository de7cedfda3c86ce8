//! Nodes: what is in up to 14 leaves, in short.
//!
//! ```text
//! head, with the number of leaves
//! separators of the leaves
//! rows       × 1   of each leaf
//! tails      × 2   the end of each row's key, leaf by leaf
//! zeros
//! ```
//!
//! A tail is a part of a hash: of 65 536 keys that a leaf does not have, about a hundred seem to be
//! in it.

use crate::block::{
    BLOCK_BYTES, BlockFault, BlockId, BlockType, Fault, HEAD_BYTES, LEAVES_PER_NODE, open_block,
    seal,
};
use crate::leaf::MAX_ROWS;
use crate::row::{KEY_BYTES, Key, Row, tail};
use crate::separators::{Separators, SeparatorsBuilder};

/// Size of a tail.
const TAIL_BYTES: usize = 2;

/// The end of a row's key.
type Tail = [u8; TAIL_BYTES];

const _: () = assert!(
    HEAD_BYTES + 1 + LEAVES_PER_NODE as usize * (KEY_BYTES + 1 + MAX_ROWS * TAIL_BYTES)
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
        let node = Node { bytes, leaves };
        let is_whole = node.parts().is_some_and(|(_, rows, tails)| sum(rows) <= tails.len());
        match is_whole && leaves > 0 && leaves <= LEAVES_PER_NODE as usize {
            true => Ok(node),
            false => Err(id.fault(Fault::Content)),
        }
    }

    /// The leaf that seems to have a key, counted from its first one. If none does, it has no such
    /// key.
    pub fn leaf_with(&self, key: &Key) -> Option<u32> {
        let (separators, rows, tails) = self.parts()?;
        let leaf = separators.find(key)?;
        let tails = &tails[sum(&rows[..leaf])..][..usize::from(rows[leaf])];
        let tail = tail(key);
        // All of them, without a branch for each.
        let seems = tails.iter().fold(false, |found, other| found | (*other == tail));
        seems.then_some(leaf as u32)
    }

    /// Separators, rows and tails.
    fn parts(&self) -> Option<(Separators<'_>, &[u8], &[Tail])> {
        let (separators, rest) = Separators::read(&self.bytes[HEAD_BYTES..], self.leaves)?;
        let (rows, tails) = rest.split_at_checked(self.leaves)?;
        Some((separators, rows, tails.as_chunks().0))
    }
}

fn sum(rows: &[u8]) -> usize {
    rows.iter().map(|rows| usize::from(*rows)).sum()
}

/// Leaves that become a node.
#[derive(Debug, Default)]
pub(crate) struct NodeBuilder {
    separators: SeparatorsBuilder,
    rows: Vec<u8>,
    tails: Vec<u8>,
}

impl NodeBuilder {
    /// Adds a leaf, with the key before it. There is room for 14.
    pub(crate) fn push(&mut self, leaf: &[Row], before: Option<&Key>) {
        let Some(first) = leaf.first() else { return };
        self.separators.push(first.key, before);
        self.rows.push(leaf.len() as u8);
        self.tails.extend(leaf.iter().flat_map(|row| tail(&row.key)));
    }

    /// Its first key; none if it has no leaf.
    pub(crate) fn first(&self) -> Option<&Key> {
        self.separators.first()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.separators.len() == LEAVES_PER_NODE as usize
    }

    /// Appends the node to some bytes, and begins another.
    pub(crate) fn finish(&mut self, id: BlockId, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend_from_slice(&[0; HEAD_BYTES]);
        self.separators.finish(to);
        let leaves = self.rows.len() as u16;
        to.append(&mut self.rows);
        to.append(&mut self.tails);
        to.resize(start + BLOCK_BYTES, 0);
        seal(&mut to[start..], id, BlockType::Node, leaves);
    }
}
