//! A store under the control of a test: calls are held and continued, made to fail, and recorded;
//! the connection to the store is lost and restored. Nothing here waits for time to pass.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::clock::Clock;
use packhouse_host::report::ServerReport;
use packhouse_host::report::{RepoDetail, Report};
use packhouse_host::{
    BranchDeleteReport, Class, ConnectionStatus, Error, Event, GcEntry, GcOptions, GcPlanReport,
    GcQuery, GcReport, Health, Inspect, JobReport, JobStatus, JobsQuery, Operation, Phase,
    PlannedGc, Policy, PolicyCheck, PolicyReport, Progress, PruneOptions, RepoName, RepoSummary,
    Result,
};
use tokio::sync::{oneshot, watch};

use crate::console::backend::Backend;
use crate::console::demo::DemoClock;
use crate::console::failure::FailureKind;

/// Methods that fail while disconnected. Runs wait for the connection.
const READS: [&str; 19] = [
    "list", "tokens", "commits", "files", "record", "find", "summary", "show", "history", "health",
    "jobs", "job", "preview", "policy", "check", "watch", "records", "compare", "server",
];

/// Steps of a held call.
const STEPS: usize = 2;

/// A store, and the controls of a test. All clones are one.
#[derive(Clone)]
pub(in crate::console) struct Scripted<B> {
    pub(super) inner: B,
    clock: Arc<DemoClock>,
    /// Changes with every change of the store.
    stamp: watch::Sender<u64>,
    /// The connection, if the store pretends to be remote.
    connection: Option<watch::Sender<ConnectionStatus>>,
    controls: Arc<Mutex<Controls>>,
}

#[derive(Default)]
struct Controls {
    /// Calls that wait at each step.
    holding: Vec<&'static str>,
    /// The waiting calls, and how to continue them.
    held: Vec<(Progress, oneshot::Sender<()>)>,
    /// Fails the next call of a method; panics without an error.
    failing: Vec<(&'static str, Option<Error>)>,
    /// All calls, in order.
    calls: Vec<String>,
    /// The stamps of active watches.
    watching: Vec<u64>,
}

impl<B: Backend + Clone + 'static> Scripted<B> {
    /// A store with a clock.
    pub(in crate::console) fn new(inner: B, clock: Arc<DemoClock>) -> Scripted<B> {
        let (connection, controls) = Default::default();
        Scripted { inner, clock, stamp: watch::Sender::new(1), connection, controls }
    }

    /// The clock of the console.
    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    /// The current time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Advances the clock.
    pub(super) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// Fails the next call of a method.
    pub(super) fn fail(&self, verb: &'static str, kind: FailureKind, message: &str) {
        let of = |class| Error::Remote { class, message: message.to_owned() };
        let error = match kind {
            FailureKind::Refused => of(Class::Refused),
            FailureKind::Conflict => of(Class::Conflict),
            FailureKind::Damage => of(Class::Damage),
            FailureKind::Cancelled => Error::Cancelled,
            FailureKind::Unreachable => unreachable_because(message),
        };
        self.controls().failing.push((verb, Some(error)));
    }

    /// Panics in the next call of a method.
    pub(super) fn panic(&self, verb: &'static str) {
        self.controls().failing.push((verb, None));
    }

    /// From now on, a method waits at each step.
    pub(super) fn hold(&self, verb: &'static str) {
        self.controls().holding.push(verb);
    }

    /// Number of calls that wait for the test.
    pub(super) fn held(&self) -> usize {
        // Cancelled calls continue on their own.
        let held = &mut self.controls().held;
        held.retain(|(_, go)| !go.is_closed());
        held.iter().filter(|(progress, _)| !progress.is_cancelled()).count()
    }

    /// Reports progress of all waiting calls.
    pub(super) fn report_progress(&self, phase: Phase, done: u64, total: u64) {
        for (progress, _) in &self.controls().held {
            progress.emit(Event { repo: "any/repo".to_owned(), phase, done, total });
        }
    }

    /// Continues all waiting calls by one step.
    pub(super) fn step(&self) {
        for (_, go) in self.controls().held.drain(..) {
            // It may have been cancelled meanwhile.
            let _ = go.send(());
        }
    }

    /// Continues all calls to their end.
    pub(super) fn release(&self) {
        self.controls().holding.clear();
        self.step();
    }

    /// Whether all watches have seen the last change.
    pub(super) fn is_seen(&self) -> bool {
        let stamp = *self.stamp.borrow();
        self.controls().watching.iter().all(|seen| *seen == stamp)
    }

    /// All calls in order, without watches and the numbers of the header.
    pub(super) fn calls(&self) -> Vec<String> {
        self.controls().calls.clone()
    }

    /// The same store as a remote store that has just responded.
    pub(super) fn remote(mut self) -> Scripted<B> {
        self.connection = Some(watch::Sender::new(self.up(12)));
        self
    }

    /// Breaks the connection.
    pub(super) fn disconnect(&self, why: &str) {
        let down = Some((self.now(), why.to_owned()));
        self.connected(|connection| connection.send_modify(|status| status.down = down));
    }

    /// The store responds after `ms` milliseconds, which restores the connection.
    pub(super) fn answer_after(&self, ms: u64) {
        let up = self.up(ms);
        self.connected(|connection| connection.send_replace(up));
    }

    /// Notifies watchers.
    pub(super) fn notify(&self) {
        self.stamp.send_modify(|stamp| *stamp += 1);
    }

    fn up(&self, ms: u64) -> ConnectionStatus {
        ConnectionStatus {
            down: None,
            latency: Some(Duration::from_millis(ms)),
            heard_at: Some(self.now()),
        }
    }

    fn connected<T>(&self, read: impl FnOnce(&watch::Sender<ConnectionStatus>) -> T) -> Option<T> {
        self.connection.as_ref().map(read)
    }

    fn controls(&self) -> MutexGuard<'_, Controls> {
        // The data is consistent even after a test has panicked on purpose.
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call, and fails it if the test wants it.
    pub(super) fn called(&self, verb: &'static str, about: &str) -> Result<()> {
        self.controls().calls.push(format!("{verb} {about}").trim_end().to_owned());
        self.fails(verb)
    }

    /// Fails reads while disconnected, which runs wait for; and what the test wants to fail.
    pub(super) fn fails(&self, verb: &'static str) -> Result<()> {
        let down = self.connected(|connection| connection.borrow().down_since().is_some());
        if down == Some(true) && READS.contains(&verb) {
            return Err(unreachable_because("no response"));
        }
        let mut controls = self.controls();
        let Some(at) = controls.failing.iter().position(|(failing, _)| *failing == verb) else {
            return Ok(());
        };
        match controls.failing.remove(at).1 {
            Some(error) => Err(error),
            None => panic!("a bug in {verb}, on purpose"),
        }
    }

    /// The steps of a call: it has begun, and waits at each while the test holds it.
    async fn steps(
        &self,
        verb: &'static str,
        repo: Option<&RepoName>,
        phase: Phase,
        progress: &Progress,
    ) -> Result<()> {
        let of = repo.map_or_else(|| "the store".to_owned(), ToString::to_string);
        let summary = match repo {
            Some(repo) => self.inner.summary(repo).await.ok(),
            None => None,
        };
        let total = match (phase, summary) {
            (Phase::Splice, Some(summary)) => summary.bytes - summary.duplicate_bytes,
            (Phase::Verify, Some(summary)) => summary.bytes,
            _ => 0,
        };
        for _ in 0..STEPS {
            progress.emit(Event { repo: of.clone(), phase, done: 0, total });
            tokio::select! {
                biased;
                () = progress.cancelled() => return Err(Error::Cancelled),
                () = self.pause(verb, progress) => {}
            }
        }
        Ok(())
    }

    async fn pause(&self, verb: &'static str, progress: &Progress) {
        let (go, resumed) = oneshot::channel();
        {
            let mut controls = self.controls();
            if !controls.holding.contains(&verb) {
                return;
            }
            controls.held.push((progress.clone(), go));
        }
        // A cancelled call is dropped here.
        let _ = resumed.await;
    }
}

/// The error of a store that does not respond.
fn unreachable_because(reason: &str) -> Error {
    Error::Unreachable { url: "https://example.org".to_owned(), reason: reason.to_owned() }
}

/// An active watch.
struct Watching<'a>(&'a Mutex<Controls>, u64);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut controls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = controls.watching.iter().position(|stamp| *stamp == self.1) {
            controls.watching.remove(at);
        }
    }
}

#[async_trait]
impl<B: Backend + Clone + 'static> Inspect for Scripted<B> {
    fn place(&self) -> String {
        self.inner.place()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        self.called("list", &after.map(|after| format!("after {after}")).unwrap_or_default())?;
        self.inner.summaries(after, limit).await
    }

    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.called("summary", &repo.to_string())?;
        self.inner.summary(repo).await
    }

    async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        self.called("show", &repo.to_string())?;
        self.inner.detail(repo).await
    }

    async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<Box<dyn PlannedGc>> {
        self.called("plan", &repo.to_string())?;
        self.steps("plan", Some(repo), Phase::Plan, progress).await?;
        let plan = self.inner.plan_gc(repo, options, progress).await?;
        Ok(Box::new(ScriptedPlan { store: self.clone(), plan }))
    }

    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        progress: &Progress,
    ) -> Result<Report> {
        let (verb, phase) = match operation {
            Operation::Gc(_) => ("consolidate", Phase::Splice),
            Operation::Prune(PruneOptions { dry_run: true, .. }) => ("preview", Phase::Verify),
            Operation::Prune(_) => ("prune", Phase::Delete),
            _ => (operation.kind(), Phase::Verify),
        };
        self.called(verb, &repo.map(ToString::to_string).unwrap_or_default())?;
        self.steps(verb, repo, phase, progress).await?;
        let done = self.inner.run(repo, operation, progress).await;
        if matches!(verb, "consolidate" | "prune") {
            self.notify();
        }
        done
    }

    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        self.called("history", &query.text)?;
        self.inner.gc_entries(query).await
    }

    async fn server(&self) -> Result<Option<ServerReport>> {
        self.called("server", "")?;
        self.inner.server().await
    }

    async fn health(&self) -> Result<Health> {
        self.fails("health")?;
        self.inner.health().await
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        let about = query.status.map(JobStatus::as_str).unwrap_or_default();
        self.called(
            "jobs",
            &match query.before {
                Some(before) => format!("{about} before {before}"),
                None => about.to_owned(),
            },
        )?;
        self.inner.jobs(query).await
    }

    async fn job(&self, id: i64) -> Result<JobReport> {
        self.called("job", &id.to_string())?;
        self.inner.job(id).await
    }

    async fn retry_job(&self, id: i64) -> Result<JobReport> {
        self.called("retry", &id.to_string())?;
        let job = self.inner.retry_job(id).await;
        self.notify();
        job
    }

    async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        self.called("cancel", &id.to_string())?;
        let job = self.inner.cancel_job(id).await;
        self.notify();
        job
    }

    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        self.called("policy", &repo.map(ToString::to_string).unwrap_or_default())?;
        self.inner.policy(repo).await
    }

    async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        self.called("check", &repo.map(ToString::to_string).unwrap_or_default())?;
        self.inner.check_policies(repo, queue).await
    }

    async fn changed(&self, since: Option<u64>) -> Result<u64> {
        self.fails("watch")?;
        let mut stamp = self.stamp.subscribe();
        loop {
            let now = *stamp.borrow_and_update();
            if since != Some(now) {
                return Ok(now);
            }
            self.controls().watching.push(now);
            let _watching = Watching(&self.controls, now);
            // Fails only if the store was dropped.
            let _ = stamp.changed().await;
        }
    }

    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        self.connected(watch::Sender::subscribe)
    }
}

/// A plan whose run is under the control of the test.
struct ScriptedPlan<B> {
    store: Scripted<B>,
    plan: Box<dyn PlannedGc>,
}

impl<B> fmt::Debug for ScriptedPlan<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.plan.fmt(f)
    }
}

#[async_trait]
impl<B: Backend + Clone + 'static> PlannedGc for ScriptedPlan<B> {
    fn report(&self) -> &GcPlanReport {
        self.plan.report()
    }

    async fn apply(self: Box<Self>, progress: &Progress) -> Result<GcReport> {
        let ScriptedPlan { store, plan } = *self;
        let repo = plan.report().repo.clone();
        store.called("run", &repo.to_string())?;
        store.steps("run", Some(&repo), Phase::Splice, progress).await?;
        let done = plan.apply(progress).await;
        store.notify();
        done
    }
}

#[async_trait]
impl<B: Backend + Clone + 'static> Backend for Scripted<B> {
    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        self.called("tokens", "")?;
        self.inner.tokens().await
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        self.called("create-token", &new.name)?;
        self.inner.create_token(new).await
    }

    async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        self.called("revoke-token", token)?;
        self.inner.revoke_token(token).await
    }

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        let of = repo.map_or_else(|| "default".to_owned(), ToString::to_string);
        self.called("set-policy", &of)?;
        self.inner.set_policy(repo, policy).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        self.called("delete-branch", branch)?;
        self.inner.delete_branch(repo, branch).await
    }
}
