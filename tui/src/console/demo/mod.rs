//! The demo: a store in memory with generated repos, for trying the console. It keeps nothing.
//!
//! In reading order:
//!
//! 1. [`names`]: the repos. [`history`]: what has happened to them, generated from a seed.
//! 2. [`store`]: the real store on the catalog and the vault in memory, in which all that happens,
//!    at the times that [`clock`] shows. Equal seeds and times give equal stores.
//! 3. Here, and in [`contents`]: the demo as the console inspects it. The store is built when it is first asked, so the
//!    console appears at once. Packs in memory are too fast to watch, so work has a pace, and
//!    sometimes a push arrives.

mod clock;
mod contents;
mod history;
mod names;
mod store;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::report::{RepoDetail, Report};
use packhouse_host::sample::Random;
use packhouse_host::{
    BranchDeleteReport, Error, Event, GcEntry, GcOptions, GcPlanReport, GcQuery, GcReport, Health,
    Inspect, JobReport, JobsQuery, Operation, Phase, PlannedGc, Policy, PolicyCheck, PolicyReport,
    Progress, RepoName, RepoSummary, Result,
};
use tokio::sync::OnceCell;

use super::backend::Backend;

#[cfg(test)]
pub(super) use clock::DemoClock;
pub(super) use store::Demo;

/// Number of repos in the demo.
pub(super) const REPOS: usize = names::NAMES.len();

/// The name of the demo store.
pub(super) const PLACE: &str = "demo";

/// The seed of the demo store, so that it is always the same.
const SEED: u64 = 1;

/// Time between two steps of work.
const STEP: Duration = Duration::from_millis(100);

/// Steps without a number of bytes, such as planning.
const FEW_STEPS: u64 = 4;

/// The demo store, as the console inspects it.
pub(super) struct DemoBackend {
    demo: OnceCell<Demo>,
    random: Mutex<Random>,
}

impl DemoBackend {
    /// The demo at the current time.
    pub(super) fn new() -> DemoBackend {
        DemoBackend { demo: OnceCell::new(), random: Mutex::new(Random::new(SEED)) }
    }

    /// The demo, once it is built.
    async fn demo(&self) -> Result<&Demo> {
        self.demo.get_or_try_init(|| Demo::of_today(REPOS, SEED)).await
    }

    /// The store itself: its work has no pace.
    async fn store(&self) -> Result<&dyn Backend> {
        Ok(&self.demo().await?.store)
    }

    /// Waits for the next push. Returns the number of the repo that gets it.
    async fn next_push(&self) -> usize {
        let (after, repo) = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            (6 + random.below(15) as u64, random.below(usize::MAX))
        };
        tokio::time::sleep(Duration::from_secs(after)).await;
        repo
    }
}

#[async_trait]
impl Inspect for DemoBackend {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        self.store().await?.summaries(after, limit).await
    }

    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.store().await?.summary(repo).await
    }

    async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        self.store().await?.detail(repo).await
    }

    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        self.store().await?.gc_entries(query).await
    }

    async fn health(&self) -> Result<Health> {
        self.store().await?.health().await
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        self.store().await?.jobs(query).await
    }

    async fn job(&self, id: i64) -> Result<JobReport> {
        self.store().await?.job(id).await
    }

    async fn retry_job(&self, id: i64) -> Result<JobReport> {
        self.store().await?.retry_job(id).await
    }

    async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        self.store().await?.cancel_job(id).await
    }

    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        self.store().await?.policy(repo).await
    }

    async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        self.store().await?.check_policies(repo, queue).await
    }

    async fn changed(&self, since: Option<u64>) -> Result<u64> {
        let store = self.store().await?;
        loop {
            let repo = tokio::select! {
                changed = store.changed(since) => return changed,
                repo = self.next_push() => repo,
            };
            self.demo().await?.push_to_any(repo).await?;
        }
    }

    async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<Box<dyn PlannedGc>> {
        let store = self.store().await?;
        walk(repo, Phase::Plan, 0, progress).await?;
        Ok(Box::new(DemoPlan(store.plan_gc(repo, options, progress).await?)))
    }

    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        progress: &Progress,
    ) -> Result<Report> {
        let store = self.store().await?;
        if let Some(repo) = repo {
            let summary = store.summary(repo).await?;
            match operation {
                Operation::Gc(_) => {
                    let bytes = summary.bytes - summary.duplicate_bytes;
                    walk(repo, Phase::Plan, 0, progress).await?;
                    walk(repo, Phase::Splice, bytes, progress).await?;
                }
                Operation::Verify(_) => walk(repo, Phase::Verify, summary.bytes, progress).await?,
                Operation::Index(_)
                | Operation::Plan(_)
                | Operation::Prune(_)
                | Operation::Mirror(_) => {}
            }
        }
        store.run(repo, operation, progress).await
    }
}

/// A plan of the demo store, which takes its time.
#[derive(Debug)]
struct DemoPlan(Box<dyn PlannedGc>);

#[async_trait]
impl PlannedGc for DemoPlan {
    fn report(&self) -> &GcPlanReport {
        self.0.report()
    }

    async fn apply(self: Box<Self>, progress: &Progress) -> Result<GcReport> {
        let report = self.report();
        walk(&report.repo, Phase::Splice, report.bytes_after, progress).await?;
        self.0.apply(progress).await
    }
}

/// Goes through a phase in steps, for one to six seconds.
async fn walk(repo: &RepoName, phase: Phase, total: u64, progress: &Progress) -> Result<()> {
    let steps = if total == 0 { FEW_STEPS } else { (total / (16 << 10)).clamp(10, 60) };
    for step in 0..steps {
        let done = (u128::from(total) * u128::from(step) / u128::from(steps)) as u64;
        progress.emit(Event { repo: repo.to_string(), phase, done, total });
        tokio::select! {
            biased;
            () = progress.cancelled() => return Err(Error::Cancelled),
            () = tokio::time::sleep(STEP) => {}
        }
    }
    Ok(())
}

#[async_trait]
impl Backend for DemoBackend {
    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        self.store().await?.tokens().await
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        self.store().await?.create_token(new).await
    }

    async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        self.store().await?.revoke_token(token).await
    }

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        self.store().await?.set_policy(repo, policy).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        self.store().await?.delete_branch(repo, branch).await
    }
}
