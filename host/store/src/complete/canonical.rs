//! Whether a pack is in canonical order, and its spine: found while its records are read.
//!
//! Written anew from the rules of the format, not with the planner's code: what a component has
//! written is checked.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use packhouse_core::{Counts, EntityId};
use packhouse_pack::directory::Spine;

/// A commit, by its row number. What it refers to is a row, too; none if the pack does not have it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommitRow {
    pub(super) id: EntityId,
    pub(super) parents: [Option<u32>; 2],
    pub(super) snapshot: Option<u32>,
}

/// Compares a pack with its canonical form. Its records are noted in the order of their rows.
#[derive(Debug)]
pub(super) struct Canonical {
    counts: Counts,
    commits: Vec<CommitRow>,
    /// The parent of each snapshot: its number among the snapshots.
    parents: Vec<Option<u32>>,
    /// How many objects come before each snapshot's turn.
    objects_before: Vec<u32>,
    /// How many objects were listed so far.
    objects: u32,
    last_tag: Option<String>,
    is_canonical: bool,
}

impl Canonical {
    pub(super) fn new(counts: Counts) -> Canonical {
        Canonical {
            counts,
            commits: Vec::new(),
            parents: Vec::new(),
            objects_before: Vec::new(),
            objects: 0,
            last_tag: None,
            is_canonical: true,
        }
    }

    fn require(&mut self, is_so: bool) {
        self.is_canonical &= is_so;
    }

    /// Notes a commit, whose row number is `row`.
    pub(super) fn commit(&mut self, row: u32, commit: CommitRow) {
        self.require(row as usize == self.commits.len());
        self.commits.push(commit);
    }

    /// Notes a snapshot, before its objects. `parent` is the row of its parent.
    pub(super) fn snapshot(&mut self, row: u32, parent: Option<u32>) {
        let first = self.counts.commits;
        self.require(u64::from(row) == first + self.parents.len() as u64);
        self.parents
            .push(parent.and_then(|row| u32::try_from(u64::from(row).checked_sub(first)?).ok()));
        self.objects_before.push(self.objects);
    }

    /// Notes the row of an object that no snapshot before has listed.
    pub(super) fn object(&mut self, row: u32) {
        let first = self.counts.commits + self.counts.snapshots;
        self.require(u64::from(row) == first + u64::from(self.objects));
        self.objects += 1;
    }

    /// Notes a tag.
    pub(super) fn tag(&mut self, row: u32, text: &str) {
        let Counts { commits, snapshots, objects, .. } = self.counts;
        let is_behind = self.last_tag.as_deref().is_none_or(|last| last < text);
        self.require(u64::from(row) >= commits + snapshots + objects && is_behind);
        self.last_tag = Some(text.to_owned());
    }

    /// The spine, if the pack is in canonical order, and no commit and no snapshot comes before its
    /// parent.
    pub(super) fn finish(self) -> Option<Spine> {
        let are_all_read = self.commits.len() as u64 == self.counts.commits
            && self.parents.len() as u64 == self.counts.snapshots
            && u64::from(self.objects) == self.counts.objects;
        if !(self.is_canonical && are_all_read && self.commits_are_in_order()) {
            return None;
        }
        let mut numbers = self.snapshots_before()?;
        numbers.extend(self.objects_before);
        Some(Spine::new(numbers))
    }

    /// Whether each commit is the smallest by ID of those whose parents come before it.
    fn commits_are_in_order(&self) -> bool {
        let mut waits = vec![0u8; self.commits.len()];
        let mut children: Vec<(u32, u32)> = Vec::new();
        for (number, commit) in (0..).zip(&self.commits) {
            for parent in commit.parents.into_iter().flatten() {
                children.push((parent, number));
                waits[number as usize] += 1;
            }
        }
        children.sort_unstable();
        let id = |number: u32| self.commits[number as usize].id;
        let roots = (0..self.commits.len() as u32).filter(|number| waits[*number as usize] == 0);
        let mut ready: BinaryHeap<Reverse<(EntityId, u32)>> =
            roots.map(|number| Reverse((id(number), number))).collect();
        for expected in 0..self.commits.len() as u32 {
            let Some(Reverse((_, number))) = ready.pop() else { return false };
            if number != expected {
                return false;
            }
            let first = children.partition_point(|(parent, _)| *parent < number);
            for (_, child) in children[first..].iter().take_while(|(parent, _)| *parent == number) {
                waits[*child as usize] -= 1;
                if waits[*child as usize] == 0 {
                    ready.push(Reverse((id(*child), *child)));
                }
            }
        }
        true
    }

    /// How many snapshots come before the turn of each commit: at it, its snapshot is placed, behind
    /// the parents that it is a delta against. `None` if the pack has another order.
    fn snapshots_before(&self) -> Option<Vec<u32>> {
        let mut before = Vec::with_capacity(self.commits.len() + self.parents.len());
        let mut placed = 0u32;
        for commit in &self.commits {
            before.push(placed);
            let row = u64::from(commit.snapshot.unwrap_or(0));
            let first = self.counts.commits;
            let Some(number) = commit.snapshot.and(row.checked_sub(first)) else { continue };
            let number =
                u32::try_from(number).ok().filter(|n| (*n as usize) < self.parents.len())?;
            if number < placed {
                continue;
            }
            // The snapshots up to this one are its chain of parents, each behind its parent.
            for next in placed..number {
                if self.parents[next as usize + 1] != Some(next) {
                    return None;
                }
            }
            if self.parents[placed as usize].is_some_and(|parent| parent >= placed) {
                return None;
            }
            placed = number + 1;
        }
        (placed as usize == self.parents.len()).then_some(before)
    }
}
