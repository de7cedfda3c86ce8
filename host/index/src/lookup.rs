//! Many keys in all runs of a repo, in two reads: first nodes, then the leaves that seem to have
//! one of the keys.

use crate::block::{BlockFault, BlockId, Fault, LEAVES_PER_NODE};
use crate::leaf::Leaf;
use crate::node::Node;
use crate::row::{Key, Row};
use crate::run::Run;

/// A lookup that waits for blocks.
#[derive(Debug)]
pub struct Lookup<'a> {
    /// Newest first.
    runs: &'a [Run],
    keys: &'a [Key],
    /// By run, then by block.
    probes: Vec<Probe>,
    /// The newest row of each key, with its run.
    found: Vec<Option<(u32, Row)>>,
}

/// A block that may have a key. Run and key by their positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Probe {
    run: u32,
    number: u32,
    key: u32,
}

impl<'a> Lookup<'a> {
    /// Looks up keys, ascending, in runs, newest first.
    pub fn new(runs: &'a [Run], keys: &'a [Key]) -> Lookup<'a> {
        let (probes, found) = (Vec::new(), vec![None; keys.len()]);
        let mut lookup = Lookup { runs, keys, probes, found };
        for (at, run) in (0..).zip(runs) {
            for (number, key) in (0..).zip(keys) {
                match run.leaf() {
                    Some(leaf) => lookup.offer(at, number, leaf),
                    None => lookup.probes.extend(run.node_with(key).map(|node| Probe {
                        run: at,
                        number: BlockId::node(run.id, node).number,
                        key: number,
                    })),
                }
            }
        }
        lookup.probes.sort_unstable();
        lookup
    }

    /// The blocks that it waits for, each once.
    pub fn blocks(&self) -> impl Iterator<Item = BlockId> {
        by_block(&self.probes).map(|probes| self.block(probes[0]))
    }

    /// Takes the nodes that it waits for. Then it waits for leaves.
    ///
    /// # Errors
    /// If one is missing.
    pub fn take_nodes<'n>(
        &mut self,
        mut node: impl FnMut(BlockId) -> Option<&'n Node>,
    ) -> Result<(), BlockFault> {
        let mut probes = Vec::new();
        for of_node in by_block(&self.probes) {
            let block = self.block(of_node[0]);
            let node = node(block).ok_or(block.fault(Fault::Missing))?;
            let first = block.as_node() * LEAVES_PER_NODE;
            for probe in of_node {
                let leaf = node.leaf_with(&self.keys[probe.key as usize]);
                let number = |leaf| BlockId::leaf(block.run, first + leaf).number;
                probes.extend(leaf.map(|leaf| Probe { number: number(leaf), ..*probe }));
            }
        }
        probes.sort_unstable();
        self.probes = probes;
        Ok(())
    }

    /// Takes the leaves that it waits for. Then it is done.
    ///
    /// # Errors
    /// If one is missing.
    pub fn take_leaves<'n>(
        &mut self,
        mut leaf: impl FnMut(BlockId) -> Option<&'n Leaf>,
    ) -> Result<(), BlockFault> {
        let probes = std::mem::take(&mut self.probes);
        for of_leaf in by_block(&probes) {
            let block = self.block(of_leaf[0]);
            let leaf = leaf(block).ok_or(block.fault(Fault::Missing))?;
            of_leaf.iter().for_each(|probe| self.offer(probe.run, probe.key, leaf));
        }
        Ok(())
    }

    /// The newest row of each key, in the order of the keys. It may say that the entity was dropped;
    /// none if no run has the key.
    pub fn finish(self) -> impl Iterator<Item = Option<Row>> {
        self.found.into_iter().map(|found| found.map(|(_, row)| row))
    }

    /// Takes the row of a key, if the leaf has it and no newer run does.
    fn offer(&mut self, run: u32, key: u32, leaf: &Leaf) {
        let found = &mut self.found[key as usize];
        if found.is_none_or(|(newer, _)| newer > run)
            && let Some(row) = leaf.find(&self.keys[key as usize])
        {
            *found = Some((run, row));
        }
    }

    fn block(&self, probe: Probe) -> BlockId {
        BlockId { run: self.runs[probe.run as usize].id, number: probe.number }
    }
}

/// Probes of one block each, in their order.
fn by_block(probes: &[Probe]) -> impl Iterator<Item = &[Probe]> {
    probes.chunk_by(|a, b| (a.run, a.number) == (b.run, b.number))
}
