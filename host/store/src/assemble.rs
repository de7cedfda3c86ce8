//! Assembling the answer to a fetch of a local store: the pack that the plan says, kept until it
//! expires. A server keeps none: it streams what a plan says.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use packhouse_catalog::{LockMode, NewAnswer, RepoRow};
use packhouse_core::Plan;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::Progress;
use packhouse_model::span::TARGET;
use packhouse_run::RunPack;
use packhouse_tape::plan_digest;
use packhouse_vault::StagedFile;

use super::fetch::AnswerPlan;
use super::load::examine;
use super::prefetch::Reads;
use super::prove::base::copies_unread_rows;
use super::{Store, blocking, prove};

/// An answer that is made and kept.
struct KeptAnswer<'a> {
    row: &'a RepoRow,
    planned: &'a AnswerPlan,
    /// How long its URL is valid.
    ttl: Duration,
    expires_at: Timestamp,
    progress: &'a Progress,
}

impl Store {
    /// Makes the pack that a proven plan says, and keeps it. Returns its key and its URL.
    /// `kept_until`: how long the URL is valid, and when it expires.
    #[tracing::instrument(target = TARGET, name = "assemble answer", skip_all)]
    pub(super) async fn assemble(
        &self,
        row: &RepoRow,
        planned: &AnswerPlan,
        (ttl, expires_at): (Duration, Timestamp),
        progress: &Progress,
    ) -> Result<(MpackKey, String)> {
        let AnswerPlan { plan, packs, .. } = planned;
        let digest = plan_digest(plan, packs.iter().map(|pack| pack.directory.key));
        let kept = KeptAnswer { row, planned, ttl, expires_at, progress };
        if let Some(found) = self.assembled_before(&kept, &digest).await? {
            return Ok(found);
        }
        let staged = self.stage().await?;
        self.need_space(plan.bytes)?;
        self.write_answer(&kept, plan, staged, digest).await
    }

    /// Writes an answer, reads it back, and puts it into the store.
    async fn write_answer(
        &self,
        kept: &KeptAnswer<'_>,
        plan: &Arc<Plan>,
        staged: StagedFile,
        digest: String,
    ) -> Result<(MpackKey, String)> {
        let KeptAnswer { row, planned, progress, .. } = kept;
        let heads = &planned.heads;
        let packs = &self.with_rows_of(row, planned).await?;
        let mut sources = self.run_packs(&row.name, packs.clone());
        self.prefetch(&mut sources, packs, Reads::Copied(plan), progress).await?;
        let (staged, written) = self.splice(staged, sources, plan, packs, progress).await?;
        if let Err(failed) = prove::same_records(plan, packs, &written.scanned, heads) {
            return Err(self.unproven(&row.name, packs, failed).await);
        }
        // Recorded first: an unrecorded answer would stay for ever. And it can't be expired in
        // between.
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        let answer = NewAnswer { repo: row.id, plan: digest, expires_at: kept.expires_at };
        self.catalog.note_answer(&written.key, &answer).await?;
        let url = self.vault.store_answer(staged, &row.repo_id, &written.key, kept.ttl).await?;
        drop(lock);
        Ok((written.key, url))
    }

    /// The packs of a plan with all rows that it copies, for what is compared row by row: the
    /// directory of a base is read whole.
    async fn with_rows_of(&self, row: &RepoRow, planned: &AnswerPlan) -> Result<Arc<Vec<RunPack>>> {
        if !copies_unread_rows(&planned.plan, &planned.packs) {
            return Ok(planned.packs.clone());
        }
        Ok(Arc::new(self.directories(&row.name, &planned.pack_rows).await?))
    }

    /// The answer that the same plan has made before, if it is still there and whole. Its time is
    /// moved.
    async fn assembled_before(
        &self,
        kept: &KeptAnswer<'_>,
        digest: &str,
    ) -> Result<Option<(MpackKey, String)>> {
        let KeptAnswer { row, ttl, expires_at, .. } = *kept;
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        let Some(key) = self.catalog.answer_of(row.id, digest, expires_at).await? else {
            return Ok(None);
        };
        let stored = self.vault.open_answer(&row.repo_id, &key).await?;
        drop(lock);
        let is_whole = match stored {
            None => false,
            Some(stored) => {
                let examined = blocking(move || examine(&stored, |_| Ok(()))).await?;
                examined.sound(&key).is_ok()
            }
        };
        if !is_whole {
            // It is assembled again, and replaces this one.
            return Ok(None);
        }
        let url = self.vault.url_of_answer(&row.repo_id, &key, ttl).await?;
        Ok(Some((key, url)))
    }
}
