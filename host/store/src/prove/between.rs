//! The commits between what a client wants and what it has.
//!
//! One walk from both, highest generation first. *Had* passes from a commit to its parents, also to
//! those that the walk has passed already. The walk ends when each commit in the queue is had and,
//! in a repo with a [`RepoView::walk_floor`], lies below it: then no commit that was passed as
//! wanted is an ancestor of what is had.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use packhouse_core::ports::{Ancestor, MAX_ITEMS};
use packhouse_core::{Edges, EntityId};
use packhouse_model::error::Result;

use super::view::RepoView;

/// Number of commits that are first read ahead; doubled with each call.
const FIRST_PAGE: u32 = 16;

/// The commits between what is wanted and what is had.
#[derive(Debug, Default)]
pub(super) struct Between {
    /// Those that wants reach and haves do not.
    pub(super) sent: BTreeMap<EntityId, Edges>,
    /// The commits that are had and that sent ones name as parents, by ID; then the known haves, in
    /// the order of the request. Each once.
    pub(super) boundary: Vec<Edges>,
    /// Commits that wants reach and that the repo does not have, as far as they are not had; each
    /// with a commit that names it, or none if the request does.
    pub(super) unknown: BTreeMap<EntityId, Option<EntityId>>,
}

/// Walks from `want` and from `have` until all is decided.
pub(super) fn between(
    view: &mut dyn RepoView,
    want: &[EntityId],
    have: &[EntityId],
) -> Result<Between> {
    let mut walk = Walk { floor: view.walk_floor()?, ahead: FIRST_PAGE, ..Walk::default() };
    for id in want {
        walk.colour(*id, Colour::Wanted, None);
    }
    for id in have {
        walk.colour(*id, Colour::Had, None);
    }
    while !walk.is_decided() {
        walk.read(view)?;
        let Some(next) = walk.next() else { break };
        for parent in next.edges.parents() {
            walk.colour(parent, next.colour, Some(next.edges.commit));
        }
    }
    walk.end(view, have)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Colour {
    Wanted,
    Had,
}

/// How far the walk is with a commit.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Its edges were not read.
    Unread,
    /// In the queue.
    Queued(Ancestor),
    /// Its parents have its colour.
    Passed(Ancestor),
    /// The repo does not have it.
    Unknown,
}

#[derive(Debug)]
struct Node {
    colour: Colour,
    place: Place,
    /// A commit that names it; none if the request does.
    by: Option<EntityId>,
}

/// A commit whose turn it is.
struct Next {
    edges: Edges,
    colour: Colour,
}

#[derive(Debug, Default)]
struct Walk {
    floor: Option<u64>,
    nodes: HashMap<EntityId, Node>,
    /// Generations and ids of the queued nodes.
    queue: BinaryHeap<(u64, EntityId)>,
    unread: Vec<EntityId>,
    /// Wanted nodes that are queued or unread.
    undecided: usize,
    /// Commits that were read before the walk met them.
    met_later: HashMap<EntityId, Ancestor>,
    /// How many to read ahead with the next call.
    ahead: u32,
}

impl Walk {
    fn colour(&mut self, id: EntityId, colour: Colour, by: Option<EntityId>) {
        match self.nodes.entry(id) {
            Entry::Vacant(new) => {
                new.insert(Node { colour, place: Place::Unread, by });
                self.unread.push(id);
                self.undecided += usize::from(colour == Colour::Wanted);
            }
            Entry::Occupied(mut known) => {
                let node = known.get_mut();
                if node.colour >= colour {
                    return;
                }
                node.colour = colour;
                match node.place {
                    Place::Unread | Place::Queued(_) => self.undecided -= 1,
                    Place::Unknown => {}
                    // It was passed as wanted: its parents need the other colour, too.
                    Place::Passed(ancestor) => {
                        node.place = Place::Queued(ancestor);
                        self.queue.push((ancestor.generation, id));
                    }
                }
            }
        }
    }

    fn is_decided(&self) -> bool {
        let is_below = |floor| {
            let highest = self.queue.peek().map(|(generation, _)| *generation);
            self.unread.is_empty() && highest.is_none_or(|highest| highest < floor)
        };
        self.undecided == 0 && self.floor.is_none_or(is_below)
    }

    /// Reads the edges of all nodes that are unread.
    fn read(&mut self, view: &mut dyn RepoView) -> Result<()> {
        let unread = std::mem::take(&mut self.unread);
        self.read_nodes(view, &unread)
    }

    fn read_nodes(&mut self, view: &mut dyn RepoView, unread: &[EntityId]) -> Result<()> {
        let new: Vec<EntityId> =
            unread.iter().copied().filter(|id| !self.met_later.contains_key(id)).collect();
        for page in new.chunks(MAX_ITEMS as usize) {
            let limit = (page.len() as u32).saturating_add(self.ahead).min(MAX_ITEMS);
            for ancestor in view.history(page, limit)? {
                self.met_later.insert(ancestor.edges.commit, ancestor);
            }
            self.ahead = self.ahead.saturating_mul(2).min(MAX_ITEMS);
        }
        for id in unread {
            let read = self.met_later.remove(id);
            let Some(node) = self.nodes.get_mut(id) else { continue };
            match read {
                Some(ancestor) => {
                    node.place = Place::Queued(ancestor);
                    self.queue.push((ancestor.generation, *id));
                }
                None => {
                    node.place = Place::Unknown;
                    self.undecided -= usize::from(node.colour == Colour::Wanted);
                }
            }
        }
        Ok(())
    }

    /// Takes the commit with the highest generation off the queue.
    fn next(&mut self) -> Option<Next> {
        let (_, id) = self.queue.pop()?;
        let node = self.nodes.get_mut(&id)?;
        let Place::Queued(ancestor) = node.place else { return None };
        node.place = Place::Passed(ancestor);
        self.undecided -= usize::from(node.colour == Colour::Wanted);
        Some(Next { edges: ancestor.edges, colour: node.colour })
    }

    fn end(mut self, view: &mut dyn RepoView, have: &[EntityId]) -> Result<Between> {
        let mut between = Between::default();
        for (id, Node { colour, place, by }) in &self.nodes {
            match (colour, place) {
                (Colour::Wanted, Place::Passed(ancestor)) => {
                    between.sent.insert(*id, ancestor.edges);
                }
                (Colour::Wanted, Place::Unknown) => {
                    between.unknown.insert(*id, *by);
                }
                _ => {}
            }
        }
        let mut boundary: Vec<EntityId> = between
            .sent
            .values()
            .flat_map(Edges::parents)
            .filter(|id| !between.sent.contains_key(id))
            .collect();
        boundary.sort_unstable();
        boundary.extend(have);
        // The walk may have ended before it has read them. Nothing needs to be read ahead.
        self.ahead = 0;
        let is_unread =
            |id: &EntityId| self.nodes.get(id).is_some_and(|n| matches!(n.place, Place::Unread));
        let unread: BTreeSet<EntityId> = boundary.iter().copied().filter(is_unread).collect();
        let unread: Vec<EntityId> = unread.into_iter().collect();
        self.read_nodes(view, &unread)?;
        let mut taken = HashSet::new();
        for id in boundary {
            if let Some(Place::Queued(found) | Place::Passed(found)) =
                self.nodes.get(&id).map(|node| node.place)
                && taken.insert(id)
            {
                between.boundary.push(found.edges);
            }
        }
        Ok(between)
    }
}
