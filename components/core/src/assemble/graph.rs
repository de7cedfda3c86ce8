//! The part of the commit graph that a run has read.

use std::collections::BTreeSet;

use crate::id::EntityId;
use crate::id_numbers::IdNumbers;
use crate::ports::{AccessError, Database, Limits};

/// Commits that the first page of history holds; each page holds twice as many as the one before.
const FIRST_PAGE: u32 = 16;

/// Reached from what is wanted.
pub(super) const WANTED: u8 = 1;
/// Reached from what is had.
pub(super) const HAD: u8 = 2;

/// What is known of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It was referred to, and the index was not asked for it.
    Unread,
    /// The index has it.
    Known,
    /// The index does not have it.
    Unknown,
}

/// No parent.
const NONE: u32 = u32::MAX;

/// A commit. Parents are numbers of the graph.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub generation: u64,
    pub snapshot: Option<EntityId>,
    parents: [u32; 2],
    pub state: State,
    /// [`WANTED`], [`HAD`], or both.
    pub colour: u8,
    /// Whether the walk has it in its queue.
    pub queued: bool,
    /// Whether the search among older commits has met it.
    pub met: bool,
    /// Whether it counts as missing: it is wanted, or the parent of a sent commit, and unknown.
    pub missing: bool,
}

impl Node {
    const UNREAD: Node = Node {
        generation: 0,
        snapshot: None,
        parents: [NONE; 2],
        state: State::Unread,
        colour: 0,
        queued: false,
        met: false,
        missing: false,
    };
}

/// Commits by number, with what the index says of them. About 100 bytes each.
#[derive(Debug)]
pub(super) struct Graph {
    numbers: IdNumbers,
    nodes: Vec<Node>,
    page: u32,
    limits: Limits,
}

impl Graph {
    pub(super) fn new(limits: Limits) -> Graph {
        Graph { numbers: IdNumbers::default(), nodes: Vec::new(), page: FIRST_PAGE, limits }
    }

    pub(super) fn number(&mut self, id: EntityId) -> u32 {
        let number = self.numbers.number(id);
        if number as usize == self.nodes.len() {
            self.nodes.push(Node::UNREAD);
        }
        number
    }

    pub(super) fn find(&self, id: &EntityId) -> Option<u32> {
        self.numbers.find(id)
    }

    pub(super) fn id(&self, commit: u32) -> EntityId {
        self.numbers.id(commit)
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn node(&self, commit: u32) -> &Node {
        &self.nodes[commit as usize]
    }

    pub(super) fn node_mut(&mut self, commit: u32) -> &mut Node {
        &mut self.nodes[commit as usize]
    }

    /// The parents of a commit that was read: the first, then the second.
    pub(super) fn parents(&self, commit: u32) -> impl Iterator<Item = u32> + use<> {
        self.nodes[commit as usize].parents.into_iter().filter(|parent| *parent != NONE)
    }

    /// Reads commits, and ancestors of theirs ahead: more and more, as a run that reads much will
    /// read on.
    pub(super) fn read<H: Database + ?Sized>(
        &mut self,
        host: &mut H,
        commits: &[u32],
    ) -> Result<(), AccessError> {
        let most = self.limits.items.max(1);
        let mut start = 0;
        while start < commits.len() {
            let mut ask = BTreeSet::new();
            while start < commits.len() && ask.len() < most as usize {
                if self.node(commits[start]).state == State::Unread {
                    ask.insert(commits[start]);
                }
                start += 1;
            }
            if ask.is_empty() {
                continue;
            }
            let limit = self.page.max(ask.len() as u32).min(most);
            self.page = self.page.saturating_mul(2).min(most);
            let ids: Vec<EntityId> = ask.iter().map(|commit| self.id(*commit)).collect();
            for ancestor in host.history(&ids, limit)?.items {
                let parents =
                    ancestor.edges.parents.map(|parent| parent.map_or(NONE, |id| self.number(id)));
                let number = self.number(ancestor.edges.commit);
                let node = self.node_mut(number);
                if node.state != State::Known {
                    node.state = State::Known;
                    node.generation = ancestor.generation;
                    node.snapshot = ancestor.edges.snapshot;
                    node.parents = parents;
                }
            }
            for commit in ask {
                let node = self.node_mut(commit);
                if node.state == State::Unread {
                    node.state = State::Unknown;
                }
            }
        }
        Ok(())
    }
}
