//! Rows near rows that a search has found.
//!
//! What is fetched together often lies together: the objects of a commit, and the snapshots of
//! commits that follow each other. So a search reads a *window* of rows around what it finds, and
//! looks there before it looks into the table.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use packhouse_core::{ROW_BYTES, Row};

use super::WantedRow;
use super::table::{order, prefix};

/// Rows that are kept: when there are more, all are dropped.
const MAX_ROWS: usize = 1 << 16;

/// Windows of rows of one pack that were read.
#[derive(Debug, Default)]
pub struct NearRows {
    /// Rows as on disk, by the number of the first.
    windows: BTreeMap<u64, Bytes>,
    /// The number of a row in a window, by the beginning of its digest: the first of those that
    /// begin alike.
    numbers: HashMap<u64, u64>,
    /// Rows that were found by the table.
    found: HashMap<WantedRow, (u64, Row)>,
}

impl NearRows {
    /// Adds rows as on disk; `first` is the number of the first.
    pub(super) fn add(&mut self, first: u64, bytes: Bytes) {
        let (rows, _) = bytes.as_chunks::<ROW_BYTES>();
        if self.numbers.len() + self.found.len() + rows.len() > MAX_ROWS {
            *self = NearRows::default();
        }
        self.numbers.reserve(rows.len());
        for (number, row) in (first..).zip(rows) {
            self.numbers.entry(prefix(order(row).0)).or_insert(number);
        }
        self.windows.insert(first, bytes);
    }

    /// Adds a row that was found by the table.
    pub(super) fn keep(&mut self, number: u64, row: Row) {
        if self.numbers.len() + self.found.len() < MAX_ROWS {
            self.found.entry(WantedRow::of(&row)).or_insert((number, row));
        }
    }

    /// A row with its number: one with neighbours on both sides, or one that was found by the table.
    pub(super) fn find(&self, wanted: &WantedRow) -> Option<(u64, Row)> {
        let near = self.numbers.get(&prefix(wanted.id.digest())).and_then(|number| {
            let row = self.sound(*number)?;
            (WantedRow::of(&row) == *wanted).then_some((*number, row))
        });
        near.or_else(|| self.found.get(wanted).copied())
    }

    /// A row that says the truth about its place. No sum covers a part of a directory, but the
    /// records of a section of a pack follow each other without a gap: so the row's neighbours end
    /// and begin where it does. Other rows are only given out by [`NearRows::row`], to be checked.
    fn sound(&self, number: u64) -> Option<Row> {
        let read = |number| {
            let (rows, at) = self.place(number)?;
            Row::decode(&rows[at])
        };
        let (before, row) = (read(number.checked_sub(1)?)?, read(number)?);
        let after = read(number.checked_add(1)?)?;
        let end = |row: &Row| row.offset.checked_add(row.length);
        (end(&before) == Some(row.offset) && end(&row) == Some(after.offset)).then_some(row)
    }

    /// A row by its number, unchecked and as on disk.
    pub(super) fn row(&self, number: u64) -> Option<Bytes> {
        let (rows, at) = self.place(number)?;
        Some(rows.slice(at))
    }

    /// The window with a row, and where that is in it.
    fn place(&self, number: u64) -> Option<(&Bytes, Range<usize>)> {
        let (first, rows) = self.windows.range(..=number).next_back()?;
        let at = usize::try_from(number - first).ok()?.checked_mul(ROW_BYTES)?;
        let end = at.checked_add(ROW_BYTES)?;
        (end <= rows.len()).then_some((rows, at..end))
    }
}
