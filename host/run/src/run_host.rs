//! What answers the calls of a run: its packs, and the index as of its start.

use std::cmp::Ordering;
use std::sync::Arc;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, page_size};
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result};

use super::calls::{Fault, at_most, check_pairs, check_reads, heads_page, packs_page};
use super::host::Host;
use super::index::Index;
use super::reader::{PackReader, RunPack};
use super::run_rows::{RowSource, RunRows};

/// One run of a component over a repo.
pub struct RunHost {
    packs: PackReader,
    list: Arc<Vec<RunPack>>,
    rows: RunRows,
    heads: Vec<Head>,
    conflicts: Vec<EncodingConflict>,
    /// The index, for runs that walk the graph or look up entities.
    index: Index,
    fault: Fault,
}

impl std::fmt::Debug for RunHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunHost").field("packs", &self.list.len()).finish_non_exhaustive()
    }
}

impl RunHost {
    /// A run over packs, with the repo's heads (by branch name).
    pub fn new(packs: PackReader, heads: Vec<Head>, index: Option<Box<dyn Snapshot>>) -> RunHost {
        let list = packs.places.packs.clone();
        let rows = RunRows::kept(list.iter().map(|pack| pack.directory.clone()));
        let index = Index { snapshot: index, runtime: packs.places.runtime.clone(), seen: None };
        let (conflicts, fault) = (Vec::new(), Fault::default());
        RunHost { packs, list, rows, heads, conflicts, index, fault }
    }

    /// Drops the directories of the packs as they are read; `source` has the same packs.
    pub fn with_dropped_rows(mut self, source: RowSource) -> RunHost {
        let directories = self.list.iter().map(|pack| pack.directory.clone()).collect();
        self.rows = RunRows::dropped(directories, source);
        self.list = Arc::new(self.list.iter().map(RunPack::without_rows).collect());
        self.packs.places.packs = self.list.clone();
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
    fn record(&mut self, span: Span, objects: bool) -> Result<(), AccessError> {
        self.pack(span.pack)?;
        let found = self.rows.is_record(&self.packs.places.runtime, span, objects);
        match self.fault.keep(found)? {
            true => Ok(()),
            false => Err(AccessError::NotARecord(span)),
        }
    }

    /// Consolidation and indexing read whole directories: they locate nothing.
    fn no_fetch<T>() -> Result<T, AccessError> {
        Err(AccessError::Other("this run does not plan a fetch".to_owned()))
    }
}

impl Host for RunHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.get()
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
        self.pack(pack)?;
        let page = self.rows.page(&self.packs.places.runtime, pack, first, limit);
        self.fault.keep(page)?
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        check_reads(spans, |span| self.record(span, false))?;
        let records = spans.iter().map(|span| self.packs.read(*span)).collect();
        self.fault.keep(records)
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        check_pairs(pairs, |span| self.record(span, true))?;
        let orders = pairs.iter().map(|(a, b)| self.packs.compare(*a, *b)).collect();
        self.fault.keep(orders)
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
        let numbered: Vec<(usize, &RunPack)> = self.list.iter().enumerate().collect();
        Ok(packs_page(&numbered, first, limit, |(number, pack): &(usize, &RunPack)| PackInfo {
            key: pack.directory.key.to_string(),
            bytes: pack.directory.pack_bytes,
            rows: self.rows.len(*number),
        }))
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Page<Head>, AccessError> {
        Ok(heads_page(&self.heads, after, limit))
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let most = page_size(limit, MAX_ITEMS) as u32;
        at_most(commits.len(), most)?;
        let page = self.index.history(commits, most);
        self.fault.keep(page)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>, AccessError> {
        Self::no_fetch()
    }

    fn locate(&mut self, _: Kind, _: &[EntityId]) -> Result<Vec<Option<Location>>, AccessError> {
        Self::no_fetch()
    }

    fn locate_tags(&mut self, _: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        Self::no_fetch()
    }

    fn tags(
        &mut self,
        _: &[EntityId],
        _: Option<&str>,
        _: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        Self::no_fetch()
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        Self::no_fetch()
    }

    fn base_heads(&mut self, _: u64, _: u32) -> Result<Page<EntityId>, AccessError> {
        Self::no_fetch()
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let known = self.index.known(kind, ids);
        self.fault.keep(known)
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page::of(&self.conflicts, first, limit, MAX_ITEMS))
    }
}
