//! Fetch results whose URLs have expired: they are deleted, unless the repo is damaged and one of
//! them may contain the lost data.
//!
//! `prune` first reads and hashes the packs that the repo needs, as before it deletes a pack.
//! Fetches, servers and workers check more often, but only that each pack exists with the right
//! size, and that there is no known damage.

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use packhouse_catalog::{DamageFindings, LockMode};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoId;
use packhouse_model::report::{Damage, KeptPack};

use super::Store;
use super::damage::CONCURRENT_CHECKS;
use super::prune::Pruning;
use super::replaced::RepoNeeds;

impl Store {
    /// Removes a repo's expired answers; returns how many. `found_by` is recorded with damage.
    pub(super) async fn expire_answers(
        &self,
        repo: i64,
        id: &RepoId,
        now: Timestamp,
        found_by: &str,
    ) -> Result<u64> {
        // Most repos have no expired answers, and need not wait for a lock.
        if self.catalog.expired_answers(repo, now).await?.is_empty() {
            return Ok(0);
        }
        if let Some(needs) = self.needs_of(repo).await?
            && self.shows_lack(&needs, found_by).await?
        {
            tracing::debug!(repo = %needs.name, "expired answers are kept, because the repo is damaged");
            return Ok(0);
        }
        self.remove_answers(repo, id, now).await
    }

    /// Whether a repo has missing or damaged packs, as far as this is visible without reading
    /// packs. Findings are recorded.
    async fn shows_lack(&self, needs: &RepoNeeds, found_by: &str) -> Result<bool> {
        if !needs.damage.is_empty() {
            return Ok(true);
        }
        let checks: Vec<_> = needs
            .packs
            .iter()
            .map(|pack| async move { Ok::<_, Error>((pack.key, self.looks_wrong(pack).await?)) })
            .collect();
        let found: Vec<_> = stream::iter(checks).buffered(CONCURRENT_CHECKS).try_collect().await?;
        let mut findings = DamageFindings::at(self.now());
        for (key, wrong) in found {
            findings.damaged.extend(wrong.map(|detail| Damage {
                mpack_key: Some(key),
                since: findings.at,
                found_by: found_by.to_owned(),
                detail,
            }));
        }
        self.note_found(&findings).await;
        Ok(!findings.damaged.is_empty())
    }

    /// Removes all answers of a repo that have expired, damaged or not. The file is deleted first:
    /// an unrecorded answer would stay for ever. The same answer can't be assembled in the
    /// meantime.
    pub(super) async fn remove_answers(
        &self,
        repo: i64,
        id: &RepoId,
        now: Timestamp,
    ) -> Result<u64> {
        if self.catalog.expired_answers(repo, now).await?.is_empty() {
            return Ok(0);
        }
        let lock = self.catalog.lock(LockMode::Deleting).await?;
        let expired = self.catalog.expired_answers(repo, now).await?;
        for key in &expired {
            self.vault.remove_answer(id, key).await?;
        }
        self.catalog.forget_answers(repo, now).await?;
        drop(lock);
        Ok(expired.len() as u64)
    }

    /// Removes the expired answers of all repos, including deleted repos; returns how many. Those
    /// of a damaged repo are kept. Fetch requests that have expired go, too.
    ///
    /// # Errors
    /// When the catalog can't be read, or a file can't be removed.
    pub async fn expire_all_answers(&self) -> Result<u64> {
        let (now, mut expired) = (self.time().await?, 0);
        self.catalog.expire_fetch_requests(now).await?;
        for (repo, id) in self.catalog.repos_with_expired_answers(now).await? {
            expired += self.expire_answers(repo, &id, now, "expiry").await?;
        }
        Ok(expired)
    }

    /// The same for `prune`, which reads the packs that the repos need.
    pub(super) async fn prune_answers(&self, pruning: &mut Pruning<'_>) -> Result<()> {
        let now = pruning.now;
        if !pruning.options.dry_run {
            self.catalog.expire_fetch_requests(now).await?;
        }
        for (repo, id) in self.catalog.repos_with_expired_answers(now).await? {
            let expired = self.catalog.expired_answers(repo, now).await?;
            if expired.is_empty() {
                continue;
            }
            if let Some(lack) = self.lack_of(repo, &mut pruning.checked, pruning.progress).await? {
                let detail = lack.keeps_answer();
                let kept = expired.into_iter().map(|pack| KeptPack {
                    repo: lack.repo.clone(),
                    pack,
                    detail: detail.clone(),
                });
                pruning.keep(kept.collect());
                continue;
            }
            pruning.report.answers_deleted += match pruning.options.dry_run {
                true => expired.len() as u64,
                false => self.remove_answers(repo, &id, now).await?,
            };
        }
        Ok(())
    }
}
