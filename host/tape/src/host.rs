//! A host from the data on a tape: the results of a run, combined to serve calls that the run did
//! not make.
//!
//! A component that pages differently, or reads in another order, still requests the same
//! directories, records, edges and heads. A request for data that is not on the tape ends the
//! replay: no data is invented.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use packhouse_core::ports::{MAX_ITEMS, MAX_ROWS};
use packhouse_core::{
    AccessError, Database, Edges, EntityId, Head, Kind, PackInfo, ROW_BYTES, Rival, Row, Span,
    Storage,
};
use packhouse_model::error::{Error, Result, TapeError};
use packhouse_run::{Host, page};
use serde::de::DeserializeOwned;

use super::call;
use super::call::Call;
use super::format::CallLine;

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
    /// Records a page from `first`: one shorter than `most` is the last.
    fn note(&mut self, first: u64, most: u64, items: Vec<T>) {
        // A tape may claim any start of a page.
        let next = first.saturating_add(items.len() as u64);
        if (items.len() as u64) < most {
            self.end = Some(next);
        }
        self.items.extend((first..next).zip(items));
    }

    /// A page of it; `None` if the tape does not have all of the page.
    fn page(&self, first: u64, most: u64) -> Option<Vec<T>> {
        let mut found = Vec::new();
        while (found.len() as u64) < most {
            let at = first.saturating_add(found.len() as u64);
            match self.items.get(&at) {
                Some(item) => found.push(item.clone()),
                None if self.end.is_some_and(|end| at >= end) => break,
                None => return None,
            }
        }
        Some(found)
    }

    /// All of it; `None` if the tape does not have all of it.
    fn whole(&self) -> Option<Vec<T>> {
        self.page(0, u64::MAX)
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
    edges: HashMap<EntityId, Edges>,
    unknown: HashSet<EntityId>,
    known: HashMap<(Kind, EntityId), bool>,
    rivals: Paged<Rival>,
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
        let items = |limit: u32| u64::from(limit.min(MAX_ITEMS));
        match line.call.as_str() {
            call::DirectoryRows::NAME => {
                let (call, rows) = read::<call::DirectoryRows>(line)?;
                let rows = rows
                    .0
                    .chunks_exact(ROW_BYTES)
                    .map(|row| row.try_into().expect("chunks have that size"))
                    .collect();
                self.rows.entry(call.pack).or_default().note(
                    call.first,
                    u64::from(call.limit.min(MAX_ROWS)),
                    rows,
                );
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
                self.given.entry(call.pack).or_default().note(
                    u64::from(call.first),
                    items(call.limit),
                    heads,
                );
            }
            call::ListPacks::NAME => {
                let (call, packs) = read::<call::ListPacks>(line)?;
                self.packs.note(u64::from(call.first), items(call.limit), packs);
            }
            call::ListHeads::NAME => {
                let (call, heads) = read::<call::ListHeads>(line)?;
                self.heads_end |= (heads.len() as u64) < items(call.limit);
                self.heads.extend(heads.into_iter().map(|head| (head.branch.clone(), head)));
            }
            call::History::NAME => {
                let (call, edges) = read::<call::History>(line)?;
                // Fewer than the limit: this is the end.
                if (edges.len() as u64) < items(call.limit) {
                    let there: HashSet<EntityId> = edges.iter().map(|e| e.commit).collect();
                    let asked = call.commits.iter().copied();
                    let reached = edges.iter().flat_map(Edges::parents);
                    self.unknown.extend(asked.chain(reached).filter(|id| !there.contains(id)));
                }
                self.edges.extend(edges.into_iter().map(|e| (e.commit, e)));
            }
            call::Known::NAME => {
                let (call, known) = read::<call::Known>(line)?;
                self.known.extend(call.ids.into_iter().map(|id| (call.kind, id)).zip(known));
            }
            call::Rivals::NAME => {
                let (call, rivals) = read::<call::Rivals>(line)?;
                self.rivals.note(call.first, items(call.limit), rivals);
            }
            // A call of another WIT: it serves none of ours.
            _ => {}
        }
        Some(())
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
            AccessError::TooMuch(0)
        })
    }
}

impl Storage for TapeHost {
    fn directory_rows(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Vec<u8>, AccessError> {
        let page =
            self.rows.get(&pack).and_then(|rows| rows.page(first, u64::from(limit.min(MAX_ROWS))));
        self.require(page.map(|rows| rows.concat()), || format!("rows of pack {pack} from {first}"))
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
    ) -> Result<Vec<Head>, AccessError> {
        let heads = self
            .given
            .get(&pack)
            .and_then(|heads| heads.page(u64::from(first), u64::from(limit.min(MAX_ITEMS))));
        self.require(heads, || format!("the heads of pack {pack}"))
    }
}

impl Database for TapeHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError> {
        let packs = self.packs.whole().map(|packs| page(&packs, u64::from(first), limit));
        self.require(packs, || "the packs".to_owned())
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError> {
        let all: Vec<Head> = self
            .heads
            .values()
            .filter(|h| after.is_none_or(|after| h.branch.as_str() > after))
            .cloned()
            .collect();
        let heads = self.heads_end.then(|| page(&all, 0, limit));
        self.require(heads, || "the repo's heads".to_owned())
    }

    fn history(&mut self, from: &[EntityId], limit: u32) -> Result<Vec<Edges>, AccessError> {
        let limit = limit.min(MAX_ITEMS) as usize;
        if from.len() > limit {
            return Err(AccessError::TooMuch(limit as u32));
        }
        let mut next: VecDeque<EntityId> = from.iter().copied().collect();
        let mut seen: HashSet<EntityId> = HashSet::new();
        let mut found = Some(Vec::new());
        while let (Some(id), Some(edges)) = (next.pop_front(), &mut found) {
            if edges.len() == limit {
                break;
            }
            if !seen.insert(id) || self.unknown.contains(&id) {
                continue;
            }
            match self.edges.get(&id) {
                Some(commit) => {
                    edges.push(*commit);
                    next.extend(commit.parents());
                }
                None => found = None,
            }
        }
        self.require(found, || "the history of other commits".to_owned())
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        let known = ids.iter().map(|id| self.known.get(&(kind, *id)).copied()).collect();
        self.require(known, || format!("whether a {kind} is known"))
    }

    fn rivals(&mut self, first: u64, limit: u32) -> Result<Vec<Rival>, AccessError> {
        let rivals = self.rivals.page(first, u64::from(limit.min(MAX_ITEMS)));
        self.require(rivals, || "the encoding conflicts of the push".to_owned())
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
