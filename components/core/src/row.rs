//! Directory rows: what is known of a record without reading it.
//!
//! The layout is part of the WIT (`storage.pack-index`) and of the directory files on disk:
//! rows cross the wall as they lie there.

use crate::id::{EntityId, Kind};
use crate::ports::Span;

/// Width of a row in bytes.
pub const ROW_BYTES: usize = 72;

/// The first 16 bytes of a SHA-256 over a record's encoding: two rows of one entity with the same
/// length and print are the same bytes. Of an object only what surrounds the content is hashed,
/// with the content's place, as its content is named by its id.
pub type Fingerprint = [u8; 16];

/// One record of a pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the record is.
    pub kind: Kind,
    /// What it is called.
    pub id: EntityId,
    /// Where it starts in the pack, in bytes.
    pub offset: u64,
    /// How long it is, in bytes, headers included.
    pub length: u64,
    /// Which of the possible encodings it is.
    pub fingerprint: Fingerprint,
}

impl Row {
    /// The row as bytes.
    pub fn encode(&self) -> [u8; ROW_BYTES] {
        let mut out = [0; ROW_BYTES];
        out[0] = self.kind as u8;
        out[1] = self.id.form() as u8;
        out[8..16].copy_from_slice(&self.offset.to_le_bytes());
        out[16..24].copy_from_slice(&self.length.to_le_bytes());
        out[24..56].copy_from_slice(self.id.digest());
        out[56..72].copy_from_slice(&self.fingerprint);
        out
    }

    /// Reads a row; `None` for bytes that [`Row::encode`] never makes.
    pub fn decode(bytes: &[u8]) -> Option<Row> {
        let bytes: &[u8; ROW_BYTES] = bytes.try_into().ok()?;
        let mut id = [0; EntityId::BYTES];
        id[0] = bytes[1];
        id[1..].copy_from_slice(&bytes[24..56]);
        let word = |at: usize| -> [u8; 8] { std::array::from_fn(|i| bytes[at + i]) };
        if bytes[2..8] != [0; 6] {
            return None;
        }
        Some(Row {
            kind: Kind::from_byte(bytes[0])?,
            id: EntityId::from_bytes(&id)?,
            offset: u64::from_le_bytes(word(8)),
            length: u64::from_le_bytes(word(16)),
            fingerprint: std::array::from_fn(|i| bytes[56 + i]),
        })
    }

    /// The record's bytes in pack number `pack`.
    pub const fn span(&self, pack: u32) -> Span {
        Span { pack, offset: self.offset, length: self.length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Form;

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let row = Row {
            kind: Kind::Snapshot,
            id: EntityId::new(Form::Prefixed, [7; 32]),
            offset: u64::from(u32::MAX) + 9,
            length: 12,
            fingerprint: [3; 16],
        };
        assert_eq!(Row::decode(&row.encode()), Some(row));
    }

    #[test]
    fn bytes_that_are_no_row_are_refused() {
        let mut bytes = Row {
            kind: Kind::Tag,
            id: EntityId::new(Form::Text, [0; 32]),
            offset: 0,
            length: 0,
            fingerprint: [0; 16],
        }
        .encode();
        assert!(Row::decode(&bytes).is_some());
        bytes[0] = 4;
        assert_eq!(Row::decode(&bytes), None);
        bytes[0] = 0;
        bytes[5] = 1;
        assert_eq!(Row::decode(&bytes), None);
        assert_eq!(Row::decode(&bytes[1..]), None);
    }
}
