//! A server as the backend of the console.
//!
//! Nothing here gives up while the server can't be reached: the console shows the last known state
//! and its age. Runs that were started are looked up when the server is back.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::{
    Class, ConnectionStatus, Error, GcEntry, GcOptions, GcPlanReport, GcQuery, GcReport, Inspect,
    PlannedGc, Progress, Remote, RepoName, RepoSummary, VerifyOptions, VerifyReport,
};
use tokio::sync::watch;

use super::backend::{Backend, BackendResult, Detail};

/// First pause before the next request for changes.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server.
pub(super) struct RemoteBackend {
    remote: Remote,
}

impl RemoteBackend {
    /// The backend of a server.
    pub(super) fn new(remote: Remote) -> Self {
        RemoteBackend { remote }
    }
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
        Ok(self.remote.summaries(after, limit).await?)
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        Ok(self.remote.summary(repo).await?)
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        Ok(self.remote.detail(repo).await?)
    }

    async fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> BackendResult<(GcPlanReport, Self::Plan)> {
        let plan = self.remote.plan_gc(repo, GcOptions::default(), progress).await?;
        Ok((plan.report().clone(), plan))
    }

    async fn run(&self, plan: Self::Plan, progress: &Progress) -> BackendResult<GcReport> {
        Ok(plan.apply(progress).await?)
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        Ok(self.remote.gc(repo, GcOptions::default(), progress).await?)
    }

    async fn verify(&self, repo: &RepoName, progress: &Progress) -> BackendResult<VerifyReport> {
        Ok(self.remote.verify(repo, VerifyOptions::default(), progress).await?)
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        Ok(self.remote.gc_entries(query).await?)
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.remote.change_stamp(since).await {
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

    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        self.remote.connection()
    }
}
