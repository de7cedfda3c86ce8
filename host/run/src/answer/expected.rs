//! What the bytes of a pack must be: its records, and its frame.

use std::collections::BTreeSet;

use packhouse_model::error::{Error, Result};
use packhouse_pack::{Directory, Expected};

use super::AnswerSource;
use crate::row_cursor::RowCursor;

/// What some bytes of an answer must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedIn {
    /// The pack that they are copied from; none for those that the plan has itself.
    pub(super) pack: Option<u32>,
    pub(super) expected: Expected,
    /// Whether that is certain: else it was read from a directory without its SHA-256.
    pub(super) is_checked: bool,
}

/// Finds what the bytes of a pack must be.
#[derive(Debug)]
pub(super) enum PackContents {
    /// Its rows are in memory. The next one, most likely.
    Known(Directory, u64),
    Paged(Box<RowCursor>),
}

impl PackContents {
    /// The contents of a pack of an answer, whose byte `offset` is needed. The directories of
    /// `doubted` packs are read whole, and checked.
    pub(super) async fn open(
        source: &AnswerSource,
        pack: u32,
        offset: u64,
        doubted: &BTreeSet<u32>,
    ) -> Result<PackContents> {
        if let Some(known) = source.known.get(pack as usize)
            && known.directory.containing(offset).is_some()
        {
            return Ok(PackContents::Known(known.directory.clone(), 0));
        }
        let (directories, heads) = (source.directories.clone(), source.heads.clone());
        let row = source.packs[pack as usize].clone();
        let mut cursor = RowCursor::open(directories, heads, row).await?;
        if source.is_pack {
            cursor.need_frame().await?;
        }
        if doubted.contains(&pack) && !cursor.is_checked() {
            cursor.check().await?;
        }
        Ok(PackContents::Paged(Box::new(cursor)))
    }

    /// What has a byte of the pack; `None` if nothing does.
    pub(super) async fn containing(
        &mut self,
        source: &AnswerSource,
        offset: u64,
    ) -> Result<Option<Expected>> {
        let found = match self {
            PackContents::Known(directory, next) => {
                let number = match directory.row(*next) {
                    Some(row) if row.offset == offset => Some(*next),
                    _ => directory.containing(offset),
                };
                *next = number.map_or(*next, |number| number + 1);
                number.and_then(|number| directory.row(number)).map(Expected::Record)
            }
            PackContents::Paged(cursor) => {
                let has_it = |length: u64, begin: u64| begin <= offset && offset < begin + length;
                let part = cursor.frame().iter().find(|part| has_it(part.length, part.offset));
                if let Some(part) = part.filter(|_| source.is_pack) {
                    return Ok(Some(Expected::Frame(*part)));
                }
                match cursor.next().await? {
                    Some((_, row)) if has_it(row.length, row.offset) => Some(Expected::Record(row)),
                    _ => {
                        cursor.seek(offset).await?;
                        let row = cursor.next().await?.map(|(_, row)| row);
                        row.filter(|row| has_it(row.length, row.offset)).map(Expected::Record)
                    }
                }
            }
        };
        Ok(found)
    }

    fn is_checked(&self, expected: &Expected) -> bool {
        match self {
            PackContents::Known(..) => true,
            // The frame is in the head of the directory, which has a SHA-256 of its own.
            PackContents::Paged(cursor) => {
                cursor.is_checked() || matches!(expected, Expected::Frame(_))
            }
        }
    }

    /// What has a byte of the pack, as a part of an answer.
    ///
    /// # Errors
    /// If nothing has it.
    pub(super) async fn expect(
        &mut self,
        source: &AnswerSource,
        pack: u32,
        offset: u64,
    ) -> Result<ExpectedIn> {
        let mut found = self.containing(source, offset).await?;
        if let (None, PackContents::Paged(cursor)) = (found, &mut *self)
            && !cursor.is_checked()
        {
            cursor.check().await?;
            found = self.containing(source, offset).await?;
        }
        match found {
            Some(expected) => {
                let is_checked = self.is_checked(&expected);
                Ok(ExpectedIn { pack: Some(pack), expected, is_checked })
            }
            None => Err(no_record(source, pack, offset)),
        }
    }
}

/// The error for a byte that is of nothing that the directory lists.
pub(super) fn no_record(source: &AnswerSource, pack: u32, offset: u64) -> Error {
    source.damaged(pack, format!("no record of its directory has byte {offset}"))
}
