//! Blocks: their numbers, and the head that each begins with.
//!
//! ```text
//! checksum 4 (CRC-32 of the rest) · ID 8 · type 1 · version 1 · count 2 · …
//! ```
//!
//! All numbers are little-endian.

use thiserror::Error;

/// Size of a block in bytes: with what a database adds, a page of SQLite, and half of one of
/// Postgres. A root may be shorter or longer.
pub const BLOCK_BYTES: usize = 4032;

/// Size of the head.
pub(crate) const HEAD_BYTES: usize = 16;

/// The format that this build writes, and the only one that it reads.
const VERSION: u8 = 1;

/// Leaves of a node.
pub(crate) const LEAVES_PER_NODE: u32 = 14;

/// Nodes of a chunk.
pub(crate) const NODES_PER_CHUNK: u32 = 16;

/// Leaves of a chunk.
pub(crate) const LEAVES_PER_CHUNK: u32 = NODES_PER_CHUNK * LEAVES_PER_NODE;

/// Blocks of a chunk. Its nodes come first: keys that the run does not have are looked up in
/// neighbouring blocks only.
pub(crate) const BLOCKS_PER_CHUNK: u32 = NODES_PER_CHUNK + LEAVES_PER_CHUNK;

/// Bits of a block's number in its ID.
const NUMBER_BITS: u32 = 24;

/// The number of the root, which is no block of the tree.
const ROOT: u32 = (1 << NUMBER_BITS) - 1;

/// The catalog's number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub i64);

impl RunId {
    /// The IDs that its blocks may have: the first, and the first that is another run's.
    pub fn blocks(self) -> (i64, i64) {
        (self.0 << NUMBER_BITS, (self.0 + 1) << NUMBER_BITS)
    }
}

/// A block of a run. It orders by run, then by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockId {
    /// The run.
    pub run: RunId,
    /// Which of its blocks.
    pub number: u32,
}

impl BlockId {
    /// The root of a run.
    pub(crate) fn root(run: RunId) -> BlockId {
        BlockId { run, number: ROOT }
    }

    pub(crate) fn is_root(self) -> bool {
        self.number == ROOT
    }

    /// Node `node` of a run, counted from 0.
    pub(crate) fn node(run: RunId, node: u32) -> BlockId {
        let (chunk, node) = (node / NODES_PER_CHUNK, node % NODES_PER_CHUNK);
        BlockId { run, number: chunk * BLOCKS_PER_CHUNK + node }
    }

    /// Leaf `leaf` of a run, counted from 0.
    pub(crate) fn leaf(run: RunId, leaf: u32) -> BlockId {
        let (chunk, leaf) = (leaf / LEAVES_PER_CHUNK, leaf % LEAVES_PER_CHUNK);
        BlockId { run, number: chunk * BLOCKS_PER_CHUNK + NODES_PER_CHUNK + leaf }
    }

    /// Which node of its run it is, if it is one.
    pub(crate) fn as_node(self) -> u32 {
        self.number / BLOCKS_PER_CHUNK * NODES_PER_CHUNK + self.number % BLOCKS_PER_CHUNK
    }

    /// The ID as the catalog stores it.
    pub fn to_i64(self) -> i64 {
        self.run.0 << NUMBER_BITS | i64::from(self.number)
    }

    /// The block with that ID.
    pub fn from_i64(id: i64) -> BlockId {
        BlockId { run: RunId(id >> NUMBER_BITS), number: id as u32 & ROOT }
    }

    /// An error of this block.
    pub fn fault(self, fault: Fault) -> BlockFault {
        BlockFault { block: self, fault }
    }
}

impl std::fmt::Display for BlockId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.number {
            ROOT => write!(f, "the root of run {}", self.run.0),
            number => write!(f, "block {number} of run {}", self.run.0),
        }
    }
}

/// A damaged block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{block} of the index {fault}")]
pub struct BlockFault {
    /// The block.
    pub block: BlockId,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It has too few or too many bytes.
    #[error("has the wrong length")]
    Length,
    /// Its bytes are not those that were written.
    #[error("is corrupt: its checksum does not match")]
    Checksum,
    /// It is intact, but another block.
    #[error("is another block")]
    Misplaced,
    /// Its format is of another version.
    #[error("has a format that this version does not know")]
    Version,
    /// Its content contradicts itself, or the block above it.
    #[error("is inconsistent")]
    Content,
}

/// What a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockType {
    Leaf = 1,
    Node = 2,
    Root = 3,
}

/// Writes the head of a block whose rest is complete.
pub(crate) fn seal(bytes: &mut [u8], id: BlockId, is: BlockType, count: u16) {
    bytes[4..12].copy_from_slice(&id.to_i64().to_le_bytes());
    bytes[12] = is as u8;
    bytes[13] = VERSION;
    bytes[14..16].copy_from_slice(&count.to_le_bytes());
    let sum = crc32fast::hash(&bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_le_bytes());
}

/// Compares the head of a block; returns its type, as it is written, and its count.
pub(crate) fn open(bytes: &[u8], id: BlockId) -> Result<(u8, u16), BlockFault> {
    let (Some((sum, rest)), true) = (bytes.split_first_chunk(), bytes.len() >= HEAD_BYTES) else {
        return Err(id.fault(Fault::Length));
    };
    if crc32fast::hash(rest) != u32::from_le_bytes(*sum) {
        return Err(id.fault(Fault::Checksum));
    }
    if rest[..8] != id.to_i64().to_le_bytes() {
        return Err(id.fault(Fault::Misplaced));
    }
    if rest[9] != VERSION {
        return Err(id.fault(Fault::Version));
    }
    Ok((rest[8], u16::from_le_bytes([rest[10], rest[11]])))
}

/// The same, of a block of the tree.
pub(crate) fn open_block(bytes: &[u8], id: BlockId, is: BlockType) -> Result<u16, BlockFault> {
    if bytes.len() != BLOCK_BYTES {
        return Err(id.fault(Fault::Length));
    }
    match open(bytes, id)? {
        (found, count) if found == is as u8 => Ok(count),
        _ => Err(id.fault(Fault::Misplaced)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_nodes_and_leaves_are_all_different_and_ids_tell_the_run() {
        let run = RunId(7);
        let nodes = (0..100).map(|node| BlockId::node(run, node));
        let leaves = (0..100 * LEAVES_PER_NODE).map(|leaf| BlockId::leaf(run, leaf));
        let mut all: Vec<_> = nodes.clone().chain(leaves).collect();
        assert!(nodes.clone().map(BlockId::as_node).eq(0..100));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len() as u32, 100 * (1 + LEAVES_PER_NODE));
        let (first, end) = run.blocks();
        for block in all.into_iter().chain([BlockId::root(run)]) {
            assert_eq!(BlockId::from_i64(block.to_i64()), block);
            assert!((first..end).contains(&block.to_i64()));
        }
    }
}
