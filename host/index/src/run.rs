//! A run as it is read, by its root.
//!
//! ```text
//! head · leaves 4 · beginnings × 8, of the first key of each node
//! ```
//!
//! The root of a run of one leaf is that leaf.

use std::ops::Range;

use crate::block::{
    BLOCKS_PER_CHUNK, BlockFault, BlockId, BlockType, Fault, HEAD_BYTES, LEAVES_PER_CHUNK,
    LEAVES_PER_NODE, RunId, open, seal,
};
use crate::leaf::Leaf;
use crate::node::{BEGINNING_BYTES, candidates};
use crate::row::Key;

/// Where the beginnings begin.
pub(crate) const BEGINNINGS: usize = HEAD_BYTES + size_of::<u32>();

/// A run of a repo.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its number.
    pub id: RunId,
    root: Root,
}

#[derive(Clone, Debug)]
enum Root {
    Leaf(Leaf),
    Nodes { leaves: u32, beginnings: Vec<[u8; BEGINNING_BYTES]> },
}

impl Run {
    /// Reads the root of a run.
    ///
    /// # Errors
    /// If the bytes are not that root, as it was written.
    pub fn open(id: RunId, root: Vec<u8>) -> Result<Run, BlockFault> {
        let block = BlockId::root(id);
        let (is, count) = open(&root, block)?;
        if is == BlockType::Leaf as u8 {
            return Ok(Run { id, root: Root::Leaf(Leaf::of(root, block, count)?) });
        }
        let fault = || block.fault(Fault::Content);
        let rest = &root[HEAD_BYTES..];
        let (leaves, beginnings) = rest.split_first_chunk().ok_or_else(fault)?;
        let leaves = u32::from_le_bytes(*leaves);
        let (beginnings, rest) = beginnings.as_chunks();
        let is_whole =
            rest.is_empty() && beginnings.len() == leaves.div_ceil(LEAVES_PER_NODE) as usize;
        if is != BlockType::Root as u8 || !is_whole {
            return Err(fault());
        }
        Ok(Run { id, root: Root::Nodes { leaves, beginnings: beginnings.to_vec() } })
    }

    /// The only leaf, if the run has no blocks.
    pub fn leaf(&self) -> Option<&Leaf> {
        match &self.root {
            Root::Leaf(leaf) => Some(leaf),
            Root::Nodes { .. } => None,
        }
    }

    /// Its nodes that may have a key: mostly one.
    pub(crate) fn nodes_with(&self, key: &Key) -> Range<u32> {
        match &self.root {
            Root::Leaf(_) => 0..0,
            Root::Nodes { beginnings, .. } => {
                let nodes = candidates(beginnings, key);
                nodes.start as u32..nodes.end as u32
            }
        }
    }

    /// How many leaves it has among its blocks.
    pub fn leaves(&self) -> u32 {
        match &self.root {
            Root::Leaf(_) => 0,
            Root::Nodes { leaves, .. } => *leaves,
        }
    }

    /// The leaf from which on there are rows above a key; a few before them may be below it.
    pub fn leaf_after(&self, key: &Key) -> u32 {
        self.nodes_with(key).start * LEAVES_PER_NODE
    }

    /// The IDs of some leaves from `leaf` on, at most `most`: as many as follow each other in the
    /// catalog. None when there are no more.
    pub fn leaf_blocks(&self, leaf: u32, most: u32) -> Vec<BlockId> {
        let left_of_chunk = LEAVES_PER_CHUNK - leaf % LEAVES_PER_CHUNK;
        let count = self.leaves().saturating_sub(leaf).min(left_of_chunk).min(most);
        (leaf..leaf + count).map(|leaf| BlockId::leaf(self.id, leaf)).collect()
    }
}

const _: () = assert!(BLOCKS_PER_CHUNK == 256, "a statement writes a chunk");

/// Writes the root of a run whose leaves are blocks.
pub(crate) fn root(id: RunId, leaves: u32, beginnings: &[[u8; BEGINNING_BYTES]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BEGINNINGS + beginnings.len() * BEGINNING_BYTES);
    bytes.extend_from_slice(&[0; HEAD_BYTES]);
    bytes.extend_from_slice(&leaves.to_le_bytes());
    bytes.extend_from_slice(beginnings.as_flattened());
    seal(&mut bytes, BlockId::root(id), BlockType::Root, 0);
    bytes
}
