//! A store as a [`Client`]: each method calls the store's own.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use packhouse_model::access::{NewToken, TokenReport};
use packhouse_model::client::{
    Client, FetchRequest, Inspect, PlannedGc, PushOptions, RepoSettings, RestoreOptions,
};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::operation::{GcOptions, Operation};
use packhouse_model::progress::Progress;
use packhouse_model::report::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchReport, GcEntry, GcPlanReport, GcQuery,
    GcReport, Health, JobReport, JobsQuery, Policy, PolicyCheck, PolicyReport, PushReport, Queued,
    RepoDetail, RepoReport, RepoSummary, Report,
};

use super::{GcPlan, Store};

/// Time between two checks of the catalog's stamp. A check takes microseconds.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

#[async_trait]
impl Inspect for Store {
    fn place(&self) -> String {
        self.catalog_place()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        Store::summaries(self, after, limit).await
    }

    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        Store::summary(self, repo).await
    }

    async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        Store::detail(self, repo).await
    }

    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        Store::gc_entries(self, query).await
    }

    async fn health(&self) -> Result<Health> {
        Store::health(self).await
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        Store::jobs(self, query).await
    }

    async fn job(&self, id: i64) -> Result<JobReport> {
        Store::job(self, id).await
    }

    async fn retry_job(&self, id: i64) -> Result<JobReport> {
        Store::retry_job(self, id).await
    }

    async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        Store::cancel_job(self, id).await
    }

    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        Store::policy(self, repo).await
    }

    async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        Store::check_policies(self, repo, queue).await
    }

    async fn changed(&self, since: Option<u64>) -> Result<u64> {
        loop {
            let stamp = self.change_stamp().await?;
            if since != Some(stamp) {
                return Ok(stamp);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<Box<dyn PlannedGc>> {
        let plan = Store::plan_gc(self, repo, options, progress).await?;
        Ok(Box::new(StorePlan { store: self.clone(), plan }))
    }

    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        progress: &Progress,
    ) -> Result<Report> {
        Store::run(self, repo, &operation, progress).await
    }
}

#[async_trait]
impl Client for Store {
    async fn queue(&self, repo: Option<&RepoName>, operation: Operation) -> Result<Queued> {
        Store::queue(self, repo, operation).await
    }

    async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        Store::push(self, repo, files, options, progress).await
    }

    async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        Store::push_async(self, repo, files, options, progress).await
    }

    async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        Store::fetch(self, repo, request, progress).await
    }

    async fn reports(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoReport>> {
        Store::reports(self, after, limit).await
    }

    async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        Store::repo(self, repo).await
    }

    async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> {
        Store::create_repo(self, repo, visibility).await
    }

    async fn set_repo(&self, repo: &RepoName, settings: &RepoSettings) -> Result<RepoReport> {
        Store::set_repo(self, repo, settings).await
    }

    async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        Store::delete_repo(self, repo).await
    }

    async fn restore_repo(&self, repo: &RepoName, options: &RestoreOptions) -> Result<RepoReport> {
        Store::restore_repo(self, repo, options).await
    }

    async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        Store::branches(self, repo).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        Store::delete_branch(self, repo, branch).await
    }

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        Store::set_policy(self, repo, policy).await
    }

    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        Store::tokens(self).await
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        Store::create_token(self, new).await
    }

    async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        Store::revoke_token(self, token).await
    }
}

/// A plan, and the store that it is of.
#[derive(Debug)]
struct StorePlan {
    store: Store,
    plan: GcPlan,
}

#[async_trait]
impl PlannedGc for StorePlan {
    fn report(&self) -> &GcPlanReport {
        &self.plan.report
    }

    async fn apply(self: Box<Self>, progress: &Progress) -> Result<GcReport> {
        let StorePlan { store, plan } = *self;
        // The store would leave packs of later pushes beside the new one, and the plan showed one.
        if !store.is_current(&plan).await? {
            return Err(Error::PlanChanged(plan.report.repo));
        }
        store.apply_gc(plan, progress).await
    }
}
