//! The store that a call is about: one that this process has opened, or one that a server elsewhere
//! has. Verbs ask either in the same words.

use std::path::PathBuf;
use std::time::Duration;

use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::worker::store_metrics;
use packhouse_host::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchReport, FetchRequest, GcReport, JobReport,
    JobStatus, Policy, PolicyCheck, PolicyReport, Progress, PruneOptions, PruneReport, PushOptions,
    PushReport, Queued, Remote, RepoName, RepoReport, Result, Store, VerifyReport, Visibility,
};

/// The store that a call is about.
#[derive(Clone, Debug)]
pub(crate) enum House {
    /// On this machine.
    Here(Store),
    /// Behind a server.
    There(Remote),
}

/// The same asked of either.
macro_rules! either {
    ($house:expr, $store:ident => $asked:expr) => {
        match $house {
            House::Here($store) => $asked,
            House::There($store) => $asked,
        }
    };
}

/// As the methods of [`Store`].
impl House {
    pub(crate) async fn create_repo(
        &self,
        repo: &RepoName,
        visibility: Visibility,
    ) -> Result<RepoReport> {
        either!(self, store => store.create_repo(repo, visibility).await)
    }

    pub(crate) async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        either!(self, store => store.delete_repo(repo).await)
    }

    pub(crate) async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        either!(self, store => store.branches(repo).await)
    }

    pub(crate) async fn delete_branch(
        &self,
        repo: &RepoName,
        branch: &str,
    ) -> Result<BranchDeleteReport> {
        either!(self, store => store.delete_branch(repo, branch).await)
    }

    pub(crate) async fn restore_repo(&self, repo: &RepoName) -> Result<RepoReport> {
        either!(self, store => store.restore_repo(repo).await)
    }

    pub(crate) async fn repos(&self) -> Result<Vec<RepoReport>> {
        either!(self, store => store.repos().await)
    }

    pub(crate) async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        either!(self, store => store.repo(repo).await)
    }

    pub(crate) async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        either!(self, store => store.push(repo, files, options, progress).await)
    }

    pub(crate) async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        either!(self, store => store.push_async(repo, files, options, progress).await)
    }

    /// What a consolidation would do.
    pub(crate) async fn planned(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        match self {
            House::Here(store) => Ok(store.plan_gc_expiring(repo, age, progress).await?.report),
            House::There(remote) => remote.plan_gc_expiring(repo, age, progress).await,
        }
    }

    pub(crate) async fn gc_expiring(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        either!(self, store => store.gc_expiring(repo, age, progress).await)
    }

    pub(crate) async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        either!(self, store => store.fetch(repo, request, progress).await)
    }

    pub(crate) async fn verify(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        either!(self, store => store.verify(repo, progress).await)
    }

    pub(crate) async fn repair(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        either!(self, store => store.repair(repo, progress).await)
    }

    pub(crate) async fn prune(
        &self,
        options: PruneOptions,
        progress: &Progress,
    ) -> Result<PruneReport> {
        either!(self, store => store.prune(options, progress).await)
    }

    pub(crate) async fn queue_gc(&self, repo: &RepoName, age: Option<Duration>) -> Result<Queued> {
        either!(self, store => store.queue_gc(repo, age).await)
    }

    pub(crate) async fn queue_verify(&self, repo: &RepoName) -> Result<Queued> {
        either!(self, store => store.queue_verify(repo).await)
    }

    pub(crate) async fn queue_prune(&self, options: PruneOptions) -> Result<Queued> {
        either!(self, store => store.queue_prune(options).await)
    }

    pub(crate) async fn jobs(
        &self,
        repo: Option<&RepoName>,
        status: Option<JobStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobReport>> {
        either!(self, store => store.jobs(repo, status, before, limit).await)
    }

    pub(crate) async fn job(&self, id: i64) -> Result<JobReport> {
        either!(self, store => store.job(id).await)
    }

    pub(crate) async fn retry_job(&self, id: i64) -> Result<JobReport> {
        either!(self, store => store.retry_job(id).await)
    }

    pub(crate) async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        either!(self, store => store.cancel_job(id).await)
    }

    pub(crate) async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        either!(self, store => store.policy(repo).await)
    }

    pub(crate) async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        either!(self, store => store.set_policy(repo, policy).await)
    }

    pub(crate) async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        either!(self, store => store.check_policies(repo, queue).await)
    }

    pub(crate) async fn tokens(&self) -> Result<Vec<TokenReport>> {
        either!(self, store => store.tokens().await)
    }

    pub(crate) async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        either!(self, store => store.create_token(new).await)
    }

    pub(crate) async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        either!(self, store => store.revoke_token(token).await)
    }

    /// Measurements for Prometheus; a server adds its own.
    pub(crate) async fn metrics(&self) -> Result<String> {
        match self {
            House::Here(store) => store_metrics(store).await,
            House::There(remote) => remote.metrics().await,
        }
    }
}
