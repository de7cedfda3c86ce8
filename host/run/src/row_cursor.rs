//! The rows of a pack by offset, from any byte on. They are read from the directory a page at a
//! time: a large one is never in memory.
//!
//! Parts of a directory are read without its SHA-256. But records and frame are the whole pack, so
//! a row that does not begin where the last one ended is noticed. Then the directory is read whole,
//! or rebuilt from its pack.

use std::sync::Arc;

use packhouse_catalog::PackRow;
use packhouse_core::{ROW_BYTES, Row};
use packhouse_model::error::Result;
use packhouse_pack::Directory;
use packhouse_pack::directory::{DirectoryHead, LookupDirectory};
use packhouse_pack::frame::FramePart;

use crate::directories::{Directories, DirectoryFile};
use crate::heads::DirectoryHeads;

/// Rows that are read at once.
const PAGE: u64 = 1024;
/// Rows that one round of a search looks at.
const PROBES: u64 = 16;

/// Where rows come from.
#[derive(Debug)]
enum Rows {
    Parts(Arc<DirectoryHead>),
    Whole(Directory),
}

/// Goes through the rows of a pack by offset.
#[derive(Debug)]
pub struct RowCursor {
    directories: Directories,
    heads: Arc<DirectoryHeads>,
    pack: PackRow,
    rows: Rows,
    frame: Vec<FramePart>,
    /// Some rows, and the number of the first of them.
    page: Vec<Row>,
    first: u64,
    /// The next row in the page.
    next: usize,
}

impl RowCursor {
    /// A cursor at the first row of a pack. `heads` is shared by all runs of the process.
    ///
    /// # Errors
    /// When the directory must be rebuilt, and the pack is missing or damaged; when it can't be
    /// read.
    pub async fn open(
        directories: Directories,
        heads: Arc<DirectoryHeads>,
        pack: PackRow,
    ) -> Result<RowCursor> {
        let rows = match directories.head(&heads, &pack).await? {
            Some(head) => Rows::Parts(head),
            None => Rows::Whole(directories.whole(&pack).await?),
        };
        let (page, first, next) = (Vec::new(), 0, 0);
        let frame = frame_of(&rows);
        Ok(RowCursor { directories, heads, pack, rows, frame, page, first, next })
    }

    /// The pack's frame, by offset; empty if an earlier build has written the directory.
    pub fn frame(&self) -> &[FramePart] {
        &self.frame
    }

    /// Whether the rows are of a directory whose SHA-256 was checked.
    pub const fn is_checked(&self) -> bool {
        matches!(self.rows, Rows::Whole(_))
    }

    /// Reads the directory whole, and checks it; rebuilds it from the pack if it is damaged. The
    /// cursor is at its first row then.
    ///
    /// # Errors
    /// As for [`RowCursor::open`].
    pub async fn check(&mut self) -> Result<()> {
        self.heads.forget(&self.pack.key);
        self.set(Rows::Whole(self.directories.whole(&self.pack).await?));
        Ok(())
    }

    /// Makes sure that the frame is known: rebuilds the directory from the pack, if it is not. The
    /// cursor is at its first row then.
    ///
    /// # Errors
    /// As for [`RowCursor::open`].
    pub async fn need_frame(&mut self) -> Result<()> {
        if !self.frame.is_empty() {
            return Ok(());
        }
        let rebuilt = self.directories.rebuild(&self.pack).await?;
        self.heads.forget(&self.pack.key);
        let head = self.directories.head(&self.heads, &self.pack).await?;
        self.set(match head.filter(|head| !head.frame().is_empty()) {
            Some(head) => Rows::Parts(head),
            // It could not be written.
            None => Rows::Whole(rebuilt),
        });
        Ok(())
    }

    fn set(&mut self, rows: Rows) {
        self.frame = frame_of(&rows);
        self.rows = rows;
        self.go_to(0);
    }

    fn go_to(&mut self, number: u64) {
        self.page.clear();
        (self.first, self.next) = (number, 0);
    }

    /// The next row with its number, which stays the next one; `None` at the end.
    ///
    /// # Errors
    /// As for [`RowCursor::open`].
    pub async fn peek(&mut self) -> Result<Option<(u64, Row)>> {
        if self.next == self.page.len() {
            let number = self.first + self.next as u64;
            let end = self.page.last().map(|row| row.offset + row.length);
            match self.read_page(number, end).await? {
                Some(page) => {
                    self.page = page;
                    (self.first, self.next) = (number, 0);
                }
                None => {
                    self.check().await?;
                    self.go_to(number);
                    self.page = self.read_page(number, None).await?.unwrap_or_default();
                }
            }
        }
        Ok(self.page.get(self.next).map(|row| (self.first + self.next as u64, *row)))
    }

    /// The next row with its number; `None` at the end.
    ///
    /// # Errors
    /// As for [`RowCursor::open`].
    pub async fn next(&mut self) -> Result<Option<(u64, Row)>> {
        let next = self.peek().await?;
        self.next += usize::from(next.is_some());
        Ok(next)
    }

    /// Goes to the first row that ends after a byte of the pack: the one that has it, or the one
    /// after it.
    ///
    /// # Errors
    /// As for [`RowCursor::open`].
    pub async fn seek(&mut self, offset: u64) -> Result<()> {
        let begins_before = self.page.first().is_some_and(|row| row.offset <= offset);
        let ends_after = self.page.last().is_some_and(|row| offset < row.offset + row.length);
        if !(begins_before && ends_after) {
            let number = match self.search(offset).await? {
                Some(number) => number,
                None => {
                    self.check().await?;
                    self.search(offset).await?.unwrap_or(self.len())
                }
            };
            self.go_to(number);
            self.peek().await?;
        }
        self.next = self.page.partition_point(|row| row.offset + row.length <= offset);
        Ok(())
    }

    fn len(&self) -> u64 {
        match &self.rows {
            Rows::Parts(head) => head.rows,
            Rows::Whole(directory) => directory.len(),
        }
    }

    /// The number of a row at most a page before the first that ends after a byte; `None` if the
    /// directory is damaged.
    async fn search(&self, offset: u64) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, if offset == 0 { 0 } else { self.len() });
        while high - low > PAGE {
            let probe = |n| low + (high - low) * n / PROBES;
            let numbers: Vec<u64> = (1..PROBES).map(probe).collect();
            let Some(rows) = self.read_rows(&numbers).await? else { return Ok(None) };
            let begun = rows.partition_point(|row| row.offset <= offset);
            high = numbers.get(begun).copied().unwrap_or(high);
            low = begun.checked_sub(1).map_or(low, |n| numbers[n]);
        }
        Ok(Some(low))
    }

    async fn read_rows(&self, numbers: &[u64]) -> Result<Option<Vec<Row>>> {
        match &self.rows {
            Rows::Whole(directory) => Ok(numbers.iter().map(|n| directory.row(*n)).collect()),
            Rows::Parts(head) => LookupDirectory::new(head, &self.file()).rows(numbers).await,
        }
    }

    fn file(&self) -> DirectoryFile<'_> {
        DirectoryFile { vault: &self.directories.vault, pack: &self.pack }
    }

    /// Rows from a number on. `end`: where the row before ends, if that is known. `None` if the
    /// directory is damaged.
    async fn read_page(&self, number: u64, end: Option<u64>) -> Result<Option<Vec<Row>>> {
        let limit = PAGE.min(self.len().saturating_sub(number));
        match &self.rows {
            Rows::Whole(directory) => Ok(decode(directory.page(number, limit).unwrap_or_default())),
            Rows::Parts(head) => {
                let read = LookupDirectory::new(head, &self.file()).page(number, limit).await?;
                let rows = read.as_deref().and_then(decode);
                let end = if number == 0 { Some(0) } else { end };
                let is_whole =
                    |rows: &Vec<Row>| rows.len() as u64 == limit && self.are_adjacent(rows, end);
                Ok(rows.filter(is_whole))
            }
        }
    }

    /// Whether each row begins where the one before ends, or where a part of the frame ends that
    /// begins there.
    fn are_adjacent(&self, rows: &[Row], end: Option<u64>) -> bool {
        let follows = |end: u64, row: &Row| {
            let part = self.frame.iter().find(|part| part.offset == end);
            let end = part.map_or(end, |part| part.offset.saturating_add(part.length));
            row.offset == end || self.frame.is_empty() && row.offset > end
        };
        let ends = rows.iter().map(|row| row.offset.saturating_add(row.length));
        let fits =
            rows.last().is_none_or(|row| row.offset.saturating_add(row.length) <= self.pack.bytes);
        let first = end.zip(rows.first()).is_none_or(|(end, row)| follows(end, row));
        fits && first && ends.zip(&rows[1.min(rows.len())..]).all(|(end, row)| follows(end, row))
    }
}

fn frame_of(rows: &Rows) -> Vec<FramePart> {
    match rows {
        Rows::Parts(head) => head.frame(),
        Rows::Whole(directory) => directory.frame().to_vec(),
    }
}

fn decode(page: &[u8]) -> Option<Vec<Row>> {
    page.chunks(ROW_BYTES).map(Row::decode).collect()
}

#[cfg(test)]
mod tests;
