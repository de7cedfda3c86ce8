//! What is sent beside the commits: their snapshots, the snapshots that those are deltas against,
//! and the objects that they list, each in its order.

use std::collections::BTreeMap;

use super::bounds::Bounds;
use super::entities::{Entities, HAD, PLACED, WAITING, WANTED};
use super::places::Places;
use crate::id::{EntityId, Kind};
use crate::order::{malformed_at, misnamed};
use crate::plan_error::PlanError;
use crate::ports::{Database, Limits, Span, Storage, batch_end, for_each_record};
use crate::record::Snapshot;

/// What a snapshot lists: the snapshot that it is a delta against, and its objects by path.
#[derive(Debug, Default)]
pub(super) struct Listed {
    pub parent: Option<EntityId>,
    pub objects: Vec<EntityId>,
}

/// The snapshots and objects of a run, and those that are sent.
#[derive(Debug)]
pub(super) struct Collection {
    pub limits: Limits,
    pub places: Places,
    /// Snapshots: what is sent, what is had, and what those refer to.
    pub snapshots: Entities,
    /// Objects that sent snapshots list.
    pub objects: Entities,
    /// The snapshots that are sent, in canonical order.
    pub placed: Vec<u32>,
    /// The objects that those list, in canonical order. Some may be had.
    pub listed: Vec<u32>,
    /// The pack that records are inserted into, with the offset up to which its snapshots have their
    /// places; nothing of it is sent by itself.
    pub passed: Option<(u32, u64)>,
}

impl Collection {
    pub(super) fn new(limits: Limits, bounds: &Bounds) -> Collection {
        Collection {
            limits,
            places: Places::new(limits, bounds),
            snapshots: Entities::new(Kind::Snapshot),
            objects: Entities::new(Kind::Object),
            placed: Vec::new(),
            listed: Vec::new(),
            passed: None,
        }
    }

    /// Reads snapshots that have a place, in the order in which they lie in the packs, and hands
    /// each to `each`.
    pub(super) fn read<H: Storage + ?Sized>(
        &mut self,
        host: &mut H,
        mut numbers: Vec<u32>,
        mut each: impl FnMut(&mut Self, u32, &Snapshot<'_>),
    ) -> Result<(), PlanError> {
        numbers.sort_unstable_by_key(|number| self.snapshots.span(*number));
        let spans: Vec<Span> = numbers.iter().filter_map(|n| self.snapshots.span(*n)).collect();
        for_each_record(host, &spans, |_, i, bytes| {
            let id = self.snapshots.id(numbers[i]);
            let error = |error| malformed_at(Kind::Snapshot, id, spans[i], error);
            let snapshot = Snapshot::parse(bytes).map_err(error)?;
            if snapshot.id != id {
                return Err(error(misnamed(snapshot.id)));
            }
            each(self, numbers[i], &snapshot);
            Ok(())
        })
    }

    /// Places the snapshots of the sent commits, which are given in the order of those: what is a
    /// delta against a snapshot that is sent, too, comes after it.
    ///
    /// Done again after more is known to be had, it leaves that out.
    pub(super) fn place<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        roots: &[u32],
    ) -> Result<(), PlanError> {
        self.snapshots.clear_all(WANTED | PLACED);
        self.objects.clear_all(WANTED);
        self.placed.clear();
        self.listed.clear();
        self.place_next(host, roots)
    }

    /// As [`Collection::place`], after those that have their places.
    pub(super) fn place_next<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        roots: &[u32],
    ) -> Result<(), PlanError> {
        let mut ahead: Vec<u32> = Vec::new();
        for root in roots {
            if !self.snapshots.has(*root, WANTED) {
                self.snapshots.set(*root, WANTED);
                ahead.push(*root);
            }
        }
        ahead.retain(|root| self.is_open(*root));
        let spans: Vec<Span> = ahead.iter().filter_map(|n| self.snapshots.span(*n)).collect();
        let mut start = 0;
        while start < ahead.len() {
            let end = batch_end(&spans, start, &self.limits);
            let mut batch = ahead[start..end].to_vec();
            // The parent of an earlier one may have its place already.
            batch.retain(|root| self.is_open(*root));
            let mut held = self.hold(host, batch.clone())?;
            for root in batch {
                self.place_one(host, root, &mut held)?;
            }
            start = end;
        }
        Ok(())
    }

    /// Whether a snapshot, if something sent refers to it, has yet to get its place.
    fn is_open(&self, number: u32) -> bool {
        let Some(span) = self.snapshots.span(number) else { return false };
        let is_passed =
            self.passed.is_some_and(|(pack, end)| span.pack == pack && span.offset < end);
        !is_passed && !self.snapshots.has(number, PLACED | WAITING | HAD)
    }

    /// Reads a batch of snapshots, and their parents that have to be placed before them, as far as
    /// they fit into one call more.
    fn hold<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        batch: Vec<u32>,
    ) -> Result<BTreeMap<u32, Listed>, PlanError> {
        let mut held: BTreeMap<u32, Listed> = BTreeMap::new();
        let mut left = self.limits.record_bytes;
        let mut next = batch;
        while !next.is_empty() {
            let mut parents = Vec::new();
            self.read(host, next, |collection, number, snapshot| {
                let listed = Listed::of(snapshot);
                parents.extend(listed.parent.map(|id| collection.snapshots.number(id)));
                held.insert(number, listed);
            })?;
            self.snapshots.locate(host, &mut self.places, parents.iter().copied())?;
            parents.sort_unstable();
            parents.dedup();
            parents.retain(|parent| {
                let bytes = self.snapshots.bytes(*parent);
                let fits = self.is_open(*parent) && !held.contains_key(parent) && bytes <= left;
                left -= if fits { bytes } else { 0 };
                fits
            });
            next = parents;
        }
        Ok(held)
    }

    fn place_one<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
        root: u32,
        held: &mut BTreeMap<u32, Listed>,
    ) -> Result<(), PlanError> {
        if !self.is_open(root) {
            return Ok(());
        }
        self.snapshots.set(root, WAITING);
        let mut chain = vec![root];
        while let Some(top) = chain.last().copied() {
            if !held.contains_key(&top) {
                held.append(&mut self.hold(host, vec![top])?);
            }
            let parent = held.get(&top).and_then(|listed| listed.parent);
            if let Some(parent) = parent {
                let parent = self.snapshots.number(parent);
                self.snapshots.set(parent, WANTED);
                // A parent that waits is an ancestor of itself: a cycle, cut here.
                if self.is_open(parent) {
                    self.snapshots.set(parent, WAITING);
                    chain.push(parent);
                    continue;
                }
            }
            for id in held.remove(&top).unwrap_or_default().objects {
                let object = self.objects.number(id);
                if !self.objects.has(object, WANTED) {
                    self.objects.set(object, WANTED);
                    self.listed.push(object);
                }
            }
            self.placed.push(top);
            self.snapshots.clear(top, WAITING);
            self.snapshots.set(top, PLACED);
            chain.pop();
        }
        Ok(())
    }

    /// Locates the objects that are not had.
    pub(super) fn locate_objects<H: Storage + Database + ?Sized>(
        &mut self,
        host: &mut H,
    ) -> Result<(), PlanError> {
        let open: Vec<u32> =
            self.listed.iter().copied().filter(|n| !self.objects.has(*n, HAD)).collect();
        self.objects.locate(host, &mut self.places, open.into_iter())
    }

    /// Where the objects are that are sent, in canonical order.
    pub(super) fn sent_objects(&self) -> impl Iterator<Item = Span> + Clone + '_ {
        let open = self.listed.iter().filter(|number| !self.objects.has(**number, HAD));
        open.filter_map(|number| self.objects.span(*number))
    }

    /// How many snapshots and objects what is sent refers to that are neither known nor had.
    pub(super) fn missing(&self) -> u64 {
        let snapshots = (0..self.snapshots.len()).filter(|number| {
            self.snapshots.has(*number, WANTED)
                && !self.snapshots.has(*number, HAD)
                && self.snapshots.span(*number).is_none()
        });
        let objects = self.listed.iter().filter(|number| {
            !self.objects.has(**number, HAD) && self.objects.span(**number).is_none()
        });
        (snapshots.count() + objects.count()) as u64
    }
}

impl Listed {
    pub(super) fn of(snapshot: &Snapshot<'_>) -> Listed {
        let objects = snapshot.entries.iter().map(|(_, id)| *id).collect();
        Listed { parent: snapshot.parent, objects }
    }
}
