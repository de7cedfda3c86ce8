//! What the client has, among snapshots older than those of the boundary.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::boundary::{Left, Near};
use super::bounds::Bounds;
use super::collect::{Collection, Listed};
use super::entities::{HAD, PLACED, READ, WANTED};
use super::graph::{Graph, State};
use crate::plan_error::PlanError;
use crate::ports::{Database, Storage};

/// What looking at one older commit counts, as if so many bytes of snapshots had been read.
const COMMIT_BYTES: u64 = 64;
/// Older snapshots that are read ahead at first; then twice as many, and so on. Mostly all of a
/// search is one batch: each takes a request or two of a remote store.
const FIRST_BATCH: usize = 64;
/// This part of what would be sent may be read, if it is more than the least bound.
const PART_OF_SENT: u64 = 16;
/// Where less than this part of the bound is left, the search ends: a batch for so little is not
/// worth its requests.
const WORTH_A_BATCH: u64 = 8;
/// A batch counts as this part of the bound, besides its bytes. The parents of deltas mostly are the
/// snapshots of the next commits, and read ahead with those; each that is not is a batch.
const BATCHES: u64 = 16;

/// The search among older commits: breadth first from the boundary, in turns with the parents of
/// the snapshots that it reads. Neither packs nor generations change its order.
#[derive(Debug)]
pub(super) struct Older<'r> {
    collection: &'r mut Collection,
    graph: &'r mut Graph,
    left: Left,
    queue: VecDeque<u32>,
    parents: VecDeque<u32>,
    ahead: BTreeMap<u32, Listed>,
    batch: usize,
    spent: u64,
    batches: u64,
    /// Whether the turn is a parent's, if there is one.
    is_parents_turn: bool,
    /// Whether a snapshot that has its place in the answer is had.
    pub cut: bool,
}

impl<'r> Older<'r> {
    pub(super) fn new(
        collection: &'r mut Collection,
        graph: &'r mut Graph,
        near: Near,
        left: Left,
    ) -> Older<'r> {
        Older {
            collection,
            graph,
            left,
            queue: VecDeque::new(),
            parents: near.parents,
            ahead: BTreeMap::new(),
            batch: FIRST_BATCH,
            spent: 0,
            batches: 0,
            is_parents_turn: true,
            cut: false,
        }
    }

    /// Searches from `commits`, while something would be sent or be missing, until so much was read
    /// as `bounds` allow.
    pub(super) fn search<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        commits: impl Iterator<Item = u32>,
        bounds: &Bounds,
    ) -> Result<(), PlanError> {
        commits.for_each(|commit| self.meet(commit));
        while self.left.records + self.left.missing > 0 {
            let bound = bounds.older.max(self.left.bytes / PART_OF_SENT).min(bounds.most);
            let spent = self.spent + self.batches * (bound / BATCHES);
            let budget = bound.saturating_sub(spent);
            if budget <= bound / WORTH_A_BATCH {
                return Ok(());
            }
            let is_parents_turn = std::mem::replace(&mut self.is_parents_turn, false);
            if (is_parents_turn || self.queue.is_empty())
                && let Some(snapshot) = self.parents.pop_front()
            {
                self.note(host, snapshot, budget)?;
            } else if let Some(commit) = self.queue.pop_front() {
                self.is_parents_turn = true;
                self.pass(host, commit, budget)?;
            } else {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Notes the snapshot of a commit, and meets its parents.
    fn pass<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        commit: u32,
        budget: u64,
    ) -> Result<(), PlanError> {
        self.spent += COMMIT_BYTES;
        let follow: Vec<u32> = self.queue.iter().take(self.batch).copied().collect();
        self.read_parents(host, commit, follow.iter())?;
        for parent in self.graph.parents(commit) {
            self.meet(parent);
        }
        if let Some(id) = self.graph.node(commit).snapshot {
            let snapshot = self.collection.snapshots.number(id);
            self.note(host, snapshot, budget)?;
        }
        Ok(())
    }

    fn meet(&mut self, commit: u32) {
        let node = self.graph.node_mut(commit);
        if std::mem::replace(&mut node.met, true) {
            return;
        }
        match node.state {
            State::Known => self.queue.push_back(commit),
            _ if node.missing => self.left.missing -= 1,
            _ => {}
        }
    }

    /// Notes that a snapshot is had, and all that it lists. `budget` bytes may be read ahead.
    fn note<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        snapshot: u32,
        budget: u64,
    ) -> Result<(), PlanError> {
        if self.collection.snapshots.has(snapshot, READ) {
            return Ok(());
        }
        self.collection.snapshots.set(snapshot, READ);
        self.take_snapshot(snapshot);
        if !self.ahead.contains_key(&snapshot) {
            self.read_ahead(host, snapshot, budget)?;
        }
        let Some(listed) = self.ahead.remove(&snapshot) else { return Ok(()) };
        self.spent += self.collection.snapshots.bytes(snapshot);
        if let Some(parent) = listed.parent {
            let parent = self.collection.snapshots.number(parent);
            self.take_snapshot(parent);
            self.parents.push_back(parent);
        }
        for id in listed.objects {
            let objects = &mut self.collection.objects;
            if let Some(object) = objects.find(&id)
                && !objects.has(object, HAD)
            {
                objects.set(object, HAD);
                self.left.take(objects.span(object));
            }
        }
        Ok(())
    }

    fn take_snapshot(&mut self, snapshot: u32) {
        let snapshots = &mut self.collection.snapshots;
        if snapshots.has(snapshot, HAD) {
            return;
        }
        snapshots.set(snapshot, HAD);
        if snapshots.has(snapshot, WANTED) {
            self.cut |= snapshots.has(snapshot, PLACED);
            self.left.take(snapshots.span(snapshot));
        }
    }

    /// Reads a snapshot, if it has a place, and some that follow.
    fn read_ahead<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        snapshot: u32,
        budget: u64,
    ) -> Result<(), PlanError> {
        let limits = self.collection.limits;
        let snapshots = &mut self.collection.snapshots;
        if snapshots.is_located(snapshot) && snapshots.span(snapshot).is_none() {
            return Ok(());
        }
        let mut next = vec![snapshot];
        next.extend(self.upcoming(host)?);
        let Collection { snapshots, places, .. } = &mut *self.collection;
        snapshots.locate(host, places, next.iter().copied())?;
        let mut left = budget.min(limits.record_bytes);
        let mut batch: Vec<u32> = Vec::new();
        for number in next {
            let bytes = snapshots.bytes(number);
            if snapshots.span(number).is_some() && (bytes <= left || number == snapshot) {
                left = left.saturating_sub(bytes);
                batch.push(number);
            }
        }
        batch.truncate(limits.items as usize);
        let ahead = &mut self.ahead;
        self.collection.read(host, batch, |_, number, snapshot| {
            ahead.insert(number, Listed::of(snapshot));
        })?;
        self.batch = (2 * self.batch).min(limits.items as usize);
        self.batches += 1;
        Ok(())
    }

    /// Snapshots that the search will come to if it goes on: a batch at most, of as many commits.
    fn upcoming<H: Database + ?Sized>(&mut self, host: &mut H) -> Result<Vec<u32>, PlanError> {
        let mut found: Vec<u32> = self.parents.iter().copied().collect();
        let mut commits: VecDeque<u32> = self.queue.iter().take(self.batch).copied().collect();
        let mut seen: BTreeSet<u32> = commits.iter().copied().collect();
        while let Some(commit) = commits.pop_front() {
            let snapshot = self.graph.node(commit).snapshot;
            found.extend(snapshot.map(|id| self.collection.snapshots.number(id)));
            if seen.len() < self.batch {
                self.read_parents(host, commit, commits.iter())?;
                let next = self.graph.parents(commit).filter(|parent| {
                    let node = self.graph.node(*parent);
                    node.state == State::Known && !node.met && seen.insert(*parent)
                });
                commits.extend(next);
            }
        }
        let mut once = BTreeSet::new();
        found.retain(|number| {
            !self.collection.snapshots.has(*number, READ)
                && !self.ahead.contains_key(number)
                && once.insert(*number)
        });
        Ok(found)
    }

    /// Reads the parents of a commit, and of some that follow.
    fn read_parents<'c, H: Database + ?Sized>(
        &mut self,
        host: &mut H,
        commit: u32,
        follow: impl Iterator<Item = &'c u32>,
    ) -> Result<(), PlanError> {
        let unread = |commit: u32| {
            let graph = &*self.graph;
            graph.parents(commit).filter(|parent| graph.node(*parent).state == State::Unread)
        };
        let mut commits: Vec<u32> = unread(commit).collect();
        if !commits.is_empty() {
            commits.extend(follow.take(self.batch).flat_map(|commit| unread(*commit)));
            self.graph.read(host, &commits)?;
        }
        Ok(())
    }
}
