//! `copy`: what a repo of this store has, in another store as well.
//!
//! ```text
//! packs of the repo ─▶ those with records that the other lacks ─▶ read, hashed, staged there
//!   ─▶ indexed there, branches left alone ─▶ once all are there: branches, releases, policy, history
//! ```
//!
//! Packs keep their bytes and their keys, and the repo its ID. The branches move last, so the copy
//! is a state that the repo had, or it is not there. A copy that was stopped goes on with the packs
//! that are missing, and another one brings what is new: a store can be copied while it is in use,
//! and once more after its last push. See `docs/decisions/0033-imports-and-copies.md`.

use std::collections::BTreeSet;

use packhouse_catalog::{
    EntityKey, GcLogQuery, LockMode, PackRow, PublishOutcome, Push, PutRelease, RepoRow, entity_key,
};
use packhouse_core::Head;
use packhouse_model::client::RepoSettings;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::progress::Progress;
use packhouse_model::report::{CopyReport, CopyStatus, GcEntry};
use packhouse_run::RunPack;

use super::load::distinct_packs;
use super::receive::{FileSource, StagedPack, UploadProgress};
use super::{Store, TRIES};

/// Packs that become visible in the other store at once, and their size in bytes.
const BATCH_PACKS: usize = 64;
const BATCH_BYTES: u64 = 256 << 20;
/// Entities that are looked up at once.
const LOOKED_UP: usize = 4096;
/// Consolidations that are copied, at most: the latest ones.
const HISTORY: u32 = 1000;
/// The most bytes that the releases of a repo may take; they fitted in this store.
const NO_LIMIT: u64 = u64::MAX;

/// A state of a repo that is copied.
struct RepoState {
    row: RepoRow,
    /// Its packs, those with more records first.
    packs: Vec<PackRow>,
    heads: Vec<Head>,
}

impl Store {
    /// Copies a repo to another store, and creates it there if there is none.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`]; [`Error::Usage`] where the other store is this one;
    /// [`Error::OtherRepo`] where it has another repo of that name; damage of a pack, which is
    /// remembered. The packs that were copied before are kept there.
    pub async fn copy_repo(
        &self,
        repo: &RepoName,
        to: &Store,
        progress: &Progress,
    ) -> Result<CopyReport> {
        if self.catalog.identity() == to.catalog.identity() {
            let place = self.catalog.place();
            return Err(Error::Usage(format!("{place} is this store; name another one")));
        }
        let id = self.known_repo(repo).await?.id;
        let copied = self.until_current(id, || Box::pin(self.copy_state(repo, to, progress))).await;
        self.remembering(id, "copy", copied).await
    }

    /// Copies the repo as it is now.
    async fn copy_state(
        &self,
        repo: &RepoName,
        to: &Store,
        progress: &Progress,
    ) -> Result<CopyReport> {
        let state = self.repo_state(repo).await?;
        let (target, mut changed) = to.counterpart(&state.row).await?;
        changed |= to.make_private(&target, &state.row).await?;
        let (mut packs, mut bytes) = (0, 0);
        let missing = self.packs_missing_in(to, &target, &state).await?;
        for batch in batches(&missing) {
            let total: u64 = batch.iter().map(|pack| pack.bytes).sum();
            to.need_space(total.saturating_add(total / 16))?;
            let mut staged = Vec::with_capacity(batch.len());
            let mut before = 0;
            for pack in batch {
                let upload = UploadProgress { before, total };
                staged.push(self.stage_in(to, repo, pack, upload, progress).await?);
                before += pack.bytes;
            }
            to.index_records(&target, staged, progress).await?;
            packs += batch.len() as u64;
            bytes += total;
        }
        changed |= packs > 0;
        let default = state.row.default_branch.as_deref();
        changed |= to.set_heads(repo, &state.heads, default).await?;
        changed |= self.copy_releases(&state.row, to, &target).await?;
        changed |= self.copy_policy(&state.row, to, &target).await?;
        changed |= self.copy_history(&state.row, to, &target).await?;
        let status = if changed { CopyStatus::Copied } else { CopyStatus::Unchanged };
        Ok(CopyReport { repo: repo.clone(), to: to.catalog.place(), packs, bytes, status })
    }

    async fn repo_state(&self, repo: &RepoName) -> Result<RepoState> {
        let mut snapshot = self.catalog.snapshot(self.known_repo(repo).await?.id).await?;
        let shelves = snapshot.shelves().await?;
        let heads = snapshot.heads().await?;
        let row = snapshot.repo().clone();
        Ok(RepoState { row, packs: distinct_packs(&shelves), heads })
    }

    /// The repo with the ID and the name of another store's; true if it was created.
    async fn counterpart(&self, row: &RepoRow) -> Result<(RepoRow, bool)> {
        if let Some(known) = self.catalog.repo(&row.name).await? {
            return match known.repo_id == row.repo_id {
                true => Ok((known, false)),
                false => {
                    Err(Error::OtherRepo { repo: row.name.clone(), place: self.catalog.place() })
                }
            };
        }
        self.begin_writing().await?;
        let (id, now) = (row.repo_id.clone(), self.time().await?);
        let created = self.catalog.create_repo(&row.name, id, row.visibility, now).await?;
        let created = created.ok_or_else(|| Error::RepoExists(row.name.clone()))?;
        let accepts_shallow = Some(row.accepts_shallow);
        let settings = RepoSettings { accepts_shallow, ..RepoSettings::default() };
        let set = self.catalog.set_repo(created.id, &settings).await?;
        Ok((set.ok_or(Error::DeletedMeanwhile)?, true))
    }

    /// Makes a repo private if another store's is; true if it was not. Before anything is copied. One
    /// that is private here stays so.
    async fn make_private(&self, target: &RepoRow, row: &RepoRow) -> Result<bool> {
        let (private, visibility) = (Visibility::Private, Some(Visibility::Private));
        if row.visibility != private || target.visibility == private {
            return Ok(false);
        }
        let settings = RepoSettings { visibility, ..RepoSettings::default() };
        self.catalog.set_repo(target.id, &settings).await?;
        Ok(true)
    }

    /// The packs of a repo that hold a record which another store's index lacks.
    async fn packs_missing_in(
        &self,
        to: &Store,
        target: &RepoRow,
        state: &RepoState,
    ) -> Result<Vec<PackRow>> {
        let mut there = to.catalog.snapshot(target.id).await?;
        let keys: Vec<_> = state.packs.iter().map(|pack| pack.key).collect();
        let held = there.holds(&keys).await?;
        let is_new = there.repo().sums.mapped.total() == 0;
        let mut missing = Vec::new();
        for (pack, held) in state.packs.iter().zip(held) {
            if held {
                continue;
            }
            // A consolidated pack of records that came in others before is not copied again.
            if !is_new {
                let found = self.directories(&state.row.name, std::slice::from_ref(pack)).await?;
                let entities: Vec<EntityKey> = found.iter().flat_map(entities).collect();
                let mut all_known = true;
                for part in entities.chunks(LOOKED_UP) {
                    all_known &= there.lookup(part).await?.iter().all(Option::is_some);
                    if !all_known {
                        break;
                    }
                }
                if all_known {
                    continue;
                }
            }
            missing.push(pack.clone());
        }
        Ok(missing)
    }

    /// Reads a pack of this store into the staging of another one, and hashes all of it.
    async fn stage_in(
        &self,
        to: &Store,
        repo: &RepoName,
        pack: &PackRow,
        upload: UploadProgress,
        progress: &Progress,
    ) -> Result<StagedPack> {
        let stored = self.open_pack(repo, &pack.key).await?;
        let path = stored.path.clone();
        let source = Box::new(FileSource { file: stored.file, path: stored.path });
        let staged = match to.receive_from(repo, path, source, upload, progress).await {
            Err(Error::Push(error)) => {
                return Err(self.damaged(repo, &pack.key, error.to_string()));
            }
            staged => staged?,
        };
        let key = staged.written.key;
        match key == pack.key {
            true => Ok(staged),
            false => {
                Err(self.damaged(repo, &pack.key, format!("hash mismatch: its SHA-256 is {key}")))
            }
        }
    }

    /// Moves all branches to these heads, which the index has, and deletes others; false if they
    /// were there. A repo without a default branch gets this one.
    async fn set_heads(
        &self,
        repo: &RepoName,
        heads: &[Head],
        default: Option<&str>,
    ) -> Result<bool> {
        let mut changed = false;
        let _turn = self.push_turn(repo).await;
        for _ in 0..TRIES {
            let row = self.known_repo(repo).await?;
            let mut snapshot = self.catalog.snapshot(row.id).await?;
            let (row, now) = (snapshot.repo().clone(), snapshot.heads().await?);
            drop(snapshot);
            let wanted: BTreeSet<&str> = heads.iter().map(|head| head.branch.as_str()).collect();
            let gone: Vec<_> =
                now.iter().filter(|head| !wanted.contains(head.branch.as_str())).collect();
            for head in &gone {
                // First: a new branch may be a folder of its name.
                self.delete_branch(repo, &head.branch).await?;
                changed = true;
            }
            if !gone.is_empty() {
                continue;
            }
            let mut moved: Vec<Head> =
                heads.iter().filter(|head| !now.contains(head)).cloned().collect();
            if moved.is_empty() {
                return Ok(changed);
            }
            let first = moved.iter().find(|head| Some(head.branch.as_str()) == default).cloned();
            if let (None, Some(first)) = (&row.default_branch, first) {
                moved = vec![first];
            }
            let push = Push {
                repo: row,
                packs: Vec::new(),
                known: Vec::new(),
                edges: Vec::new(),
                heads: moved,
                broken: Vec::new(),
                complete: None,
                forced: true,
                fence: self.fence,
                now: self.time().await?,
            };
            let lock = self.catalog.lock(LockMode::Publishing).await?;
            match self.catalog.publish_push(&push, &lock).await? {
                PublishOutcome::Done { .. } => changed = true,
                PublishOutcome::Changed => {}
                PublishOutcome::LeaseLost => return Err(self.lease_lost()),
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "branches were pushed to it" })
    }

    async fn copy_releases(&self, row: &RepoRow, to: &Store, target: &RepoRow) -> Result<bool> {
        let (here, there) =
            (self.catalog.releases(row.id).await?, to.catalog.releases(target.id).await?);
        let mut changed = false;
        for release in there.iter().filter(|release| !here.contains(release)) {
            changed |= to.catalog.delete_release(target.id, &release.tag).await?;
        }
        for release in here.iter().filter(|release| !there.contains(release)) {
            match to.catalog.put_release(target.id, release, NO_LIMIT).await? {
                PutRelease::Published => changed = true,
                _ => {
                    return Err(Error::Busy {
                        repo: row.name.clone(),
                        what: "its releases changed",
                    });
                }
            }
        }
        Ok(changed)
    }

    /// The policy of the repo itself.
    async fn copy_policy(&self, row: &RepoRow, to: &Store, target: &RepoRow) -> Result<bool> {
        let of = |policies: Vec<(i64, _)>, repo: i64| {
            policies.into_iter().find(|(id, _)| *id == repo).map(|(_, policy)| policy)
        };
        let here = of(self.catalog.policies().await?, row.id);
        let there = of(to.catalog.policies().await?, target.id);
        if here == there {
            return Ok(false);
        }
        to.catalog.set_policy(target.id, here.as_ref()).await?;
        Ok(true)
    }

    /// The consolidations after the last one that is there.
    async fn copy_history(&self, row: &RepoRow, to: &Store, target: &RepoRow) -> Result<bool> {
        let query =
            |repo: i64, limit: u32| GcLogQuery { repo: Some(repo), text: "", before: None, limit };
        let last = to.catalog.gc_log(query(target.id, 1)).await?.into_iter().next();
        let here = self.catalog.gc_log(query(row.id, HISTORY)).await?;
        let is_new = |entry: &&GcEntry| {
            last.as_ref().is_none_or(|last| entry.record.finished_at > last.record.finished_at)
        };
        let new: Vec<&GcEntry> = here.iter().filter(is_new).collect();
        for entry in new.iter().rev() {
            to.catalog.record_gc(target.id, &entry.record, entry.report.as_ref()).await?;
        }
        Ok(!new.is_empty())
    }

    /// Copies what is of no single repo: access tokens, as they are, and the default policy. Tokens
    /// that were revoked here are revoked there. True if something was new.
    ///
    /// # Errors
    /// When a catalog can't be read or written.
    pub async fn copy_access(&self, to: &Store) -> Result<bool> {
        let mut changed = false;
        for token in self.catalog.tokens().await? {
            match to.catalog.token(&token.id).await? {
                None => {
                    to.catalog.add_token(&token).await?;
                    changed = true;
                }
                Some(there) => {
                    if let (Some(at), None) = (token.revoked_at, there.revoked_at) {
                        to.catalog.revoke_token(&token.id, at).await?;
                        changed = true;
                    }
                }
            }
        }
        let default = self.catalog.policies().await?.into_iter().find(|(repo, _)| *repo == 0);
        let there = to.catalog.policies().await?.into_iter().find(|(repo, _)| *repo == 0);
        if default != there {
            to.catalog.set_policy(0, default.map(|(_, policy)| policy).as_ref()).await?;
            changed = true;
        }
        Ok(changed)
    }
}

/// The entities of a pack.
fn entities(pack: &RunPack) -> impl Iterator<Item = EntityKey> {
    pack.directory.rows().map(|row| entity_key(row.kind, row.id))
}

/// Packs in groups that are not too large, in their order.
fn batches(packs: &[PackRow]) -> Vec<&[PackRow]> {
    let mut batches = Vec::new();
    let mut from = 0;
    let mut bytes = 0;
    for (at, pack) in packs.iter().enumerate() {
        if at > from && (at - from == BATCH_PACKS || bytes + pack.bytes > BATCH_BYTES) {
            batches.push(&packs[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += pack.bytes;
    }
    if from < packs.len() {
        batches.push(&packs[from..]);
    }
    batches
}
