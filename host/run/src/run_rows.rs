//! The pack-indexes of a run, which a component reads once, from the first pack to the last.
//!
//! Those of a large consolidation are dropped as they are read: else they would be in memory twice,
//! here and in the component (law 9). What is needed again is read again.

use packhouse_catalog::PackRow;
use packhouse_core::{AccessError, Kind, Page, Span};
use packhouse_model::error::Result;
use packhouse_pack::Directory;
use tokio::runtime::Handle;

use crate::calls::rows_page;
use crate::directories::Directories;

/// Where the pack-index of a pack is.
#[derive(Debug)]
enum Rows {
    /// In memory, until it was read.
    Unread(Directory),
    /// It was read and dropped. Its length, and where its commits, snapshots and tags are: their
    /// records are read later.
    Dropped(u64, Vec<(u64, u64)>),
    /// In memory.
    Kept(Directory),
}

/// The pack-indexes of a run.
#[derive(Debug)]
pub(crate) struct RunRows {
    packs: Vec<Rows>,
    source: Option<RowSource>,
}

/// Reads pack-indexes again that were dropped: the stored ones of packs, in the order of a run.
#[derive(Debug)]
pub struct RowSource {
    /// The directories.
    pub directories: Directories,
    /// The packs.
    pub packs: Vec<PackRow>,
}

impl RunRows {
    /// Directories that stay in memory.
    pub(crate) fn kept(directories: impl Iterator<Item = Directory>) -> RunRows {
        RunRows { packs: directories.map(Rows::Kept).collect(), source: None }
    }

    /// Directories that are dropped as they are read.
    pub(crate) fn dropped(directories: Vec<Directory>, source: RowSource) -> RunRows {
        let packs = directories.into_iter().map(Rows::Unread).collect();
        RunRows { packs, source: Some(source) }
    }

    /// How many rows a pack has.
    pub(crate) fn len(&self, pack: usize) -> u64 {
        match self.packs.get(pack) {
            Some(Rows::Unread(directory) | Rows::Kept(directory)) => directory.len(),
            Some(Rows::Dropped(rows, _)) => *rows,
            None => 0,
        }
    }

    /// A page of rows of a pack of the run.
    ///
    /// # Errors
    /// When a pack-index is needed again, and can't be read.
    pub(crate) fn page(
        &mut self,
        runtime: &Handle,
        pack: u32,
        first: u64,
        limit: u32,
    ) -> Result<Result<Page<u8>, AccessError>> {
        let number = pack as usize;
        self.need(runtime, number)?;
        let page = match self.packs.get(number) {
            Some(Rows::Unread(directory) | Rows::Kept(directory)) => {
                rows_page(directory, first, limit)
            }
            _ => return Ok(Err(AccessError::NoSuchPack(pack))),
        };
        if page.done
            && let Rows::Unread(directory) = &self.packs[number]
        {
            let records = directory.rows().filter(|row| row.kind != Kind::Object);
            let mut records: Vec<_> = records.map(|row| (row.offset, row.length)).collect();
            records.shrink_to_fit();
            self.packs[number] = Rows::Dropped(directory.len(), records);
        }
        Ok(Ok(page))
    }

    /// Whether a span is exactly one record of a pack of the run, and no object unless `objects`.
    ///
    /// # Errors
    /// As for [`RunRows::page`].
    pub(crate) fn is_record(
        &mut self,
        runtime: &Handle,
        span: Span,
        objects: bool,
    ) -> Result<bool> {
        let number = span.pack as usize;
        if let Some(Rows::Dropped(_, records)) = self.packs.get(number) {
            let found = records.binary_search(&(span.offset, span.length)).is_ok();
            if found || !objects {
                return Ok(found);
            }
        }
        self.need(runtime, number)?;
        let Some(Rows::Unread(directory) | Rows::Kept(directory)) = self.packs.get(number) else {
            return Ok(false);
        };
        let row = directory.at(span.offset).and_then(|n| directory.row(n));
        let is_it = |length, kind| length == span.length && (objects || kind != Kind::Object);
        Ok(row.is_some_and(|row| is_it(row.length, row.kind)))
    }

    /// Reads the pack-index of a pack again, if it was dropped. It is kept then: a component that
    /// needs it twice may need it often.
    fn need(&mut self, runtime: &Handle, pack: usize) -> Result<()> {
        if let Some(Rows::Dropped(..)) = self.packs.get(pack)
            && let Some(source) = &self.source
            && let Some(row) = source.packs.get(pack)
        {
            self.packs[pack] = Rows::Kept(runtime.block_on(source.directories.whole(row))?);
        }
        Ok(())
    }
}
