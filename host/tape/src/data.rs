//! The data on a tape, by what it is about: the results of all calls of a run.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};

use packhouse_core::row::Fingerprint;
use packhouse_core::{
    Ancestor, Base, EncodingConflict, EntityId, Form, Head, Kind, Limits, Location, PackInfo, Page,
    ROW_BYTES, Row, Span,
};
use packhouse_model::digest::sha256;
use serde::de::DeserializeOwned;

use super::call;
use super::call::Call;
use super::format::CallLine;

/// A list that was read in pages: its items by number, and whether its end is known.
#[derive(Debug)]
pub(super) struct Paged<T> {
    items: BTreeMap<u64, T>,
    end: Option<u64>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Paged { items: BTreeMap::new(), end: None }
    }
}

impl<T: Clone> Paged<T> {
    /// Records a page from `first`.
    fn note(&mut self, first: u64, page: Page<T>) {
        // A tape may claim any start of a page.
        let next = first.saturating_add(page.items.len() as u64);
        if page.done {
            self.end = Some(self.end.map_or(next, |end| end.min(next)));
        }
        self.items.extend((first..next).zip(page.items));
    }

    /// A page of it, as long as the tape has it; `None` if the tape does not have its first item.
    pub(super) fn page(&self, first: u64, most: usize) -> Option<Page<T>> {
        let mut items = Vec::new();
        let mut at = first;
        while let Some(item) = self.items.get(&at).filter(|_| items.len() < most) {
            items.push(item.clone());
            at = at.saturating_add(1);
        }
        let done = self.end.is_some_and(|end| at >= end);
        (done || !items.is_empty()).then_some(Page { items, done })
    }
}

/// The ID of a text in fixed width: its SHA-256.
fn text_id(text: &str) -> EntityId {
    EntityId::new(Form::Text, sha256(text.as_bytes()))
}

/// The data on a tape.
#[derive(Debug, Default)]
pub(super) struct TapeData {
    pub(super) packs: Paged<PackInfo>,
    pub(super) rows: HashMap<u32, Paged<[u8; ROW_BYTES]>>,
    pub(super) spines: HashMap<u32, Paged<u32>>,
    pub(super) base: Option<Option<Base>>,
    pub(super) base_heads: Paged<EntityId>,
    pub(super) records: HashMap<Span, Vec<u8>>,
    pub(super) orders: HashMap<(Span, Span), Ordering>,
    pub(super) given: HashMap<u32, Paged<Head>>,
    pub(super) heads: BTreeMap<String, Head>,
    pub(super) heads_end: bool,
    pub(super) limits: Limits,
    pub(super) ancestors: HashMap<EntityId, Ancestor>,
    pub(super) unknown: HashSet<EntityId>,
    pub(super) walk_floor: Option<Option<u64>>,
    pub(super) places: HashMap<(Kind, String), Option<Location>>,
    /// The tags of commits, and the commits whose tags are all there.
    pub(super) tags: BTreeMap<String, EntityId>,
    pub(super) tagged: HashSet<EntityId>,
    pub(super) known: HashMap<(Kind, EntityId), bool>,
    pub(super) conflicts: Paged<EncodingConflict>,
}

impl TapeData {
    /// Adds a call and its result. `None` if they can't be parsed. Errors and traps contain no data
    /// of packs.
    pub(super) fn learn(&mut self, line: &CallLine<'_>) -> Option<()> {
        fn read<C: Call>(line: &CallLine<'_>) -> Option<(C, C::Output)> {
            let args = serde_json::from_str(line.args.get()).ok()?;
            Some((args, text(line.ok?.get())?))
        }
        fn text<T: DeserializeOwned>(text: &str) -> Option<T> {
            serde_json::from_str(text).ok()
        }
        if line.ok.is_none() {
            return Some(());
        }
        match line.call.as_str() {
            call::GetLimits::NAME => self.limits = read::<call::GetLimits>(line)?.1,
            call::PackIndex::NAME => {
                let (call, page) = read::<call::PackIndex>(line)?;
                let rows = page
                    .items
                    .0
                    .chunks_exact(ROW_BYTES)
                    .map(|row| row.try_into().expect("chunks have that size"));
                let page = Page { items: rows.collect(), done: page.done };
                self.rows.entry(call.pack).or_default().note(call.first, page);
            }
            call::Spine::NAME => {
                let (call, spine) = read::<call::Spine>(line)?;
                self.spines.entry(call.pack).or_default().note(call.first, spine);
            }
            call::GetBase::NAME => self.base = Some(read::<call::GetBase>(line)?.1),
            call::BaseHeads::NAME => {
                let (call, heads) = read::<call::BaseHeads>(line)?;
                self.base_heads.note(call.first, heads);
            }
            call::ReadRecords::NAME => {
                let (call, records) = read::<call::ReadRecords>(line)?;
                self.records.extend(call.spans.into_iter().zip(records.into_iter().map(|r| r.0)));
            }
            call::CompareRecords::NAME => {
                let (call, orders) = read::<call::CompareRecords>(line)?;
                for ((a, b), order) in call.pairs.into_iter().zip(orders) {
                    let order = Ordering::from(order);
                    self.orders.insert((a, b), order);
                    self.orders.insert((b, a), order.reverse());
                }
            }
            call::BranchHeads::NAME => {
                let (call, heads) = read::<call::BranchHeads>(line)?;
                self.given.entry(call.pack).or_default().note(u64::from(call.first), heads);
            }
            call::ListPacks::NAME => {
                let (call, packs) = read::<call::ListPacks>(line)?;
                self.packs.note(u64::from(call.first), packs);
            }
            call::ListHeads::NAME => {
                let (_, heads) = read::<call::ListHeads>(line)?;
                self.heads_end |= heads.done;
                self.heads.extend(heads.items.into_iter().map(|head| (head.branch.clone(), head)));
            }
            call::History::NAME => {
                let (call, page) = read::<call::History>(line)?;
                self.learn_history(call.commits, page);
            }
            call::WalkFloor::NAME => {
                self.walk_floor = Some(read::<call::WalkFloor>(line)?.1);
            }
            call::Locate::NAME => {
                let (call, places) = read::<call::Locate>(line)?;
                self.places.extend(call.ids.into_iter().map(|id| (call.kind, id)).zip(places));
            }
            call::Tags::NAME => {
                let (call, page) = read::<call::Tags>(line)?;
                if page.done {
                    self.tagged.extend(call.commits);
                }
                self.tags.extend(page.items.into_iter().map(|tag| (tag.tag, tag.commit)));
            }
            call::Known::NAME => {
                let (call, known) = read::<call::Known>(line)?;
                self.known.extend(call.ids.into_iter().map(|id| (call.kind, id)).zip(known));
            }
            call::Conflicts::NAME => {
                let (call, conflicts) = read::<call::Conflicts>(line)?;
                self.conflicts.note(call.first, conflicts);
            }
            // A call of another WIT: it serves none of ours.
            _ => {}
        }
        Some(())
    }

    fn learn_history(&mut self, commits: Vec<EntityId>, page: Page<Ancestor>) {
        let there: HashSet<EntityId> = page.items.iter().map(|a| a.edges.commit).collect();
        self.unknown.extend(commits.into_iter().filter(|id| !there.contains(id)));
        if page.done {
            let reached = page.items.iter().flat_map(|a| a.edges.parents());
            self.unknown.extend(reached.filter(|id| !there.contains(id)));
        }
        self.ancestors.extend(page.items.into_iter().map(|a| (a.edges.commit, a)));
    }

    /// The known rows of so many packs, each by offset: those that were read, and those of records
    /// that were located. The index has one encoding of an entity, so the latter need no
    /// fingerprint to be compared.
    pub(super) fn rows(&self, packs: u32) -> Vec<Vec<Row>> {
        let mut rows: Vec<BTreeMap<u64, Row>> = vec![BTreeMap::new(); packs as usize];
        let mut note = |pack: u32, row: Row| {
            if let Some(rows) = rows.get_mut(pack as usize) {
                rows.insert(row.offset, row);
            }
        };
        for ((kind, id), place) in &self.places {
            let Some(at) = place.map(|place| place.at) else { continue };
            let id = match kind {
                Kind::Tag => text_id(id),
                _ => EntityId::parse(id.as_bytes()).unwrap_or_else(|_| text_id(id)),
            };
            let fingerprint = Fingerprint::default();
            let (offset, length) = (at.offset, at.length);
            note(at.pack, Row { kind: *kind, id, offset, length, fingerprint });
        }
        for (pack, read) in &self.rows {
            read.items.values().filter_map(|row| Row::decode(row)).for_each(|row| note(*pack, row));
        }
        rows.into_iter().map(|rows| rows.into_values().collect()).collect()
    }
}
