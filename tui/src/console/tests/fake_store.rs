//! A store of round numbers, whose calls return at once. It has no packs, so nothing of it proves
//! anything about a store: [`super::backends`] does that.

mod answers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use packhouse_host::access::TokenReport;
use packhouse_host::clock::Clock;
use packhouse_host::report::ServerReport;
use packhouse_host::sample::Random;
use packhouse_host::{
    Cause, Error, GcCost, GcEntry, GcPlanReport, GcPlanned, GcRecord, GcReport, Health, JobError,
    JobReport, JobStatus, Moment, MpackKey, PackFate, PackReport, Policy, PolicyCheck, Problem,
    PruneReport, ReplacedPack, RepoId, RepoName, RepoReport, RepoSummary, Result, VerifyReport,
    Visibility,
};

use super::fake::{damage, gc_plan, gc_report, now, prune_report, summary};
use super::fake_contents::FakeContents;
use super::script::Scripted;
use crate::console::demo::DemoClock;

/// Bytes of a pack that is pushed.
const PUSHED: u64 = 118_784;

/// The fake store, under the control of a test.
pub(in crate::console) type Fake = Scripted<FakeStore>;

/// A store without packs. All clones are one.
#[derive(Clone, Debug)]
pub(in crate::console) struct FakeStore {
    clock: Arc<DemoClock>,
    inside: Arc<Mutex<Inside>>,
    contents: Arc<Mutex<FakeContents>>,
}

#[derive(Debug, Default)]
struct Inside {
    repos: BTreeMap<RepoName, FakeRepo>,
    /// Ended consolidations, oldest first.
    history: Vec<GcEntry>,
    /// Problems that verification finds in any repo.
    problems: Vec<Problem>,
    /// Whether a repair finds no intact copies, and leaves all problems.
    is_beyond_repair: bool,
    /// Jobs by id; oldest first.
    jobs: BTreeMap<i64, JobReport>,
    /// What the numbers of the store begin with; damage and jobs are counted.
    health: Health,
    /// The server, if the store pretends to be remote.
    server: Option<ServerReport>,
    /// Packs that no repo needs.
    replaced: Vec<ReplacedPack>,
    /// Policy checks.
    checks: Vec<PolicyCheck>,
    /// The default policy.
    policy: Policy,
    /// Access tokens, oldest first.
    tokens: Vec<TokenReport>,
}

#[derive(Clone, Debug)]
struct FakeRepo {
    summary: RepoSummary,
    packs: Vec<PackReport>,
    /// Those of them that are known to be damaged.
    damaged: Vec<MpackKey>,
    /// Whether its only branch was deleted.
    has_no_branch: bool,
    timeline: Vec<Moment>,
    random: Random,
    /// Grows with each change, to detect outdated plans.
    generation: u64,
}

impl Fake {
    /// A store of repos with these names and numbers of packs.
    pub(in crate::console) fn of(repos: &[(&str, u64)]) -> Fake {
        let clock = Arc::new(DemoClock::standing_at(now()));
        let store =
            FakeStore { clock: clock.clone(), inside: Arc::default(), contents: Arc::default() };
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
        self.notify();
    }

    /// Removes a repo, without the console.
    pub(super) fn remove(&self, repo: &str) {
        self.inner.inside().repos.remove(&repo.parse::<RepoName>().unwrap());
        self.notify();
    }

    /// Pushes a pack, without the console.
    pub(super) fn pushed(&self, repo: &str) {
        let now = self.now();
        if let Some(repo) = self.inner.inside().repos.get_mut(&repo.parse::<RepoName>().unwrap()) {
            repo.push(now);
        }
        self.notify();
    }

    /// Adds a job, without the console.
    pub(super) fn put_job(&self, job: JobReport) {
        self.inner.inside().jobs.insert(job.id, job);
        self.notify();
    }

    /// The numbers of the store, apart from damage and jobs.
    pub(super) fn put_health(&self, health: Health) {
        self.inner.inside().health = health;
        self.notify();
    }

    /// The server of the store, as it describes itself now.
    pub(super) fn put_server(&self, report: ServerReport) {
        self.inner.inside().server = Some(report);
    }

    /// Damage that is known of the packs at these positions in a repo.
    pub(super) fn put_damage(&self, repo: &str, packs: &[usize]) {
        if let Some(repo) = self.inner.inside().repos.get_mut(&repo.parse::<RepoName>().unwrap()) {
            repo.damaged = packs.iter().map(|at| repo.packs[*at].key).collect();
            repo.summary.damaged = packs.len() as u64;
        }
        self.notify();
    }

    /// Adds a token, without the console.
    pub(super) fn put_token(&self, token: TokenReport) {
        self.inner.inside().tokens.push(token);
    }

    /// These packs are needed by no repo.
    pub(super) fn put_replaced(&self, packs: Vec<ReplacedPack>) {
        self.inner.inside().replaced = packs;
        self.notify();
    }

    /// Policies are checked with these results.
    pub(super) fn put_checks(&self, checks: Vec<PolicyCheck>) {
        self.inner.inside().checks = checks;
        self.notify();
    }

    /// Verification finds these problems in any repo.
    pub(super) fn damage(&self, problems: Vec<Problem>) {
        self.inner.inside().problems = problems;
    }

    /// A repair finds no intact copies.
    pub(super) fn lose_copies(&self) {
        self.inner.inside().is_beyond_repair = true;
    }
}

impl FakeStore {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is inside each repo.
    pub(super) fn contents(&self) -> MutexGuard<'_, FakeContents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repo(&self, name: &RepoName) -> Result<FakeRepo> {
        let found = self.inside().repos.get(name).cloned();
        found.ok_or_else(|| Error::UnknownRepo(name.clone()))
    }

    fn put(&self, summary: &RepoSummary) {
        let repo = FakeRepo::of(summary, self.clock.now());
        self.inside().repos.insert(summary.repo.clone(), repo);
    }

    /// Sets the status of a job, if it has one of these.
    fn change_job(
        &self,
        id: i64,
        status: JobStatus,
        may: fn(JobStatus) -> bool,
    ) -> Result<JobReport> {
        let mut inside = self.inside();
        let job = inside.jobs.get_mut(&id).ok_or(Error::UnknownJob(id))?;
        if !may(job.status) {
            return Err(Error::Job(JobError::Ended { job: id, status: job.status }));
        }
        (job.status, job.reason) = (status, None);
        if status == JobStatus::Queued {
            (job.attempt, job.run_at, job.finished_at) = (0, now(), None);
        }
        Ok(job.clone())
    }

    /// A prune: packs that are due go.
    fn pruned(&self, dry_run: bool) -> PruneReport {
        let mut inside = self.inside();
        let report = prune_report(inside.replaced.clone());
        if dry_run {
            return report;
        }
        inside.replaced.retain(|pack| pack.fate != PackFate::Due);
        (inside.health.prunable_packs, inside.health.prunable_bytes) = (0, 0);
        PruneReport { dry_run: None, packs: Vec::new(), ..report }
    }

    /// The report of a verification.
    fn verified(&self, repo: FakeRepo, repair: bool) -> VerifyReport {
        let mut inside = self.inside();
        if repair && !inside.is_beyond_repair {
            inside.problems.clear();
        }
        let problems = inside.problems.clone();
        if let Some(known) = inside.repos.get_mut(&repo.summary.repo) {
            known.summary.damaged = problems.len() as u64;
        }
        drop(inside);
        let needed = repo.packs.iter().filter(|pack| pack.retired_at.is_none());
        VerifyReport {
            packs_checked: repo.summary.packs,
            objects_checked: needed.map(|pack| pack.records).sum(),
            bytes_checked: repo.summary.bytes,
            repo: repo.summary.repo,
            ok: problems.is_empty(),
            problems,
            repaired: repair.then(Vec::new),
        }
    }

    /// Replaces the packs of a repo by one, if it is still of this generation.
    fn consolidated(&self, name: &RepoName, generation: u64, at: Timestamp) -> Result<GcReport> {
        let mut inside = self.inside();
        let repo = inside.repos.get_mut(name).ok_or_else(|| Error::UnknownRepo(name.clone()))?;
        if repo.generation != generation {
            return Err(Error::PlanChanged(name.clone()));
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
            damaged: Vec::new(),
            has_no_branch: false,
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

    /// Deletes its branch; false if it has none of that name.
    fn deletes(&mut self, branch: &str) -> bool {
        branch == "main" && !std::mem::replace(&mut self.has_no_branch, true)
    }

    fn report(&self) -> RepoReport {
        let RepoSummary { repo, packs, objects, commits, snapshots, tags, bytes, .. } =
            self.summary.clone();
        let needed = self.packs.iter().filter(|pack| pack.retired_at.is_none());
        let head = (packs > 0 && !self.has_no_branch)
            .then(|| ("main".to_owned(), format!("sha256:{}", "4f".repeat(32))));
        RepoReport {
            repo,
            repo_id: RepoId("4f".repeat(16)),
            visibility: Visibility::Public,
            accepts_shallow: false,
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
            damaged: self.damaged.iter().map(|key| damage(*key)).collect(),
            oldest_check: None,
            created_at: self.summary.created_at,
        }
    }
}
