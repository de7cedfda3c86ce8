//! What answers the calls of a run: its packs, and the index as of its start.

use std::cmp::Ordering;
use std::sync::Arc;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, Ancestor, CommitTag, Database, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result};

use super::host::Host;
use super::index::Index;
use super::reader::{PackReader, RunPack};

/// One run of a component over a repo.
pub struct RunHost {
    packs: PackReader,
    list: Arc<Vec<RunPack>>,
    heads: Vec<Head>,
    conflicts: Vec<EncodingConflict>,
    /// The index, for runs that walk the graph or look up entities.
    index: Index,
    fault: Option<Error>,
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
        let index = Index { snapshot: index, runtime: packs.runtime.clone() };
        RunHost { packs, list, heads, conflicts: Vec::new(), index, fault: None }
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

    /// Consolidation and indexing read whole directories: they locate nothing.
    fn no_fetch<T>() -> Result<T, AccessError> {
        Err(AccessError::Other("this run does not plan a fetch".to_owned()))
    }
}

/// Refuses a call with more than `most` items.
pub(crate) fn at_most(count: usize, most: u32) -> Result<(), AccessError> {
    if count > most as usize { Err(AccessError::TooMany(most)) } else { Ok(()) }
}

/// The heads after a branch.
pub(crate) fn heads_after(heads: &[Head], after: Option<&str>, limit: u32) -> Page<Head> {
    let first = after.map_or(0, |after| heads.partition_point(|h| h.branch.as_str() <= after));
    Page::of(heads, first as u64, limit, MAX_ITEMS)
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
        Ok(heads_after(&self.heads, after, limit))
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Page<Ancestor>, AccessError> {
        let most = page_size(limit, MAX_ITEMS) as u32;
        at_most(commits.len(), most)?;
        let page = self.index.history(commits, most);
        self.fault(page)
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

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let known = self.index.known(kind, ids);
        self.fault(known)
    }

    fn conflicts(&mut self, first: u64, limit: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page::of(&self.conflicts, first, limit, MAX_ITEMS))
    }
}
