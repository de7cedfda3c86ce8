//! The head of a directory file, with the fan-out of its table.

use std::ops::Range;

use bytes::Bytes;
use packhouse_core::ROW_BYTES;
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};

use super::table::{ENTRY, bucket, buckets};
use super::{Directory, FRAME, HEAD, MAGIC, SUM, word};
use crate::frame::{self, FramePart};

/// A directory up to this size in bytes is read and kept whole.
const SMALL: u64 = 64 << 10;

/// Size in bytes of the head of a directory with this many rows: fields, fan-out and sum.
pub(super) const fn bytes(rows: u64) -> u64 {
    (HEAD + SUM) as u64 + 4 * buckets(rows)
}

/// What is needed of a directory for every lookup: its head; of a small one, the whole file.
#[derive(Clone, Debug)]
pub struct DirectoryHead {
    /// The number of records of the pack.
    pub rows: u64,
    /// Its size in bytes.
    pub pack_bytes: u64,
    /// The beginning of the file.
    start: Bytes,
}

impl DirectoryHead {
    /// The bytes of the file to read for the head, when the pack has this many records.
    pub fn range(records: u64) -> Range<u64> {
        let whole = Directory::size(records);
        0..if whole <= SMALL { whole } else { bytes(records) }
    }

    /// Reads the head from the beginning of a file; `None` unless it is complete, of the current
    /// version, and belongs to this pack.
    pub fn read(key: MpackKey, start: &[u8]) -> Option<DirectoryHead> {
        DirectoryHead::of(key, Bytes::copy_from_slice(start.get(..head_of(start)?)?))
    }

    /// The head in the beginning of a file, which it keeps: if that is the whole file, lookups read
    /// nothing more. `None` as for [`DirectoryHead::read`].
    pub fn of(key: MpackKey, start: Bytes) -> Option<DirectoryHead> {
        let end = head_of(&start)?;
        let (head, sum) = start.get(..end)?.split_at_checked(end - SUM)?;
        if &head[24..56] != key.digest() || digest(&SHA256, head).as_ref() != sum {
            return None;
        }
        let rows = word(&start, 8)?;
        let found = DirectoryHead { rows, pack_bytes: word(&start, 16)?, start };
        let ends = (0..buckets(rows) as usize).map(|bucket| found.end(bucket));
        if !ends.clone().is_sorted() || ends.last() != Some(rows) {
            return None;
        }
        Some(found.whole_or_head())
    }

    /// Drops what follows the head, unless it is the rest of the file, unchanged.
    fn whole_or_head(mut self) -> DirectoryHead {
        let body = Directory::size(self.rows) as usize - SUM;
        let is_whole = |sum: &[u8]| digest(&SHA256, &self.start[..body]).as_ref() == sum;
        if !self.start.get(body..).is_some_and(is_whole) {
            self.start.truncate(self.bytes() as usize);
        }
        self
    }

    /// Whether the whole file was kept.
    pub(super) fn is_whole(&self) -> bool {
        self.start.len() as u64 >= Directory::size(self.rows)
    }

    /// Size of the head in bytes.
    pub(super) fn bytes(&self) -> u64 {
        bytes(self.rows)
    }

    /// Size in bytes of the optional part of the file: of the spine, if there is one.
    pub fn spine_bytes(&self) -> u64 {
        word(&self.start, 56).unwrap_or(0)
    }

    /// The part of the file with some bytes of the spine.
    pub(super) fn spine_at(&self, bytes: Range<u64>) -> Range<u64> {
        let start = self.rows_at(self.rows..self.rows).start + self.rows * ENTRY as u64;
        start + bytes.start..start + bytes.end
    }

    /// The pack's frame, by offset; empty if it is not known.
    pub fn frame(&self) -> Vec<FramePart> {
        frame::decode(&self.start[FRAME..HEAD])
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        self.start.len() + size_of::<DirectoryHead>()
    }

    /// The number of entries up to the end of a bucket.
    fn end(&self, bucket: usize) -> u64 {
        let at = HEAD + 4 * bucket;
        u32::from_le_bytes(std::array::from_fn(|i| self.start[at + i])).into()
    }

    /// The part of the file with the rows `numbers`.
    pub(super) fn rows_at(&self, numbers: Range<u64>) -> Range<u64> {
        let at = |number| self.bytes() + number * ROW_BYTES as u64;
        at(numbers.start)..at(numbers.end)
    }

    /// The part of the file with the bucket of a digest.
    pub(super) fn bucket_at(&self, digest: &[u8]) -> Range<u64> {
        let bucket = bucket(digest, buckets(self.rows));
        let first = bucket.checked_sub(1).map_or(0, |before| self.end(before));
        let table = self.rows_at(self.rows..self.rows).start;
        table + first * ENTRY as u64..table + self.end(bucket) * ENTRY as u64
    }

    /// Part of the file, if it was kept.
    pub(super) fn kept(&self, range: &Range<u64>) -> Option<Bytes> {
        let range = range.start as usize..range.end as usize;
        (range.end <= self.start.len()).then(|| self.start.slice(range))
    }
}

/// Where the head of a file ends; `None` if it is not of the current version.
fn head_of(start: &[u8]) -> Option<usize> {
    let rows =
        word(start, 8).filter(|rows| start.starts_with(MAGIC) && *rows <= u32::MAX.into())?;
    Some(bytes(rows) as usize)
}
