//! Finds rows of a directory by id, and reads only those parts of the file that it needs.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Kind, ROW_BYTES, Row};
use packhouse_model::error::Result;

use super::head::DirectoryHead;
use super::near::NearRows;
use super::spine::{Blocks, Spine};
use super::table::{Entry, entries_of, order};

/// Buckets that are in memory at once.
const BUCKETS_AT_ONCE: usize = 1024;
/// Rows with one beginning of a digest that are read without searching among them.
const MAX_TIES: usize = 8;
/// Up to this number of rows, the table is read for each of them.
const FEW: usize = 2;
/// Rows before and after a found row that are read with it: they fit into what storage reads at
/// once in any case.
const REACH: u64 = 96;

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
    /// What finds a row.
    pub(super) fn of(row: &Row) -> WantedRow {
        WantedRow { kind: row.kind, id: row.id, fingerprint: row.fingerprint }
    }

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
    /// several times is one of them. `None` for a row that the pack does not have, or that is
    /// damaged. A few thousand at once are best: they are read in the order of their places.
    ///
    /// Rows that were read near others are kept in `near`, and found there: that is empty at first,
    /// and belongs to this directory.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn locate(
        &self,
        wanted: &[WantedRow],
        near: &mut NearRows,
    ) -> Result<Vec<Option<(u64, Row)>>> {
        let mut located: Vec<_> = wanted.iter().map(|wanted| near.find(wanted)).collect();
        let mut left: Vec<usize> = (0..wanted.len()).filter(|n| located[*n].is_none()).collect();
        left.sort_unstable_by_key(|n| wanted[*n].id.digest());
        // While a look around one of them finds most of the others.
        while left.len() > FEW && !self.head.is_whole() {
            let reach = REACH.max(left.len() as u64);
            located[left[0]] =
                self.look_up(&[&wanted[left[0]]], reach, near).await?.pop().flatten();
            let before = left.len();
            left.retain(|n| {
                located[*n] = located[*n].or_else(|| near.find(&wanted[*n]));
                located[*n].is_none()
            });
            if left.len() > before / 2 {
                break;
            }
        }
        let reach = if left.len() > FEW || self.head.is_whole() { 0 } else { REACH };
        let sought: Vec<&WantedRow> = left.iter().map(|n| &wanted[*n]).collect();
        for (n, row) in left.into_iter().zip(self.look_up(&sought, reach, near).await?) {
            located[n] = row;
            if !self.head.is_whole()
                && let Some((number, row)) = row
            {
                near.keep(number, row);
            }
        }
        Ok(located)
    }

    /// The rows of entities, found by the table. `reach` rows before and after each are added to
    /// `near`.
    async fn look_up(
        &self,
        wanted: &[&WantedRow],
        reach: u64,
        near: &mut NearRows,
    ) -> Result<Vec<Option<(u64, Row)>>> {
        let mut searches = Vec::with_capacity(wanted.len());
        for wanted in wanted.chunks(BUCKETS_AT_ONCE) {
            searches.extend(self.begin(wanted).await?);
        }
        while self.halve(&mut searches).await? {}
        if reach > 0 {
            self.read_around(&searches, reach, near).await?;
        }
        self.end(&searches, near).await
    }

    /// Reads the rows around what searches have found.
    async fn read_around(
        &self,
        searches: &[Search<'_>],
        reach: u64,
        near: &mut NearRows,
    ) -> Result<()> {
        let mut numbers: Vec<u64> = searches
            .iter()
            .flat_map(|search| search.entries.iter().map(|entry| entry.number()))
            .filter(|number| near.row(*number).is_none())
            .collect();
        numbers.sort_unstable();
        let mut windows: Vec<Range<u64>> = Vec::new();
        for number in numbers {
            let end = number.saturating_add(reach + 1).min(self.head.rows);
            match windows.last_mut() {
                Some(last) if number.saturating_sub(reach) <= last.end => last.end = end,
                _ => windows.push(number.saturating_sub(reach)..end),
            }
        }
        let ranges: Vec<_> =
            windows.iter().map(|window| self.head.rows_at(window.clone())).collect();
        for (window, rows) in windows.iter().zip(self.read(&ranges).await?) {
            near.add(window.start, rows);
        }
        Ok(())
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
        let mut rows = self.rows_of(&middles, &NearRows::default()).await?.into_iter();
        for search in searches.iter_mut().filter(|search| search.middle().is_some()) {
            search.halve(&rows.next().unwrap_or_default());
        }
        Ok(!middles.is_empty())
    }

    /// The rows that searches have found.
    async fn end(
        &self,
        searches: &[Search<'_>],
        near: &NearRows,
    ) -> Result<Vec<Option<(u64, Row)>>> {
        let entries = searches.iter().flat_map(|search| &search.entries);
        let mut rows = self.rows_of(entries, near).await?.into_iter();
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
    async fn rows_of(
        &self,
        entries: impl IntoIterator<Item = &Entry>,
        near: &NearRows,
    ) -> Result<Vec<Bytes>> {
        let mut rows: Vec<Option<Bytes>> = Vec::new();
        let mut ranges = Vec::new();
        for number in entries.into_iter().map(|entry| entry.number()) {
            let row = near.row(number);
            if row.is_none() {
                ranges.push(self.head.rows_at(number..number + 1));
            }
            rows.push(row);
        }
        let mut read = self.read(&ranges).await?.into_iter();
        let mut missing = || read.next().unwrap_or(Bytes::from_static(&[0; ROW_BYTES]));
        Ok(rows.into_iter().map(|row| row.unwrap_or_else(&mut missing)).collect())
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

    /// The same rows, each checked by the table. `None` if one is damaged, is no row, or is in the
    /// pack several times.
    ///
    /// # Errors
    /// When the file can't be read.
    pub async fn checked_page(&self, first: u64, limit: u64) -> Result<Option<Vec<Row>>> {
        let Some(page) = self.page(first, limit).await? else { return Ok(None) };
        let rows: Option<Vec<Row>> = page.chunks(ROW_BYTES).map(Row::decode).collect();
        let Some(rows) = rows else { return Ok(None) };
        let mut near = NearRows::default();
        near.add(first, page);
        let sought: Vec<WantedRow> = rows.iter().map(WantedRow::of).collect();
        let found = self.look_up(&sought.iter().collect::<Vec<_>>(), 0, &mut near).await?;
        let is_right = (first..).zip(&rows).zip(found).all(|((number, row), found)| {
            found.is_some_and(|(at, sound)| (at, &sound) == (number, row))
        });
        Ok(is_right.then_some(rows))
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
