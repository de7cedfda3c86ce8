//! A pack's directory: its rows, and a table that finds them by id, in a file next to the pack.
//!
//! ```text
//! 0   8   magic "PACKDIR2"
//! 8   8   rows, little-endian as all numbers
//! 16  8   size of the pack in bytes
//! 24  32  the pack's key
//! 56  8   size of the optional part in bytes
//! 64  160 up to five parts of the frame: offset, length, fingerprint (16)
//! 224 4f  fan-out: for each bucket of the table, how many entries there are up to its end
//! .   32  SHA-256 of all before
//! .   72n rows (packhouse_core::row), by offset
//! .   16n table, by digest: first 8 bytes of the digest, number of the row, checksum of the row
//! .   m   optional part: the spine (`spine.rs`) of a pack in canonical form; else nothing
//! .   32  SHA-256 of all before
//! ```
//!
//! A whole [`Directory`] is read to plan a consolidation; a [`LookupDirectory`] reads the head and
//! a few kilobytes per search. Files of version 1 (`PACKDIR1`: the head without its last field, the
//! rows, the sum) are still read.
//!
//! It is a cache: written without fsync, checked when it is read, and rebuilt from the pack if it
//! is missing or invalid.

mod head;
mod lookup;
mod near;
mod spine;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use packhouse_core::{ROW_BYTES, Row};
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};

use crate::ScannedPack;
use crate::frame::{self, FramePart, MAX_PARTS, PART_BYTES};

pub use self::head::DirectoryHead;
pub use self::lookup::{DirectoryRead, LookupDirectory, WantedRow};
pub use self::near::NearRows;
pub use self::spine::Spine;
use self::table::{ENTRY, Table};

const MAGIC: &[u8; 8] = b"PACKDIR2";
const MAGIC_1: &[u8; 8] = b"PACKDIR1";
/// The head, up to the fan-out.
const HEAD: usize = FRAME + MAX_PARTS * PART_BYTES;
/// Where the frame is in it.
const FRAME: usize = 64;
const HEAD_1: usize = 56;
const SUM: usize = 32;

/// Rows whose memory is given back at once, while they are encoded: 19 MB.
const GIVEN_BACK: usize = 1 << 18;

/// The rows of one pack, in memory as on disk. Clones share them.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The pack.
    pub key: MpackKey,
    /// Its size in bytes.
    pub pack_bytes: u64,
    frame: Vec<FramePart>,
    /// To be written: it is not read with the rest.
    spine: Arc<Spine>,
    /// The rows, after `start` bytes of the file that they were read from.
    bytes: Arc<Vec<u8>>,
    start: usize,
}

impl PartialEq for Directory {
    fn eq(&self, other: &Directory) -> bool {
        (self.key, self.pack_bytes) == (other.key, other.pack_bytes)
            && self.as_rows() == other.as_rows()
    }
}

impl Eq for Directory {}

impl Directory {
    /// Creates the directory of a scanned pack.
    pub fn of(key: MpackKey, pack_bytes: u64, scanned: &ScannedPack) -> Directory {
        let frame = scanned.frame.clone();
        Directory { frame, ..Directory::new(key, pack_bytes, &scanned.rows) }
    }

    /// The same, of a scanned pack that is not needed any more: its rows give their memory back while
    /// they are encoded, so that they are in memory once.
    pub fn of_taken(key: MpackKey, pack_bytes: u64, scanned: ScannedPack) -> Directory {
        let ScannedPack { mut rows, frame, .. } = scanned;
        let mut bytes = vec![0; rows.len() * ROW_BYTES];
        for place in bytes.rchunks_exact_mut(ROW_BYTES) {
            let Some(row) = rows.pop() else { break };
            place.copy_from_slice(&row.encode());
            if rows.len().is_multiple_of(GIVEN_BACK) {
                rows.shrink_to_fit();
            }
        }
        Directory { frame, bytes: Arc::new(bytes), ..Directory::new(key, pack_bytes, &[]) }
    }

    /// Creates a directory of rows of a pack, which do without its frame.
    pub fn new(key: MpackKey, pack_bytes: u64, rows: &[Row]) -> Directory {
        let mut bytes = Vec::with_capacity(rows.len() * ROW_BYTES);
        for row in rows {
            bytes.extend_from_slice(&row.encode());
        }
        let (frame, spine) = (Vec::new(), Arc::default());
        Directory { key, pack_bytes, frame, spine, bytes: Arc::new(bytes), start: 0 }
    }

    /// The same directory, to be written with a spine.
    pub fn with_spine(self, spine: Spine) -> Directory {
        Directory { spine: Arc::new(spine), ..self }
    }

    /// Reads a directory file of any version; `None` unless it is complete and belongs to this
    /// pack.
    pub fn read(key: MpackKey, file: Vec<u8>) -> Option<Directory> {
        let start = if file.starts_with(MAGIC_1) {
            HEAD_1
        } else {
            DirectoryHead::read(key, &file)?.bytes() as usize
        };
        let (body, sum) = file.split_at_checked(file.len().checked_sub(SUM)?)?;
        let rows = usize::try_from(word(body, 8)?).ok()?;
        let end = start.checked_add(rows.checked_mul(ROW_BYTES)?)?;
        let length = match start {
            HEAD_1 => end,
            _ => end.checked_add(rows * ENTRY)?.checked_add(word(body, 56)?.try_into().ok()?)?,
        };
        let sound = body.len() == length
            && body.get(24..HEAD_1)? == key.digest()
            && digest(&SHA256, body).as_ref() == sum;
        if !sound {
            return None;
        }
        let pack_bytes = word(body, 16)?;
        let mut bytes = file;
        bytes.truncate(end);
        bytes.shrink_to_fit();
        let frame = match start {
            HEAD_1 => Vec::new(),
            _ => frame::decode(&bytes[FRAME..HEAD]),
        };
        let (spine, bytes) = (Arc::default(), Arc::new(bytes));
        let directory = Directory { key, pack_bytes, frame, spine, bytes, start };
        // The checksum proves that the file is unchanged, not that its content is valid.
        let mut end = 0u64;
        for number in 0..directory.len() {
            let row = directory.row(number)?;
            if row.offset < end {
                return None;
            }
            end = row.offset.checked_add(row.length)?;
        }
        (end <= directory.pack_bytes).then_some(directory)
    }

    /// Whether a file is of the version that is written now.
    pub fn is_current(file: &[u8]) -> bool {
        file.starts_with(MAGIC)
    }

    /// The directory as a file of the current version.
    pub fn to_file(&self) -> Vec<u8> {
        self.clone().into_file()
    }

    /// The same; the rows become part of the file, and are copied only if others share them.
    pub fn into_file(self) -> Vec<u8> {
        let (table, spine) = (Table::of(self.as_rows()), self.spine.encode());
        let rows = self.len();
        let mut head = Vec::with_capacity(head::bytes(rows) as usize);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&rows.to_le_bytes());
        head.extend_from_slice(&self.pack_bytes.to_le_bytes());
        head.extend_from_slice(self.key.digest());
        head.extend_from_slice(&(spine.len() as u64).to_le_bytes());
        head.extend_from_slice(&frame::encode(&self.frame));
        table.write_fan_out(&mut head);
        append_sum(&mut head);
        let mut file = Arc::unwrap_or_clone(self.bytes);
        let size = Directory::size(rows) as usize + spine.len();
        file.reserve_exact(size.saturating_sub(file.len()));
        file.splice(..self.start, head);
        table.write_entries(&mut file);
        file.extend_from_slice(&spine);
        append_sum(&mut file);
        file
    }

    /// The same directory without its rows: for what needs the pack alone.
    pub fn without_rows(&self) -> Directory {
        Directory::new(self.key, self.pack_bytes, &[])
    }

    /// Size in bytes of the directory of a pack with this many records.
    pub const fn size(records: u64) -> u64 {
        head::bytes(records) + records.saturating_mul((ROW_BYTES + ENTRY) as u64) + SUM as u64
    }

    /// The pack's frame, by offset; empty if it is not known: earlier builds did not store it.
    pub fn frame(&self) -> &[FramePart] {
        &self.frame
    }

    /// The number of records of the pack.
    pub fn len(&self) -> u64 {
        (self.as_rows().len() / ROW_BYTES) as u64
    }

    /// Whether the pack has no records.
    pub fn is_empty(&self) -> bool {
        self.as_rows().is_empty()
    }

    fn as_rows(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Rows as on disk, at most `limit` from number `first`; `None` beyond the end.
    pub fn page(&self, first: u64, limit: u64) -> Option<&[u8]> {
        let left = self.len().checked_sub(first)?;
        let start = first as usize * ROW_BYTES;
        Some(&self.as_rows()[start..start + left.min(limit) as usize * ROW_BYTES])
    }

    /// A row by its number.
    pub fn row(&self, number: u64) -> Option<Row> {
        Row::decode(self.page(number, 1)?)
    }

    /// All rows, by offset.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.len()).filter_map(|n| self.row(n))
    }

    /// Where a record starts, and how long it is, without reading the rest of its row.
    fn place(&self, number: u64) -> (u64, u64) {
        let row = &self.as_rows()[number as usize * ROW_BYTES..];
        (word(row, 8).unwrap_or(0), word(row, 16).unwrap_or(0))
    }

    /// The numbers of the rows in a range of bytes, which must consist of whole adjacent records,
    /// at least one.
    pub fn whole_rows(&self, offset: u64, length: u64) -> Option<std::ops::Range<u64>> {
        let first = self.at(offset)?;
        let mut last = first;
        let mut end = offset;
        while end < offset.checked_add(length)? {
            if last == self.len() {
                return None;
            }
            let (start, bytes) = self.place(last);
            if start != end {
                return None;
            }
            end += bytes;
            last += 1;
        }
        (last > first && end == offset + length).then_some(first..last)
    }

    /// The number of the row whose record has a byte of the pack.
    pub fn containing(&self, offset: u64) -> Option<u64> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place(middle).0 <= offset {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        let last = low.checked_sub(1)?;
        let (start, bytes) = self.place(last);
        (offset - start < bytes).then_some(last)
    }

    /// The number of the row that starts at an offset.
    pub fn at(&self, offset: u64) -> Option<u64> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.place(middle).0.cmp(&offset) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }
}

/// A number in a file; `None` beyond its end.
fn word(file: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(file.get(at..at + 8)?.try_into().ok()?))
}

/// Appends the SHA-256 of all bytes of a file so far.
fn append_sum(file: &mut Vec<u8>) {
    let sum = digest(&SHA256, file);
    file.extend_from_slice(sum.as_ref());
}
