//! Reads records of stored packs, and nothing else of them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use bytes::Bytes;
use packhouse_catalog::PackRow;
use packhouse_core::Span;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_vault::Vault;
use tokio::runtime::Handle;

use crate::damage::{damaged_pack, missing_pack};
use crate::locate::Locator;

/// Bytes of records that are kept: what a component reads, the proof of its answer reads again.
const KEPT_BYTES: u64 = 8 << 20;

/// Reads spans of the packs of a run, whose numbers are their places in `packs`. It blocks: not for
/// async threads.
#[derive(Debug)]
pub struct SpanReader {
    repo: RepoName,
    vault: Vault,
    runtime: Handle,
    packs: Vec<PackRow>,
    kept: HashMap<Span, Bytes>,
    kept_bytes: u64,
}

impl SpanReader {
    /// A reader of the packs in which a locator finds records.
    pub fn of(locator: &Locator, runtime: Handle) -> SpanReader {
        let directories = locator.directories();
        SpanReader {
            repo: directories.repo().clone(),
            vault: directories.vault.clone(),
            runtime,
            packs: locator.packs().to_vec(),
            kept: HashMap::new(),
            kept_bytes: 0,
        }
    }

    /// This reader; one without packs stays.
    pub(crate) fn take(&mut self) -> SpanReader {
        let empty = SpanReader {
            repo: self.repo.clone(),
            vault: self.vault.clone(),
            runtime: self.runtime.clone(),
            packs: Vec::new(),
            kept: HashMap::new(),
            kept_bytes: 0,
        };
        std::mem::replace(self, empty)
    }

    /// The packs, by number.
    pub fn packs(&self) -> &[PackRow] {
        &self.packs
    }

    /// The bytes of spans, in their order. Those of one pack are read together.
    ///
    /// # Errors
    /// When a pack is missing, too short, or can't be read.
    pub fn read(&mut self, spans: &[Span]) -> Result<Vec<Bytes>> {
        let mut by_pack: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        let mut read: Vec<Bytes> = Vec::with_capacity(spans.len());
        for (number, span) in spans.iter().enumerate() {
            let kept = self.kept.get(span);
            if kept.is_none() {
                by_pack.entry(span.pack).or_default().push(number);
            }
            read.push(kept.cloned().unwrap_or_default());
        }
        for (pack, numbers) in by_pack {
            let ranges: Vec<Range<u64>> = numbers
                .iter()
                .map(|number| {
                    let Span { offset, length, .. } = spans[*number];
                    offset..offset.saturating_add(length)
                })
                .collect();
            for (number, bytes) in numbers.into_iter().zip(self.read_pack(pack, &ranges)?) {
                self.keep(spans[number], &bytes);
                read[number] = bytes;
            }
        }
        Ok(read)
    }

    /// The bytes of two spans.
    pub(crate) fn read_two(&mut self, a: Span, b: Span) -> Result<(Bytes, Bytes)> {
        let mut read = self.read(&[a, b])?.into_iter();
        Ok((read.next().unwrap_or_default(), read.next().unwrap_or_default()))
    }

    fn keep(&mut self, span: Span, bytes: &Bytes) {
        let kept = self.kept_bytes.saturating_add(span.length);
        if kept <= KEPT_BYTES {
            // A part of a larger buffer would keep all of that.
            self.kept.insert(span, Bytes::copy_from_slice(bytes));
            self.kept_bytes = kept;
        }
    }

    fn read_pack(&self, pack: u32, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        let row = self.packs.get(pack as usize).ok_or_else(|| {
            Error::Usage(format!("this run has {} packs and no number {pack}", self.packs.len()))
        })?;
        self.runtime.block_on(read_ranges(&self.vault, &self.repo, &row.key, ranges))
    }
}

/// Bytes of a stored pack, one for each range, in the order of `ranges`. Ranges that are near each
/// other are read together.
///
/// # Errors
/// When the pack is missing, too short, or can't be read.
pub async fn read_ranges(
    vault: &Vault,
    repo: &RepoName,
    key: &MpackKey,
    ranges: &[Range<u64>],
) -> Result<Vec<Bytes>> {
    match vault.read_spans(key, ranges).await {
        Ok(Some(read)) => Ok(read),
        Ok(None) => Err(missing_pack(vault, repo, key)),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
            let end = ranges.iter().map(|range| range.end).max().unwrap_or(0);
            let detail = format!("it ends before byte {end}, which is in its directory");
            Err(damaged_pack(vault, repo, key, detail))
        }
        Err(error) => Err(error),
    }
}
