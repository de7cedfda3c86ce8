//! What the console needs of a store. The embedded store is one answer, the fake of the tests another.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use packhouse_host::{Class, Error, Event, GcRecord, GcReport, RepoName, RepoReport, VerifyReport};
use tokio::sync::watch;

/// What every verb answers.
pub(super) type Answer<T> = Result<T, Failure>;

/// A store, as the console sees it. Every verb may take long; none may block its thread.
pub(super) trait Backend: Send + Sync + 'static {
    /// A consolidation that was planned, and can be run as it is. The console only keeps it.
    type Plan: Send + 'static;

    /// The time of day. The console reads no other clock.
    fn now(&self) -> Timestamp;

    /// All repos, by name.
    fn list(&self) -> impl Future<Output = Answer<Vec<RepoReport>>> + Send;

    /// One repo.
    fn show(&self, repo: &RepoName) -> impl Future<Output = Answer<RepoReport>> + Send;

    /// The last consolidations of a repo, newest first.
    fn history(&self, repo: &RepoName, limit: u32) -> impl Future<Output = Answer<Vec<GcRecord>>> + Send;

    /// What a consolidation would do. Changes nothing.
    fn plan(&self, repo: &RepoName, watch: Watch) -> impl Future<Output = Answer<(GcReport, Self::Plan)>> + Send;

    /// Does exactly what a plan says, or fails with [`FailureKind::Conflict`] when the repo has changed since.
    fn run(&self, plan: Self::Plan, watch: Watch) -> impl Future<Output = Answer<GcReport>> + Send;

    /// Reads and hashes everything of a repo.
    fn verify(&self, repo: &RepoName, watch: Watch) -> impl Future<Output = Answer<VerifyReport>> + Send;
}

/// Where a verb tells of its steps, and from where it learns that it should stop.
#[derive(Clone)]
pub(super) struct Watch {
    sink: Arc<dyn Fn(Event) + Send + Sync>,
    stop: watch::Receiver<bool>,
}

impl Watch {
    /// Hands events to `sink`, which is called from any thread; asks to stop once `stop` holds true.
    pub(super) fn new(sink: impl Fn(Event) + Send + Sync + 'static, stop: watch::Receiver<bool>) -> Self {
        Watch { sink: Arc::new(sink), stop }
    }

    /// Tells of a step.
    pub(super) fn tell(&self, event: Event) {
        (self.sink)(event);
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
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (&error, error.class()) {
            (Error::Cancelled, _) => FailureKind::Cancelled,
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
