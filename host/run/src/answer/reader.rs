//! Reads an answer in batches, with what their bytes must be.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use packhouse_core::{Span, Step};
use packhouse_model::error::Result;
use packhouse_pack::Expected;
use packhouse_pack::pieces::Piece;

use super::AnswerSource;
use super::expected::{ExpectedIn, PackContents, no_record};
use super::files::Files;

/// Bytes of a batch of packs that are files.
const BATCH: u64 = 256 << 10;
/// Bytes of a batch of packs that are downloaded: a request takes as long as some hundred kilobytes.
const REMOTE_BATCH: u64 = 2 << 20;
/// Packs whose rows are at hand: pages of rows are in memory.
const OPEN_CONTENTS: usize = 16;

/// Adjacent bytes of an answer.
#[derive(Debug)]
pub(super) struct Batch {
    /// Where they begin in it.
    pub(super) start: u64,
    pub(super) bytes: Bytes,
    /// What begins in them, in order.
    pub(super) expected: Vec<ExpectedIn>,
}

/// Reads an answer from a record on.
#[derive(Debug)]
pub(super) struct AnswerReader {
    source: Arc<AnswerSource>,
    doubted: BTreeSet<u32>,
    /// Where the next batch begins, and where the last ends.
    at: u64,
    end: u64,
    /// The next step, and how much of it was read.
    step: usize,
    within: u64,
    /// How much of the step is of records that were given already.
    covered: u64,
    contents: BTreeMap<u32, PackContents>,
    files: Files,
}

impl AnswerReader {
    /// A reader of some bytes, which begins with the record that has the first of them. Rows of
    /// `doubted` packs are checked.
    ///
    /// # Errors
    /// When a directory can't be read.
    pub(super) async fn open(
        source: Arc<AnswerSource>,
        range: Range<u64>,
        doubted: BTreeSet<u32>,
    ) -> Result<AnswerReader> {
        let step = source.ends.partition_point(|end| *end <= range.start);
        let begin = step.checked_sub(1).map_or(0, |before| source.ends[before]);
        let mut reader = AnswerReader {
            source,
            doubted,
            at: range.start,
            end: range.end,
            step,
            within: range.start - begin,
            covered: range.start - begin,
            contents: BTreeMap::new(),
            files: Files::default(),
        };
        reader.go_back_to_record().await?;
        Ok(reader)
    }

    async fn go_back_to_record(&mut self) -> Result<()> {
        let source = self.source.clone();
        let Some(Step::Copy(span)) = source.plan.steps.get(self.step) else { return Ok(()) };
        let offset = span.offset + self.within;
        let found = self.contents_of(span.pack, offset).await?;
        let found = found.expect(&source, span.pack, offset).await?.expected;
        let back = offset - found.offset();
        if back > self.within {
            return Err(no_record(&source, span.pack, span.offset));
        }
        self.at -= back;
        self.within -= back;
        self.covered = self.within;
        Ok(())
    }

    /// What the bytes of a pack must be.
    async fn contents_of(&mut self, pack: u32, offset: u64) -> Result<&mut PackContents> {
        let is_usable = match self.contents.get(&pack) {
            Some(PackContents::Known(directory, _)) => directory.containing(offset).is_some(),
            Some(PackContents::Paged(_)) => true,
            None => false,
        };
        if !is_usable {
            if self.contents.len() >= OPEN_CONTENTS {
                self.contents.clear();
            }
            let opened = PackContents::open(&self.source, pack, offset, &self.doubted).await?;
            self.contents.insert(pack, opened);
        }
        match self.contents.get_mut(&pack) {
            Some(contents) => Ok(contents),
            None => Err(no_record(&self.source, pack, offset)),
        }
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// When a pack is missing, too short, or can't be read.
    pub(super) async fn next(&mut self) -> Result<Option<Batch>> {
        let source = self.source.clone();
        let most = if source.directories.vault.is_remote() { REMOTE_BATCH } else { BATCH };
        let length = most.min(self.end.saturating_sub(self.at)) as usize;
        if length == 0 {
            return Ok(None);
        }
        let (mut buffer, mut filled) = (vec![0; length], 0);
        let (mut pieces, mut expected) = (Vec::new(), Vec::new());
        while filled < length
            && let Some(step) = source.plan.steps.get(self.step)
        {
            let part = (step.bytes() - self.within).min((length - filled) as u64);
            match step {
                Step::Literal(bytes) => {
                    let from = self.within as usize;
                    buffer[filled..filled + part as usize]
                        .copy_from_slice(&bytes[from..from + part as usize]);
                    let trusted = Expected::Trusted(part);
                    expected.push(ExpectedIn { pack: None, expected: trusted, is_checked: true });
                }
                Step::Copy(span) => {
                    self.expect(*span, self.within + part, &mut expected).await?;
                    let offset = span.offset + self.within;
                    let span = Span { pack: span.pack, offset, length: part };
                    pieces.push(Piece { span, to: filled });
                }
            }
            filled += part as usize;
            self.within += part;
            if self.within == step.bytes() {
                self.step += 1;
                (self.within, self.covered) = (0, 0);
            }
        }
        let start = self.at;
        self.at += length as u64;
        let bytes = self.files.read(&source, pieces, buffer).await?.into();
        Ok(Some(Batch { start, bytes, expected }))
    }

    /// Appends what begins in a span, up to a byte of it.
    async fn expect(
        &mut self,
        span: Span,
        until: u64,
        expected: &mut Vec<ExpectedIn>,
    ) -> Result<()> {
        let source = self.source.clone();
        while self.covered < until {
            let (at, covered) = (span.offset + self.covered, self.covered);
            let contents = self.contents_of(span.pack, at).await?;
            let found = contents.expect(&source, span.pack, at).await?;
            self.covered = covered + found.expected.length();
            if found.expected.offset() != at || self.covered > span.length {
                return Err(no_record(&source, span.pack, at));
            }
            expected.push(found);
        }
        Ok(())
    }
}
