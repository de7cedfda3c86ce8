//! Workers: they take jobs from the catalog and run them.
//!
//! ```text
//! take (a lease, a fence) ─▶ run it, renewing the lease ─▶ end it
//! ```
//!
//! A worker that dies leaves a lease that expires; the next worker gets a greater fence, and what
//! is published for a job compares the fence in its transaction: the first one, if it was only
//! suspended, publishes nothing. So time decides who works, and never what is correct.

mod attempt;
mod merge;
mod metrics;
mod scrub;
mod verdict;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::Fence;
use packhouse_model::error::{Error, JobError, Result};
use packhouse_model::operation::Operation;
use packhouse_model::progress::Progress;
use packhouse_model::report::{JobEnded, JobReport, Report};
use packhouse_model::span::TARGET;
use packhouse_store::{PolicyWatch, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tracing::Instrument;
use tracing::field::Empty;

use verdict::{passes, verdict};

pub use metrics::encoded;
pub use metrics::{Metrics, store_metrics};

/// How a worker works.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Its name, as shown in lists of jobs.
    pub name: String,
    /// Concurrent jobs.
    pub concurrency: usize,
    /// How long a lease lasts without renewal.
    pub lease: Duration,
    /// How often it polls for jobs.
    pub poll: Duration,
    /// How often it checks repos against their policies; none: never.
    pub policies: Option<Duration>,
    /// How often it looks for packs that were not read for long, and reads some; none: never. Not
    /// with `drain`.
    pub scrubbing: Option<Duration>,
    /// How often it merges the indexes of repos that were pushed to; none: never. Not with `drain`.
    pub merging: Option<Duration>,
    /// How often a job is started before it fails for good.
    pub attempts: u32,
    /// How long an attempt may take; none: as long as it does.
    pub job_timeout: Option<Duration>,
    /// How long it lets jobs go on that are running when it is asked to stop.
    pub shutdown_timeout: Duration,
    /// Whether it ends when there is nothing to do.
    pub drain: bool,
    /// A file of [`packhouse_remote::SourceTokens`], for mirrors. It is read for each import.
    pub source_tokens: Option<PathBuf>,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        WorkerOptions {
            name: "worker".into(),
            concurrency: 1,
            lease: Duration::from_secs(30),
            poll: Duration::from_secs(1),
            policies: Some(Duration::from_secs(60)),
            scrubbing: Some(Duration::from_secs(60)),
            merging: Some(Duration::from_secs(10)),
            attempts: 8,
            job_timeout: None,
            shutdown_timeout: Duration::from_secs(30),
            drain: false,
            source_tokens: None,
        }
    }
}

/// Asks a worker to stop. Cheap to clone; all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    notify: Arc<Notify>,
}

impl Stop {
    /// Takes no more jobs; running ones may end.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.notify.notify_waiters();
    }

    fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Waits until it is asked to stop, or for `time`.
    async fn within(&self, time: Duration) {
        let notified = self.notify.notified();
        if !self.asked() {
            let _ = tokio::time::timeout(time, notified).await;
        }
    }

    /// Waits until it is asked to stop.
    pub async fn when_asked(&self) {
        while !self.asked() {
            self.within(Duration::from_secs(1)).await;
        }
    }
}

/// Runs the jobs of a store.
#[derive(Clone, Debug)]
pub struct Worker {
    store: Store,
    options: WorkerOptions,
    stop: Stop,
}

impl Worker {
    /// A worker that has not started.
    pub fn new(store: Store, options: WorkerOptions, stop: Stop) -> Worker {
        Worker { store, options, stop }
    }

    /// Works until it is asked to stop, or with [`WorkerOptions::drain`] until there is nothing to
    /// do. `on_ended` is called with every attempt that ends.
    ///
    /// # Errors
    /// When jobs can't be taken from the catalog, and retries don't help. Failed jobs are no
    /// errors.
    pub async fn run(&self, on_ended: impl Fn(&JobEnded) + Send + Sync + 'static) -> Result<()> {
        let on_ended = Arc::new(on_ended);
        let mut slots = JoinSet::new();
        for _ in 0..self.options.concurrency.max(1) {
            let (worker, on_ended) = (self.clone(), on_ended.clone());
            slots.spawn(async move { worker.work(&*on_ended).await });
        }
        let policies = self.options.policies.map(|every| {
            let worker = self.clone();
            tokio::spawn(async move { worker.watch_policies(every).await })
        });
        let scrubbing = self.options.scrubbing.filter(|_| !self.options.drain).map(|every| {
            let worker = self.clone();
            tokio::spawn(async move { worker.scrub(every).await })
        });
        let merging = self.options.merging.filter(|_| !self.options.drain).map(|every| {
            let worker = self.clone();
            tokio::spawn(async move { worker.merge_indexes(every).await })
        });
        let mut ended = Ok(());
        while let Some(slot) = slots.join_next().await {
            let done = slot.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            if done.is_err() {
                // The others end as well: the caller should know.
                self.stop.ask();
            }
            ended = ended.and(done);
        }
        for task in [policies, scrubbing, merging].into_iter().flatten() {
            task.abort();
        }
        ended
    }

    /// Takes one job after the other.
    async fn work(&self, on_ended: &(dyn Fn(&JobEnded) + Send + Sync)) -> Result<()> {
        let (mut failures, mut has_taken) = (0, false);
        let mut mirrors = HashSet::new();
        while !self.stop.asked() {
            let now = self.store.now();
            match self.store.take_job(&self.options.name, now, later(now, self.options.lease)).await
            {
                Ok(Some((job, fence))) => {
                    (failures, has_taken) = (0, true);
                    let is_mirror = matches!(job.operation, Operation::Mirror(_));
                    // Once more: what was due before is done, and mirrors are due again and again.
                    let is_over = self.options.drain && is_mirror && !mirrors.insert(job.id);
                    let ended = self.attempt(job, fence).await;
                    ended.as_ref().into_iter().for_each(on_ended);
                    if is_over {
                        return Ok(());
                    }
                }
                Ok(None) if self.options.drain => return Ok(()),
                Ok(None) => {
                    (failures, has_taken) = (0, true);
                    self.stop.within(self.options.poll).await;
                }
                // A database that became read-only may be one that is being replaced; one that was so
                // from the start stays so.
                Err(error) if error.is_read_only() && (self.options.drain || !has_taken) => {
                    return Err(error);
                }
                // A database that is being restarted comes back; one that never answered is a wrong
                // setting.
                Err(error) if failures < 60 && passes(&error) => {
                    failures += 1;
                    tracing::warn!("can't take a job, retrying: {error}");
                    self.stop.within(self.options.poll.max(Duration::from_secs(1))).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Checks repos against their policies, again and again. Several workers may: a repo has one
    /// consolidation that waits.
    async fn watch_policies(&self, every: Duration) {
        let mut watch = PolicyWatch::default();
        while !self.stop.asked() {
            match self.store.check_due(&mut watch).await {
                Ok(checks) => {
                    for check in checks.iter().filter(|check| check.due) {
                        tracing::info!(repo = %check.repo, job = check.job, "due: {}", check.reasons.join("; "));
                    }
                }
                Err(error) => {
                    tracing::warn!("repos could not be checked against their policies: {error}")
                }
            }
            if let Err(error) = self.store.expire_all_answers().await {
                tracing::warn!("expired fetch results could not be deleted: {error}");
            }
            self.stop.within(every).await;
        }
    }

    /// One attempt at a job, with a trace of its own, which is linked to what queued the job.
    async fn attempt(&self, job: JobReport, fence: Fence) -> Option<JobEnded> {
        let span = tracing::info_span!(
            target: TARGET,
            parent: None,
            "job",
            otel.name = format!("job {}", job.operation.job_type()),
            otel.kind = "consumer",
            packhouse.job.id = job.id,
            packhouse.job.attempt = job.attempt,
            packhouse.repo = job.repo.as_ref().map(ToString::to_string),
            packhouse.worker = self.options.name,
            packhouse.job.outcome = Empty,
            otel.status_code = Empty,
            otel.status_description = Empty,
        );
        if let Some(traceparent) = &job.traceparent {
            packhouse_trace::link(&span, traceparent);
        }
        let ended = self.attempted(job, fence).instrument(span.clone()).await;
        if let Some(ended) = &ended {
            span.record("packhouse.job.outcome", ended.outcome);
            if ended.outcome == "failed" {
                span.record("otel.status_code", "ERROR");
                span.record("otel.status_description", ended.job.reason.as_deref());
            }
        }
        ended
    }

    /// Runs a job, renews its lease, and ends it. None when the catalog can't be reached.
    async fn attempted(&self, job: JobReport, fence: Fence) -> Option<JobEnded> {
        let started = self.store.now();
        tracing::info!(
            job = job.id,
            r#type = job.operation.job_type(),
            repo = job.repo.as_ref().map(ToString::to_string),
            attempt = job.attempt,
            "begun"
        );
        let progress = Progress::silent();
        let done = if job.attempt > self.options.attempts {
            Err(JobError::WorkersDied { attempts: self.options.attempts }.into())
        } else {
            self.kept(&job, fence, &progress).await
        };
        let (end, outcome) = verdict(&job, &done, self.options.attempts, self.store.now());
        let elapsed_ms = self.store.now().duration_since(started).as_millis().max(0) as u64;
        let gc = match done {
            Ok(Report::Gc(report)) => Some(report),
            _ => None,
        };
        let component = self.store.component_digest().to_owned();
        let ended = match &end {
            None => Ok(None),
            Some(end) => self.store.end_job(fence, end).await,
        };
        let (job, outcome) = match ended {
            Ok(Some(ended)) => (ended, outcome),
            // Another worker has it, or it was cancelled.
            Ok(None) => (self.store.job(job.id).await.unwrap_or(job), "lost"),
            Err(error) => {
                // Its lease will expire, and it will run again: what was published is found then.
                tracing::warn!(job = job.id, "its outcome could not be recorded: {error}");
                return None;
            }
        };
        let ended = JobEnded::new(job, elapsed_ms, outcome, component, gc.as_deref());
        log_ended(&ended);
        Some(ended)
    }

    /// Runs a job, and renews its lease. When the lease is lost, the job takes too long, or the
    /// shutdown timeout has passed, the job is cancelled.
    async fn kept(&self, job: &JobReport, fence: Fence, progress: &Progress) -> Result<Report> {
        let mut work = std::pin::pin!(attempt::run(
            self.store.for_job(fence),
            self.options.source_tokens.as_deref(),
            job.clone(),
            progress.clone()
        ));
        let mut keeping = std::pin::pin!(self.keep(fence));
        let mut impatient = std::pin::pin!(async {
            self.stop.when_asked().await;
            tokio::time::sleep(self.options.shutdown_timeout).await;
        });
        let timed_out = async {
            match self.options.job_timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        let stopped = tokio::select! {
            done = &mut work => return done,
            () = &mut keeping => Error::LeaseLost { job: job.id },
            () = &mut impatient => Error::Cancelled,
            () = timed_out => {
                let seconds = self.options.job_timeout.unwrap_or_default().as_secs();
                JobError::TimedOut { seconds }.into()
            }
        };
        progress.cancel();
        // It ends at its next safe point; if it has just published, that counts.
        // Until then others must not take it.
        let done = match stopped {
            Error::LeaseLost { .. } => work.await,
            _ => tokio::select! {
                done = &mut work => done,
                () = &mut keeping => (&mut work).await,
            },
        };
        match done {
            Err(error) if error.is_cancelled() => Err(stopped),
            done => done,
        }
    }

    /// Renews a lease until it is lost.
    async fn keep(&self, fence: Fence) {
        let mut good_until = later(self.store.now(), self.options.lease);
        loop {
            tokio::time::sleep(self.options.lease / 3).await;
            let now = self.store.now();
            match self.store.renew_lease(fence, later(now, self.options.lease)).await {
                Ok(true) => good_until = later(now, self.options.lease),
                Ok(false) => return,
                Err(error) if now < good_until => {
                    tracing::warn!(job = fence.job, "its lease could not be renewed: {error}")
                }
                Err(_) => return,
            }
        }
    }
}

/// A structured line for each attempt.
fn log_ended(ended: &JobEnded) {
    let JobEnded {
        job,
        elapsed_ms,
        outcome,
        component,
        packs_before,
        packs_after,
        bytes_after,
        ..
    } = ended;
    let repo = job.repo.as_ref().map(ToString::to_string);
    let (job, kind, attempt, reason) =
        (job.id, job.operation.job_type(), job.attempt, job.reason.as_deref());
    if matches!(*outcome, "failed" | "lost") {
        tracing::warn!(
            job,
            r#type = kind,
            repo,
            attempt,
            outcome,
            elapsed_ms,
            component,
            reason,
            "ended"
        );
    } else {
        tracing::info!(
            job,
            r#type = kind,
            repo,
            attempt,
            outcome,
            elapsed_ms,
            packs_before,
            packs_after,
            bytes_after,
            component,
            reason,
            "ended"
        );
    }
}

fn later(now: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by)
        .ok()
        .and_then(|by| now.checked_add(by).ok())
        .unwrap_or(Timestamp::MAX)
}
