//! A backend under the control of a test: calls are held and continued, made to fail, and recorded;
//! the connection to the store is lost and restored. Nothing here waits for time to pass.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::Clock;
use packhouse_host::{
    ConnectionStatus, Error, Event, GcEntry, GcPlanReport, GcQuery, GcReport, Phase, Progress,
    RepoName, RepoSummary, VerifyReport,
};
use tokio::sync::{oneshot, watch};

use crate::console::backend::{Backend, BackendResult, Detail, Failure, FailureKind};
use crate::console::demo::DemoClock;

/// Steps of a held call.
const STEPS: usize = 2;

/// A backend, and the controls of a test.
pub(in crate::console) struct Scripted<B> {
    pub(super) inner: B,
    clock: Arc<DemoClock>,
    /// Changes with every change of the store.
    stamp: watch::Sender<u64>,
    /// The connection, if the store pretends to be remote.
    connection: Mutex<Option<watch::Sender<ConnectionStatus>>>,
    controls: Mutex<Controls>,
}

#[derive(Default)]
struct Controls {
    /// Calls that wait at each step.
    holding: Vec<&'static str>,
    /// The waiting calls, and how to continue them.
    held: Vec<(Progress, oneshot::Sender<()>)>,
    /// Fails the next call of a method; panics without a failure.
    failing: Vec<(&'static str, Option<Failure>)>,
    /// All calls, in order.
    calls: Vec<String>,
    /// The stamps of active watches.
    watching: Vec<u64>,
}

impl<B: Backend> Scripted<B> {
    /// A backend with a clock.
    pub(in crate::console) fn new(inner: B, clock: Arc<DemoClock>) -> Scripted<B> {
        let (connection, controls) = Default::default();
        Scripted { inner, clock, stamp: watch::Sender::new(1), connection, controls }
    }

    /// Advances the clock.
    pub(super) fn advance(&self, seconds: i64) {
        self.clock.advance(seconds);
    }

    /// Fails the next call of a method.
    pub(super) fn fail(&self, verb: &'static str, kind: FailureKind, message: &str) {
        let failure = Failure { kind, message: message.to_owned() };
        self.controls().failing.push((verb, Some(failure)));
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

    /// All calls in order, without watches.
    pub(super) fn calls(&self) -> Vec<String> {
        self.controls().calls.clone()
    }

    /// The same store as a remote store that has just responded.
    pub(super) fn remote(self) -> Scripted<B> {
        let connection = self.up(12);
        *self.connection.lock().unwrap() = Some(watch::Sender::new(connection));
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
    pub(super) fn changed(&self) {
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
        self.connection.lock().unwrap().as_ref().map(read)
    }

    fn controls(&self) -> MutexGuard<'_, Controls> {
        // The data is consistent even after a test has panicked on purpose.
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call, and fails it if the test wants it.
    fn called(&self, verb: &'static str, about: &str) -> BackendResult<()> {
        self.controls().calls.push(format!("{verb} {about}").trim_end().to_owned());
        self.fails(verb)
    }

    /// Fails reads while disconnected, which runs wait for; and what the test wants to fail.
    fn fails(&self, verb: &'static str) -> BackendResult<()> {
        let down = self.connected(|connection| connection.borrow().down_since().is_some());
        if down == Some(true) && ["list", "summary", "show", "history", "watch"].contains(&verb) {
            let message = "no response".to_owned();
            return Err(Failure { kind: FailureKind::Unreachable, message });
        }
        let mut controls = self.controls();
        let Some(at) = controls.failing.iter().position(|(failing, _)| *failing == verb) else {
            return Ok(());
        };
        match controls.failing.remove(at).1 {
            Some(failure) => Err(failure),
            None => panic!("a bug in {verb}, on purpose"),
        }
    }

    /// The steps of a call: it has begun, and waits at each while the test holds it.
    async fn steps(
        &self,
        verb: &'static str,
        repo: &RepoName,
        phase: Phase,
        progress: &Progress,
    ) -> BackendResult<()> {
        let total = match (phase, self.inner.summary(repo).await) {
            (Phase::Splice, Ok(summary)) => summary.bytes - summary.duplicate_bytes,
            (Phase::Verify, Ok(summary)) => summary.bytes,
            _ => 0,
        };
        for _ in 0..STEPS {
            progress.emit(Event { repo: repo.to_string(), phase, done: 0, total });
            tokio::select! {
                biased;
                () = progress.cancelled() => return Err(Error::Cancelled.into()),
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

impl<B: Backend> Backend for Scripted<B> {
    type Plan = (RepoName, B::Plan);

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn place(&self) -> String {
        self.inner.place()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        self.called("list", &after.map(|after| format!("after {after}")).unwrap_or_default())?;
        self.inner.list(after, limit).await
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        self.called("summary", &repo.to_string())?;
        self.inner.summary(repo).await
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        self.called("show", &repo.to_string())?;
        self.inner.show(repo).await
    }

    async fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> BackendResult<(GcPlanReport, Self::Plan)> {
        self.called("plan", &repo.to_string())?;
        self.steps("plan", repo, Phase::Plan, progress).await?;
        let (report, plan) = self.inner.plan(repo, progress).await?;
        Ok((report, (repo.clone(), plan)))
    }

    async fn run(&self, (repo, plan): Self::Plan, progress: &Progress) -> BackendResult<GcReport> {
        self.called("run", &repo.to_string())?;
        self.steps("run", &repo, Phase::Splice, progress).await?;
        let done = self.inner.run(plan, progress).await;
        self.changed();
        done
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        self.called("consolidate", &repo.to_string())?;
        self.steps("consolidate", repo, Phase::Splice, progress).await?;
        let done = self.inner.consolidate(repo, progress).await;
        self.changed();
        done
    }

    async fn verify(&self, repo: &RepoName, progress: &Progress) -> BackendResult<VerifyReport> {
        self.called("verify", &repo.to_string())?;
        self.steps("verify", repo, Phase::Verify, progress).await?;
        self.inner.verify(repo, progress).await
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        self.called("history", &query.text)?;
        self.inner.history(query).await
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        self.fails("watch")?;
        let mut stamp = self.stamp.subscribe();
        loop {
            let now = *stamp.borrow_and_update();
            if since != Some(now) {
                return Ok(now);
            }
            self.controls().watching.push(now);
            let _watching = Watching(&self.controls, now);
            // Fails only if the backend was dropped.
            let _ = stamp.changed().await;
        }
    }

    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        self.connected(watch::Sender::subscribe)
    }
}
