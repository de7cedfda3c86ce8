//! The demo: a store in memory with generated repos, for trying the console. It keeps nothing.
//!
//! In reading order:
//!
//! 1. [`names`]: the repos. [`history`]: what has happened to them, generated from a seed.
//! 2. [`store`]: the real store on the catalog and the vault in memory, in which all that happens,
//!    at the times that [`clock`] shows. Equal seeds and times give equal stores.
//! 3. Here: its backend. The store is built when it is first asked, so the console appears at once.
//!    Packs in memory are too fast to watch, so work has a pace, and sometimes a push arrives.

mod clock;
mod history;
mod names;
mod store;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sample::Random;
use packhouse_host::{
    Error, Event, GcEntry, GcPlan, GcPlanReport, GcQuery, GcReport, Phase, Progress, RepoName,
    RepoSummary, VerifyReport,
};
use tokio::sync::OnceCell;

use super::backend::{Backend, BackendResult, Detail};
use super::local::LocalBackend;
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

/// The demo store as the backend of the console.
pub(super) struct DemoBackend {
    demo: OnceCell<Demo>,
    random: Mutex<Random>,
}

impl DemoBackend {
    /// The demo at the current time.
    pub(super) fn new() -> DemoBackend {
        DemoBackend { demo: OnceCell::new(), random: Mutex::new(Random::new(SEED)) }
    }

    /// The store, once it is built.
    async fn demo(&self) -> BackendResult<&Demo> {
        Ok(self.demo.get_or_try_init(|| Demo::of_today(REPOS, SEED)).await?)
    }

    async fn local(&self) -> BackendResult<LocalBackend> {
        Ok(LocalBackend::new(self.demo().await?.store.clone()))
    }

    /// Goes through a phase in steps, for one to six seconds.
    async fn walk(
        &self,
        repo: &RepoName,
        (phase, total): (Phase, u64),
        progress: &Progress,
    ) -> BackendResult<()> {
        let steps = if total == 0 { FEW_STEPS } else { (total / (16 << 10)).clamp(10, 60) };
        for step in 0..steps {
            let done = (u128::from(total) * u128::from(step) / u128::from(steps)) as u64;
            progress.emit(Event { repo: repo.to_string(), phase, done, total });
            tokio::select! {
                biased;
                () = progress.cancelled() => return Err(Error::Cancelled.into()),
                () = tokio::time::sleep(STEP) => {}
            }
        }
        Ok(())
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

impl Backend for DemoBackend {
    type Plan = GcPlan;

    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        self.local().await?.list(after, limit).await
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        self.local().await?.summary(repo).await
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        self.local().await?.show(repo).await
    }

    async fn plan(
        &self,
        repo: &RepoName,
        progress: &Progress,
    ) -> BackendResult<(GcPlanReport, GcPlan)> {
        let local = self.local().await?;
        self.walk(repo, (Phase::Plan, 0), progress).await?;
        local.plan(repo, progress).await
    }

    async fn run(&self, plan: GcPlan, progress: &Progress) -> BackendResult<GcReport> {
        let local = self.local().await?;
        let (repo, bytes) = (plan.report.repo.clone(), plan.report.bytes_after);
        self.walk(&repo, (Phase::Splice, bytes), progress).await?;
        local.run(plan, progress).await
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        let local = self.local().await?;
        let summary = local.summary(repo).await?;
        self.walk(repo, (Phase::Plan, 0), progress).await?;
        self.walk(repo, (Phase::Splice, summary.bytes - summary.duplicate_bytes), progress).await?;
        local.consolidate(repo, progress).await
    }

    async fn verify(&self, repo: &RepoName, progress: &Progress) -> BackendResult<VerifyReport> {
        let local = self.local().await?;
        let summary = local.summary(repo).await?;
        self.walk(repo, (Phase::Verify, summary.bytes), progress).await?;
        local.verify(repo, progress).await
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        self.local().await?.history(query).await
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        let local = self.local().await?;
        loop {
            let repo = tokio::select! {
                changed = local.watch(since) => return changed,
                repo = self.next_push() => repo,
            };
            self.demo().await?.push_to_any(repo).await?;
        }
    }
}
