//! What answers the calls of a run that plans a fetch. Nothing here grows with the repo: records are
//! located one by one, until the component pages whole directories because it needs most of them.

use std::cmp::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use packhouse_catalog::{PackRow, Snapshot};
use packhouse_core::ports::{MAX_IDS, MAX_ITEMS, MAX_ROWS, page_size};
use packhouse_core::{
    AccessError, Ancestor, Base, CommitTag, Database, EncodingConflict, EntityId, Head, Kind,
    Limits, Location, PackInfo, Page, Span, Storage,
};
use packhouse_model::error::{Error, Result};
use packhouse_pack::scan::tag_entity;
use tokio::runtime::Handle;

use super::base::BasePack;
use super::calls::{
    Fault, at_most, check_pairs, check_reads, compare, heads_page, packs_page, rows_page,
};
use super::host::Host;
use super::index::{Index, SeenHistory};
use super::known_rows::KnownRows;
use super::locate::{LocatedRow, Locator};
use super::reader::RunPack;
use super::spans::SpanReader;

/// A page of at most so many rows is read without the rest of the directory. Who needs all rows asks
/// for more at once.
const PAGED_PART: u32 = 1024;

/// One run of a component that plans a fetch.
pub struct FetchHost {
    heads: Vec<Head>,
    index: Index,
    locator: Locator,
    reader: SpanReader,
    rows: KnownRows,
    /// The base, once the component has asked for it.
    base: Option<Option<BasePack>>,
    fault: Fault,
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
    /// What was read of the history.
    pub seen: SeenHistory,
    /// Finds records by the index.
    pub locator: Locator,
    /// Reads records.
    pub reader: SpanReader,
    /// The base that the component was told of.
    pub base: Option<BasePack>,
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
    /// A run over the packs of `locator`, with the repo's heads (by branch name). When it is dropped,
    /// its state goes to `loan`.
    pub fn new(
        locator: Locator,
        heads: Vec<Head>,
        index: Box<dyn Snapshot>,
        loan: &Loan,
    ) -> FetchHost {
        let runtime = Handle::current();
        FetchHost {
            heads,
            reader: SpanReader::of(&locator, runtime.clone()),
            index: Index { snapshot: Some(index), runtime, seen: Some(SeenHistory::default()) },
            locator,
            rows: KnownRows::default(),
            base: None,
            fault: Fault::default(),
            loan: loan.clone(),
        }
    }

    fn pack_rows(&self) -> &[PackRow] {
        self.reader.packs()
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
            let whole = self.index.runtime.block_on(self.locator.directories().whole(&row));
            let whole = self.fault.keep(whole)?;
            self.rows.add_whole(pack, whole);
        }
        Ok(())
    }

    /// A few rows of a pack: only they are read of its directory. `None` if they can't be.
    fn page_part(
        &mut self,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Option<Page<u8>>, AccessError> {
        let Some(row) = self.pack_rows().get(pack as usize).cloned() else { return Ok(None) };
        if self.rows.whole(pack).is_some() || limit == 0 || limit > PAGED_PART {
            return Ok(None);
        }
        let page = self.locator.page(pack, first, u64::from(limit));
        let page = self.index.runtime.block_on(page);
        let Some(page) = self.fault.keep(page)? else { return Ok(None) };
        self.rows.add(page.iter().copied());
        let done = first.saturating_add(page.len() as u64) >= row.records;
        let items = page.iter().flat_map(|found| found.row.encode()).collect();
        Ok(Some(Page { items, done }))
    }

    /// The base, found when it is first needed.
    fn find_base(&mut self) -> Result<Option<&BasePack>, AccessError> {
        if self.base.is_none() {
            let found = match self.index.snapshot.as_deref_mut() {
                Some(index) => self.index.runtime.block_on(BasePack::find(index, &self.locator)),
                None => Ok(None),
            };
            self.base = Some(self.fault.keep(found)?);
        }
        Ok(self.base.as_ref().and_then(Option::as_ref))
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
}

impl Drop for FetchHost {
    fn drop(&mut self) {
        let Some(index) = self.index.snapshot.take() else { return };
        let packs = self.reader.packs().to_vec();
        let planned = Planned {
            packs: std::mem::take(&mut self.rows).into_packs(&packs),
            index,
            seen: self.index.seen.take().unwrap_or_default(),
            locator: self.locator.take(),
            reader: self.reader.take(),
            base: self.base.take().flatten(),
        };
        *self.loan.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(planned);
    }
}

impl Host for FetchHost {
    fn fault(&self) -> Option<&Error> {
        self.fault.get()
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
        if let Some(page) = self.page_part(pack, first, limit)? {
            return Ok(page);
        }
        self.page_whole(pack)?;
        let directory = self.rows.whole(pack).ok_or(AccessError::NoSuchPack(pack))?;
        Ok(rows_page(directory, first, limit))
    }

    fn spine(&mut self, pack: u32, first: u64, limit: u32) -> Result<Page<u32>, AccessError> {
        let unfit = AccessError::NoSuchPack(pack);
        let base = self.base.as_ref().and_then(Option::as_ref);
        let base = base.filter(|base| base.pack == pack).ok_or(unfit.clone())?;
        let (most, count) = (page_size(limit, MAX_ROWS) as u64, base.spine_numbers());
        let spine = self.locator.spine(pack, first, most, count);
        let items = self.index.runtime.block_on(spine);
        let items = self.fault.keep(items)?.ok_or(unfit)?;
        let done = first.saturating_add(items.len() as u64) >= count;
        Ok(Page { items, done })
    }

    fn read_records(&mut self, spans: &[Span]) -> Result<Vec<Vec<u8>>, AccessError> {
        check_reads(spans, |span| self.record(span, false))?;
        let read = self.reader.read(spans);
        Ok(self.fault.keep(read)?.into_iter().map(Vec::from).collect())
    }

    fn compare_records(&mut self, pairs: &[(Span, Span)]) -> Result<Vec<Ordering>, AccessError> {
        check_pairs(pairs, |span| self.record(span, true))?;
        let reader = &mut self.reader;
        let orders = pairs.iter().map(|(a, b)| compare(*a, *b, |a, b| reader.read_two(a, b)));
        let orders = orders.collect();
        self.fault.keep(orders)
    }

    fn branch_heads(&mut self, pack: u32, _: u32, _: u32) -> Result<Page<Head>, AccessError> {
        match (pack as usize) < self.pack_rows().len() {
            // They are stored: none is being pushed.
            true => Ok(Page::whole(Vec::new())),
            false => Err(AccessError::NoSuchPack(pack)),
        }
    }
}

impl Database for FetchHost {
    fn packs(&mut self, first: u32, limit: u32) -> Result<Page<PackInfo>, AccessError> {
        Ok(packs_page(self.pack_rows(), first, limit, |pack| PackInfo {
            key: pack.key.to_string(),
            bytes: pack.bytes,
            rows: pack.records,
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
        let floor = self.index.walk_floor();
        self.fault.keep(floor)
    }

    fn locate(
        &mut self,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<Location>>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let found = self.find(kind, ids);
        self.fault.keep(found)
    }

    fn locate_tags(&mut self, tags: &[&str]) -> Result<Vec<Option<Location>>, AccessError> {
        at_most(tags.len(), MAX_IDS)?;
        let ids: Vec<EntityId> = tags.iter().map(|tag| tag_entity(tag)).collect();
        let found = self.find(Kind::Tag, &ids);
        self.fault.keep(found)
    }

    fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>, AccessError> {
        at_most(commits.len(), MAX_IDS)?;
        let page = self.index.tags(commits, after, limit);
        self.fault.keep(page)
    }

    fn base(&mut self) -> Result<Option<Base>, AccessError> {
        Ok(self.find_base()?.map(BasePack::info))
    }

    fn base_heads(&mut self, first: u64, limit: u32) -> Result<Page<EntityId>, AccessError> {
        let heads = self.find_base()?.map_or(&[][..], |base| &base.heads);
        Ok(Page::of(heads, first, limit, MAX_ITEMS))
    }

    fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>, AccessError> {
        at_most(ids.len(), MAX_IDS)?;
        let known = self.index.known(kind, ids);
        self.fault.keep(known)
    }

    fn conflicts(&mut self, _: u64, _: u32) -> Result<Page<EncodingConflict>, AccessError> {
        Ok(Page::whole(Vec::new()))
    }
}
