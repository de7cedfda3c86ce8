//! The store that a call works on: one that this process has opened, or a server's. Verbs call the
//! same methods on both.

use std::path::PathBuf;
use std::time::Duration;

use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::worker::store_metrics;
use packhouse_host::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchReport, FetchRequest, GcReport, JobReport,
    JobStatus, Policy, PolicyCheck, PolicyReport, Progress, PruneOptions, PruneReport, PushOptions,
    PushReport, Queued, Remote, RepoName, RepoReport, RestoreOptions, Result, Store, VerifyReport,
    Visibility,
};

/// The store that a call works on.
#[derive(Clone, Debug)]
pub(crate) enum Client {
    /// On this machine.
    Local(Store),
    /// Behind a server.
    Remote(Remote),
}

/// Calls the same method on either.
macro_rules! delegate {
    ($client:expr, $store:ident => $call:expr) => {
        match $client {
            Client::Local($store) => $call,
            Client::Remote($store) => $call,
        }
    };
}

/// The methods of [`Store`].
impl Client {
    pub(crate) async fn create_repo(
        &self,
        repo: &RepoName,
        visibility: Visibility,
    ) -> Result<RepoReport> {
        delegate!(self, store => store.create_repo(repo, visibility).await)
    }

    pub(crate) async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        delegate!(self, store => store.delete_repo(repo).await)
    }

    pub(crate) async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        delegate!(self, store => store.branches(repo).await)
    }

    pub(crate) async fn delete_branch(
        &self,
        repo: &RepoName,
        branch: &str,
    ) -> Result<BranchDeleteReport> {
        delegate!(self, store => store.delete_branch(repo, branch).await)
    }

    pub(crate) async fn restore_repo(
        &self,
        repo: &RepoName,
        options: &RestoreOptions,
    ) -> Result<RepoReport> {
        delegate!(self, store => store.restore_repo(repo, options).await)
    }

    pub(crate) async fn repos(&self) -> Result<Vec<RepoReport>> {
        delegate!(self, store => store.repos().await)
    }

    pub(crate) async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        delegate!(self, store => store.repo(repo).await)
    }

    pub(crate) async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        delegate!(self, store => store.push(repo, files, options, progress).await)
    }

    pub(crate) async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        delegate!(self, store => store.push_async(repo, files, options, progress).await)
    }

    /// What a consolidation would do.
    pub(crate) async fn planned(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        match self {
            Client::Local(store) => Ok(store.plan_gc_expiring(repo, age, progress).await?.report),
            Client::Remote(remote) => remote.plan_gc_expiring(repo, age, progress).await,
        }
    }

    pub(crate) async fn gc_expiring(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        delegate!(self, store => store.gc_expiring(repo, age, progress).await)
    }

    pub(crate) async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        delegate!(self, store => store.fetch(repo, request, progress).await)
    }

    pub(crate) async fn verify(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        delegate!(self, store => store.verify(repo, progress).await)
    }

    pub(crate) async fn repair(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        delegate!(self, store => store.repair(repo, progress).await)
    }

    pub(crate) async fn prune(
        &self,
        options: PruneOptions,
        progress: &Progress,
    ) -> Result<PruneReport> {
        delegate!(self, store => store.prune(options, progress).await)
    }

    pub(crate) async fn queue_gc(&self, repo: &RepoName, age: Option<Duration>) -> Result<Queued> {
        delegate!(self, store => store.queue_gc(repo, age).await)
    }

    pub(crate) async fn queue_verify(&self, repo: &RepoName) -> Result<Queued> {
        delegate!(self, store => store.queue_verify(repo).await)
    }

    pub(crate) async fn queue_prune(&self, options: PruneOptions) -> Result<Queued> {
        delegate!(self, store => store.queue_prune(options).await)
    }

    pub(crate) async fn jobs(
        &self,
        repo: Option<&RepoName>,
        status: Option<JobStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobReport>> {
        delegate!(self, store => store.jobs(repo, status, before, limit).await)
    }

    pub(crate) async fn job(&self, id: i64) -> Result<JobReport> {
        delegate!(self, store => store.job(id).await)
    }

    pub(crate) async fn retry_job(&self, id: i64) -> Result<JobReport> {
        delegate!(self, store => store.retry_job(id).await)
    }

    pub(crate) async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        delegate!(self, store => store.cancel_job(id).await)
    }

    pub(crate) async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        delegate!(self, store => store.policy(repo).await)
    }

    pub(crate) async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        delegate!(self, store => store.set_policy(repo, policy).await)
    }

    pub(crate) async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        delegate!(self, store => store.check_policies(repo, queue).await)
    }

    pub(crate) async fn tokens(&self) -> Result<Vec<TokenReport>> {
        delegate!(self, store => store.tokens().await)
    }

    pub(crate) async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        delegate!(self, store => store.create_token(new).await)
    }

    pub(crate) async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        delegate!(self, store => store.revoke_token(token).await)
    }

    /// Measurements for Prometheus; a server adds its own.
    pub(crate) async fn metrics(&self) -> Result<String> {
        match self {
            Client::Local(store) => store_metrics(store).await,
            Client::Remote(remote) => remote.metrics().await,
        }
    }
}
