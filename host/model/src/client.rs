//! A store as verbs and console use it: on this machine, or behind a server.
//!
//! The store and the remote implement [`Client`]. Both report the same, and fail with the same
//! messages; a remote also fails when its server can't be reached or refuses. [`Inspect`] is the
//! part of it that a console needs.

use std::fmt::Debug;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;

use crate::access::{NewToken, TokenReport};
use crate::connection::ConnectionStatus;
use crate::contents::Contents;
use crate::error::{Error, Result};
use crate::names::{RepoId, RepoName, Visibility};
use crate::operation::{GcOptions, Operation, PruneOptions, VerifyOptions};
use crate::progress::Progress;
use crate::report::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchReport, GcEntry, GcPlanReport, GcQuery,
    GcReport, Health, JobReport, JobsQuery, Policy, PolicyCheck, PolicyReport, PruneReport,
    PushReport, Queued, RepoDetail, RepoReport, RepoSummary, Report, ServerReport, VerifyReport,
};

/// A store as a console needs it: to look at its repos, jobs and policies, to consolidate and to
/// verify repos, to retry and to cancel jobs, and to delete packs that no repo needs.
#[async_trait]
pub trait Inspect: Send + Sync {
    /// Where it is: a path or a URL, without secrets.
    fn place(&self) -> String;

    /// The status of the connection, updated after each request; none for a store on this machine.
    /// It is down before a call fails for that reason.
    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        None
    }

    /// Repos in a line each, by name: at most so many after one.
    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>>;

    /// A repo in a line.
    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary>;

    /// A repo in detail: the last moments of its timeline, and its last consolidations.
    async fn detail(&self, repo: &RepoName) -> Result<RepoDetail>;

    /// Consolidations that ended, of all repos or one, newest first.
    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>>;

    /// What needs attention in the store, in numbers.
    async fn health(&self) -> Result<Health>;

    /// The server of a remote store; none for a store on this machine.
    async fn server(&self) -> Result<Option<ServerReport>> {
        Ok(None)
    }

    /// Jobs, newest first.
    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>>;

    /// A job.
    async fn job(&self, id: i64) -> Result<JobReport>;

    /// Retries a failed or cancelled job.
    async fn retry_job(&self, id: i64) -> Result<JobReport>;

    /// Cancels a job that waits or runs: it publishes nothing more.
    async fn cancel_job(&self, id: i64) -> Result<JobReport>;

    /// The policy of a repo, or the default policy.
    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport>;

    /// Checks a repo or all against their policies; with `queue`, queues the consolidations that
    /// are due.
    async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>>;

    /// A number that changes when anything in the store may have changed. With `since`, waits until
    /// it is another one; a remote waits as long as it would for a run.
    async fn changed(&self, since: Option<u64>) -> Result<u64>;

    /// Plans a consolidation that can be shown, and applied exactly as it is. Changes nothing.
    async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<Box<dyn PlannedGc>>;

    /// Runs an operation to its end.
    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        progress: &Progress,
    ) -> Result<Report>;

    /// Consolidates a repo's packs into one.
    async fn gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<GcReport> {
        match self.run(Some(repo), Operation::Gc(options), progress).await? {
            Report::Gc(report) => Ok(*report),
            other => Err(other.unexpected()),
        }
    }

    /// Reads and hashes everything of a repo. Damage is a finding, and no error.
    async fn verify(
        &self,
        repo: &RepoName,
        options: VerifyOptions,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        match self.run(Some(repo), Operation::Verify(options), progress).await? {
            Report::Verify(report) => Ok(report),
            other => Err(other.unexpected()),
        }
    }

    /// Deletes packs that are not used any more.
    async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        match self.run(None, Operation::Prune(options), progress).await? {
            Report::Prune(report) => Ok(*report),
            other => Err(other.unexpected()),
        }
    }
}

/// A store as the verbs use it.
#[async_trait]
pub trait Client: Inspect + Contents {
    /// Stores files as packs of a repo: all of them, or none.
    async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>>;

    /// Stores files, and leaves the rest of the push to a job.
    async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>>;

    /// Gets a pack with all that is wanted and not had.
    async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport>;

    /// Repos by name: at most so many after one. None: there are no more.
    async fn reports(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoReport>>;

    /// A repo.
    async fn repo(&self, repo: &RepoName) -> Result<RepoReport>;

    /// Creates a repo.
    async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport>;

    /// Changes settings of a repo.
    async fn set_repo(&self, repo: &RepoName, settings: &RepoSettings) -> Result<RepoReport>;

    /// Deletes a repo. It can be restored until its packs are pruned.
    async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport>;

    /// Restores a deleted repo.
    async fn restore_repo(&self, repo: &RepoName, options: &RestoreOptions) -> Result<RepoReport>;

    /// The branches of a repo, by name.
    async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>>;

    /// Deletes a branch.
    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport>;

    /// Queues an operation; returns the job that waits for the same already, if one does.
    async fn queue(&self, repo: Option<&RepoName>, operation: Operation) -> Result<Queued>;

    /// Sets the policy of a repo, or the default policy; none: resets it.
    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport>;

    /// All access tokens, without their secrets.
    async fn tokens(&self) -> Result<Vec<TokenReport>>;

    /// Creates an access token.
    async fn create_token(&self, new: NewToken) -> Result<TokenReport>;

    /// Revokes an access token.
    async fn revoke_token(&self, token: &str) -> Result<TokenReport>;
}

/// A consolidation that was planned.
#[async_trait]
pub trait PlannedGc: Debug + Send + Sync {
    /// What applying it would report, and what it would cost.
    fn report(&self) -> &GcPlanReport;

    /// Does exactly what the plan says.
    ///
    /// # Errors
    /// [`crate::error::Error::PlanChanged`], or a conflict, when the repo has changed since: a
    /// plan promises one pack.
    async fn apply(self: Box<Self>, progress: &Progress) -> Result<GcReport>;
}

/// What to fetch.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// Commit ids; empty: every branch head.
    pub want: Vec<String>,
    /// Commit ids that the client has.
    pub have: Vec<String>,
    /// How long the answer's URL is valid.
    pub ttl: Duration,
    /// A file to write the pack to, besides.
    pub output: Option<PathBuf>,
}

impl FetchRequest {
    /// Most wants, and most haves.
    pub const MAX_IDS: usize = 100_000;

    /// Refuses more ids than that.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check(&self) -> Result<()> {
        for (what, ids) in [("wants", &self.want), ("haves", &self.have)] {
            if ids.len() > Self::MAX_IDS {
                let (given, most) = (ids.len(), Self::MAX_IDS);
                return Err(Error::Usage(format!(
                    "a fetch takes at most {most} {what}, but {given} were given; fetch in parts"
                )));
            }
        }
        Ok(())
    }
}

impl Default for FetchRequest {
    /// Everything that branches reach, good for an hour.
    fn default() -> Self {
        FetchRequest {
            want: Vec::new(),
            have: Vec::new(),
            ttl: Duration::from_secs(3600),
            output: None,
        }
    }
}

/// How to push.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushOptions {
    /// Move branches even where the heads don't lead to each other.
    pub force: bool,
}

/// Settings of a repo to change; what is not given stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RepoSettings {
    /// Who may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Whether clients may push a history with holes: what they leave out counts as missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepts_shallow: Option<bool>,
}

/// Which of the deleted repos of a name to restore, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreOptions {
    /// The id of the repo; none: the one that was deleted last.
    pub id: Option<RepoId>,
    /// The name that it gets; none: the one that it had.
    pub new_name: Option<RepoName>,
}
