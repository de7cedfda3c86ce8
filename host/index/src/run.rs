//! A run as it is read, by its root.
//!
//! ```text
//! head · leaves 4 · separators of the nodes
//! ```
//!
//! The root of a run of one leaf is that leaf.

use crate::block::{
    BlockFault, BlockId, BlockType, Fault, HEAD_BYTES, LEAVES_PER_CHUNK, LEAVES_PER_NODE, RunId,
    open, seal,
};
use crate::leaf::Leaf;
use crate::row::Key;
use crate::separators::{Separators, SeparatorsBuilder};

/// Where the separators begin.
const SEPARATORS: usize = HEAD_BYTES + size_of::<u32>();

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
    Nodes { leaves: u32, bytes: Vec<u8> },
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
        let leaves =
            root[HEAD_BYTES..].first_chunk().map_or(0, |leaves| u32::from_le_bytes(*leaves));
        let run = Run { id, root: Root::Nodes { leaves, bytes: root } };
        match is == BlockType::Root as u8 && leaves > 0 && run.separators().is_some() {
            true => Ok(run),
            false => Err(block.fault(Fault::Content)),
        }
    }

    /// The only leaf, if the run has no blocks.
    pub fn leaf(&self) -> Option<&Leaf> {
        match &self.root {
            Root::Leaf(leaf) => Some(leaf),
            Root::Nodes { .. } => None,
        }
    }

    /// Its node that may have a key; none if it has no such key.
    pub(crate) fn node_with(&self, key: &Key) -> Option<u32> {
        self.separators()?.find(key).map(|node| node as u32)
    }

    /// The separators of its nodes, and nothing after them.
    fn separators(&self) -> Option<Separators<'_>> {
        let Root::Nodes { leaves, bytes } = &self.root else { return None };
        let nodes = leaves.div_ceil(LEAVES_PER_NODE) as usize;
        let (separators, rest) = Separators::read(bytes.get(SEPARATORS..)?, nodes)?;
        rest.is_empty().then_some(separators)
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
        self.node_with(key).unwrap_or(0) * LEAVES_PER_NODE
    }

    /// The IDs of some leaves from `leaf` on, at most `most`: as many as follow each other in the
    /// catalog. None when there are no more.
    pub fn leaf_blocks(&self, leaf: u32, most: u32) -> Vec<BlockId> {
        let left_of_chunk = LEAVES_PER_CHUNK - leaf % LEAVES_PER_CHUNK;
        let count = self.leaves().saturating_sub(leaf).min(left_of_chunk).min(most);
        (leaf..leaf + count).map(|leaf| BlockId::leaf(self.id, leaf)).collect()
    }
}

/// Writes the root of a run whose leaves are blocks.
pub(crate) fn root(id: RunId, leaves: u32, nodes: &mut SeparatorsBuilder) -> Vec<u8> {
    let mut bytes = vec![0; HEAD_BYTES];
    bytes.extend_from_slice(&leaves.to_le_bytes());
    nodes.finish(&mut bytes);
    seal(&mut bytes, BlockId::root(id), BlockType::Root, 0);
    bytes
}
