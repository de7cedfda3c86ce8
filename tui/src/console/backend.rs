//! What the console needs from a store. There are three backends: the local store, a server, and
//! the demo store.

use std::fmt;
use std::future::Future;

use jiff::Timestamp;
pub(super) use packhouse_host::report::RepoDetail as Detail;
use packhouse_host::{
    Class, ConnectionStatus, Error, GcEntry, GcPlanReport, GcQuery, GcReport, Progress, RepoName,
    RepoSummary, VerifyReport,
};
use tokio::sync::watch;

/// The result of a backend call.
pub(super) type BackendResult<T> = Result<T, Failure>;

/// A store, as the console sees it. Every method may take long; none may block its thread. A run is
/// stopped by its [`Progress`]: it ends at its next safe point, and is never dropped, because only
/// the host knows where stopping is safe.
pub(super) trait Backend: Send + Sync + 'static {
    /// A planned consolidation that can be run as it is. Opaque to the console.
    type Plan: Send + 'static;

    /// The current time. The console reads no other clock.
    fn now(&self) -> Timestamp;

    /// The name of the store: a word, a path or a URL.
    fn place(&self) -> String;

    /// At most `limit` repos after one, sorted by name. Fewer mean the end of the list.
    fn list(
        &self,
        after: Option<&RepoName>,
        limit: u32,
    ) -> impl Future<Output = BackendResult<Vec<RepoSummary>>> + Send;

    /// One repo as in the list, to update its row.
    fn summary(&self, repo: &RepoName) -> impl Future<Output = BackendResult<RepoSummary>> + Send;

    /// All details of one repo.
    fn show(&self, repo: &RepoName) -> impl Future<Output = BackendResult<Detail>> + Send;

    /// Plans a consolidation. Changes nothing.
    fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> impl Future<Output = BackendResult<(GcPlanReport, Self::Plan)>> + Send;

    /// Runs exactly this plan, or fails with [`FailureKind::Conflict`] if the repo has changed
    /// since.
    fn run(
        &self,
        plan: Self::Plan,
        progress: &Progress,
    ) -> impl Future<Output = BackendResult<GcReport>> + Send;

    /// Plans and runs in one step, for one of many repos. The plan is not shown, so if the repo
    /// changes meanwhile, it is planned again. Any failure goes into the history.
    fn consolidate(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> impl Future<Output = BackendResult<GcReport>> + Send;

    /// Reads and hashes all packs of a repo.
    fn verify(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> impl Future<Output = BackendResult<VerifyReport>> + Send;

    /// Ended consolidations of all repos or one, newest first. Fewer than the query's limit mean
    /// the end of the list.
    fn history(&self, query: &GcQuery) -> impl Future<Output = BackendResult<Vec<GcEntry>>> + Send;

    /// Returns the new stamp when the store has changed since `since`; at once for `None`.
    fn watch(&self, since: Option<u64>) -> impl Future<Output = BackendResult<u64>> + Send;

    /// The connection to a remote store; `None` for a local one.
    ///
    /// While it is down, a call may wait until it is up again, or fail with
    /// [`FailureKind::Unreachable`]. The connection is reported as down before any call fails so,
    /// and as up whenever the store has responded. Waiting calls continue without help; the console
    /// repeats failed reads and watches; failed runs have ended.
    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        None
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The kind of failure.
    pub(super) kind: FailureKind,
    /// The error and what to do. Untrusted text: escape it before drawing.
    pub(super) message: String,
}

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureKind {
    /// Refused or failed; nothing changed.
    Refused,
    /// Another writer changed the repo; safe to retry.
    Conflict,
    /// The store is damaged.
    Damage,
    /// Cancelled by the operator.
    Cancelled,
    /// The store could not be reached; the outcome is unknown.
    Unreachable,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match (&error, error.class()) {
            (error, _) if error.is_cancelled() => FailureKind::Cancelled,
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
