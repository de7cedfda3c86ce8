//! Assembling the answer to a fetch of a local store: the pack that the plan says, kept until it
//! expires. A server keeps none: it streams what a plan says.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{LockMode, NewAnswer, RepoRow};
use packhouse_core::Plan;
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::Progress;
use packhouse_run::RunPack;
use packhouse_tape::plan_digest;
use packhouse_vault::StagedFile;

use super::fetch::AnswerPlan;
use super::load::examine;
use super::prefetch::Reads;
use super::prove::base::copies_unread_rows;
use super::{Store, blocking, prove};

/// Room that was taken for an answer.
struct Reservation {
    name: MpackKey,
    answer: NewAnswer,
}

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
        let room = self.take_room(row, digest, plan.bytes).await?;
        let made = self.write_answer(&kept, plan, staged, &room).await;
        let Reservation { name, answer } = room;
        match &made {
            // From now on the answer uses the space. If that fails, the space stays reserved until
            // it expires: the file exists.
            Ok((key, _)) => {
                let answer = NewAnswer { expires_at, ..answer };
                self.catalog.note_answer(&name, key, &answer).await?;
            }
            // If that fails, its space is released when it expires.
            Err(_) => drop(self.catalog.give_room_back(row.id, &name).await),
        }
        made
    }

    /// Writes an answer, reads it back, and puts it into the store.
    async fn write_answer(
        &self,
        kept: &KeptAnswer<'_>,
        plan: &Arc<Plan>,
        staged: StagedFile,
        room: &Reservation,
    ) -> Result<(MpackKey, String)> {
        let KeptAnswer { row, planned, progress, .. } = kept;
        let heads = &planned.heads;
        let packs = &self.with_rows_of(row, planned).await?;
        let (staged, written) =
            self.splice(staged, &row.name, plan, packs, Reads::Copied(plan), progress).await?;
        if let Err(failed) = prove::same_records(plan, packs, &written.scanned, heads) {
            return Err(self.unproven(&row.name, packs, failed).await);
        }
        // Recorded first: an unrecorded answer would stay for ever. And it can't be expired in
        // between.
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        self.note_without_room(&written.key, &room.answer, kept.expires_at).await?;
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

    /// Records an answer without a file, so that it uses no space: neither while it is stored, nor
    /// when that fails.
    async fn note_without_room(
        &self,
        key: &MpackKey,
        answer: &NewAnswer,
        expires_at: Timestamp,
    ) -> Result<()> {
        // Under its own key no space was reserved: none is released.
        self.catalog
            .note_answer(key, key, &NewAnswer { bytes: 0, expires_at, ..answer.clone() })
            .await
    }

    /// The answer that the same plan has made before, if it is still there and whole. Its time is
    /// moved, and it takes no more room.
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
            // It is assembled again and replaces this one, whose space it must be able to use.
            let answer = NewAnswer {
                repo: row.id,
                plan: digest.to_owned(),
                bytes: 0,
                caller: String::new(),
                expires_at,
            };
            self.note_without_room(&key, &answer, expires_at).await?;
            return Ok(None);
        }
        let url = self.vault.url_of_answer(&row.repo_id, &key, ttl).await?;
        Ok(Some((key, url)))
    }

    /// Records the space that an answer will take, until it is there.
    async fn take_room(&self, row: &RepoRow, plan: String, bytes: u64) -> Result<Reservation> {
        // If this process dies, it is released after an hour.
        let soon =
            self.time().await?.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        let caller = String::new();
        let answer = NewAnswer { repo: row.id, plan, bytes, caller, expires_at: soon };
        let (first, second) = (self.clock.random_id(), self.clock.random_id());
        let mut name = [0; 32];
        name[..16].copy_from_slice(&first);
        name[16..].copy_from_slice(&second);
        let name = MpackKey::new(name);
        // Without a budget there is always room.
        self.catalog.take_room(&name, &answer, None).await?;
        Ok(Reservation { name, answer })
    }
}
