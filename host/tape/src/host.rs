//! A host from the data on a tape: the results of a run, combined to serve calls that the run did
//! not make.
//!
//! A component that pages differently, or reads in another order, still requests the same
//! directories, records, edges and heads. A request for data that is not on the tape ends the
//! replay: no data is invented.

use std::cmp::Ordering;
use std::collections::{HashSet, VecDeque};

use packhouse_core::ports::{MAX_ITEMS, MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_run::Host;

use super::data::TapeData;
use super::player::failed;

/// The host.
#[derive(Debug, Default)]
pub(super) struct TapeHost {
    data: TapeData,
    fault: Option<Error>,
}

impl TapeHost {
    pub(super) fn new(data: TapeData) -> TapeHost {
        TapeHost { data, fault: None }
    }

    fn located<'a>(
        &mut self,
        kind: Kind,
        ids: impl Iterator<Item = String> + 'a,
    ) -> Result<Vec<Option<Location>>, AccessError> {
        let places = ids.map(|id| self.data.places.get(&(kind, id)).copied()).collect();
        self.require(places, || format!("where a {kind} is"))
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
        self.data.limits
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let most = page_size(limit, MAX_ROWS);
        let page = self.data.rows.get(&pack).and_then(|rows| rows.page(first, most));
        let page = page.map(|rows| Page { items: rows.items.concat(), done: rows.done });
        self.require(page, || format!("rows of pack {pack} from {first}"))
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        let most = page_size(limit, MAX_ROWS);
        let page = self.data.spines.get(&pack).and_then(|spine| spine.page(first, most));
        self.require(page, || format!("the spine of pack {pack} from {first}"))
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let records = spans.iter().map(|span| self.data.records.get(span).cloned()).collect();
        self.require(records, || "records".to_owned())
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        let compared = |(a, b): &(Span, Span)| match (a == b, self.data.orders.get(&(*a, *b))) {
            (true, _) => Some(Ordering::Equal),
            (false, Some(order)) => Some(*order),
            (false, None) => Some(self.data.records.get(a)?.cmp(self.data.records.get(b)?)),
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
        let heads = self.data.given.get(&pack).and_then(|heads| heads.page(u64::from(first), most));
        self.require(heads, || format!("the heads of pack {pack}"))
    }
}

impl Database for TapeHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let packs = self.data.packs.page(u64::from(first), page_size(limit, MAX_ITEMS));
        self.require(packs, || "the packs".to_owned())
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        let all: Vec<Head> = self
            .data
            .heads
            .values()
            .filter(|h| after.is_none_or(|after| h.branch.as_str() > after))
            .cloned()
            .collect();
        let heads = self.data.heads_end.then(|| Page::of(&all, 0, limit, MAX_ITEMS));
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
            if !seen.insert(id) || self.data.unknown.contains(&id) {
                continue;
            }
            if found.items.len() == most {
                found.done = false;
                break;
            }
            match self.data.ancestors.get(&id) {
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
        let floor = self.data.walk_floor;
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
        let complete = commits.iter().all(|commit| self.data.tagged.contains(commit));
        let wanted: HashSet<&EntityId> = commits.iter().collect();
        let tags: Vec<CommitTag> = self
            .data
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

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        let base = self.data.base.clone();
        self.require(base, || "the base".to_owned())
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        let heads = self.data.base_heads.page(first, page_size(limit, MAX_ITEMS));
        self.require(heads, || "the heads of the base".to_owned())
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        let known = ids.iter().map(|id| self.data.known.get(&(kind, *id)).copied()).collect();
        self.require(known, || format!("whether a {kind} is known"))
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        let conflicts = self.data.conflicts.page(first, page_size(limit, MAX_ITEMS));
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
