//! Jobs: queues them (`push --async`, `gc --async` and others), lists, retries and cancels them.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use packhouse_catalog::{Fence, JobEnd, JobQuery, LockMode, NewJob, RepoRow};
use packhouse_core::Head;
use packhouse_model::client::PushOptions;
use packhouse_model::error::{Error, JobError, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::{IndexOptions, Operation, QueuedPack};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{
    JobCount, JobReport, JobStatus, JobsQuery, PushReport, PushStatus, Queued,
};
use packhouse_pack::WrittenPack;

use super::operate::mismatch;
use super::receive::{StagedPack, entities_of, refuse_bad_branches};
use super::{Store, TRIES, blocking};

impl Store {
    /// Stores files and leaves the rest of the push to a job: reading them against the repo,
    /// deciding heads, indexing. A file that is no intact pack is refused at once; heads that don't
    /// lead to each other make the job fail.
    ///
    /// # Errors
    /// [`packhouse_model::error::PushError::BadPack`]. Nothing is stored then.
    pub async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        self.known_repo(repo).await?;
        let received = self.receive_all(repo, files, progress).await?;
        self.queue_received(repo, received, options, progress).await
    }

    /// The rest of such a push, whose packs were received.
    ///
    /// # Errors
    /// As [`Store::push_async`].
    pub async fn queue_received(
        &self,
        repo: &RepoName,
        mut received: Vec<StagedPack>,
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let row = self.known_repo(repo).await?;
        let (needed, heads) = self.needed_and_heads(&row, &received, options).await?;
        let mut job = None;
        if !needed.is_empty() || options.force {
            refuse_bad_branches(&received)?;
            // Until the job lists the packs, no record does.
            let lock = self.catalog.lock(LockMode::Publishing).await?;
            self.store_received(repo, &mut received, &needed, progress).await?;
            let packs = received.iter().map(|one| QueuedPack {
                mpack_key: one.written.key,
                file: one.file.display().to_string(),
            });
            let packs = packs.collect();
            let operation = Operation::Index(IndexOptions { packs, force: options.force });
            let new = self.new_job(Some(row.id), operation).await?;
            job = Some(self.catalog.add_job(&new).await?.id);
            drop(lock);
        }
        let report = |(number, one): (usize, &StagedPack)| {
            let unchanged = self.unchanged(repo, one, &heads);
            match job.filter(|_| options.force || needed.contains(&number)) {
                None => unchanged,
                job => PushReport { status: PushStatus::Queued, job, ..unchanged },
            }
        };
        Ok(received.iter().enumerate().map(report).collect())
    }

    /// The numbers of the files that a job has to index: new ones, and packs of the repo that are
    /// missing or damaged. And the branch heads. The content of the others is recent from now on.
    async fn needed_and_heads(
        &self,
        row: &RepoRow,
        received: &[StagedPack],
        options: PushOptions,
    ) -> Result<(Vec<usize>, Vec<Head>)> {
        for _ in 0..TRIES {
            let mut snapshot = self.catalog.snapshot(row.id).await?;
            let comparison = self.compare_push(row, snapshot.as_mut(), received).await?;
            let heads = snapshot.heads().await?;
            let looked_up = snapshot.repo().clone();
            drop(snapshot);
            let mut needed = comparison.fresh;
            needed.extend(comparison.lost);
            let unchanged = received
                .iter()
                .enumerate()
                .filter(|(number, _)| !options.force && !needed.contains(number));
            let reported = entities_of(unchanged.map(|(_, one)| one));
            if reported.is_empty()
                || self.catalog.freshen(&looked_up, &reported, self.time().await?).await?
            {
                return Ok((needed, heads));
            }
        }
        Err(Error::Busy { repo: row.name.clone(), what: "packs were pushed to it" })
    }

    /// Puts packs that are stored already on shelves of a repo.
    pub async fn index_stored(
        &self,
        repo: &RepoName,
        options: &IndexOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        let row = self.known_repo(repo).await?;
        let IndexOptions { packs, force } = options;
        let mut received = Vec::with_capacity(packs.len());
        for pack in packs {
            let one = self.receive_stored(&row, pack, progress).await;
            received.push(self.remembering(row.id, "push", one).await?);
        }
        let _turn = self.push_turn(repo).await;
        self.index(&row, received, PushOptions { force: *force }, None, progress).await
    }

    /// Reads a stored pack as if it were pushed: since then it may have been damaged.
    async fn receive_stored(
        &self,
        row: &RepoRow,
        pack: &QueuedPack,
        progress: &Progress,
    ) -> Result<StagedPack> {
        let stored = self.open_pack(&row.name, &pack.mpack_key).await?;
        let (progress, name, total) = (progress.clone(), row.name.to_string(), stored.bytes);
        let (stored, examined) = blocking(move || {
            let examined = super::load::examine(&stored, |done| {
                progress.at(&name, Phase::Receive, done, total)
            })?;
            Ok((stored, examined))
        })
        .await?;
        let (key, bytes) = (examined.key, examined.bytes);
        let scanned = examined
            .sound(&pack.mpack_key)
            .map_err(|detail| self.damaged(&row.name, &pack.mpack_key, detail))?;
        let written = Arc::new(WrittenPack { key, bytes, scanned });
        Ok(StagedPack { file: pack.file.clone().into(), written, staged: None, bytes: stored.file })
    }

    /// Queues an operation. If a job of the same type waits already, that one does this as well,
    /// and is returned.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`]; [`Error::Usage`] for what can't be a job;
    /// [`JobError::AlreadyQueued`] while a job of the same type waits whose options exclude these.
    pub async fn queue(&self, repo: Option<&RepoName>, operation: Operation) -> Result<Queued> {
        let operation = operation.as_job()?;
        if operation.needs_repo() != repo.is_some() {
            return Err(mismatch(&operation));
        }
        let row = self.number_of(repo).await?;
        let new = self.new_job(row, operation.clone()).await?;
        let job = self.catalog.add_job(&new).await?;
        if !job.operation.covers(&operation) {
            return Err(JobError::AlreadyQueued(job.id).into());
        }
        Ok(Queued { repo: job.repo, job: job.id, status: job.status })
    }

    /// A job that is queued now, by what this task does.
    async fn new_job(&self, repo: Option<i64>, operation: Operation) -> Result<NewJob> {
        let traceparent = packhouse_trace::current();
        Ok(NewJob { repo, operation, now: self.time().await?, traceparent })
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`] for those of one.
    pub async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        let repo = self.number_of(query.repo.as_ref()).await?;
        let JobsQuery { status, before, limit, .. } = *query;
        let mut jobs = self.catalog.jobs(JobQuery { repo, status, before, limit }).await?;
        self.mark_healed(&mut jobs).await?;
        Ok(jobs)
    }

    /// Marks the jobs whose failure is over, because the damage was repaired.
    async fn mark_healed(&self, jobs: &mut [JobReport]) -> Result<()> {
        let failed = jobs.iter().filter(|job| job.status == JobStatus::Failed).map(|job| job.id);
        if let (Some(first), Some(last)) = (failed.clone().min(), failed.max()) {
            let healed = self.catalog.healed_jobs(first..=last).await?;
            jobs.iter_mut().for_each(|job| job.healed = healed.contains(&job.id));
        }
        Ok(())
    }

    /// How many jobs there are, by type and status.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn job_counts(&self) -> Result<Vec<JobCount>> {
        let counts = self.catalog.job_counts().await?;
        let has_failed = counts.iter().any(|(_, status, _)| *status == JobStatus::Failed);
        let healed = match has_failed {
            true => self.catalog.healed_counts().await?,
            false => Vec::new(),
        };
        let counted = counts.into_iter().map(|(r#type, status, count)| {
            let of_type = healed.iter().find(|(healed, _)| *healed == r#type);
            let healed = of_type.filter(|_| status == JobStatus::Failed);
            // A job may have been retried between the two statements.
            let healed = healed.map_or(0, |(_, healed)| count.min(*healed));
            JobCount { r#type, status, count, healed }
        });
        Ok(counted.collect())
    }

    /// A job.
    ///
    /// # Errors
    /// [`Error::UnknownJob`].
    pub async fn job(&self, id: i64) -> Result<JobReport> {
        let mut job = self.catalog.job(id).await?.ok_or(Error::UnknownJob(id))?;
        self.mark_healed(std::slice::from_mut(&mut job)).await?;
        Ok(job)
    }

    /// Retries a failed or cancelled job. If one of the same type waits already, that one does this
    /// as well, and is returned.
    ///
    /// # Errors
    /// [`Error::UnknownJob`]; [`JobError`] for one that has not ended, whose repo or packs are
    /// gone, or whose options exclude those of the job that waits.
    pub async fn retry_job(&self, id: i64) -> Result<JobReport> {
        let job = self.job(id).await?;
        if job.repo.is_none() && job.operation.needs_repo() {
            return Err(JobError::NoRepo(id).into());
        }
        // Packs that no job waits with may have been deleted since.
        if let Operation::Index(IndexOptions { packs, .. }) = &job.operation {
            let lock = self.catalog.lock(LockMode::Publishing).await?;
            for pack in packs {
                if self.vault.open(&pack.mpack_key).await?.is_none() {
                    let (pack, file) = (pack.mpack_key, pack.file.clone());
                    return Err(JobError::NoPack { job: id, pack, file }.into());
                }
            }
            let again = self.catalog.retry_job(id, self.time().await?).await?;
            drop(lock);
            return again.ok_or_else(|| not_ended(&job));
        }
        let again = self.catalog.retry_job(id, self.time().await?).await?;
        let again = again.ok_or_else(|| not_ended(&job))?;
        if !again.operation.covers(&job.operation) {
            return Err(JobError::AlreadyQueued(again.id).into());
        }
        Ok(again)
    }

    /// Cancels a job that waits or runs. A running one publishes nothing more.
    ///
    /// # Errors
    /// [`Error::UnknownJob`]; [`JobError::Ended`].
    pub async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        let job = self.job(id).await?;
        let cancelled = self.catalog.cancel_job(id, self.time().await?).await?;
        cancelled.ok_or(Error::Job(JobError::Ended { job: id, status: job.status }))
    }
}

/// What a worker asks the catalog for.
impl Store {
    /// Sixteen random bytes: unique.
    pub fn random_id(&self) -> [u8; 16] {
        self.clock.random_id()
    }

    /// Gives a worker the next job that is due, with a lease.
    ///
    /// # Errors
    /// When the catalog can't be written.
    pub async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>> {
        self.catalog.take_job(worker, now, until).await
    }

    /// Extends a lease; false where the worker has lost the job.
    ///
    /// # Errors
    /// When the catalog can't be written.
    pub async fn renew_lease(&self, fence: Fence, until: Timestamp) -> Result<bool> {
        self.catalog.renew_lease(fence, until).await
    }

    /// Ends an attempt at a job; none where the worker has lost it.
    ///
    /// # Errors
    /// When the catalog can't be written.
    pub async fn end_job(&self, fence: Fence, end: &JobEnd) -> Result<Option<JobReport>> {
        self.catalog.end_job(fence, end, self.time().await?).await
    }
}

fn not_ended(job: &JobReport) -> Error {
    JobError::NotEnded { job: job.id, status: job.status }.into()
}
