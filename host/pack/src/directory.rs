//! A pack's directory: its rows, in a file next to the pack.
//!
//! ```text
//! 0   8   magic "PACKDIR1"
//! 8   8   rows, little-endian
//! 16  8   size of the pack in bytes
//! 24  32  the pack's key
//! 56  72n rows (packhouse_core::row), by offset
//! .   32  SHA-256 of all before
//! ```
//!
//! It is a cache: written without fsync, checked when it is read, and rebuilt from the pack if it
//! is missing or invalid.

use packhouse_core::{ROW_BYTES, Row};
use packhouse_model::names::MpackKey;
use ring::digest::{SHA256, digest};

const MAGIC: &[u8; 8] = b"PACKDIR1";
const HEAD: usize = 56;
const SUM: usize = 32;

/// The rows of one pack, in memory as on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// The pack.
    pub key: MpackKey,
    /// Its size in bytes.
    pub pack_bytes: u64,
    file: Vec<u8>,
}

impl Directory {
    /// Creates the directory of a pack.
    pub fn new(key: MpackKey, pack_bytes: u64, rows: &[Row]) -> Directory {
        let mut file = Vec::with_capacity(HEAD + rows.len() * ROW_BYTES + SUM);
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&(rows.len() as u64).to_le_bytes());
        file.extend_from_slice(&pack_bytes.to_le_bytes());
        file.extend_from_slice(key.digest());
        for row in rows {
            file.extend_from_slice(&row.encode());
        }
        let sum = digest(&SHA256, &file);
        file.extend_from_slice(sum.as_ref());
        Directory { key, pack_bytes, file }
    }

    /// Reads a directory file; `None` unless it is complete and belongs to this pack.
    pub fn read(key: MpackKey, file: Vec<u8>) -> Option<Directory> {
        let (body, sum) = file.split_at_checked(file.len().checked_sub(SUM)?)?;
        let rows = body.get(HEAD..)?;
        let word = |at: usize| -> u64 { u64::from_le_bytes(std::array::from_fn(|i| body[at + i])) };
        let sound = body.starts_with(MAGIC)
            && rows.len() % ROW_BYTES == 0
            && word(8) == (rows.len() / ROW_BYTES) as u64
            && &body[24..HEAD] == key.digest()
            && digest(&SHA256, body).as_ref() == sum;
        if !sound {
            return None;
        }
        let directory = Directory { key, pack_bytes: word(16), file };
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

    /// The file's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.file
    }

    /// Size in bytes of the directory of a pack with this many records.
    pub const fn size(records: u64) -> u64 {
        (HEAD + SUM) as u64 + records.saturating_mul(ROW_BYTES as u64)
    }

    /// The number of records of the pack.
    pub fn len(&self) -> u64 {
        ((self.file.len() - HEAD - SUM) / ROW_BYTES) as u64
    }

    /// Whether the pack has no records.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows as on disk, at most `limit` from number `first`; `None` beyond the end.
    pub fn page(&self, first: u64, limit: u64) -> Option<&[u8]> {
        let left = self.len().checked_sub(first)?;
        let start = HEAD + first as usize * ROW_BYTES;
        Some(&self.file[start..start + left.min(limit) as usize * ROW_BYTES])
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
        let at = HEAD + number as usize * ROW_BYTES + 8;
        let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| self.file[at + i]));
        (word(at), word(at + 8))
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

#[cfg(test)]
mod tests {
    use super::*;
    use packhouse_core::{EntityId, Form, Kind};

    #[test]
    fn a_directory_reads_back_and_a_flipped_byte_shows() {
        let key = MpackKey::new([5; 32]);
        let row = |offset| Row {
            kind: Kind::Tag,
            id: EntityId::new(Form::Text, [1; 32]),
            offset,
            length: 10,
            fingerprint: [2; 16],
        };
        let rows = [row(3), row(13), row(40)];
        let directory = Directory::new(key, 50, &rows);
        assert_eq!(Directory::read(key, directory.as_bytes().to_vec()), Some(directory.clone()));
        assert_eq!(directory.rows().collect::<Vec<_>>(), rows);
        assert_eq!(
            (directory.at(13), directory.at(14), directory.at(40)),
            (Some(1), None, Some(2))
        );
        assert_eq!(directory.whole_rows(3, 20), Some(0..2));
        assert_eq!(directory.whole_rows(40, 10), Some(2..3));
        for (offset, length) in [(3, 0), (3, 9), (3, 21), (3, 37), (4, 9), (40, 11), (13, u64::MAX)]
        {
            assert_eq!(directory.whole_rows(offset, length), None, "{offset}+{length}");
        }
        for at in 0..directory.as_bytes().len() {
            let mut bytes = directory.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert_eq!(Directory::read(key, bytes), None, "flipped at {at}");
        }
        assert_eq!(Directory::read(MpackKey::new([6; 32]), directory.as_bytes().to_vec()), None);
        for (rows, pack_bytes) in [
            (vec![row(13), row(3)], 50),
            (vec![row(3), row(12)], 50),
            (vec![row(45)], 50),
            (vec![row(u64::MAX)], 50),
        ] {
            let senseless = Directory::new(key, pack_bytes, &rows);
            assert_eq!(Directory::read(key, senseless.as_bytes().to_vec()), None, "{rows:?}");
        }
    }
}
