//! A store of round numbers, whose calls return at once. It has no packs, so nothing of it proves
//! anything about a store: [`super::backends`] does that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use packhouse_host::clock::Clock;
use packhouse_host::sample::Random;
use packhouse_host::{
    Cause, Error, GcCost, GcEntry, GcPlanReport, GcPlanned, GcQuery, GcRecord, GcReport, Moment,
    MpackKey, PackReport, Problem, Progress, RepoId, RepoName, RepoReport, RepoSummary,
    VerifyReport, Visibility,
};

use super::fake::{gc_plan, gc_report, now, summary};
use super::script::Scripted;
use crate::console::backend::{Backend, BackendResult, Detail, Failure, FailureKind};
use crate::console::demo::{DemoClock, PLACE};

/// Bytes of a pack that is pushed.
const PUSHED: u64 = 118_784;

/// The fake store, under the control of a test.
pub(in crate::console) type Fake = Scripted<FakeStore>;

/// A store without packs.
pub(in crate::console) struct FakeStore {
    clock: Arc<DemoClock>,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    repos: BTreeMap<RepoName, FakeRepo>,
    /// Ended consolidations, oldest first.
    history: Vec<GcEntry>,
    /// Problems that verification finds in any repo.
    problems: Vec<Problem>,
}

#[derive(Clone)]
struct FakeRepo {
    summary: RepoSummary,
    packs: Vec<PackReport>,
    timeline: Vec<Moment>,
    random: Random,
    /// Grows with each change, to detect outdated plans.
    generation: u64,
}

impl Fake {
    /// A store of repos with these names and numbers of packs.
    pub(in crate::console) fn of(repos: &[(&str, u64)]) -> Fake {
        let clock = Arc::new(DemoClock::standing_at(now()));
        let store = FakeStore { clock: clock.clone(), inside: Mutex::default() };
        for (name, packs) in repos {
            store.put(&summary(name, *packs));
        }
        Scripted::new(store, clock)
    }

    /// Three repos: one fragmented, one consolidated, one empty.
    pub(in crate::console) fn three() -> Fake {
        let fake = Fake::of(&[("gabriel/notes", 7), ("gabriel/photos", 23), ("zoe/empty", 0)]);
        fake.consolidated("gabriel/photos", "2026-07-01T09:30:00Z");
        fake
    }

    /// Consolidates a repo, without the console.
    pub(super) fn consolidated(&self, repo: &str, at: &str) {
        let repo = repo.parse().unwrap();
        let generation = self.inner.repo(&repo).unwrap().generation;
        self.inner.consolidated(&repo, generation, at.parse().unwrap()).unwrap();
    }

    /// Adds a repo, without the console.
    pub(super) fn put(&self, summary: &RepoSummary) {
        self.inner.put(summary);
        self.changed();
    }

    /// Removes a repo, without the console.
    pub(super) fn remove(&self, repo: &str) {
        self.inner.inside().repos.remove(&repo.parse::<RepoName>().unwrap());
        self.changed();
    }

    /// Pushes a pack, without the console.
    pub(super) fn pushed(&self, repo: &str) {
        let now = self.now();
        if let Some(repo) = self.inner.inside().repos.get_mut(&repo.parse::<RepoName>().unwrap()) {
            repo.push(now);
        }
        self.changed();
    }

    /// Verification finds these problems in any repo.
    pub(super) fn damage(&self, problems: Vec<Problem>) {
        self.inner.inside().problems = problems;
    }
}

impl FakeStore {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repo(&self, name: &RepoName) -> BackendResult<FakeRepo> {
        let found = self.inside().repos.get(name).cloned();
        Ok(found.ok_or_else(|| Error::UnknownRepo(name.clone()))?)
    }

    fn put(&self, summary: &RepoSummary) {
        let repo = FakeRepo::of(summary, self.clock.now());
        self.inside().repos.insert(summary.repo.clone(), repo);
    }

    /// Replaces the packs of a repo by one, if it is still of this generation.
    fn consolidated(
        &self,
        name: &RepoName,
        generation: u64,
        at: Timestamp,
    ) -> BackendResult<GcReport> {
        let mut inside = self.inside();
        let repo = inside.repos.get_mut(name).ok_or_else(|| Error::UnknownRepo(name.clone()))?;
        if repo.generation != generation {
            let message =
                format!("{name} has changed since the plan was created; nothing was done");
            return Err(Failure { kind: FailureKind::Conflict, message });
        }
        let report = repo.consolidate(at);
        let record = GcRecord::done(&report, at);
        repo.summary.last_gc = Some(record.clone());
        let id = inside.history.len() as i64 + 1;
        let kept = (!report.skipped).then(|| report.clone());
        inside.history.push(GcEntry { id, repo: name.clone(), record, report: kept });
        Ok(report)
    }
}

impl FakeRepo {
    /// A repo with this summary.
    fn of(summary: &RepoSummary, now: Timestamp) -> FakeRepo {
        let mut repo = FakeRepo {
            summary: summary.clone(),
            packs: Vec::new(),
            timeline: Vec::new(),
            random: Random::new(summary.packs),
            generation: 0,
        };
        let parts = summary.packs.max(1);
        for nth in 0..summary.packs {
            // The remainder goes to the first pack.
            let part = |whole: u64| whole / parts + if nth == 0 { whole % parts } else { 0 };
            let (bytes, repeated) = (part(summary.bytes), part(summary.duplicate_bytes));
            repo.pack(bytes, bytes - repeated, false, now);
            repo.changed(now, Cause::Push, nth + 1, bytes * (nth + 1));
        }
        repo.generation = 0;
        repo
    }

    fn key(&mut self) -> MpackKey {
        let mut digest = [0; 32];
        self.random.fill(&mut digest);
        MpackKey::new(digest)
    }

    /// Adds a pack of 20 records, and 5 more if it repeats any.
    fn pack(&mut self, bytes: u64, needed_bytes: u64, consolidated: bool, at: Timestamp) {
        let needed_records = if consolidated { 20 * self.summary.packs } else { 20 };
        let key = self.key();
        self.packs.push(PackReport {
            key,
            bytes,
            records: needed_records + if needed_bytes < bytes { 5 } else { 0 },
            stored_at: at,
            consolidated,
            needed_records,
            needed_bytes,
            retired_at: None,
        });
    }

    fn changed(&mut self, at: Timestamp, cause: Cause, packs: u64, bytes: u64) {
        self.generation += 1;
        self.timeline.push(Moment { at, cause, packs, bytes });
    }

    fn push(&mut self, at: Timestamp) {
        self.pack(PUSHED, PUSHED, false, at);
        let summary = &mut self.summary;
        (summary.packs, summary.objects) = (summary.packs + 1, summary.objects + 16);
        (summary.commits, summary.snapshots) = (summary.commits + 2, summary.snapshots + 2);
        (summary.bytes, summary.stored_bytes) =
            (summary.bytes + PUSHED, summary.stored_bytes + PUSHED);
        let (packs, bytes) = (summary.packs, summary.bytes);
        self.changed(at, Cause::Push, packs, bytes);
    }

    fn plan(&self) -> GcPlanReport {
        let report = gc_plan(&self.summary);
        let bytes = report.bytes_after;
        let cost = GcCost {
            bytes_to_read: 2 * bytes + self.summary.bytes,
            bytes_to_download: 0,
            bytes_to_write: bytes,
            peak_disk: bytes + 48 * 20 * self.summary.packs,
            expected_ms: Some(206),
        };
        let digest = MpackKey::new([0xd1; 32]).to_string();
        let phase = GcPlanned {
            dry_run: true,
            plan_digest: (!report.skipped).then_some(digest),
            cost: (!report.skipped).then_some(cost),
        };
        let consolidated_key = self.packs.first().filter(|_| report.skipped).map(|pack| pack.key);
        GcPlanReport { consolidated_key, rows_changed: 0, phase, ..report }
    }

    fn consolidate(&mut self, at: Timestamp) -> GcReport {
        let mut report = gc_report(&self.summary);
        if report.skipped {
            return GcReport { consolidated_key: self.plan().consolidated_key, ..report };
        }
        let (bytes, before) = (report.bytes_after, self.summary.bytes);
        for pack in self.packs.iter_mut().filter(|pack| pack.retired_at.is_none()) {
            (pack.needed_records, pack.needed_bytes, pack.retired_at) = (0, 0, Some(at));
        }
        self.pack(bytes, bytes, true, at);
        // The needed pack first.
        self.packs.rotate_right(1);
        let summary = &mut self.summary;
        (summary.packs, summary.bytes, summary.duplicate_bytes) = (1, bytes, 0);
        (summary.superseded_bytes, summary.stored_bytes) =
            (summary.superseded_bytes + before, summary.stored_bytes + bytes);
        report.consolidated_key = self.packs.first().map(|pack| pack.key);
        self.changed(at, Cause::Consolidation, 1, bytes);
        report
    }

    fn report(&self) -> RepoReport {
        let RepoSummary { repo, packs, objects, commits, snapshots, tags, bytes, .. } =
            self.summary.clone();
        let needed = self.packs.iter().filter(|pack| pack.retired_at.is_none());
        let head = (packs > 0).then(|| ("main".to_owned(), format!("sha256:{}", "4f".repeat(32))));
        RepoReport {
            repo,
            repo_id: RepoId("4f".repeat(16)),
            visibility: Visibility::Public,
            default_branch: "main".to_owned(),
            packs,
            pack_keys: needed.map(|pack| pack.key).collect(),
            objects,
            commits,
            snapshots,
            tags,
            bytes,
            stored_bytes: self.summary.stored_bytes,
            branch_heads: head.into_iter().collect(),
            last_gc: self.summary.last_gc.clone(),
            damaged: Vec::new(),
            created_at: self.summary.created_at,
        }
    }
}

impl Backend for FakeStore {
    /// The repo, and its generation.
    type Plan = (RepoName, u64);

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        let inside = self.inside();
        let later = inside.repos.values().map(|repo| &repo.summary);
        let later = later.filter(|summary| after.is_none_or(|after| summary.repo > *after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        Ok(self.repo(repo)?.summary)
    }

    async fn show(&self, name: &RepoName) -> BackendResult<Detail> {
        let repo = self.repo(name)?;
        let past = self.history(&GcQuery { limit: 50, ..GcQuery::default() }).await?;
        let past = past.into_iter().filter(|entry| entry.repo == *name);
        Ok(Detail {
            report: repo.report(),
            summary: repo.summary,
            packs: repo.packs,
            timeline: repo.timeline,
            history: past.map(|entry| entry.record).collect(),
        })
    }

    async fn plan(
        &self,
        repo: &RepoName,
        _: &Progress,
    ) -> BackendResult<(GcPlanReport, Self::Plan)> {
        let found = self.repo(repo)?;
        Ok((found.plan(), (repo.clone(), found.generation)))
    }

    async fn run(&self, (repo, generation): Self::Plan, _: &Progress) -> BackendResult<GcReport> {
        self.consolidated(&repo, generation, self.now())
    }

    async fn consolidate(&self, repo: &RepoName, progress: &Progress) -> BackendResult<GcReport> {
        let (_, plan) = self.plan(repo, progress).await?;
        self.run(plan, progress).await
    }

    async fn verify(&self, repo: &RepoName, _: &Progress) -> BackendResult<VerifyReport> {
        let (repo, problems) = (self.repo(repo)?, self.inside().problems.clone());
        let needed = repo.packs.iter().filter(|pack| pack.retired_at.is_none());
        Ok(VerifyReport {
            packs_checked: repo.summary.packs,
            objects_checked: needed.map(|pack| pack.records).sum(),
            bytes_checked: repo.summary.bytes,
            repo: repo.summary.repo,
            ok: problems.is_empty(),
            problems,
            repaired: None,
        })
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        let inside = self.inside();
        let newest = inside.history.iter().rev();
        let matching = newest.filter(|entry| query.before.is_none_or(|before| entry.id < before));
        let matching = matching.filter(|entry| entry.repo.to_string().contains(&query.text));
        Ok(matching.take(query.limit as usize).cloned().collect())
    }

    /// [`Scripted`] watches.
    async fn watch(&self, _: Option<u64>) -> BackendResult<u64> {
        std::future::pending().await
    }
}
