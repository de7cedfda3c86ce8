//! The store on this machine, as the console's backend.

use std::future::Future;
use std::pin::pin;

use jiff::Timestamp;
use packhouse_host::world::{SystemWorld, World};
use packhouse_host::{GcPlan, GcRecord, GcReport, Progress, RepoName, RepoReport, Store, VerifyReport};

use super::backend::{Answer, Backend, Watch};

/// A store that this process has opened.
pub(super) struct Embedded {
    store: Store,
}

impl Embedded {
    /// The backend of a store.
    pub(super) fn new(store: Store) -> Self {
        Embedded { store }
    }
}

impl Backend for Embedded {
    type Plan = GcPlan;

    fn now(&self) -> Timestamp {
        SystemWorld.now()
    }

    async fn list(&self) -> Answer<Vec<RepoReport>> {
        Ok(self.store.repos().await?)
    }

    async fn show(&self, repo: &RepoName) -> Answer<RepoReport> {
        Ok(self.store.repo(repo).await?)
    }

    async fn history(&self, repo: &RepoName, limit: u32) -> Answer<Vec<GcRecord>> {
        Ok(self.store.gc_history(repo, limit).await?)
    }

    async fn plan(&self, repo: &RepoName, watch: Watch) -> Answer<(GcReport, GcPlan)> {
        let progress = progress_of(&watch);
        let plan = until_stopped(self.store.plan_gc(repo, &progress), &progress, &watch).await?;
        Ok((plan.report.clone(), plan))
    }

    async fn run(&self, plan: GcPlan, watch: Watch) -> Answer<GcReport> {
        let progress = progress_of(&watch);
        until_stopped(self.store.apply_gc(plan, &progress), &progress, &watch).await
    }

    async fn verify(&self, repo: &RepoName, watch: Watch) -> Answer<VerifyReport> {
        let progress = progress_of(&watch);
        until_stopped(self.store.verify(repo, &progress), &progress, &watch).await
    }
}

fn progress_of(watch: &Watch) -> Progress {
    let watch = watch.clone();
    Progress::new(move |event| watch.tell(event))
}

/// Awaits work to its end; when it is asked to stop, that end comes at the work's next safe point. It is never
/// dropped half-way: the host decides where stopping is safe.
async fn until_stopped<T>(
    work: impl Future<Output = packhouse_host::Result<T>>,
    progress: &Progress,
    watch: &Watch,
) -> Answer<T> {
    let mut work = pin!(work);
    tokio::select! {
        done = &mut work => return Ok(done?),
        () = watch.stopped() => progress.cancel(),
    }
    Ok(work.await?)
}
