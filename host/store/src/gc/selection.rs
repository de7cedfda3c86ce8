//! Which packs a consolidation replaces, and on which shelves.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_catalog::{PackRow, Shelf};
use packhouse_model::names::ShelfId;

use super::geometric::set_sizes;
use crate::load::distinct_packs;
use crate::repo::mapped_packs;

/// The sets of packs that a consolidation may replace. Without a budget, it takes the largest.
pub(super) struct Selections<'a> {
    shelves: &'a [Shelf],
    /// The packs that the index maps something to, the smallest first.
    packs: Vec<PackRow>,
    /// Ascending.
    sets: Vec<PackSet>,
}

/// Some of the packs of a repo.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackSet {
    /// How many of those that the index maps something to, the smallest first.
    count: usize,
    /// Size of the records that the index maps to them, in bytes. The new pack is larger by a few
    /// headers and branch heads. An estimate if the catalog has not counted it.
    pub(super) needed_bytes: u64,
}

/// The packs that a consolidation replaces with one, and their shelves.
pub(super) struct Selection {
    /// The packs to read, in the order of a run.
    pub(super) sources: Vec<PackRow>,
    /// The shelves that get the new pack, with their generations, ascending.
    pub(super) shelves: Vec<(ShelfId, i64)>,
    /// Whether the new pack has all that the index maps.
    pub(super) is_whole: bool,
    /// How many entities the index maps to the shelves.
    pub(super) entities: u64,
    /// How many packs the index maps something to, and then does not any more.
    pub(super) packs: u64,
    /// Size of these packs, in bytes.
    pub(super) bytes: u64,
}

/// The packs that a geometric consolidation leaves as they are, if it has something to do; without
/// those that the index maps nothing to.
pub(crate) fn left_by_geometric(shelves: &[Shelf], factor: u32) -> Option<Vec<PackRow>> {
    let mut selections = Selections::new(shelves, Some(factor));
    let set = selections.pop()?;
    Some(selections.packs.split_off(set.count))
}

impl<'a> Selections<'a> {
    /// All packs; or with a factor, sets of the smallest packs.
    pub(super) fn new(shelves: &'a [Shelf], factor: Option<u32>) -> Selections<'a> {
        let mut packs = mapped_packs(shelves);
        packs.sort_by(|a, b| a.bytes.cmp(&b.bytes).then(a.key.cmp(&b.key)));
        let sizes: Vec<u64> = packs.iter().map(|pack| pack.bytes).collect();
        let counts = match factor {
            Some(factor) => set_sizes(&sizes, factor),
            None => vec![packs.len()],
        };
        let mut by_pack: BTreeMap<i64, u64> = BTreeMap::new();
        for shelf in shelves {
            *by_pack.entry(shelf.pack.id).or_default() += shelf.needed_bytes();
        }
        let sums: Vec<u64> = packs
            .iter()
            .scan(0, |sum, pack| {
                *sum += by_pack[&pack.id];
                Some(*sum)
            })
            .collect();
        let needed = |count: usize| count.checked_sub(1).map_or(0, |last| sums[last]);
        let set = |count: usize| PackSet { count, needed_bytes: needed(count) };
        let sets = counts.into_iter().map(set).collect();
        Selections { shelves, packs, sets }
    }

    /// The largest set that was not taken yet.
    pub(super) fn pop(&mut self) -> Option<PackSet> {
        self.sets.pop()
    }

    /// The packs and shelves of a set. The shelves of packs that the index maps nothing to get the
    /// new pack, too; these packs are read only `with_unmapped`.
    pub(super) fn select(&self, set: PackSet, with_unmapped: bool) -> Selection {
        let taken = &self.packs[..set.count];
        let ids: BTreeSet<i64> = taken.iter().map(|pack| pack.id).collect();
        let mapped: BTreeSet<i64> = self.packs.iter().map(|pack| pack.id).collect();
        let of_set = |shelf: &&Shelf| ids.contains(&shelf.pack.id);
        let planned =
            self.shelves.iter().filter(|shelf| of_set(shelf) || !mapped.contains(&shelf.pack.id));
        let read = planned.clone().filter(|shelf| with_unmapped || of_set(shelf));
        Selection {
            sources: distinct_packs(&read.cloned().collect::<Vec<_>>()),
            shelves: planned.map(|shelf| (shelf.id, shelf.generation)).collect(),
            is_whole: set.count == self.packs.len(),
            entities: self.shelves.iter().filter(of_set).map(|shelf| shelf.mapped.total()).sum(),
            packs: taken.len() as u64,
            bytes: taken.iter().map(|pack| pack.bytes).sum(),
        }
    }
}
