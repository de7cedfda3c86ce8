//! A run as it is written: rows go in, in order; chunks of blocks come out, and at the end the root.

use thiserror::Error;

use crate::block::{BLOCK_BYTES, BlockId, NODES_PER_CHUNK, RunId};
use crate::leaf::LeafBuilder;
use crate::node::NodeBuilder;
use crate::row::{Key, Row};
use crate::run;
use crate::separators::SeparatorsBuilder;

/// Writes a run. It holds a chunk: about a megabyte.
#[derive(Debug)]
pub struct RunBuilder {
    run: RunId,
    rows: u64,
    last: Option<Key>,
    leaf: LeafBuilder,
    node: NodeBuilder,
    chunk: Chunk,
    leaves: u32,
    nodes: SeparatorsBuilder,
    /// The last key before the leaf.
    before_leaf: Option<Key>,
    /// The last key before the node.
    before_node: Option<Key>,
}

/// Blocks to write: up to 16 nodes, and their leaves.
#[must_use = "they are not in the run before they are written"]
#[derive(Debug)]
pub struct Chunk {
    first_node: BlockId,
    first_leaf: BlockId,
    nodes: Vec<u8>,
    leaves: Vec<u8>,
}

impl Chunk {
    /// Two series of blocks, each of one block or more: the ID of the first, and their bytes one
    /// after the other. The IDs of the others follow.
    pub fn series(&self) -> [(BlockId, &[u8]); 2] {
        [(self.first_node, &self.nodes), (self.first_leaf, &self.leaves)]
    }

    fn of(run: RunId, node: u32, leaf: u32) -> Chunk {
        let (first_node, first_leaf) = (BlockId::node(run, node), BlockId::leaf(run, leaf));
        Chunk { first_node, first_leaf, nodes: Vec::new(), leaves: Vec::new() }
    }

    fn nodes(&self) -> u32 {
        (self.nodes.len() / BLOCK_BYTES) as u32
    }
}

/// A run that is complete.
#[derive(Debug)]
pub struct Outline {
    /// How many rows it has.
    pub rows: u64,
    /// Its root.
    pub root: Vec<u8>,
    /// The blocks that are left to write.
    pub rest: Option<Chunk>,
}

/// A row that does not come after the one before: an entity was pushed twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("rows of a run are not in order")]
pub struct Unordered;

impl RunBuilder {
    /// Begins a run.
    pub fn new(run: RunId) -> RunBuilder {
        RunBuilder {
            run,
            rows: 0,
            last: None,
            leaf: LeafBuilder::new(),
            node: NodeBuilder::default(),
            chunk: Chunk::of(run, 0, 0),
            leaves: 0,
            nodes: SeparatorsBuilder::default(),
            before_leaf: None,
            before_node: None,
        }
    }

    /// Adds a row. Returns a chunk when one is full.
    ///
    /// # Errors
    /// If the row does not come after the one before.
    pub fn push(&mut self, row: &Row) -> Result<Option<Chunk>, Unordered> {
        if self.last.is_some_and(|last| last >= row.key) {
            return Err(Unordered);
        }
        self.last = Some(row.key);
        self.rows += 1;
        if self.leaf.push(row) {
            return Ok(None);
        }
        let full = self.finish_leaf();
        // An empty leaf has room for a row.
        self.leaf.push(row);
        Ok(full)
    }

    /// Ends the run.
    pub fn finish(mut self) -> Outline {
        let rows = self.rows;
        if self.leaves == 0 {
            let mut root = Vec::new();
            self.leaf.finish(BlockId::root(self.run), &mut root);
            return Outline { rows, root, rest: None };
        }
        // The last leaf has the last row, at least.
        let full = self.finish_leaf();
        self.finish_node();
        let root = run::root(self.run, self.leaves, &mut self.nodes);
        Outline { rows, root, rest: full.or(Some(self.chunk)) }
    }

    fn finish_leaf(&mut self) -> Option<Chunk> {
        let last = self.leaf.rows().last().map(|row| row.key);
        self.node.push(self.leaf.rows(), self.before_leaf.as_ref());
        self.leaf.finish(BlockId::leaf(self.run, self.leaves), &mut self.chunk.leaves);
        self.leaves += 1;
        self.before_leaf = last;
        if self.node.is_full() {
            self.finish_node();
        }
        if self.chunk.nodes() < NODES_PER_CHUNK {
            return None;
        }
        let next = Chunk::of(self.run, self.nodes.len() as u32, self.leaves);
        Some(std::mem::replace(&mut self.chunk, next))
    }

    /// Ends the node; does nothing if it has no leaf.
    fn finish_node(&mut self) {
        let Some(first) = self.node.first() else { return };
        let node = BlockId::node(self.run, self.nodes.len() as u32);
        self.nodes.push(*first, self.before_node.as_ref());
        self.node.finish(node, &mut self.chunk.nodes);
        self.before_node = self.before_leaf;
    }
}
