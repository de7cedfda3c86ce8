//! `repo create`, `repo list`, `repo show`, `repo delete`, `repo restore`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_catalog::{
    ListedRepo, LockMode, PackRow, RepoRestoration, RepoRow, RestoreOutcome, Shelf, Sums,
};
use packhouse_core::Head;
use packhouse_model::client::{RepoSettings, RestoreOptions};
use packhouse_model::error::{Error, RestoreError, Result};
use packhouse_model::names::{RepoId, RepoName, Visibility};
use packhouse_model::report::{Damage, DeleteReport, RepoReport};

use super::Store;
use super::load::distinct_packs;

impl Store {
    /// Creates a repo.
    ///
    /// # Errors
    /// [`Error::RepoExists`] when the name is taken; [`Error::Name`] for one that no new repo may
    /// have.
    pub async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> {
        repo.check_new()?;
        self.begin_writing().await?;
        let id = RepoId(hex::encode(self.clock.random_id()));
        match self.catalog.create_repo(repo, id, visibility, self.time().await?).await? {
            Some(row) => self.report(row).await,
            None => Err(Error::RepoExists(repo.clone())),
        }
    }

    /// Changes settings of a repo: those that are given.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn set_repo(&self, repo: &RepoName, settings: &RepoSettings) -> Result<RepoReport> {
        let row = self.known_repo(repo).await?;
        match self.catalog.set_repo(row.id, settings).await? {
            Some(row) => self.report(row).await,
            None => Err(Error::UnknownRepo(repo.clone())),
        }
    }

    /// Deletes a repo. Its packs are then pending deletion, like those that a consolidation has
    /// replaced; URLs of fetch results stop working at once. Until prune has purged it,
    /// [`Store::restore_repo`] restores it.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        let row = self.known_repo(repo).await?;
        self.remove_answers(row.id, &row.repo_id, Timestamp::MAX).await?;
        let left = self.catalog.delete_repo(row.id, self.time().await?).await?;
        let left = left.ok_or_else(|| Error::UnknownRepo(repo.clone()))?;
        // A fetch may have assembled one more in the meantime.
        self.remove_answers(row.id, &row.repo_id, Timestamp::MAX).await?;
        Ok(DeleteReport {
            repo: row.name,
            repo_id: row.repo_id,
            deleted: true,
            packs_waiting: left.packs,
            bytes_waiting: left.bytes,
            jobs_cancelled: left.jobs,
        })
    }

    /// Restores a deleted repo, as it was: packs, branches, tags, history, policy. Jobs that were
    /// cancelled with it stay cancelled.
    ///
    /// # Errors
    /// [`RestoreError::NameTaken`], [`RestoreError::NeverDeleted`],
    /// [`RestoreError::UnknownDeletion`], [`RestoreError::Pruned`]; [`Error::Name`] for a new name
    /// that no repo may have.
    pub async fn restore_repo(
        &self,
        repo: &RepoName,
        options: &RestoreOptions,
    ) -> Result<RepoReport> {
        if let Some(name) = &options.new_name {
            name.check_new()?;
        }
        let name = options.new_name.as_ref().unwrap_or(repo).clone();
        let restoration =
            RepoRestoration { name: repo.clone(), id: options.id.clone(), new_name: name };
        // Its packs can't be deleted in the meantime.
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        let restored = self.catalog.restore_repo(&restoration, self.time().await?, &lock).await?;
        drop(lock);
        let RepoRestoration { name: repo, id, new_name: name } = restoration;
        let taken = match restored {
            RestoreOutcome::Done => return self.repo(&name).await,
            RestoreOutcome::Pruned { at, pack } => {
                return Err(Error::Restore(RestoreError::Pruned { repo, at, pack }));
            }
            RestoreOutcome::Taken => true,
            RestoreOutcome::Unknown => false,
        };
        let deleted = self.catalog.restorable_repos(&repo).await?;
        let unknown = |id: &RepoId| deleted.iter().all(|one| one.repo_id != *id);
        Err(match id.filter(|id| !deleted.is_empty() && unknown(id)) {
            Some(id) => Error::Restore(RestoreError::UnknownDeletion { repo, id, deleted }),
            None if taken => Error::Restore(RestoreError::NameTaken { repo, name, deleted }),
            None => Error::Restore(RestoreError::NeverDeleted(repo)),
        })
    }

    /// The error for a repo that does not exist, for callers who may restore it.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn unknown_repo(&self, repo: &RepoName) -> Result<Error> {
        let deleted = self.catalog.restorable_repos(repo).await?;
        Ok(match deleted.is_empty() {
            true => Error::UnknownRepo(repo.clone()),
            false => Error::Restore(RestoreError::DeletedRepo { repo: repo.clone(), deleted }),
        })
    }

    /// Purges repos that were deleted no later than a time; then their packs may be deleted.
    pub(super) async fn forget_deleted(&self, until: Timestamp, now: Timestamp) -> Result<()> {
        for row in self.catalog.deleted_repos(until).await? {
            // A fetch may have assembled an answer while the repo was deleted.
            self.remove_answers(row.id, &row.repo_id, Timestamp::MAX).await?;
            let lock = self.catalog.lock(LockMode::Deleting).await?;
            if self.catalog.forget_repo(row.id, now, &lock).await? {
                tracing::info!("purged the deleted repo {}, {}", row.name, row.repo_id);
            }
            drop(lock);
        }
        Ok(())
    }

    /// Repos by name (owner, then slug), after one, at most `limit`. One statement, and two more for
    /// each repo with known damage.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn reports(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoReport>> {
        let listed = self.catalog.listed(after, limit).await?;
        let mut reports = Vec::with_capacity(listed.len());
        for repo in listed {
            let damaged = match repo.damaged {
                0 => Vec::new(),
                _ => self.known_damage(&repo.row).await?,
            };
            reports.push(report_of(repo, damaged));
        }
        Ok(reports)
    }

    /// The known damage of a repo; none if it was deleted in the meantime.
    async fn known_damage(&self, row: &RepoRow) -> Result<Vec<Damage>> {
        match self.catalog.snapshot(row.id).await {
            Ok(mut snapshot) => snapshot.damage().await,
            Err(Error::DeletedMeanwhile) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// One repo.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        let row = self.known_repo(repo).await?;
        self.report(row).await
    }

    async fn report(&self, row: RepoRow) -> Result<RepoReport> {
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let row = snapshot.repo().clone();
        let shelves = snapshot.shelves().await?;
        let heads = snapshot.heads().await?;
        let retired = snapshot.retired().await?;
        let damaged = snapshot.damage().await?;
        drop(snapshot);

        // Not the catalog's totals: the report of one repo is computed from its shelves, and
        // `verify` compares the two.
        let sums = Sums::of(&shelves, &retired);
        let mut pack_keys: Vec<_> = mapped_packs(&shelves).iter().map(|p| p.key).collect();
        pack_keys.sort_unstable();
        let oldest_check = shelves.iter().map(|shelf| shelf.pack.last_check()).min();
        let last_gc = self.catalog.gc_history(row.id, 1).await?.pop();
        let row = RepoRow { sums, ..row };
        let damage_count = damaged.len() as u64;
        let repo =
            ListedRepo { row, pack_keys, heads, oldest_check, last_gc, damaged: damage_count };
        Ok(report_of(repo, damaged))
    }
}

/// The report of a repo with its known damage.
fn report_of(repo: ListedRepo, damaged: Vec<Damage>) -> RepoReport {
    let ListedRepo { row, pack_keys, heads, oldest_check, last_gc, damaged: _ } = repo;
    let Sums { packs, mapped, bytes, stored_bytes, .. } = row.sums;
    RepoReport {
        repo: row.name,
        repo_id: row.repo_id,
        visibility: row.visibility,
        accepts_shallow: row.accepts_shallow,
        default_branch: row.default_branch.unwrap_or_else(|| "main".into()),
        packs,
        pack_keys,
        objects: mapped.objects,
        commits: mapped.commits,
        snapshots: mapped.snapshots,
        tags: mapped.tags,
        bytes,
        stored_bytes,
        branch_heads: named(&heads),
        last_gc,
        damaged,
        oldest_check,
        created_at: row.created_at,
    }
}

/// Packs that the index maps at least one entity to.
pub(super) fn mapped_packs(shelves: &[Shelf]) -> Vec<PackRow> {
    let mapped: Vec<Shelf> = shelves.iter().filter(|s| s.mapped.total() > 0).cloned().collect();
    distinct_packs(&mapped)
}

/// Heads, for reports.
pub(super) fn named(heads: &[Head]) -> BTreeMap<String, String> {
    heads.iter().map(|h| (h.branch.clone(), h.commit.to_string())).collect()
}
