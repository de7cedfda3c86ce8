//! A store behind a server, as the console's backend.
//!
//! Nothing here gives up while the server is away: the console shows the last that it knows, and how old that is. What was begun is asked
//! after when the server is back.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::world::{SystemWorld, World};
use packhouse_host::{Error, GcEntry, GcQuery, GcReport, Remote, RepoName, RepoSummary, VerifyReport};

use super::backend::{Answer, Backend, Control, Detail, until_stopped};

/// First pause before the server is asked again whether something has changed.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A server that this process asks.
pub(super) struct Afar {
    remote: Remote,
}

impl Afar {
    /// The backend of a server.
    pub(super) fn new(remote: Remote) -> Self {
        Afar { remote }
    }
}

impl Backend for Afar {
    /// What was planned and shown: the server plans anew, and does that if it is the same.
    type Plan = GcReport;

    fn now(&self) -> Timestamp {
        SystemWorld.now()
    }

    fn place(&self) -> String {
        self.remote.place()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> Answer<Vec<RepoSummary>> {
        Ok(self.remote.summaries(after, limit).await?)
    }

    async fn summary(&self, repo: &RepoName) -> Answer<RepoSummary> {
        Ok(self.remote.summary(repo).await?)
    }

    async fn show(&self, repo: &RepoName) -> Answer<Detail> {
        Ok(self.remote.detail(repo).await?)
    }

    async fn plan(&self, repo: &RepoName, control: Control) -> Answer<(GcReport, GcReport)> {
        let progress = control.progress();
        let report = until_stopped(self.remote.plan_gc_expiring(repo, None, &progress), &progress, &control).await?;
        Ok((report.clone(), report))
    }

    async fn run(&self, plan: GcReport, control: Control) -> Answer<GcReport> {
        let progress = control.progress();
        until_stopped(self.remote.apply_planned(&plan, None, &progress), &progress, &control).await
    }

    async fn consolidate(&self, repo: &RepoName, control: Control) -> Answer<GcReport> {
        let progress = control.progress();
        until_stopped(self.remote.gc_expiring(repo, None, &progress), &progress, &control).await
    }

    async fn verify(&self, repo: &RepoName, control: Control) -> Answer<VerifyReport> {
        let progress = control.progress();
        until_stopped(self.remote.verify(repo, &progress), &progress, &control).await
    }

    async fn history(&self, query: &GcQuery) -> Answer<Vec<GcEntry>> {
        Ok(self.remote.gc_entries(query).await?)
    }

    async fn watch(&self, since: Option<u64>) -> Answer<u64> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.remote.change_stamp(since).await {
                Ok(stamp) if since != Some(stamp) => return Ok(stamp),
                Ok(_) => pause = FIRST_PAUSE,
                Err(Error::Unreachable { .. }) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
