//! Remote packs: what a run will read is prefetched before it starts, many packs in parallel.
//!
//! When packs are local files this does nothing.

use std::ops::Range;

use packhouse_catalog::PackRow;
use packhouse_core::{EncodingConflict, Kind, Plan, Span, Step};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::{Phase, Progress};
use packhouse_run::{PackReader, RunPack};
use packhouse_vault::PrefetchRequest;

use super::Store;

/// Bytes of packs that a run will read: in order and apart, a list for each pack.
type Parts = Vec<Vec<Range<u64>>>;

/// What a run will read of packs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads<'a> {
    /// All of them, and they were prefetched already.
    Prefetched,
    /// All of them.
    Whole,
    /// Their commits, snapshots and tags: what a component may ask for.
    Metadata,
    /// What a plan copies.
    Copied(&'a Plan),
    /// Of the stored packs, the records that a push has in another encoding.
    Conflicts(&'a [EncodingConflict]),
}

/// The parts of packs that hold spans of them.
fn parts_of(spans: impl Iterator<Item = Span>, packs: usize) -> Parts {
    let mut parts: Parts = vec![Vec::new(); packs];
    for span in spans {
        if let Some(parts) = parts.get_mut(span.pack as usize) {
            parts.push(span.offset..span.offset + span.length);
        }
    }
    parts.into_iter().map(touching).collect()
}

/// The commits, snapshots and tags of packs.
fn metadata(packs: &[RunPack]) -> impl Iterator<Item = Span> {
    (0..).zip(packs).flat_map(|(number, pack)| {
        pack.directory
            .rows()
            .filter(|row| row.kind != Kind::Object)
            .map(move |row| row.span(number))
    })
}

/// What a plan copies.
fn copied(plan: &Plan) -> impl Iterator<Item = Span> {
    plan.steps
        .iter()
        .filter_map(|step| if let Step::Copy(span) = step { Some(*span) } else { None })
}

/// Ranges in order, those in one that touch.
fn touching(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_unstable_by_key(|part| part.start);
    parts.dedup_by(|next, last| {
        let touches = next.start <= last.end;
        if touches {
            last.end = last.end.max(next.end);
        }
        touches
    });
    parts
}

impl Store {
    /// Prefetches what a run reads, many packs at once.
    pub(super) async fn prefetch(
        &self,
        reader: &mut PackReader,
        packs: &[RunPack],
        reads: Reads<'_>,
        progress: &Progress,
    ) -> Result<()> {
        let parts = match reads {
            _ if !self.vault.is_remote() => return Ok(()),
            Reads::Prefetched => return Ok(()),
            Reads::Whole => None,
            Reads::Metadata => Some(parts_of(metadata(packs), packs.len())),
            Reads::Copied(plan) => Some(parts_of(copied(plan), packs.len())),
            Reads::Conflicts(conflicts) => {
                Some(parts_of(conflicts.iter().map(|conflict| conflict.stored), packs.len()))
            }
        };
        // A pack that is being pushed is in staging; of one without parts nothing is read.
        let read = |n: &usize| {
            packs[*n].is_stored() && parts.as_ref().is_none_or(|parts| !parts[*n].is_empty())
        };
        let numbers: Vec<usize> = (0..packs.len()).filter(read).collect();
        let wanted: Vec<PrefetchRequest> = numbers
            .iter()
            .map(|n| PrefetchRequest {
                key: packs[*n].directory.key,
                bytes: packs[*n].directory.pack_bytes,
                parts: parts.as_ref().map(|parts| parts[*n].clone()),
            })
            .collect();
        let total = wanted.iter().map(PrefetchRequest::to_read).sum();
        let repo = reader.repo().to_string();
        let fetching = self.vault.prefetch(&wanted);
        for (at, stored) in self
            .with_progress(
                &repo,
                Phase::Plan,
                total,
                |traffic| traffic.bytes_down,
                progress,
                fetching,
            )
            .await?
        {
            let parts = wanted[at].parts.clone().unwrap_or_default();
            reader.hold_parts(numbers[at] as u32, stored, parts);
        }
        Ok(())
    }

    /// Bytes to download before packs can be read whole. Fails when the local disk can't hold them
    /// all at once, and before anything is downloaded.
    pub(super) fn to_download(&self, repo: &RepoName, packs: &[PackRow]) -> Result<u64> {
        let sizes: Vec<_> = packs.iter().map(|pack| (pack.key, pack.bytes)).collect();
        let estimate = self.vault.download_estimate(&sizes)?;
        let needed = sizes.iter().map(|(_, bytes)| bytes).sum();
        if needed > estimate.budget {
            return Err(Error::SpoolTooSmall {
                repo: repo.clone(),
                needed,
                budget: estimate.budget,
                spool: self.vault.folder(),
            });
        }
        Ok(estimate.to_download)
    }
}
