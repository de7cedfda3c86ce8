//! Finds rows of a directory by id, and reads only those parts of the file that it needs.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Kind, ROW_BYTES, Row};
use packhouse_model::error::Result;

use super::head::DirectoryHead;
use super::spine::{Blocks, Spine};
use super::table::{Entry, entries_of, order};

/// Buckets that are in memory at once.
const BUCKETS_AT_ONCE: usize = 1024;
/// Rows with one beginning of a digest that are read without searching among them.
const MAX_TIES: usize = 8;

/// Reads parts of a directory file.
pub trait DirectoryRead: Sync {
    /// The bytes of ranges of the file, in the order of `ranges`; `None` when there is no file, or
    /// it ends before one.
    ///
    /// # Errors
    /// When it can't be read.
    fn read(
        &self,
        ranges: &[Range<u64>],
    ) -> impl Future<Output = Result<Option<Vec<Bytes>>>> + Send;
}

/// A row that is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WantedRow {
    /// The kind of the entity.
    pub kind: Kind,
    /// Its id.
    pub id: EntityId,
    /// Which of its encodings.
    pub fingerprint: Fingerprint,
}

impl WantedRow {
    fn order(&self) -> (&[u8], u8, u8, &[u8]) {
        (self.id.digest(), self.kind as u8, self.id.form() as u8, &self.fingerprint)
    }
}

/// A directory that is read in parts.
#[derive(Debug)]
pub struct LookupDirectory<'a, R> {
    head: &'a DirectoryHead,
    reader: &'a R,
}

/// A search for a row: the entries that are left.
struct Search<'a> {
    wanted: &'a WantedRow,
    entries: Vec<Entry>,
}

impl Search<'_> {
    /// The entry in the middle of too many.
    fn middle(&self) -> Option<Entry> {
        (self.entries.len() > MAX_TIES).then(|| self.entries[self.entries.len() / 2])
    }

    /// Keeps the half with the first row that is wanted, by the row of the middle.
    fn halve(&mut self, row: &[u8]) {
        let middle = self.entries.len() / 2;
        if !self.entries[middle].is_of(row) {
            self.entries.clear();
        } else if order(row).cmp(&self.wanted.order()) == Ordering::Less {
            self.entries.drain(..=middle);
        } else {
            self.entries.truncate(middle + 1);
        }
    }
}

impl<'a, R: DirectoryRead> LookupDirectory<'a, R> {
    /// The directory with a head.
    pub fn new(head: &'a DirectoryHead, reader: &'a R) -> Self {
        LookupDirectory { head, reader }
    }

    /// The rows of entities with their numbers, in the order of `wanted`. A row that the pack has
    /// several times is the first of them. `None` for a row that the pack does not have, or that is
    /// damaged. A few thousand at once are best: they are read in the order of their places.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn locate(&self, wanted: &[WantedRow]) -> Result<Vec<Option<(u64, Row)>>> {
        let mut by_id: Vec<usize> = (0..wanted.len()).collect();
        by_id.sort_unstable_by_key(|n| wanted[*n].id.digest());
        let sought: Vec<&WantedRow> = by_id.iter().map(|n| &wanted[*n]).collect();
        let mut searches = Vec::with_capacity(sought.len());
        for sought in sought.chunks(BUCKETS_AT_ONCE) {
            searches.extend(self.begin(sought).await?);
        }
        while self.halve(&mut searches).await? {}
        let mut located = vec![None; wanted.len()];
        for (n, row) in by_id.into_iter().zip(self.end(&searches).await?) {
            located[n] = row;
        }
        Ok(located)
    }

    /// The entries whose digests begin as those of the wanted rows.
    async fn begin<'w>(&self, wanted: &[&'w WantedRow]) -> Result<Vec<Search<'w>>> {
        let buckets: Vec<_> =
            wanted.iter().map(|row| self.head.bucket_at(row.id.digest())).collect();
        let buckets = self.read(&buckets).await?;
        let begun = wanted.iter().enumerate().map(|(n, wanted)| {
            let bucket = buckets.get(n).map_or(&[][..], |bucket| bucket);
            let mut entries = entries_of(wanted.id.digest(), bucket);
            entries.retain(|entry| entry.number() < self.head.rows);
            Search { wanted, entries }
        });
        Ok(begun.collect())
    }

    /// Halves the searches with too many entries; whether there were any. Only rows that are in the
    /// pack many times, or ids that were chosen to begin alike, have so many.
    async fn halve(&self, searches: &mut [Search<'_>]) -> Result<bool> {
        let middles: Vec<Entry> = searches.iter().filter_map(Search::middle).collect();
        let mut rows = self.rows_of(&middles).await?.into_iter();
        for search in searches.iter_mut().filter(|search| search.middle().is_some()) {
            search.halve(&rows.next().unwrap_or_default());
        }
        Ok(!middles.is_empty())
    }

    /// The rows that searches have found.
    async fn end(&self, searches: &[Search<'_>]) -> Result<Vec<Option<(u64, Row)>>> {
        let entries = searches.iter().flat_map(|search| &search.entries);
        let mut rows = self.rows_of(entries).await?.into_iter();
        let found = searches.iter().map(|search| {
            let rows: Vec<Bytes> = rows.by_ref().take(search.entries.len()).collect();
            let is_wanted = |(entry, row): &(&Entry, Bytes)| {
                entry.is_of(row) && order(row) == search.wanted.order()
            };
            let (entry, row) = search.entries.iter().zip(rows).find(is_wanted)?;
            let row = Row::decode(&row)?;
            let end = row.offset.checked_add(row.length)?;
            (end <= self.head.pack_bytes).then_some((entry.number(), row))
        });
        Ok(found.collect())
    }

    /// The rows of entries, as on disk; empty ones if the file is too short.
    async fn rows_of(&self, entries: impl IntoIterator<Item = &Entry>) -> Result<Vec<Bytes>> {
        let at = |entry: &Entry| self.head.rows_at(entry.number()..entry.number() + 1);
        let ranges: Vec<_> = entries.into_iter().map(at).collect();
        let mut rows = self.read(&ranges).await?;
        rows.resize(ranges.len(), Bytes::from_static(&[0; ROW_BYTES]));
        Ok(rows)
    }

    /// Rows as on disk, at most `limit` from number `first`; `None` beyond the end, or when the
    /// file is too short. They are not checked: the caller compares them with what it knows.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn page(&self, first: u64, limit: u64) -> Result<Option<Bytes>> {
        let Some(left) = self.head.rows.checked_sub(first) else { return Ok(None) };
        let range = self.head.rows_at(first..first + left.min(limit));
        Ok(self.read(&[range]).await?.pop())
    }

    /// Rows by their numbers, in the order of `numbers`; `None` for a number beyond the end, for a
    /// row that can't be decoded, or when the file is too short. They are not checked.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn rows(&self, numbers: &[u64]) -> Result<Option<Vec<Row>>> {
        if numbers.iter().any(|number| *number >= self.head.rows) {
            return Ok(None);
        }
        let at = |number: &u64| self.head.rows_at(*number..*number + 1);
        let read = self.read(&numbers.iter().map(at).collect::<Vec<_>>()).await?;
        let rows: Option<Vec<Row>> = read.iter().map(|row| Row::decode(row)).collect();
        Ok(rows.filter(|rows| rows.len() == numbers.len()))
    }

    /// Numbers of the spine, at most `limit` from number `first`; none beyond the end. `None` if it
    /// does not have `count` numbers, or is damaged.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn spine(&self, first: u64, limit: u64, count: u64) -> Result<Option<Vec<u32>>> {
        if self.head.spine_bytes() != Spine::size(count) {
            return Ok(None);
        }
        let Some(blocks) = Blocks::of(first, limit, count) else { return Ok(Some(Vec::new())) };
        let read = self.read(&[self.head.spine_at(blocks.bytes())]).await?;
        Ok(read.first().and_then(|bytes| blocks.read(bytes)))
    }

    /// Parts of the file: from what was kept of it, else read. None if it is too short.
    async fn read(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        if let Some(kept) = ranges.iter().map(|range| self.head.kept(range)).collect() {
            return Ok(kept);
        }
        Ok(self.reader.read(ranges).await?.unwrap_or_default())
    }
}
