//! Rows near rows that a search has found.
//!
//! What is fetched together often lies together: the objects of a commit, and the snapshots of
//! commits that follow each other. So a search reads a *window* of rows around what it finds, and
//! looks there before it looks into the table.

use std::collections::HashMap;

use bytes::Bytes;
use packhouse_core::{ROW_BYTES, Row};

use super::WantedRow;

/// Rows that are kept: when there are more, all are dropped.
const MAX_ROWS: usize = 1 << 16;

/// Windows of rows of one pack that were read.
#[derive(Debug, Default)]
pub struct NearRows {
    windows: Vec<Window>,
    /// Rows with neighbours on both sides, and those that were found by the table.
    rows: HashMap<WantedRow, (u64, Row)>,
}

#[derive(Debug)]
struct Window {
    /// The number of its first row.
    first: u64,
    bytes: Bytes,
}

impl NearRows {
    /// Adds rows as on disk; `first` is the number of the first.
    ///
    /// No sum covers a part of a directory. But the records of a section of a pack follow each
    /// other without a gap, so a row whose neighbours end and begin where it does says the truth
    /// about its place. Other rows are only given out by [`NearRows::row`], to be checked.
    pub(super) fn add(&mut self, first: u64, bytes: Bytes) {
        let (encoded, _) = bytes.as_chunks::<ROW_BYTES>();
        let rows: Vec<Option<Row>> = encoded.iter().map(|row| Row::decode(row)).collect();
        if self.rows.len() + rows.len() > MAX_ROWS {
            *self = NearRows::default();
        }
        for (n, three) in rows.windows(3).enumerate() {
            let &[Some(before), Some(row), Some(after)] = three else { continue };
            let end = |row: &Row| row.offset.checked_add(row.length);
            if end(&before) == Some(row.offset) && end(&row) == Some(after.offset) {
                self.rows.entry(WantedRow::of(&row)).or_insert((first + n as u64 + 1, row));
            }
        }
        self.windows.push(Window { first, bytes });
    }

    /// Adds a row that was found by the table.
    pub(super) fn keep(&mut self, number: u64, row: Row) {
        if self.rows.len() < MAX_ROWS {
            self.rows.entry(WantedRow::of(&row)).or_insert((number, row));
        }
    }

    /// A row with its number.
    pub(super) fn find(&self, wanted: &WantedRow) -> Option<(u64, Row)> {
        self.rows.get(wanted).copied()
    }

    /// A row by its number, unchecked and as on disk.
    pub(super) fn row(&self, number: u64) -> Option<Bytes> {
        self.windows.iter().find_map(|window| window.row(number))
    }
}

impl Window {
    fn row(&self, number: u64) -> Option<Bytes> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?.checked_mul(ROW_BYTES)?;
        let end = at.checked_add(ROW_BYTES)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(at..end))
    }
}
