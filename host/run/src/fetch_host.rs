//! What answers the calls of a run that plans a fetch. Nothing here grows with the repo: records are
//! located one by one, until the component pages whole directories because it needs most of them.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use packhouse_catalog::{PackRow, Snapshot};
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, MAX_RECORD_BYTES, MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, Ancestor, CommitTag, Database, EncodingConflict, EntityId, Head, Kind, Limits,
    Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result};
use packhouse_pack::scan::tag_entity;
use tokio::runtime::Handle;

use super::directories::Directories;
use super::host::Host;
use super::index::Index;
use super::known_rows::KnownRows;
use super::locate::{LocatedRow, Locator};
use super::reader::RunPack;
use super::run_host::{at_most, heads_after};
use super::spans::SpanReader;

/// One run of a component that plans a fetch.
pub struct FetchHost {
    heads: Vec<Head>,
    index: Index,
    directories: Directories,
    locator: Locator,
    reader: SpanReader,
    rows: KnownRows,
    fault: Option<Error>,
    loan: Loan,
}

impl std::fmt::Debug for FetchHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FetchHost").field("packs", &self.pack_rows().len()).finish_non_exhaustive()
    }
}

/// The state that a run planned on: its result is proven on the same.
pub struct Planned {
    /// The packs, with the rows that the component has located or paged.
    pub packs: Vec<RunPack>,
    /// The index.
    pub index: Box<dyn Snapshot>,
    /// Finds records by the index.
    pub locator: Locator,
    /// Reads records.
    pub reader: SpanReader,
}

impl std::fmt::Debug for Planned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Planned").field("packs", &self.packs).finish_non_exhaustive()
    }
}

/// A [`FetchHost`] puts its state here when the run has ended.
#[derive(Clone, Default, Debug)]
pub struct Loan(Arc<Mutex<Option<Planned>>>);

impl Loan {
    /// Takes the state.
    ///
    /// # Errors
    /// If the run still has it.
    pub fn take(&self) -> Result<Planned> {
        let planned = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        planned.ok_or_else(|| Error::Usage("the run has not returned its index".into()))
    }
}

impl FetchHost {
    /// A run over the packs of `reader`, with the repo's heads (by branch name). When it is dropped,
    /// its state goes to `loan`.
    pub fn new(
        heads: Vec<Head>,
        index: Box<dyn Snapshot>,
        directories: Directories,
        locator: Locator,
        reader: SpanReader,
        loan: &Loan,
    ) -> FetchHost {
        FetchHost {
            heads,
            index: Index { snapshot: Some(index), runtime: Handle::current() },
            directories,
            locator,
            reader,
            rows: KnownRows::default(),
            fault: None,
            loan: loan.clone(),
        }
    }

    fn pack_rows(&self) -> &[PackRow] {
        self.reader.packs()
    }

    /// Stores a fault. The result for the component does not matter: it is stopped.
    fn fault<T>(&mut self, result: Result<T>) -> Result<T, AccessError> {
        result.map_err(|error| {
            self.fault.get_or_insert(error);
            AccessError::Other("the host failed".to_owned())
        })
    }

    fn find(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<Location>>> {
        let Some(index) = self.index.snapshot.as_deref_mut() else { return Ok(Vec::new()) };
        let found = self.index.runtime.block_on(self.locator.locate(index, kind, ids))?;
        self.rows.add(found.iter().flatten().copied());
        Ok(found.iter().map(|found| found.as_ref().map(LocatedRow::location)).collect())
    }

    /// The whole directory of a pack, read when it is first paged.
    fn page_whole(&mut self, pack: u32) -> Result<(), AccessError> {
        let row = self.pack_rows().get(pack as usize).ok_or(AccessError::NoSuchPack(pack))?.clone();
        if self.rows.whole(pack).is_none() {
            let whole = self.index.runtime.block_on(self.directories.whole(&row));
            let whole = self.fault(whole)?;
            self.rows.add_whole(pack, whole);
        }
        Ok(())
    }

    /// A span that a component requests must be exactly one record that it located or paged.
    fn record(&mut self, span: Span, objects: bool) -> Result<(), AccessError> {
        if span.pack as usize >= self.pack_rows().len() {
            return Err(AccessError::NoSuchPack(span.pack));
        }
        match self.rows.kind_of(span) {
            Some(kind) if objects || kind != Kind::Object => Ok(()),
            _ => Err(AccessError::NotARecord(span)),
        }
    }

    fn compare(&mut self, a: Span, b: Span) -> Result<Ordering> {
        const STEP: u64 = 1 << 20;
        let mut at = 0;
        while at < a.length.min(b.length) {
            let part = |span: Span| Span {
                offset: span.offset + at,
                length: STEP.min(a.length.min(b.length) - at),
                ..span
            };
            let read = self.reader.read(&[part(a), part(b)])?;
            match read[0].cmp(&read[1]) {
                Ordering::Equal => at += read[0].len() as u64,
                different => return Ok(different),
            }
        }
        Ok(a.length.cmp(&b.length))
    }
}

impl Drop for FetchHost {
    fn drop(&mut self) {
        let Some(index) = self.index.snapshot.take() else { return };
        let packs = self.reader.packs().to_vec();
        let planned = Planned {
            packs: std::mem::take(&mut self.rows).into_packs(&packs),
            index,
            locator: self.locator.take(),
            reader: self.reader.take(),
        };
        *self.loan.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(planned);
    }
}

impl Host for FetchHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    fn take_fault(&mut self) -> Option<Error> {
        self.fault.take()
    }
}

impl Storage for FetchHost {
    fn limits(&mut self) -> Limits {
        Limits::default()
    }

    fn pack_index(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u8>, AccessError> {
        self.page_whole(pack)?;
        let most = page_size(limit, MAX_ROWS) as u64;
        let page = self.rows.whole(pack).map(|directory| Page {
            items: directory.page(first, most).unwrap_or_default().to_vec(),
            done: first.saturating_add(most) >= directory.len(),
        });
        page.ok_or(AccessError::NoSuchPack(pack))
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
        let read = self.reader.read(spans);
        Ok(self.fault(read)?.into_iter().map(Vec::from).collect())
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        at_most(pairs.len(), MAX_ITEMS)?;
        for (a, b) in pairs {
            self.record(*a, true)?;
            self.record(*b, true)?;
        }
        let orders = pairs.iter().map(|(a, b)| self.compare(*a, *b)).collect();
        self.fault(orders)
    }

    fn branch_heads(&mut self, pack: u32, _: u32, _: u32) -> Result<Page<Head>, AccessError> {
        match (pack as usize) < self.pack_rows().len() {
            // They are stored: none is being pushed.
            true => Ok(Page { items: Vec::new(), done: true }),
            false => Err(AccessError::NoSuchPack(pack)),
        }
    }
}

impl Database for FetchHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        let all = self.reader.packs();
        let first = (first as usize).min(all.len());
        let end = first.saturating_add(page_size(limit, MAX_ITEMS)).min(all.len());
        let info = |pack: &PackRow| PackInfo {
            key: pack.key.to_string(),
            bytes: pack.bytes,
            rows: pack.records,
        };
        Ok(Page { items: all[first..end].iter().map(info).collect(), done: end == all.len() })
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
        let floor = self.index.walk_floor();
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
        let page = self.index.tags(commits, after, limit);
        self.fault(page)
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let known = self.index.known(kind, ids);
        self.fault(known)
    }

    fn conflicts(&mut self, _: u64, _: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page { items: Vec::new(), done: true })
    }
}
