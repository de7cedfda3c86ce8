//! A host from the data on a tape: the results of a run, combined to serve calls that the run did
//! not make.
//!
//! A component that pages differently, or reads in another order, still requests the same
//! directories, records, edges and heads. A request for data that is not on the tape ends the
//! replay: no data is invented.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use packhouse_core::ports::{MAX_ITEMS, MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, Ancestor, CommitTag, Database, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, ROW_BYTES, Row, Span, Storage,
};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_run::Host;
use serde::de::DeserializeOwned;

use super::call;
use super::call::Call;
use super::format::CallLine;
use super::player::failed;

/// A list that was read in pages: its items by number, and whether its end is known.
#[derive(Debug)]
struct Paged<T> {
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
    fn page(&self, first: u64, most: usize) -> Option<Page<T>> {
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

/// The data on a tape.
#[derive(Debug, Default)]
pub(super) struct TapeHost {
    packs: Paged<PackInfo>,
    rows: HashMap<u32, Paged<[u8; ROW_BYTES]>>,
    records: HashMap<Span, Vec<u8>>,
    orders: HashMap<(Span, Span), Ordering>,
    given: HashMap<u32, Paged<Head>>,
    heads: BTreeMap<String, Head>,
    heads_end: bool,
    limits: Limits,
    ancestors: HashMap<EntityId, Ancestor>,
    unknown: HashSet<EntityId>,
    walk_floor: Option<Option<u64>>,
    places: HashMap<(Kind, String), Option<Location>>,
    /// The tags of commits, and the commits whose tags are all there.
    tags: BTreeMap<String, EntityId>,
    tagged: HashSet<EntityId>,
    known: HashMap<(Kind, EntityId), bool>,
    conflicts: Paged<EncodingConflict>,
    fault: Option<Error>,
}

impl TapeHost {
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

    fn located<'a>(
        &mut self,
        kind: Kind,
        ids: impl Iterator<Item = String> + 'a,
    ) -> Result<Vec<Option<Location>>, AccessError> {
        let places = ids.map(|id| self.places.get(&(kind, id)).copied()).collect();
        self.require(places, || format!("where a {kind} is"))
    }

    /// The known rows of a pack, by offset.
    pub(super) fn rows_of(&self, pack: u32) -> impl Iterator<Item = Row> + '_ {
        self.rows
            .get(&pack)
            .into_iter()
            .flat_map(|rows| rows.items.values())
            .filter_map(|row| Row::decode(row))
    }

    fn require<T>(
        &mut self,
        found: Option<T>,
        what: impl FnOnce() -> String,
    ) -> Result<T, AccessError> {
        found.ok_or_else(|| {
            self.fault.get_or_insert_with(|| {
                let diverged = format!("it asks for {}, which is not on the tape", what());
                TapeError::Diverged(diverged).into()
            });
            failed()
        })
    }
}

impl Storage for TapeHost {
    fn limits(&mut self) -> Limits {
        self.limits
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let most = page_size(limit, MAX_ROWS);
        let page = self.rows.get(&pack).and_then(|rows| rows.page(first, most));
        let page = page.map(|rows| Page { items: rows.items.concat(), done: rows.done });
        self.require(page, || format!("rows of pack {pack} from {first}"))
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let records = spans.iter().map(|span| self.records.get(span).cloned()).collect();
        self.require(records, || "records".to_owned())
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        let compared = |(a, b): &(Span, Span)| match (a == b, self.orders.get(&(*a, *b))) {
            (true, _) => Some(Ordering::Equal),
            (false, Some(order)) => Some(*order),
            (false, None) => Some(self.records.get(a)?.cmp(self.records.get(b)?)),
        };
        let orders = pairs.iter().map(compared).collect();
        self.require(orders, || "how records compare".to_owned())
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        let most = page_size(limit, MAX_ITEMS);
        let heads = self.given.get(&pack).and_then(|heads| heads.page(u64::from(first), most));
        self.require(heads, || format!("the heads of pack {pack}"))
    }
}

impl Database for TapeHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let packs = self.packs.page(u64::from(first), page_size(limit, MAX_ITEMS));
        self.require(packs, || "the packs".to_owned())
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        let all: Vec<Head> = self
            .heads
            .values()
            .filter(|h| after.is_none_or(|after| h.branch.as_str() > after))
            .cloned()
            .collect();
        let heads = self.heads_end.then(|| Page::of(&all, 0, limit, MAX_ITEMS));
        self.require(heads, || "the repo's heads".to_owned())
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let most = page_size(limit, MAX_ITEMS);
        if commits.len() > most {
            return Err(AccessError::TooMany(most as u32));
        }
        let mut next: VecDeque<EntityId> = commits.iter().copied().collect();
        let mut seen: HashSet<EntityId> = HashSet::new();
        let mut page = Some(Page::whole(Vec::new()));
        while let (Some(id), Some(found)) = (next.pop_front(), &mut page) {
            if !seen.insert(id) || self.unknown.contains(&id) {
                continue;
            }
            if found.items.len() == most {
                found.done = false;
                break;
            }
            match self.ancestors.get(&id) {
                Some(ancestor) => {
                    found.items.push(*ancestor);
                    next.extend(ancestor.edges.parents());
                }
                None => page = None,
            }
        }
        self.require(page, || "the history of other commits".to_owned())
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        let floor = self.walk_floor;
        self.require(floor, || "the walk floor".to_owned())
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        self.located(kind, ids.iter().map(EntityId::to_string))
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        self.located(Kind::Tag, tags.iter().map(|tag| (*tag).to_owned()))
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        let complete = commits.iter().all(|commit| self.tagged.contains(commit));
        let wanted: HashSet<&EntityId> = commits.iter().collect();
        let tags: Vec<CommitTag> = self
            .tags
            .iter()
            .filter(|(tag, commit)| {
                wanted.contains(commit) && after.is_none_or(|after| tag.as_str() > after)
            })
            .map(|(tag, commit)| CommitTag { tag: tag.clone(), commit: *commit })
            .collect();
        let page = complete.then(|| Page::of(&tags, 0, limit, MAX_ITEMS));
        self.require(page, || "the tags of other commits".to_owned())
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        let known = ids.iter().map(|id| self.known.get(&(kind, *id)).copied()).collect();
        self.require(known, || format!("whether a {kind} is known"))
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        let conflicts = self.conflicts.page(first, page_size(limit, MAX_ITEMS));
        self.require(conflicts, || "the encoding conflicts of the push".to_owned())
    }
}

impl Host for TapeHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}
