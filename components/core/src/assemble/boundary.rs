//! What the client has near the boundary.
//!
//! What is had is never collected. Each snapshot that is had is read, and compared with what would
//! be sent: memory grows with the answer, not with what the client has.

use std::collections::{BTreeMap, VecDeque};

use super::bounds::Bounds;
use super::collect::{Collection, Listed};
use super::entities::{HAD, READ, WANTED};
use crate::id::EntityId;
use crate::plan_error::PlanError;
use crate::ports::{Database, Span, Storage};

/// The snapshots of the boundary, and of the haves.
#[derive(Debug, Default)]
pub(super) struct Near {
    chosen: Vec<u32>,
    /// What they list, if one call has read them all.
    kept: BTreeMap<u32, Listed>,
    /// The snapshots that they are deltas against.
    pub parents: VecDeque<u32>,
}

impl Near {
    /// Chooses the snapshots of `commits`, in that order, that fit into what is read, and notes
    /// that they and their parents are had. `own` are the snapshots of the sent commits.
    pub(super) fn read<H: Storage + Database + ?Sized>(
        host: &mut H,
        collection: &mut Collection,
        commits: impl Iterator<Item = EntityId>,
        own: &[u32],
        bounds: &Bounds,
    ) -> Result<Near, PlanError> {
        let all: Vec<u32> = commits.map(|id| collection.snapshots.number(id)).collect();
        let limits = collection.limits;
        collection.snapshots.locate(
            host,
            &mut collection.places,
            own.iter().chain(&all).copied(),
        )?;
        let mut sent = own.to_vec();
        sent.sort_unstable();
        sent.dedup();
        let sent: u64 = sent.iter().map(|number| collection.snapshots.bytes(*number)).sum();

        let mut near = Near::default();
        let mut left = bounds.near.max(2 * sent);
        for number in all {
            collection.snapshots.set(number, HAD);
            let bytes = collection.snapshots.bytes(number);
            if bytes <= left && !collection.snapshots.has(number, READ) {
                left -= bytes;
                collection.snapshots.set(number, READ);
                if collection.snapshots.span(number).is_some() {
                    near.chosen.push(number);
                }
            }
        }
        let bytes: u64 = near.chosen.iter().map(|n| collection.snapshots.bytes(*n)).sum();
        let keep = near.chosen.len() <= limits.items as usize && bytes <= limits.record_bytes;
        let mut parents: BTreeMap<u32, EntityId> = BTreeMap::new();
        collection.read(host, near.chosen.clone(), |_, number, snapshot| {
            parents.extend(snapshot.parent.map(|parent| (number, parent)));
            if keep {
                near.kept.insert(number, Listed::of(snapshot));
            }
        })?;
        for parent in near.chosen.iter().filter_map(|number| parents.get(number)) {
            let parent = collection.snapshots.number(*parent);
            collection.snapshots.set(parent, HAD);
            near.parents.push_back(parent);
        }
        Ok(near)
    }

    /// Marks the objects that they list.
    pub(super) fn mark<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        collection: &mut Collection,
    ) -> Result<(), PlanError> {
        let unkept: Vec<u32> =
            self.chosen.iter().copied().filter(|number| !self.kept.contains_key(number)).collect();
        for listed in std::mem::take(&mut self.kept).into_values() {
            listed.objects.iter().for_each(|id| mark(collection, id));
        }
        collection.read(host, unkept, |collection, _, snapshot| {
            snapshot.entries.iter().for_each(|(_, id)| mark(collection, id));
        })
    }
}

fn mark(collection: &mut Collection, object: &EntityId) {
    if let Some(object) = collection.objects.find(object) {
        collection.objects.set(object, HAD);
    }
}

/// What would be sent, and what would be missing, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// Snapshots and objects to send.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Commits, snapshots and objects that are missing.
    pub missing: u64,
}

impl Left {
    /// Counts what is placed and listed, and not had. `commits` of those that are sent are missing.
    pub(super) fn count(collection: &Collection, commits: u64) -> Left {
        let mut left = Left { missing: commits, ..Left::default() };
        for number in 0..collection.snapshots.len() {
            let snapshots = &collection.snapshots;
            if snapshots.has(number, WANTED) && !snapshots.has(number, HAD) {
                left.add(snapshots.span(number));
            }
        }
        for number in &collection.listed {
            if !collection.objects.has(*number, HAD) {
                left.add(collection.objects.span(*number));
            }
        }
        left
    }

    fn add(&mut self, span: Option<Span>) {
        match span {
            Some(span) => {
                self.records += 1;
                self.bytes += span.length;
            }
            None => self.missing += 1,
        }
    }

    pub(super) fn take(&mut self, span: Option<Span>) {
        match span {
            Some(span) => {
                self.records -= 1;
                self.bytes -= span.length;
            }
            None => self.missing -= 1,
        }
    }
}
