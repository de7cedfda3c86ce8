//! What the console needs of a store. The embedded store is one answer, the demo store another, a
//! remote host a third.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
pub(super) use packhouse_host::report::Detail;
use packhouse_host::{
    Class, Error, Event, GcEntry, GcQuery, GcReport, Progress, RepoName, RepoSummary, VerifyReport,
};
use tokio::sync::watch;

/// What every verb answers.
pub(super) type BackendResult<T> = Result<T, Failure>;

/// A store, as the console sees it. Every verb may take long; none may block its thread.
pub(super) trait Backend: Send + Sync + 'static {
    /// A consolidation that was planned, and can be run as it is. The console only keeps it.
    type Plan: Send + 'static;

    /// The time of day. The console reads no other clock.
    fn now(&self) -> Timestamp;

    /// Which store this is, in a word or a path.
    fn place(&self) -> String;

    /// Repos by name, after one, at most `limit`. Fewer mean that there are no more.
    fn list(
        &self,
        after: Option<&RepoName>,
        limit: u32,
    ) -> impl Future<Output = BackendResult<Vec<RepoSummary>>> + Send;

    /// One repo as in the list, for the row of one that has changed.
    fn summary(&self, repo: &RepoName) -> impl Future<Output = BackendResult<RepoSummary>> + Send;

    /// One repo, with all that there is to tell of it.
    fn show(&self, repo: &RepoName) -> impl Future<Output = BackendResult<Detail>> + Send;

    /// What a consolidation would do. Changes nothing.
    fn plan(
        &self,
        repo: &RepoName,
        control: Control,
    ) -> impl Future<Output = BackendResult<(GcReport, Self::Plan)>> + Send;

    /// Does exactly what a plan says, or fails with [`FailureKind::Conflict`] when the repo has
    /// changed since.
    fn run(
        &self,
        plan: Self::Plan,
        control: Control,
    ) -> impl Future<Output = BackendResult<GcReport>> + Send;

    /// Plans and runs at once, for one of many: nobody looks at its plan, so when the repo changes
    /// meanwhile, another is made. A failure is remembered, wherever it comes.
    fn consolidate(
        &self,
        repo: &RepoName,
        control: Control,
    ) -> impl Future<Output = BackendResult<GcReport>> + Send;

    /// Reads and hashes everything of a repo.
    fn verify(
        &self,
        repo: &RepoName,
        control: Control,
    ) -> impl Future<Output = BackendResult<VerifyReport>> + Send;

    /// Consolidations that ended, of all repos or one, newest first. Fewer than the query's limit
    /// mean that there are no more.
    fn history(&self, query: &GcQuery) -> impl Future<Output = BackendResult<Vec<GcEntry>>> + Send;

    /// Ends when the store is no longer as it was at `since`, with its new stamp; at once when
    /// there was none.
    fn watch(&self, since: Option<u64>) -> impl Future<Output = BackendResult<u64>> + Send;

    /// How the line to the store is, for one that is elsewhere; a store on this machine has none.
    ///
    /// While it is down, a verb may wait until it is up again, or fail with
    /// [`FailureKind::Unreachable`]. The line is told to be down before any verb fails so, and told
    /// again whenever the store has answered. What waits goes on by itself; a reading that failed
    /// is asked for again by the console, and so is watching; work that failed has ended.
    fn connection(&self) -> Option<watch::Receiver<Connection>> {
        None
    }
}

/// The line to a store that is elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    /// Whether it can be asked.
    pub(super) state: ConnectionState,
    /// How long the latest question and its answer took; none before the first.
    pub(super) latency: Option<Duration>,
    /// When the store last answered: what is known of it is as old.
    pub(super) heard_at: Option<Timestamp>,
}

/// Whether a store that is elsewhere can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ConnectionState {
    /// It answers.
    Up,
    /// It does not, and is tried again and again.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why, in words. May hold anything: escape it before drawing.
        why: String,
    },
}

impl Connection {
    /// Since when it is down; none while it is up.
    pub(super) fn down_since(&self) -> Option<Timestamp> {
        match &self.state {
            ConnectionState::Up => None,
            ConnectionState::Down { since, .. } => Some(*since),
        }
    }
}

/// Where a verb tells of its steps, and from where it learns that it should stop.
#[derive(Clone)]
pub(super) struct Control {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    stop: watch::Receiver<bool>,
}

impl Control {
    /// Hands events to `sink`, which is called from any thread; asks to stop once `stop` holds
    /// true.
    pub(super) fn new(
        sink: impl Fn(Event) + Send + Sync + 'static,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Control { sink: Arc::new(sink), stop }
    }

    /// Tells of a step.
    pub(super) fn report(&self, event: Event) {
        (self.sink)(event);
    }

    /// What the host tells of its steps, told here.
    pub(super) fn progress(&self) -> Progress {
        let control = self.clone();
        Progress::new(move |event| control.report(event))
    }

    /// Ends when the work should stop; never, if nobody asks.
    pub(super) async fn stopped(&self) {
        let mut stop = self.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // The one who could have asked is gone, so nobody will.
            std::future::pending::<()>().await;
        }
    }
}

/// Awaits work to its end; when it is asked to stop, that end comes at the work's next safe point.
/// It is never dropped half-way: the host decides where stopping is safe.
pub(super) async fn until_stopped<T>(
    work: impl Future<Output = packhouse_host::Result<T>>,
    progress: &Progress,
    control: &Control,
) -> BackendResult<T> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return Ok(done?),
        () = control.stopped() => progress.cancel(),
    }
    Ok(work.await?)
}

/// Why a verb failed, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// What it means for the store.
    pub(super) kind: FailureKind,
    /// What went wrong, where, and the way out. May hold anything: escape it before drawing.
    pub(super) message: String,
}

/// What a failure means for the store and for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Refused or failed; nothing changed.
    Refused,
    /// Somebody else changed the repo; safe to try again.
    Conflict,
    /// The store is damaged.
    Damage,
    /// The operator asked to stop.
    Cancelled,
    /// The store could not be asked; nothing is known to have changed.
    Unreachable,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (&error, error.class()) {
            (Error::Cancelled, _) => FailureKind::Cancelled,
            (Error::Unreachable { .. }, _) => FailureKind::Unreachable,
            (_, Class::Conflict) => FailureKind::Conflict,
            (_, Class::Damage) => FailureKind::Damage,
            (_, Class::Refused | Class::Usage) => FailureKind::Refused,
        };
        Failure { kind, message: error.to_string() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
