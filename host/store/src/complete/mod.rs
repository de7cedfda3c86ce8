//! Complete packs: a pack that is exactly what its branch heads reach is the answer to a clone.
//!
//! That is checked when a pack is written or read whole anyway, and recorded with its heads. Then a
//! clone is one look into the catalog, and nothing of the pack is read, as long as the index maps
//! everything to this pack, and the heads are the same.
//!
//! A complete pack in canonical form gets a spine in its directory: then it is the base of clones when
//! more is pushed.

mod canonical;
mod check;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_catalog::{CompletePack, CompletePackRow, PackRow, RepoRow, Snapshot};
use packhouse_core::{Counts, EntityId, Head, Request};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::progress::Progress;
use packhouse_pack::{Directory, WrittenPack};
use packhouse_vault::StagedFile;

pub(super) use self::check::{CheckedPack, complete_pack, heads_digest};
use super::receive::StagedPack;
use super::{Store, blocking};

/// What is recorded of a pack that is not complete, so that it is not checked again: no heads have
/// this digest, and no request wants nothing.
fn incomplete() -> CompletePack {
    CompletePack {
        heads_digest: [0; 32],
        heads: Vec::new(),
        missing: Vec::new(),
        counts: Counts::default(),
    }
}

async fn check(
    written: Arc<WrittenPack>,
    file: &File,
    path: PathBuf,
) -> Result<Option<CheckedPack>> {
    let file = file.try_clone().map_err(Error::io("opening", &path))?;
    blocking(move || complete_pack(&written.scanned, &file).map_err(Error::io("reading", path)))
        .await
}

/// Whether a pack that was written to staging is complete.
///
/// # Errors
/// When it can't be read.
pub(super) async fn check_written(
    staged: &StagedFile,
    written: &Arc<WrittenPack>,
) -> Result<Option<CheckedPack>> {
    check(written.clone(), &staged.file, staged.path().to_owned()).await
}

/// Whether a received pack is complete.
///
/// # Errors
/// When it can't be read.
pub(super) async fn check_received(one: &StagedPack) -> Result<Option<CompletePack>> {
    let found = check(one.written.clone(), &one.bytes, one.file.clone()).await?;
    Ok(found.map(|found| found.complete))
}

impl Store {
    /// The complete pack of a repo, if it is the answer to a request: nothing of it is read.
    /// `heads` are those that clients get.
    ///
    /// # Errors
    /// When the pack is missing, has another size, or is known to be damaged.
    pub(super) async fn complete_answer(
        &self,
        snapshot: &mut dyn Snapshot,
        ask: &Request,
        heads: &[Head],
    ) -> Result<Option<CompletePackRow>> {
        // A recorded run shows the plan.
        if !ask.have.is_empty() || self.recorder.is_some() {
            return Ok(None);
        }
        let Some(found) = snapshot.complete_pack().await? else { return Ok(None) };
        let complete = &found.complete;
        let is_current = snapshot.repo().sums.packs == 1 && found.mapped == found.pack.records;
        let wanted: BTreeSet<EntityId> =
            ask.want.iter().chain(&ask.want_if_known).copied().collect();
        let is_wanted = !wanted.is_empty() && wanted.iter().eq(&complete.heads);
        // A clone takes the branches from the pack; another client knows them.
        let is_clone = ask.want.is_empty();
        let has_branches = !is_clone || heads_digest(heads) == complete.heads_digest;
        if !(is_current && is_wanted && has_branches) {
            return Ok(None);
        }
        let repo = snapshot.repo().name.clone();
        self.must_be_there(&repo, &found.pack, &snapshot.damage().await?).await?;
        Ok(Some(found))
    }

    /// Checks whether the only pack of a repo is complete, if that is not known: it was stored before
    /// this was recorded. The pack is read once.
    pub(super) async fn check_only_pack(
        &self,
        row: &RepoRow,
        pack: &PackRow,
        snapshot: &mut dyn Snapshot,
        progress: &Progress,
    ) -> Result<()> {
        if self.is_checked(snapshot, pack).await? {
            return Ok(());
        }
        let (stored, scanned) = self.read_sound(&row.name, &pack.key, progress).await?;
        let directory = Directory::of(pack.key, stored.bytes, &scanned);
        let found = blocking(move || {
            complete_pack(&scanned, &stored.file).map_err(Error::io("reading", stored.path))
        });
        let found = found.await?;
        if let Some(spine) = found.as_ref().and_then(|found| found.spine.clone()) {
            self.keep_directory(directory.with_spine(spine)).await;
            self.directory_heads.forget(&pack.key);
        }
        self.note_complete(row, &pack.key, found.map(|found| found.complete)).await;
        Ok(())
    }

    /// Whether it is recorded of a pack if it is complete.
    pub(super) async fn is_checked(
        &self,
        snapshot: &mut dyn Snapshot,
        pack: &PackRow,
    ) -> Result<bool> {
        Ok(snapshot.complete_pack().await?.is_some_and(|found| found.pack.key == pack.key))
    }

    /// Records whether the only pack of a repo was found to be complete, if the catalog can be
    /// written: nothing depends on it.
    pub(super) async fn note_complete(
        &self,
        row: &RepoRow,
        pack: &MpackKey,
        complete: Option<CompletePack>,
    ) {
        let found = complete.unwrap_or_else(incomplete);
        if let Err(error) = self.catalog.note_complete_pack(row, pack, &found).await {
            tracing::warn!("it could not be recorded whether pack {pack} is complete: {error}");
        }
    }
}
