//! The local store as the backend of the console.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::{
    GcEntry, GcOptions, GcPlan, GcPlanReport, GcQuery, GcReport, Progress, RepoName, RepoSummary,
    Store, VerifyOptions, VerifyReport,
};

use super::backend::{Backend, BackendResult, Detail, Failure, FailureKind};

/// Time between two checks of the catalog's stamp. A check takes microseconds.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// A store that this process has opened.
pub(super) struct LocalBackend {
    store: Store,
}

impl LocalBackend {
    /// The backend of a store.
    pub(super) fn new(store: Store) -> Self {
        LocalBackend { store }
    }
}

impl Backend for LocalBackend {
    type Plan = GcPlan;

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn place(&self) -> String {
        self.store.catalog_place()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        Ok(self.store.summaries(after, limit).await?)
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        Ok(self.store.summary(repo).await?)
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        Ok(self.store.detail(repo).await?)
    }

    async fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> BackendResult<(GcPlanReport, GcPlan)> {
        let plan = self.store.plan_gc(repo, GcOptions::default(), progress).await?;
        Ok((plan.report.clone(), plan))
    }

    async fn run(&self, plan: GcPlan, progress: &Progress) -> BackendResult<GcReport> {
        // The host would consolidate what was planned, and leave packs of later pushes as they are.
        // But the plan promised a single pack, so refuse.
        if !self.store.is_current(&plan).await? {
            let message = format!(
                "{} has changed since the plan was created; nothing was done",
                plan.report.repo
            );
            return Err(Failure { kind: FailureKind::Conflict, message });
        }
        Ok(self.store.apply_gc(plan, progress).await?)
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        Ok(self.store.gc(repo, GcOptions::default(), progress).await?)
    }

    async fn verify(&self, repo: &RepoName, progress: &Progress) -> BackendResult<VerifyReport> {
        Ok(self.store.verify(repo, VerifyOptions::default(), progress).await?)
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        Ok(self.store.gc_entries(query).await?)
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        loop {
            let stamp = self.store.change_stamp().await?;
            if since != Some(stamp) {
                return Ok(stamp);
            }
            tokio::time::sleep(POLL_EVERY).await;
        }
    }
}
