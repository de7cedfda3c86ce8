//! Directory rows in as few bytes as they need, sorted where they are.
//!
//! ```text
//! 0  1   kind and form of the id
//! 1  32  digest
//! 33 4   number of the pack, big-endian as all numbers: rows order by kind, id and place
//! 37 6   offset
//! 43 6   length
//! 49 16  fingerprint
//! ```

use std::cmp::Ordering;

use crate::id::{EntityId, Form, Kind};
use crate::ports::Span;
use crate::row::{Fingerprint, Row};

/// Offsets and lengths are smaller: 256 TiB.
const MAX_NUMBER: u64 = 1 << 48;
/// Rows that are sorted by comparing them.
const FEW: usize = 48;
/// Leading bytes by which rows are distributed at most: ids may have been chosen to begin alike.
const LEADING: usize = 9;

/// A directory row and its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PackedRow([u8; PackedRow::BYTES]);

/// Where a record is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PackedSpan([u8; 16]);

impl PackedRow {
    /// Size in memory.
    pub(crate) const BYTES: usize = 65;

    /// `None` for a row with an offset or a length beyond [`MAX_NUMBER`].
    pub(crate) fn new(row: &Row, pack: u32) -> Option<PackedRow> {
        if row.offset >= MAX_NUMBER || row.length >= MAX_NUMBER {
            return None;
        }
        let mut bytes = [0; PackedRow::BYTES];
        bytes[0] = group(row.kind, row.id.form()) as u8;
        bytes[1..33].copy_from_slice(row.id.digest());
        bytes[33..37].copy_from_slice(&pack.to_be_bytes());
        bytes[37..43].copy_from_slice(&row.offset.to_be_bytes()[2..]);
        bytes[43..49].copy_from_slice(&row.length.to_be_bytes()[2..]);
        bytes[49..].copy_from_slice(&row.fingerprint);
        Some(PackedRow(bytes))
    }

    /// The row.
    pub(crate) fn row(&self) -> Row {
        let Span { offset, length, .. } = self.span();
        let fingerprint = self.fingerprint();
        Row { kind: self.kind(), id: self.id(), offset, length, fingerprint }
    }

    /// What the record is.
    pub(crate) fn kind(&self) -> Kind {
        Kind::ALL[usize::from(self.0[0] >> 2)]
    }

    /// What it is called.
    pub(crate) fn id(&self) -> EntityId {
        let form = match self.0[0] & 3 {
            0 => Form::Bare,
            1 => Form::Prefixed,
            _ => Form::Text,
        };
        EntityId::new(form, *self.digest())
    }

    /// Where it is.
    pub(crate) fn span(&self) -> Span {
        self.packed_span().span()
    }

    /// The same, as it is packed.
    pub(crate) fn packed_span(&self) -> PackedSpan {
        PackedSpan(self.part::<33, 16>())
    }

    /// Kind and id: orders as they do.
    pub(crate) fn entity(&self) -> &[u8] {
        &self.0[..33]
    }

    /// Orders by kind, id, pack and offset. Mostly the first bytes decide: they are compared as a
    /// number.
    fn compare(&self, other: &PackedRow) -> Ordering {
        let lead = |row: &PackedRow| u64::from_be_bytes(row.part::<1, 8>());
        let lead = self.0[0].cmp(&other.0[0]).then_with(|| lead(self).cmp(&lead(other)));
        lead.then_with(|| self.cmp(other))
    }

    /// Orders as the length does.
    pub(crate) fn length(&self) -> [u8; 6] {
        self.part::<43, 6>()
    }

    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.part::<49, 16>()
    }

    /// The first byte.
    pub(crate) fn group(&self) -> usize {
        usize::from(self.0[0])
    }

    /// The digest of the id.
    pub(crate) fn digest(&self) -> &[u8; 32] {
        self.0[1..].first_chunk().unwrap_or(&[0; 32])
    }

    fn part<const AT: usize, const N: usize>(&self) -> [u8; N] {
        *self.0[AT..].first_chunk().unwrap_or(&[0; N])
    }
}

impl PackedSpan {
    /// The same, as it crosses.
    pub(crate) fn span(&self) -> Span {
        let number =
            |bytes: &[u8]| bytes.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte));
        let (pack, rest) = self.0.split_at(4);
        let (offset, length) = rest.split_at(6);
        Span { pack: number(pack) as u32, offset: number(offset), length: number(length) }
    }
}

/// The first byte of a row: orders by kind, then by form.
pub(crate) fn group(kind: Kind, form: Form) -> usize {
    ((kind as usize) << 2) | form as usize
}

/// Sorts by kind, id, pack and offset, in place: a second copy, or even a list of numbers, would be
/// the largest part of a run's memory.
///
/// A radix sort, the first byte first, until there are few rows with the same beginning. It moves
/// rows between no more places at once than a processor's cache holds.
pub(crate) fn sort(rows: &mut [PackedRow]) {
    sort_from(rows, 0);
}

/// Sorts rows that are equal before a byte.
fn sort_from(rows: &mut [PackedRow], byte: usize) {
    if rows.len() <= FEW || byte == LEADING {
        return rows.sort_unstable_by(PackedRow::compare);
    }
    let mut start = 0;
    for end in distribute(rows, byte) {
        sort_from(&mut rows[start..end], byte + 1);
        start = end;
    }
}

/// Distributes rows by a byte, in place (an American flag sort). Returns where those of each value
/// end.
fn distribute(rows: &mut [PackedRow], byte: usize) -> [usize; 256] {
    let value = |row: &PackedRow| usize::from(row.0[byte]);
    let mut ends = [0; 256];
    rows.iter().for_each(|row| ends[value(row)] += 1);
    let mut next = [0; 256];
    let mut end = 0;
    for (next, part) in next.iter_mut().zip(&mut ends) {
        *next = end;
        end += *part;
        *part = end;
    }
    for part in 0..256 {
        while next[part] < ends[part] {
            let home = value(&rows[next[part]]);
            if home != part {
                rows.swap(next[part], next[home]);
            }
            next[home] += 1;
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Rows of a few hundred ids: some begin alike in their first bytes, and some are equal.
    fn rows() -> impl Strategy<Value = Vec<(Row, u32)>> {
        let form = prop_oneof![Just(Form::Bare), Just(Form::Prefixed), Just(Form::Text)];
        let kind = prop::sample::select(Kind::ALL.to_vec());
        let row = (kind, form, any::<u16>(), 0..3u8, 0..4u32, 0..MAX_NUMBER, 0..MAX_NUMBER);
        let row = row.prop_map(|(kind, form, lead, last, pack, offset, length)| {
            let mut digest = [last; 32];
            if last > 0 {
                digest[..2].copy_from_slice(&lead.to_be_bytes());
            }
            let id = EntityId::new(form, digest);
            (Row { kind, id, offset, length, fingerprint: [last; 16] }, pack)
        });
        prop::collection::vec(row, 0..600)
    }

    proptest! {
        #[test]
        fn rows_read_back_and_sort_by_kind_id_pack_and_offset(mut rows in rows()) {
            let pack = |(row, pack): &(Row, u32)| PackedRow::new(row, *pack).unwrap();
            let mut packed: Vec<PackedRow> = rows.iter().map(pack).collect();
            for ((row, pack), packed) in rows.iter().zip(&packed) {
                prop_assert_eq!(packed.row(), *row);
                prop_assert_eq!(packed.span(), row.span(*pack));
            }
            sort(&mut packed);
            rows.sort_by_key(|(row, pack)| (row.kind, row.id, *pack, row.offset, row.length));
            prop_assert_eq!(packed, rows.iter().map(pack).collect::<Vec<_>>());
        }
    }

    #[test]
    fn numbers_that_six_bytes_do_not_hold_are_refused() {
        let id = EntityId::new(Form::Bare, [1; 32]);
        let row =
            |offset, length| Row { kind: Kind::Object, id, offset, length, fingerprint: [0; 16] };
        assert!(PackedRow::new(&row(MAX_NUMBER - 1, MAX_NUMBER - 1), 0).is_some());
        assert!(PackedRow::new(&row(MAX_NUMBER, 1), 0).is_none());
        assert!(PackedRow::new(&row(1, MAX_NUMBER), 0).is_none());
    }
}
