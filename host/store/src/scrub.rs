//! Scrubbing: packs are read and hashed within a stated time, even if no request reads them.
//!
//! A pack is due when half of that time has passed, and so many bytes are read at a time that all
//! packs are read within the other half. Between its steps a scrub rests as long as a step took.
//! Other workers leave the pack alone until the lease expires; a scrub that was interrupted begins
//! again: only the hash of the whole pack proves its bytes.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{DamageFindings, ScrubTask};
use packhouse_model::digest::finish;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{Damage, Policy, ScrubReport, ScrubState};
use packhouse_vault::StoredPack;
use ring::digest::{Context, SHA256};
use tokio::time::Instant;

use super::{Store, blocking};

/// Bytes that are read at once, between two rests.
const STEP: u64 = 16 << 20;
/// How long a worker has a pack without renewing its lease.
const LEASE: SignedDuration = SignedDuration::from_mins(10);

impl Store {
    /// Within which time every pack is read; none: packs are not scrubbed.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn scrub_age(&self) -> Result<Option<SignedDuration>> {
        let policies = self.catalog.policies().await?;
        let of_all = policies.into_iter().find(|(repo, _)| *repo == 0);
        let age = of_all.map(|(_, policy)| policy).unwrap_or_default().scrub_age();
        Ok(age.map(|seconds| SignedDuration::from_secs(seconds as i64)))
    }

    /// How long packs have not been read; those are due that were not read within the time that the
    /// policy states.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn scrub_state(&self) -> Result<ScrubState> {
        let age = self.scrub_age().await?;
        let before = age.map_or(Timestamp::MIN, |age| earlier(self.now(), age));
        self.catalog.scrub_state(before).await
    }

    /// How many bytes to read in so much time, to read all packs within half of the scrub age. None:
    /// packs are not scrubbed.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn scrub_share(&self, tick: Duration) -> Result<Option<u64>> {
        let Some(age) = self.scrub_age().await? else { return Ok(None) };
        let totals = self.totals().await?;
        let part = 2.0 * tick.as_secs_f64() / age.as_secs_f64();
        Ok(Some((totals.bytes as f64 * part.min(1.0)) as u64))
    }

    /// Reads packs that are due, those first that were read longest ago, until so many bytes were
    /// read: at least one pack, if one is due. Records what it finds.
    ///
    /// # Errors
    /// When the catalog or a pack can't be read, or `progress` is cancelled. Damage is not an error
    /// here, but a finding.
    pub async fn scrub(&self, bytes: u64, progress: &Progress) -> Result<ScrubReport> {
        let mut report = ScrubReport::default();
        let Some(age) = self.scrub_age().await? else { return Ok(report) };
        while report.packs == 0 || report.bytes < bytes {
            let now = self.time().await?;
            let due = earlier(now, age / 2);
            let Some(task) = self.catalog.take_scrub(now, due, later(now)).await? else { break };
            let Some(findings) = self.scrub_pack(task, progress, &mut report).await? else {
                continue;
            };
            self.catalog.note_findings(&findings).await?;
        }
        Ok(report)
    }

    /// Reads a pack. None if it is of no repo any more, or another worker has it by now.
    async fn scrub_pack(
        &self,
        task: ScrubTask,
        progress: &Progress,
        report: &mut ScrubReport,
    ) -> Result<Option<DamageFindings>> {
        let key = task.pack.key;
        let mut findings = DamageFindings::at(self.now());
        let detail = match self.vault.open_uncached(&key).await? {
            None => {
                if self.catalog.renew_scrub(&task, later(self.time().await?)).await?.is_none() {
                    return Ok(None);
                }
                format!("{} is missing", self.vault.place_of(&key))
            }
            Some(stored) => {
                let stored = Arc::new(stored);
                let Some(found) = self.hash_slowly(&stored, task, progress).await? else {
                    return Ok(None);
                };
                report.packs += 1;
                report.bytes += found.1;
                if found.0 == key {
                    findings.sound.push(key);
                    return Ok(Some(findings));
                }
                self.what_is_wrong(stored, key, found.0).await?
            }
        };
        tracing::error!("pack {key} is damaged: {detail}");
        report.damaged.push(key);
        findings.damaged.push(Damage {
            mpack_key: Some(key),
            since: findings.at,
            found_by: "scrub".into(),
            detail,
        });
        Ok(Some(findings))
    }

    /// The key of a pack's bytes and their number, read step by step. None if the lease was lost.
    async fn hash_slowly(
        &self,
        stored: &Arc<StoredPack>,
        mut task: ScrubTask,
        progress: &Progress,
    ) -> Result<Option<(MpackKey, u64)>> {
        let (mut sum, mut at, total) = (Context::new(&SHA256), 0, task.pack.bytes);
        loop {
            let (begun, pack) = (Instant::now(), stored.clone());
            let (read, next) = blocking(move || hash_step(&pack, at, sum)).await?;
            (sum, at) = (next, at + read);
            if read == 0 {
                return Ok(Some((MpackKey::new(finish(sum)), at)));
            }
            progress.at("scrub", Phase::Verify, at, total)?;
            let until = later(self.time().await?);
            match self.catalog.renew_scrub(&task, until).await? {
                Some(renewed) => task = renewed,
                None => return Ok(None),
            }
            tokio::time::sleep(begun.elapsed()).await;
        }
    }

    /// What is wrong with a pack whose hash is another one.
    async fn what_is_wrong(
        &self,
        stored: Arc<StoredPack>,
        key: MpackKey,
        found: MpackKey,
    ) -> Result<String> {
        let examined = blocking(move || super::load::examine(&stored, |_| Ok(()))).await?;
        let differs = || format!("hash mismatch: its SHA-256 is {found}");
        Ok(examined.sound(&key).err().unwrap_or_else(differs))
    }
}

/// Hashes the next bytes of a pack; how many there were, 0 at its end.
fn hash_step(stored: &StoredPack, at: u64, mut sum: Context) -> Result<(u64, Context)> {
    let (mut chunk, mut read) = (vec![0; 1 << 20], 0);
    while read < STEP {
        match stored
            .file
            .read_at(&mut chunk, at + read)
            .map_err(Error::io("reading", &stored.path))?
        {
            0 => break,
            n => {
                sum.update(&chunk[..n]);
                read += n as u64;
            }
        }
    }
    Ok((read, sum))
}

/// When a lease that begins or is renewed now expires.
fn later(now: Timestamp) -> Timestamp {
    now.checked_add(LEASE).unwrap_or(Timestamp::MAX)
}

fn earlier(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// Refuses a scrub age in the policy of one repo.
pub(super) fn check_scrub_age(policy: &Policy, is_of_all: bool) -> Result<()> {
    match policy.scrub_age_seconds {
        Some(_) if !is_of_all => Err(Error::Usage(
            "packs may be of several repos: set the scrub age in the policy of all repos".into(),
        )),
        _ => Ok(()),
    }
}
