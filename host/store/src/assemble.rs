//! Assembling the answer to a fetch: the pack that the plan says, kept until it expires, under the
//! caller's quota.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{LockMode, NewAnswer, PackRow, RepoRow};
use packhouse_core::{Head, Plan, Request};
use packhouse_model::error::{DamageError, Error, ExhaustedBudget, Result};
use packhouse_model::files::file_url;
use packhouse_model::names::MpackKey;
use packhouse_model::progress::Progress;
use packhouse_run::RunPack;
use packhouse_tape::plan_digest;
use packhouse_vault::{StagedFile, StoredPack};

use super::answer_file::stage_beside;
use super::load::examine;
use super::prefetch::Reads;
use super::prove::base::copies_unread_rows;
use super::{Store, blocking, prove};

/// A fetch that is planned, and the state of the repo that it is planned on.
pub(super) struct PlannedFetch<'a> {
    pub(super) row: &'a RepoRow,
    pub(super) packs: Arc<Vec<RunPack>>,
    /// The same packs, as the catalog has them.
    pub(super) pack_rows: Vec<PackRow>,
    /// The heads that clients get.
    pub(super) heads: Vec<Head>,
    /// The request to the component.
    pub(super) ask: Request,
    /// How long the answer's URL is valid.
    pub(super) ttl: Duration,
    pub(super) expires_at: Timestamp,
    /// A file to write the pack to, besides.
    pub(super) output: Option<&'a Path>,
    pub(super) progress: &'a Progress,
}

/// Room that was taken for an answer.
struct Reservation {
    name: MpackKey,
    answer: NewAnswer,
}

/// Where an answer is.
pub(super) struct StoredAnswer {
    pub(super) key: MpackKey,
    pub(super) url: String,
    pub(super) bytes: u64,
    pub(super) reused: bool,
    /// The answer itself, where the store does not keep it.
    pub(super) aside: Option<StagedFile>,
}

impl Store {
    /// Makes the pack that a proven plan says.
    pub(super) async fn assemble(
        &self,
        fetch: &PlannedFetch<'_>,
        plan: Plan,
    ) -> Result<StoredAnswer> {
        let PlannedFetch { row, packs, .. } = fetch;
        let digest = plan_digest(&plan, packs.iter().map(|pack| pack.directory.key));
        // Where nothing can be written, a file of the user's will do.
        let will_do = |error: &Error| error.is_read_only() && fetch.output.is_some();
        match self.assembled_before(fetch, &digest).await {
            Ok(Some(found)) => return Ok(found),
            Err(error) if !will_do(&error) => return Err(error),
            Ok(None) | Err(_) => {}
        }
        let (staged, kept) = self.stage_answer(fetch, plan.bytes).await?;
        // An answer that the store does not keep takes no room in it.
        let room = match kept {
            false => None,
            true => match self.take_room(row, digest, plan.bytes).await {
                Err(error) if will_do(&error) => None,
                room => room?,
            },
        };
        let made = self.write_answer(fetch, &Arc::new(plan), staged, room.as_ref()).await;
        let Some(Reservation { name, answer }) = room else { return made };
        match &made {
            // From now on the answer uses the space. If that fails, the space stays reserved until
            // it expires: the file exists.
            Ok(found) => {
                let answer = NewAnswer { expires_at: fetch.expires_at, ..answer };
                self.catalog.note_answer(&name, &found.key, &answer).await?;
            }
            // If that fails, its space is released when it expires.
            Err(_) => drop(self.catalog.give_room_back(row.id, &name).await),
        }
        made
    }

    /// A file in staging for an answer of some bytes; beside the user's file where the store can
    /// only be read: then the store does not keep it, which is the second value.
    async fn stage_answer(
        &self,
        fetch: &PlannedFetch<'_>,
        bytes: u64,
    ) -> Result<(StagedFile, bool)> {
        match (self.stage().await, fetch.output) {
            (Err(error), Some(output)) if error.is_read_only() => {
                let name = hex::encode(self.clock.random_id());
                Ok((stage_beside(output, &name)?, false))
            }
            (staged, _) => {
                self.need_space(bytes)?;
                Ok((staged?, true))
            }
        }
    }

    /// Writes an answer, reads it back, and puts it into the store if there is room for it.
    async fn write_answer(
        &self,
        fetch: &PlannedFetch<'_>,
        plan: &Arc<Plan>,
        staged: StagedFile,
        room: Option<&Reservation>,
    ) -> Result<StoredAnswer> {
        let PlannedFetch { row, heads, progress, .. } = fetch;
        let packs = &self.with_rows_of(fetch, plan).await?;
        let (staged, written) =
            self.splice(staged, &row.name, plan, packs, Reads::Copied(plan), progress).await?;
        if let Err(failed) = prove::same_records(plan, packs, &written.scanned, heads) {
            return Err(self.unproven(&row.name, packs, failed).await);
        }
        let (key, bytes) = (written.key, written.bytes);
        if let Some(room) = room {
            return self.keep_answer(fetch, staged, key, bytes, room).await;
        }
        let output = fetch.output.unwrap_or(Path::new("."));
        let url = file_url(&std::path::absolute(output).map_err(Error::io("finding", output))?);
        Ok(StoredAnswer { key, url, bytes, reused: false, aside: Some(staged) })
    }

    /// The packs of a fetch with all rows that its plan copies, for what is compared row by row: the
    /// directory of a base is read whole.
    async fn with_rows_of(
        &self,
        fetch: &PlannedFetch<'_>,
        plan: &Plan,
    ) -> Result<Arc<Vec<RunPack>>> {
        if !copies_unread_rows(plan, &fetch.packs) {
            return Ok(fetch.packs.clone());
        }
        Ok(Arc::new(self.directories(&fetch.row.name, &fetch.pack_rows).await?))
    }

    /// Puts an answer into the store. Its room stays that of `room`.
    async fn keep_answer(
        &self,
        fetch: &PlannedFetch<'_>,
        staged: StagedFile,
        key: MpackKey,
        bytes: u64,
        room: &Reservation,
    ) -> Result<StoredAnswer> {
        // Recorded first: an unrecorded answer would stay for ever. And it can't be expired in
        // between.
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        self.note_without_room(&key, &room.answer, fetch.expires_at).await?;
        let url = self.vault.store_answer(staged, &fetch.row.repo_id, &key, fetch.ttl).await?;
        drop(lock);
        Ok(StoredAnswer { key, url, bytes, reused: false, aside: None })
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
        fetch: &PlannedFetch<'_>,
        digest: &str,
    ) -> Result<Option<StoredAnswer>> {
        let PlannedFetch { row, ttl, expires_at, .. } = *fetch;
        let lock = self.catalog.lock(LockMode::Publishing).await?;
        let Some(key) = self.catalog.answer_of(row.id, digest, expires_at).await? else {
            return Ok(None);
        };
        let stored = self.vault.open_answer(&row.repo_id, &key).await?;
        drop(lock);
        let bytes = match stored {
            None => None,
            Some(stored) => {
                let (bytes, examined) =
                    blocking(move || Ok((stored.bytes, examine(&stored, |_| Ok(()))?))).await?;
                examined.sound(&key).is_ok().then_some(bytes)
            }
        };
        let Some(bytes) = bytes else {
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
        };
        let url = self.vault.url_of_answer(&row.repo_id, &key, ttl).await?;
        Ok(Some(StoredAnswer { key, url, bytes, reused: false, aside: None }))
    }

    /// Reserves space for an answer, if its caller has a quota.
    /// None where answers are not kept.
    async fn take_room(
        &self,
        row: &RepoRow,
        plan: String,
        bytes: u64,
    ) -> Result<Option<Reservation>> {
        let quota = self.quota.as_deref();
        if let Some(quota) = quota
            && self.vault.free_bytes()?.saturating_sub(bytes) < quota.keep_free
        {
            return Err(Error::AnswersFull { used_up: ExhaustedBudget::All, bytes });
        }
        if quota.is_some_and(|quota| !quota.kept) {
            return Ok(None);
        }
        let caller = quota.map_or_else(String::new, |quota| quota.caller.clone());
        // If this process dies, it is released after an hour.
        let soon =
            self.time().await?.checked_add(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MAX);
        let answer = NewAnswer { repo: row.id, plan, bytes, caller, expires_at: soon };
        let (first, second) = (self.clock.random_id(), self.clock.random_id());
        let mut name = [0; 32];
        name[..16].copy_from_slice(&first);
        name[16..].copy_from_slice(&second);
        let name = MpackKey::new(name);
        match self.catalog.take_room(&name, &answer, quota.map(|quota| quota.budget)).await? {
            None => Ok(Some(Reservation { name, answer })),
            Some(used_up) => Err(Error::AnswersFull { used_up, bytes }),
        }
    }

    /// Opens the pack that a fetch was answered with.
    pub(super) async fn open_found(
        &self,
        row: &RepoRow,
        found: &StoredAnswer,
    ) -> Result<StoredPack> {
        if found.reused {
            return self.open_pack(&row.name, &found.key).await;
        }
        let missing = || {
            Error::Damage(DamageError::MissingPack {
                key: found.key,
                repo: row.name.clone(),
                place: self.vault.place(),
            })
        };
        self.vault.open_answer(&row.repo_id, &found.key).await?.ok_or_else(missing)
    }
}
