//! A server as the backend of the console.
//!
//! Nothing here gives up while the server can't be reached: the console shows the last known state
//! and its age. Runs that were started are looked up when the server is back.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::{
    Class, Error, GcEntry, GcOptions, GcPlanReport, GcQuery, GcReport, Inspect, PlannedGc,
    Progress, Remote, RepoName, RepoSummary, VerifyOptions, VerifyReport,
};

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::backend::{Backend, BackendResult, Connection, ConnectionState, Detail, Failure};

/// First pause before the next request for changes.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server.
pub(super) struct RemoteBackend {
    remote: Remote,
    connection: Arc<watch::Sender<Connection>>,
    /// Forwards changes of the connection between requests.
    listener: JoinHandle<()>,
}

impl RemoteBackend {
    /// The backend of a server. Must be called within a tokio runtime.
    pub(super) fn new(remote: Remote) -> Self {
        let connection = Arc::new(watch::Sender::new(connection_of(&status(&remote).borrow())));
        let (mut changes, sender, client) = (status(&remote), connection.clone(), remote.clone());
        let listener = tokio::spawn(async move {
            while changes.changed().await.is_ok() {
                update_connection(&client, &sender);
            }
        });
        RemoteBackend { remote, connection, listener }
    }

    /// A result, after the connection was updated: when a call fails, the connection is already
    /// reported as down.
    fn completed<T, E: Into<Failure>>(&self, answer: Result<T, E>) -> BackendResult<T> {
        update_connection(&self.remote, &self.connection);
        answer.map_err(Into::into)
    }
}

impl Drop for RemoteBackend {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

/// The remote's connection.
fn status(remote: &Remote) -> watch::Receiver<packhouse_host::ConnectionStatus> {
    remote.connection().expect("a remote has one")
}

/// Updates the connection. It is read under the lock of the sender, so that an older state never
/// overwrites a newer one.
fn update_connection(remote: &Remote, connection: &watch::Sender<Connection>) {
    connection.send_if_modified(|connection| {
        let now = connection_of(&status(remote).borrow());
        let other = *connection != now;
        *connection = now;
        other
    });
}

/// The connection as the console knows it.
fn connection_of(connection: &packhouse_host::remote::ConnectionStatus) -> Connection {
    let state = match &connection.down {
        None => ConnectionState::Up,
        Some((since, why)) => ConnectionState::Down { since: *since, why: why.clone() },
    };
    Connection { state, latency: connection.latency, heard_at: connection.heard_at }
}

impl Backend for RemoteBackend {
    type Plan = Box<dyn PlannedGc>;

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn place(&self) -> String {
        self.remote.place()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        self.completed(self.remote.summaries(after, limit).await)
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        self.completed(self.remote.summary(repo).await)
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        self.completed(self.remote.detail(repo).await)
    }

    async fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> BackendResult<(GcPlanReport, Self::Plan)> {
        let plan =
            self.completed(self.remote.plan_gc(repo, GcOptions::default(), progress).await)?;
        Ok((plan.report().clone(), plan))
    }

    async fn run(&self, plan: Self::Plan, progress: &Progress) -> BackendResult<GcReport> {
        self.completed(plan.apply(progress).await)
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        self.completed(self.remote.gc(repo, GcOptions::default(), progress).await)
    }

    async fn verify(&self, repo: &RepoName, progress: &Progress) -> BackendResult<VerifyReport> {
        self.completed(self.remote.verify(repo, VerifyOptions::default(), progress).await)
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        self.completed(self.remote.gc_entries(query).await)
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        let mut pause = FIRST_PAUSE;
        loop {
            let stamp = self.remote.change_stamp(since).await;
            update_connection(&self.remote, &self.connection);
            match stamp {
                Ok(stamp) if since != Some(stamp) => return Ok(stamp),
                Ok(_) => pause = FIRST_PAUSE,
                // The server is busy, or its proxy can't reach it.
                Err(Error::Unreachable { .. } | Error::Remote { class: Class::Conflict, .. }) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn connection(&self) -> Option<watch::Receiver<Connection>> {
        Some(self.connection.subscribe())
    }
}
