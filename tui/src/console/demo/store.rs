//! The demo store: a store in memory, in which the past of the demo has really happened.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use packhouse_host::catalog::memory::MemoryCatalog;
use packhouse_host::catalog::{Catalog, Failure, Fence, JobEnd};
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sample::{History, PackBuilder};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::memory::MemoryPacks;
use packhouse_host::vault::objects::ObjectName;
use packhouse_host::vault::{PackStore, Vault};
use packhouse_host::{
    Error, GcOptions, GcRecord, Operation, Progress, PruneOptions, PushOptions, RepoName, Result,
    Store, VerifyOptions,
};
use tempfile::NamedTempFile;

use super::clock::DemoClock;
use super::history::{Action, Repo, Step, past};

/// The worker that has done the jobs of the demo.
const WORKER: &str = "studio-1:4711";

/// How long it keeps a job. The demo has no other worker, and must not report a missing one while it is used.
const LEASE: SignedDuration = SignedDuration::from_hours(12);

/// The demo store.
pub(in crate::console) struct Demo {
    pub(in crate::console) store: Store,
    pub(in crate::console) clock: Arc<DemoClock>,
    catalog: Arc<MemoryCatalog>,
    /// All packs, to damage some.
    stored: Arc<MemoryPacks>,
    /// The packs of each repo that are still to be pushed.
    histories: Mutex<BTreeMap<RepoName, History>>,
    /// Repos that get pushes while the demo runs.
    growing: Vec<RepoName>,
}

impl Demo {
    /// A store with the first `repos` repos, as it is now. Its clock is that of the system.
    pub(super) async fn of_today(repos: usize, seed: u64) -> Result<Demo> {
        let demo = Demo::build(repos, seed, SystemClock.now()).await?;
        demo.clock.follow_system();
        Ok(demo)
    }

    /// A store with the first `repos` repos, as it is at the time `now`. Its clock stands there.
    pub(in crate::console) async fn build(repos: usize, seed: u64, now: Timestamp) -> Result<Demo> {
        let sandbox = tokio::task::spawn_blocking(|| Sandbox::reference(None));
        let sandbox = Arc::new(sandbox.await.map_err(|_| Error::Cancelled)??);
        let (repos, steps) = past(repos, seed, now);
        let began = steps.first().map_or(now, |step| step.at);
        let clock = Arc::new(DemoClock::starting_at(began, seed));
        let (catalog, stored) = (Arc::new(MemoryCatalog::default()), Arc::default());
        let vault = vault(&stored)?;
        let store = Store::with_parts(catalog.clone(), vault, sandbox, clock.clone()).await?;
        let packs = |repo: &Repo| (repo.name.clone(), History::new(repo.packs.clone()));
        let growing = repos.iter().filter(|repo| repo.grows).map(|repo| repo.name.clone());
        let demo = Demo {
            store,
            clock,
            catalog,
            stored,
            histories: Mutex::new(repos.iter().map(packs).collect()),
            growing: growing.collect(),
        };
        for Step { at, repo, action } in steps {
            demo.clock.move_to(at);
            if let Some(repo) = repos.get(repo) {
                demo.play(repo, action).await?;
            }
        }
        demo.clock.stand_at(now);
        Ok(demo)
    }

    /// Lets something happen to a repo.
    async fn play(&self, repo: &Repo, action: Action) -> Result<()> {
        let (name, silent) = (&repo.name, Progress::silent());
        match action {
            Action::Create => drop(self.store.create_repo(name, repo.visibility).await?),
            Action::Push(packs) => self.push(name, packs).await?,
            Action::Consolidate => drop(self.store.gc(name, GcOptions::default(), &silent).await?),
            Action::FailJob => self.fail_job(name).await?,
            Action::RunJob => drop(self.begin(Some(name), gc()).await?),
            Action::QueueJob => drop(self.store.queue(Some(name), gc()).await?),
            Action::Damage => {
                self.damage(name).await?;
                self.store.verify(name, VerifyOptions::default(), &silent).await?;
            }
            Action::Prune => {
                let prune = PruneOptions::default();
                let fence = self.begin(None, Operation::Prune(prune)).await?;
                let report = self.store.prune(prune, &silent).await?;
                let result = serde_json::to_value(report).unwrap_or_default();
                self.store.end_job(fence, &JobEnd::Done(result)).await?;
            }
        }
        Ok(())
    }

    /// Pushes the next packs of a repo.
    pub(in crate::console) async fn push(&self, repo: &RepoName, packs: usize) -> Result<()> {
        let next: Vec<PackBuilder> = {
            let mut histories = self.histories.lock().unwrap_or_else(PoisonError::into_inner);
            let history = histories.get_mut(repo);
            history.into_iter().flatten().take(packs).collect()
        };
        let files = next.into_iter().map(written).collect::<Result<Vec<NamedTempFile>>>()?;
        let paths: Vec<_> = files.iter().map(|file| file.path().to_owned()).collect();
        self.store.push(repo, &paths, PushOptions::default(), &Progress::silent()).await?;
        Ok(())
    }

    /// Pushes a pack to one of the growing repos.
    pub(super) async fn push_to_any(&self, number: usize) -> Result<()> {
        match self.growing.get(number % self.growing.len().max(1)) {
            Some(repo) => self.push(repo, 1).await,
            None => Ok(()),
        }
    }

    /// Queues a job, and gives it to a worker.
    async fn begin(&self, repo: Option<&RepoName>, operation: Operation) -> Result<Fence> {
        let queued = self.store.queue(repo, operation).await?;
        let now = self.clock.now();
        let taken = self.store.take_job(WORKER, now, now + LEASE).await?;
        taken.map(|(_, fence)| fence).ok_or(Error::UnknownJob(queued.job))
    }

    /// A worker's consolidation fails for good. Memory doesn't fill up, so it is only recorded.
    async fn fail_job(&self, name: &RepoName) -> Result<()> {
        let source = std::io::Error::new(
            std::io::ErrorKind::StorageFull,
            "not enough disk space: 214958080 bytes needed, 67108864 free",
        );
        let error = Error::Io { doing: "creating a pack in", path: "/srv/muse".into(), source };
        let fence = self.begin(Some(name), gc()).await?;
        let (digest, now) = (self.store.component_digest(), self.clock.now());
        let record = GcRecord::failed(&error, 812, digest, now);
        let repo = self.catalog.repo(name).await?;
        let repo = repo.ok_or_else(|| Error::UnknownRepo(name.clone()))?;
        self.catalog.record_gc(repo.id, &record, None).await?;
        let failure = Failure { reason: error.to_string(), code: error.code() };
        self.store.end_job(fence, &JobEnd::Failed(failure)).await?;
        Ok(())
    }

    /// Changes a byte in a pack of a repo, and removes another pack.
    async fn damage(&self, repo: &RepoName) -> Result<()> {
        let packs = self.store.packs(repo).await?;
        let mut needed = packs.iter().filter(|pack| pack.needed_records > 0).map(|pack| pack.key);
        if let Some(name) = needed.next().map(ObjectName::Pack) {
            let mut bytes = self.stored.bytes(&name).unwrap_or_default();
            let middle = bytes.len() / 2;
            bytes.get_mut(middle).into_iter().for_each(|byte| *byte ^= 1);
            self.stored.put_bytes(&name, &bytes);
        }
        if let Some(name) = needed.next().map(ObjectName::Pack) {
            self.stored.remove(&name).await?;
        }
        Ok(())
    }

    /// Removes all packs of a repo.
    #[cfg(test)]
    pub(in crate::console) async fn lose_packs(&self, repo: &RepoName) {
        for pack in self.store.packs(repo).await.unwrap() {
            self.stored.remove(&ObjectName::Pack(pack.key)).await.unwrap();
        }
    }
}

fn gc() -> Operation {
    Operation::Gc(GcOptions::default())
}

/// A vault of these packs. It stages in memory, if the system has a folder there: each pack would
/// wait for a disk.
fn vault(packs: &Arc<MemoryPacks>) -> Result<Vault> {
    Vault::in_memory_staged_in(packs.clone(), Path::new("/dev/shm"))
        .or_else(|_| Vault::in_memory(packs.clone()))
}

/// A pack as a temporary file.
fn written(pack: PackBuilder) -> Result<NamedTempFile> {
    let mut file = NamedTempFile::new().map_err(failed("creating"))?;
    file.write_all(&pack.finish()).map_err(failed("writing"))?;
    Ok(file)
}

fn failed(doing: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Io { doing, path: "a temporary file".into(), source }
}
