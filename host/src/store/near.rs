//! Packs that are far: what a run reads of them is brought near before it begins, many packs at once.
//!
//! Where packs are files nothing here does anything.

use std::ops::Range;
use std::time::Duration;

use packhouse_core::{Kind, Plan, Step};

use super::Store;
use crate::catalog::PackRow;
use crate::error::{Error, Result};
use crate::names::{MpackKey, RepoName};
use crate::progress::{Phase, Progress};
use crate::run::{Packs, RunPack};
use crate::vault::{Staged, Traffic, Wanted};

/// How often somebody looks how far it is, and whether to stop.
const LOOK: Duration = Duration::from_millis(200);

/// Bytes of packs that a run will read: in order and apart, a list for each pack.
pub(super) type Parts = Vec<Vec<Range<u64>>>;

/// What a run will read of packs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reads<'a> {
    /// All of them; and they were brought near already.
    Near,
    /// All of them.
    Whole,
    /// Only these bytes.
    Parts(&'a Parts),
}

/// The commits, snapshots and tags of packs: what a component may ask for.
pub(super) fn words(packs: &[RunPack]) -> Parts {
    let words = |pack: &RunPack| {
        let rows = pack.directory.rows().filter(|row| row.kind != Kind::Object);
        touching(rows.map(|row| row.offset..row.offset + row.length).collect())
    };
    packs.iter().map(words).collect()
}

/// Ranges in order, those in one that touch.
pub(super) fn touching(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
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

/// What a plan copies.
pub(super) fn copied(plan: &Plan, packs: usize) -> Parts {
    let mut parts: Parts = vec![Vec::new(); packs];
    for step in &plan.steps {
        if let Step::Copy(span) = step
            && let Some(parts) = parts.get_mut(span.pack as usize)
        {
            parts.push(span.offset..span.offset + span.length);
        }
    }
    parts.into_iter().map(touching).collect()
}

impl Store {
    /// Brings what a run reads near, many packs at once.
    pub(super) async fn bring_near(
        &self,
        reader: &mut Packs,
        packs: &[RunPack],
        reads: Reads<'_>,
        progress: &Progress,
    ) -> Result<()> {
        let parts = match reads {
            _ if !self.vault.is_far() => return Ok(()),
            Reads::Near => return Ok(()),
            Reads::Whole => None,
            Reads::Parts(parts) => Some(parts),
        };
        // A pack that is being pushed is in staging; of one without parts nothing is read.
        let read = |n: &usize| packs[*n].is_stored() && parts.is_none_or(|parts| !parts[*n].is_empty());
        let numbers: Vec<usize> = (0..packs.len()).filter(read).collect();
        let wanted: Vec<Wanted> = numbers
            .iter()
            .map(|n| Wanted {
                key: packs[*n].directory.key,
                bytes: packs[*n].directory.pack_bytes,
                parts: parts.map(|parts| parts[*n].clone()),
            })
            .collect();
        let total = wanted.iter().map(Wanted::to_read).sum();
        let repo = reader.repo().to_string();
        let fetching = self.vault.prefetch(&wanted);
        for (at, stored) in self.told(&repo, Phase::Plan, total, |traffic| traffic.bytes_down, progress, fetching).await? {
            let parts = wanted[at].parts.clone().unwrap_or_default();
            reader.hold_parts(numbers[at] as u32, stored, parts);
        }
        Ok(())
    }

    /// Bytes to download before packs can be read whole. Fails when the local disk can't hold them all at once, and before anything is
    /// downloaded.
    pub(super) fn to_download(&self, repo: &RepoName, packs: &[PackRow]) -> Result<u64> {
        let sizes: Vec<_> = packs.iter().map(|pack| (pack.key, pack.bytes)).collect();
        let near = self.vault.near(&sizes)?;
        let needed = sizes.iter().map(|(_, bytes)| bytes).sum();
        if needed > near.budget {
            return Err(Error::SpoolTooSmall { repo: repo.clone(), needed, budget: near.budget, spool: self.vault.folder() });
        }
        Ok(near.to_download)
    }

    /// Makes a staged file the pack of a key, and tells how far it is.
    pub(super) async fn store_told(
        &self,
        repo: &str,
        staged: Staged,
        key: &MpackKey,
        bytes: u64,
        progress: &Progress,
    ) -> Result<()> {
        self.told(repo, Phase::Publish, bytes, |traffic| traffic.bytes_up, progress, self.vault.store(staged, key)).await
    }

    /// Tells how far something is that moves so many bytes to a place that is far, and stops it when the caller asks. What is moved meanwhile for
    /// others counts as well: it is a picture, not an account.
    async fn told<T>(
        &self,
        repo: &str,
        phase: Phase,
        total: u64,
        moved: impl Fn(Traffic) -> u64,
        progress: &Progress,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut work = std::pin::pin!(work);
        if !self.vault.is_far() {
            return work.await;
        }
        let before = moved(self.vault.traffic());
        let mut looks = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = looks.tick() => {
                    let done = moved(self.vault.traffic()).saturating_sub(before);
                    progress.at(repo, phase, done.min(total), total)?;
                }
            }
        }
    }
}
