//! What answers the calls of a run: its packs, and the index as of its start.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use packhouse_catalog::Snapshot;
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS, page_size};
use packhouse_core::record::Tag;
use packhouse_core::row::Fingerprint;
use packhouse_core::{
    AccessError, Ancestor, CommitTag, Database, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_pack::scan::tag_entity;
use tokio::runtime::Handle;

use super::host::Host;
use super::places::Places;
use super::reader::{PackReader, RunPack};

/// One run of a component over a repo.
pub struct RunHost {
    packs: PackReader,
    list: Arc<Vec<RunPack>>,
    heads: Vec<Head>,
    conflicts: Vec<EncodingConflict>,
    /// The index, for runs that walk the graph or look up entities.
    index: Option<Box<dyn Snapshot>>,
    runtime: Handle,
    /// Where the records of the stored packs are, once it was needed.
    places: Option<Places>,
    fault: Option<Error>,
    loan: Option<Loan>,
}

/// Packs and index that are lent to a run, and taken back when it has ended: its result is checked
/// against the same state of the repo.
#[derive(Clone, Default)]
pub struct Loan(Arc<Mutex<Option<Lent>>>);

type Lent = (PackReader, Box<dyn Snapshot>);

impl std::fmt::Debug for Loan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loan").finish_non_exhaustive()
    }
}

impl Loan {
    /// Takes back what was lent.
    ///
    /// # Errors
    /// If the run still has it.
    pub fn take(&self) -> Result<(PackReader, Box<dyn Snapshot>)> {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        lent.ok_or_else(|| Error::Usage("the run has not returned its packs and its index".into()))
    }
}

impl Drop for RunHost {
    fn drop(&mut self) {
        if let (Some(loan), Some(index)) = (self.loan.take(), self.index.take()) {
            *loan.0.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((self.packs.take(), index));
        }
    }
}

impl std::fmt::Debug for RunHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunHost").field("packs", &self.list.len()).finish_non_exhaustive()
    }
}

impl RunHost {
    /// A run over packs, with the repo's heads (by branch name).
    pub fn new(packs: PackReader, heads: Vec<Head>, index: Option<Box<dyn Snapshot>>) -> RunHost {
        let list = packs.packs.clone();
        let runtime = packs.runtime.clone();
        RunHost {
            packs,
            list,
            heads,
            conflicts: Vec::new(),
            index,
            runtime,
            places: None,
            fault: None,
            loan: None,
        }
    }

    /// Returns its packs and its index through `loan` when it is dropped.
    pub fn on(mut self, loan: &Loan) -> RunHost {
        self.loan = Some(loan.clone());
        self
    }

    /// Sets the records of a push that the repo has in another encoding.
    pub fn with_conflicts(mut self, conflicts: Vec<EncodingConflict>) -> RunHost {
        self.conflicts = conflicts;
        self
    }

    fn pack(&self, pack: u32) -> Result<&RunPack, AccessError> {
        self.list.get(pack as usize).ok_or(AccessError::NoSuchPack(pack))
    }

    /// A span that a component requests must be exactly one record of a pack of the run.
    fn record(&self, span: Span, objects: bool) -> Result<(), AccessError> {
        let directory = &self.pack(span.pack)?.directory;
        let row = directory
            .at(span.offset)
            .and_then(|n| directory.row(n))
            .ok_or(AccessError::NotARecord(span))?;
        if row.length == span.length && (objects || row.kind != Kind::Object) {
            Ok(())
        } else {
            Err(AccessError::NotARecord(span))
        }
    }

    /// Stores a fault. The result for the component does not matter: it is stopped.
    fn fault<T>(&mut self, result: Result<T>) -> Result<T, AccessError> {
        result.map_err(|error| {
            self.fault.get_or_insert(error);
            AccessError::Other("the host failed".to_owned())
        })
    }

    fn index(&mut self) -> Result<&mut Box<dyn Snapshot>> {
        self.index.as_mut().ok_or_else(|| Error::Usage("this run has no index".into()))
    }

    /// The encodings that the index has of entities, where it knows them.
    fn fingerprints(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<Fingerprint>>> {
        let keys: Vec<_> = ids.iter().map(|id| packhouse_catalog::entity_key(kind, *id)).collect();
        let runtime = self.runtime.clone();
        let found = runtime.block_on(self.index()?.lookup(&keys))?;
        Ok(found.into_iter().map(|row| row.map(|(_, fingerprint)| fingerprint)).collect())
    }

    fn places(&mut self) -> &Places {
        self.places.get_or_insert_with(|| Places::of(&self.list))
    }

    fn find(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<Location>>> {
        let encodings = self.fingerprints(kind, ids)?;
        let repo = self.packs.repo().clone();
        let places = self.places();
        let place = |(id, encoding): (&EntityId, Option<Fingerprint>)| match encoding {
            None => Ok(None),
            Some(fingerprint) => match places.find(kind, *id, fingerprint) {
                Some(place) => Ok(Some(place)),
                None => Err(Error::Damage(DamageError::Lost {
                    repo: repo.clone(),
                    kind,
                    id: *id,
                    wanted_by: "the index".into(),
                })),
            },
        };
        ids.iter().zip(encodings).map(place).collect()
    }

    /// The tags of all packs, by text.
    fn all_tags(&mut self) -> Result<Vec<CommitTag>> {
        let list = self.list.clone();
        let mut tags = Vec::new();
        for (number, pack) in list.iter().enumerate().filter(|(_, pack)| pack.is_stored()) {
            for row in pack.directory.rows().filter(|row| row.kind == Kind::Tag) {
                let bytes = self.packs.read(row.span(number as u32))?;
                let tag =
                    Tag::parse(&bytes).map_err(|e| self.packs.damaged(number as u32, e.reason))?;
                tags.push(CommitTag { tag: tag.text.to_owned(), commit: tag.commit });
            }
        }
        tags.sort_unstable();
        tags.dedup();
        Ok(tags)
    }
}

fn at_most(count: usize, most: u32) -> Result<(), AccessError> {
    if count > most as usize { Err(AccessError::TooMany(most)) } else { Ok(()) }
}

impl Host for RunHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}

impl Storage for RunHost {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        let directory = &self.pack(pack)?.directory;
        let most = page_size(limit, MAX_ROWS) as u64;
        let rows = directory.page(first, most).unwrap_or_default();
        Ok(Page { items: rows.to_vec(), done: first.saturating_add(most) >= directory.len() })
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        at_most(spans.len(), MAX_ITEMS)?;
        let mut bytes = 0u64;
        for span in spans {
            self.record(*span, false)?;
            bytes = bytes.saturating_add(span.length);
        }
        if bytes > MAX_RECORD_BYTES && spans.len() > 1 {
            return Err(AccessError::TooLarge(MAX_RECORD_BYTES));
        }
        let records = spans.iter().map(|span| self.packs.read(*span)).collect();
        self.fault(records)
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        at_most(pairs.len(), MAX_ITEMS)?;
        for (a, b) in pairs {
            self.record(*a, true)?;
            self.record(*b, true)?;
        }
        let orders = pairs.iter().map(|(a, b)| self.packs.compare(*a, *b)).collect();
        self.fault(orders)
    }

    fn branch_heads(
        &mut self,
        pack: u32,
        first: u32,
        limit: u32,
    ) -> Result<Page<Head>, AccessError> {
        Ok(Page::of(self.pack(pack)?.heads(), u64::from(first), limit, MAX_ITEMS))
    }
}

impl Database for RunHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let first = (first as usize).min(self.list.len());
        let end = first.saturating_add(page_size(limit, MAX_ITEMS)).min(self.list.len());
        let info = |pack: &RunPack| PackInfo {
            key: pack.directory.key.to_string(),
            bytes: pack.directory.pack_bytes,
            rows: pack.directory.len(),
        };
        let items = self.list[first..end].iter().map(info).collect();
        Ok(Page { items, done: end == self.list.len() })
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        let first =
            after.map_or(0, |after| self.heads.partition_point(|h| h.branch.as_str() <= after));
        Ok(Page::of(&self.heads, first as u64, limit, MAX_ITEMS))
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let most = page_size(limit, MAX_ITEMS) as u32;
        at_most(commits.len(), most)?;
        let runtime = self.runtime.clone();
        // One more than the page holds says whether something follows.
        let found = self
            .index()
            .and_then(|index| runtime.block_on(index.history(commits, most.saturating_add(1))));
        let mut items = self.fault(found)?;
        let done = items.len() <= most as usize;
        items.truncate(most as usize);
        Ok(Page { items, done })
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        let runtime = self.runtime.clone();
        let floor = self.index().and_then(|index| runtime.block_on(index.walk_floor()));
        self.fault(floor)
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let found = self.find(kind, ids);
        self.fault(found)
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        at_most(tags.len(), MAX_IDS)?;
        let ids: Vec<EntityId> = tags.iter().map(|tag| tag_entity(tag)).collect();
        let found = self.find(Kind::Tag, &ids);
        self.fault(found)
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        at_most(commits.len(), MAX_IDS)?;
        let all = self.all_tags();
        let mut tags = self.fault(all)?;
        tags.retain(|tag| {
            commits.contains(&tag.commit) && after.is_none_or(|after| tag.tag.as_str() > after)
        });
        Ok(Page::of(&tags, 0, limit, MAX_ITEMS))
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let found = self.fingerprints(kind, ids);
        self.fault(found).map(|found| found.iter().map(Option::is_some).collect())
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page::of(&self.conflicts, first, limit, MAX_ITEMS))
    }
}
