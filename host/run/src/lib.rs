//! What a component sees of a repo: the packs of one run, and the index as of its start.
//!
//! [`RunHost`] implements the core's ports. The sandbox connects it to the WIT; tests can pass it
//! to the native core. A fault of the host (a missing pack, a failed database) is stored and ends
//! the run: a component can't handle it, and must not see it.

mod host;
mod packs_only;
mod planner;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::{MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS};
use packhouse_core::{
    AccessError, Database, Edges, EntityId, Head, Kind, PackInfo, Rival as EncodingConflict, Span,
    Storage,
};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_pack::splice::Sources;
use packhouse_vault::{StoredPack, Vault};
use tokio::runtime::Handle;

pub use host::Host;
pub use packs_only::PacksOnly;
pub use planner::{Indexed, Planner, RunError, SandboxLimits};

/// Packs that are open at once: far below the limit on open files.
const OPEN_PACKS: usize = 128;

/// The location of the bytes of a pack of the run.
#[derive(Debug)]
enum PackLocation {
    /// In the vault, under the directory's key.
    Stored,
    /// In staging: being pushed.
    Staged(File, PathBuf, Vec<Head>),
}

/// A pack of the run.
#[derive(Debug)]
pub struct RunPack {
    /// Its directory.
    pub directory: Directory,
    place: PackLocation,
}

impl RunPack {
    /// A pack of the repo.
    pub fn stored(directory: Directory) -> RunPack {
        RunPack { directory, place: PackLocation::Stored }
    }

    /// A pack that is being pushed, with its branch heads.
    pub fn staged(directory: Directory, file: File, path: PathBuf, heads: Vec<Head>) -> RunPack {
        RunPack { directory, place: PackLocation::Staged(file, path, heads) }
    }

    /// Whether it is in the vault, not in staging.
    pub fn is_stored(&self) -> bool {
        matches!(self.place, PackLocation::Stored)
    }

    /// Its branch heads; none if it is already stored.
    pub fn heads(&self) -> &[Head] {
        match &self.place {
            PackLocation::Staged(_, _, heads) => heads,
            PackLocation::Stored => &[],
        }
    }
}

/// The packs of a run, and how their bytes are read.
#[derive(Debug)]
pub struct PackReader {
    repo: RepoName,
    vault: Vault,
    runtime: Handle,
    packs: Arc<Vec<RunPack>>,
    /// Packs of which only parts are downloaded, with those parts: in order, and disjoint.
    partly: BTreeMap<u32, (StoredPack, Vec<Range<u64>>)>,
    /// Packs that are open, with when they were last used.
    open: BTreeMap<u32, (StoredPack, u64)>,
    uses: u64,
}

impl PackReader {
    /// The packs of a run, in the order of their numbers.
    pub fn new(
        repo: RepoName,
        vault: Vault,
        runtime: Handle,
        packs: Arc<Vec<RunPack>>,
    ) -> PackReader {
        PackReader {
            repo,
            vault,
            runtime,
            packs,
            partly: BTreeMap::new(),
            open: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The repo of the run.
    pub fn repo(&self) -> &RepoName {
        &self.repo
    }

    /// Reads a pack from a file that contains only some of its bytes, as long as no other bytes are
    /// read.
    pub fn hold_parts(&mut self, pack: u32, stored: StoredPack, parts: Vec<Range<u64>>) {
        self.partly.insert(pack, (stored, parts));
    }

    /// A span outside of the prefetched parts: the whole pack is needed.
    fn need(&mut self, span: Span) {
        let lies_in = |parts: &Vec<Range<u64>>| {
            let after = parts.partition_point(|part| part.start <= span.offset);
            after.checked_sub(1).is_some_and(|n| span.offset + span.length <= parts[n].end)
        };
        if self.partly.get(&span.pack).is_some_and(|(_, parts)| !lies_in(parts)) {
            self.partly.remove(&span.pack);
        }
    }

    fn key(&self, pack: u32) -> MpackKey {
        self.packs[pack as usize].directory.key
    }

    /// The error for a pack whose bytes have changed.
    pub fn damaged(&self, pack: u32, detail: String) -> Error {
        let key = self.key(pack);
        Error::DamagedPack {
            key,
            repo: self.repo.clone(),
            place: self.vault.place_of(&key),
            detail,
        }
    }

    fn right_size(&self, pack: u32, stored: &StoredPack) -> Result<()> {
        let expected = self.packs[pack as usize].directory.pack_bytes;
        if stored.bytes == expected {
            return Ok(());
        }
        Err(self.damaged(pack, format!("it has {} bytes; {expected} were stored", stored.bytes)))
    }

    /// The bytes of a span of a pack.
    ///
    /// # Errors
    /// If the pack can't be read, or is too short.
    pub fn read(&mut self, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; span.length as usize];
        self.need(span);
        let (file, path) = Sources::open(self, span.pack)?;
        match file.read_exact_at(&mut bytes, span.offset) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.truncated(span.pack, span.offset + span.length))
            }
            Err(e) => Err(Error::io("reading", path)(e)),
        }
    }

    /// Law 7: whether the encoding `a` of a record is preferred to `b`: it is longer, or as long
    /// and greater by bytes.
    ///
    /// # Errors
    /// When a pack can't be read.
    pub fn prefers(&mut self, a: Span, b: Span) -> Result<bool> {
        match a.length.cmp(&b.length) {
            Ordering::Equal => Ok(self.compare(a, b)? == Ordering::Greater),
            by_length => Ok(by_length == Ordering::Greater),
        }
    }

    /// Compares two records without loading either completely.
    fn compare(&mut self, a: Span, b: Span) -> Result<Ordering> {
        const STEP: u64 = 1 << 20;
        let mut at = 0;
        while at < a.length.min(b.length) {
            let part = |s: Span| Span {
                pack: s.pack,
                offset: s.offset + at,
                length: STEP.min(s.length - at),
            };
            let (x, y) = (self.read(part(a))?, self.read(part(b))?);
            let n = x.len().min(y.len());
            match x[..n].cmp(&y[..n]) {
                Ordering::Equal => at += n as u64,
                different => return Ok(different),
            }
        }
        Ok(a.length.cmp(&b.length))
    }
}

impl Sources for PackReader {
    fn open(&mut self, pack: u32) -> Result<(&File, PathBuf)> {
        self.uses += 1;
        let packs = self.packs.clone();
        let run_pack = &packs[pack as usize];
        if let PackLocation::Staged(file, path, _) = &self.packs[pack as usize].place {
            return Ok((file, path.clone()));
        }
        if let Some((stored, _)) = self.partly.get(&pack) {
            self.right_size(pack, stored)?;
        } else if !self.open.contains_key(&pack) {
            let key = run_pack.directory.key;
            let found = self.runtime.block_on(self.vault.open_cached(&key))?;
            let stored = found.ok_or_else(|| Error::MissingPack {
                key,
                repo: self.repo.clone(),
                place: self.vault.place_of(&key),
            })?;
            self.right_size(pack, &stored)?;
            if self.open.len() >= OPEN_PACKS
                && let Some(oldest) =
                    self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(pack, _)| *pack)
            {
                self.open.remove(&oldest);
            }
            self.open.insert(pack, (stored, 0));
        }
        if let Some((stored, _)) = self.partly.get(&pack) {
            return Ok((&stored.file, stored.path.clone()));
        }
        let (stored, used) = self.open.get_mut(&pack).expect("it was opened above");
        *used = self.uses;
        Ok((&stored.file, stored.path.clone()))
    }

    fn truncated(&self, pack: u32, offset: u64) -> Error {
        self.damaged(pack, format!("it ends before byte {offset}, which is in its directory"))
    }
}

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
        RunHost { packs, list, heads, conflicts: Vec::new(), index, runtime, fault: None }
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
            Some(index) => self.runtime.block_on(index.history(commits, limit)),
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
