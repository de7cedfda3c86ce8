//! What answers the calls of a run: its packs, and the index as of its start.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use packhouse_catalog::Snapshot;
use packhouse_core::ports::{MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS};
use packhouse_core::{
    AccessError, Database, Edges, EntityId, Head, Kind, PackInfo, Rival as EncodingConflict, Span,
    Storage,
};
use packhouse_model::error::{Error, Result};
use tokio::runtime::Handle;

use super::host::Host;
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
            AccessError::TooMuch(0)
        })
    }

    fn no_index() -> Error {
        Error::Usage("this run has no index".into())
    }
}

impl Host for RunHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}

/// Part of a list: at most `limit` from number `first`, and never more than [`MAX_ITEMS`].
pub fn page<T: Clone>(all: &[T], first: u64, limit: u32) -> Vec<T> {
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(all.len());
    all[first..].iter().take(limit.min(MAX_ITEMS) as usize).cloned().collect()
}

impl Storage for RunHost {
    fn directory_rows(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Vec<u8>, AccessError> {
        let rows = self.pack(pack)?.directory.page(first, u64::from(limit.min(MAX_ROWS)));
        rows.map(<[u8]>::to_vec).ok_or(AccessError::OutOfRange(Span {
            pack,
            offset: first,
            length: u64::from(limit),
        }))
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        let mut bytes = 0u64;
        for span in spans {
            self.record(*span, false)?;
            bytes = bytes.saturating_add(span.length);
        }
        if spans.len() > MAX_ITEMS as usize || (bytes > MAX_RECORD_BYTES && spans.len() > 1) {
            return Err(AccessError::TooMuch(MAX_ITEMS));
        }
        let records = spans.iter().map(|span| self.packs.read(*span)).collect();
        self.fault(records)
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        if pairs.len() > MAX_ITEMS as usize {
            return Err(AccessError::TooMuch(MAX_ITEMS));
        }
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
    ) -> Result<Vec<Head>, AccessError> {
        Ok(page(self.pack(pack)?.heads(), u64::from(first), limit))
    }
}

impl Database for RunHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Vec<PackInfo>, AccessError> {
        let info = |pack: &RunPack| PackInfo {
            key: pack.directory.key.to_string(),
            bytes: pack.directory.pack_bytes,
            rows: pack.directory.len(),
        };
        let first = (first as usize).min(self.list.len());
        Ok(self.list[first..].iter().take(limit.min(MAX_ITEMS) as usize).map(info).collect())
    }

    fn heads(&mut self, after: Option<&str>, limit: u32) -> Result<Vec<Head>, AccessError> {
        let first =
            after.map_or(0, |after| self.heads.partition_point(|h| h.branch.as_str() <= after));
        Ok(page(&self.heads, first as u64, limit))
    }

    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Edges>, AccessError> {
        let limit = limit.min(MAX_ITEMS);
        if commits.len() > limit as usize {
            return Err(AccessError::TooMuch(limit));
        }
        let edges = match &mut self.index {
            Some(index) => self
                .runtime
                .block_on(index.history(commits, limit))
                .map(|found| found.into_iter().map(|one| one.edges).collect()),
            None => Err(Self::no_index()),
        };
        self.fault(edges)
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        if ids.len() > MAX_ITEMS as usize {
            return Err(AccessError::TooMuch(MAX_ITEMS));
        }
        let keys: Vec<_> = ids.iter().map(|id| packhouse_catalog::entity_key(kind, *id)).collect();
        let found = match &mut self.index {
            Some(index) => self.runtime.block_on(index.lookup(&keys)),
            None => Err(Self::no_index()),
        };
        self.fault(found).map(|found| found.iter().map(Option::is_some).collect())
    }

    fn rivals(&mut self, first: u64, limit: u32) -> Result<Vec<EncodingConflict>, AccessError> {
        Ok(page(&self.conflicts, first, limit))
    }
}
