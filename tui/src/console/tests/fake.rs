//! A store in memory, whose work can be held back so that a test can look at the console meanwhile.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;
use packhouse_host::{
    Event, GcRecord, GcReport, MpackKey, Phase, Problem, RepoId, RepoName, RepoReport, VerifyReport, Visibility,
};
use tokio::sync::oneshot;

use crate::console::backend::{Answer, Backend, Failure, FailureKind, Watch};

/// A store in memory.
#[derive(Default)]
pub(super) struct Fake(Mutex<Inside>);

#[derive(Default)]
struct Inside {
    repos: BTreeMap<String, RepoReport>,
    history: BTreeMap<String, Vec<GcRecord>>,
    problems: Vec<Problem>,
    /// Verbs that are held back from now on.
    holding: Vec<&'static str>,
    /// What is held back now.
    held: Vec<(Watch, oneshot::Sender<()>)>,
    /// Fails the next verb of that name.
    failing: Option<(&'static str, Failure)>,
    /// Every verb that was called, in order.
    calls: Vec<String>,
}

pub(super) fn now() -> Timestamp {
    "2026-07-01T12:00:00Z".parse().unwrap()
}

/// A repo of so many packs.
pub(super) fn report(name: &str, packs: u64) -> RepoReport {
    RepoReport {
        repo: name.parse().unwrap(),
        repo_id: RepoId("00000000000000000000000000000001".to_owned()),
        visibility: Visibility::Public,
        default_branch: "main".to_owned(),
        packs,
        pack_keys: (0..packs).map(|n| MpackKey::new([n as u8; 32])).collect(),
        objects: packs * 16,
        commits: packs * 2,
        snapshots: packs * 2,
        tags: 0,
        bytes: packs * 118_784,
        stored_bytes: packs * 118_784,
        branch_heads: (0..packs.min(1)).map(|_| ("main".to_owned(), format!("sha256:{}", "4f".repeat(32)))).collect(),
        last_gc: None,
        created_at: "2026-06-28T12:00:00Z".parse().unwrap(),
    }
}

/// A consolidation of that repo, done.
pub(super) fn gc_report(report: &RepoReport) -> GcReport {
    GcReport {
        repo: report.repo.clone(),
        packs_before: report.packs,
        packs_after: report.packs.min(1),
        consolidated_key: (report.packs > 0).then(|| MpackKey::new([0xab; 32])),
        skipped: report.packs < 2,
        objects: report.objects,
        commits: report.commits,
        snapshots: report.snapshots,
        tags: report.tags,
        bytes_before: report.bytes,
        bytes_after: report.bytes / 10 * 9,
        duplicates_dropped: 34,
        rows_changed: 7,
        elapsed_ms: 1234,
        component: format!("sha256:{}", "c0".repeat(32)),
        dry_run: None,
        plan_digest: None,
    }
}

pub(super) fn record(report: &GcReport, finished_at: &str) -> GcRecord {
    GcRecord {
        finished_at: finished_at.parse().unwrap(),
        outcome: "consolidated".to_owned(),
        packs_before: report.packs_before,
        packs_after: report.packs_after,
        consolidated_key: report.consolidated_key.map(|key| key.to_string()),
        bytes_before: report.bytes_before,
        bytes_after: report.bytes_after,
        elapsed_ms: report.elapsed_ms,
        component: report.component.clone(),
        error: None,
    }
}

impl Fake {
    /// A store of repos, given by name and number of packs.
    pub(super) fn of(repos: &[(&str, u64)]) -> Fake {
        let fake = Fake::default();
        for (name, packs) in repos {
            fake.put(report(name, *packs));
        }
        fake
    }

    /// Three repos: one to merge, one in order, one empty.
    pub(super) fn three() -> Fake {
        let fake = Fake::of(&[("gabriel/notes", 7), ("zoe/empty", 0)]);
        let mut merged = report("gabriel/photos", 1);
        let record = record(&gc_report(&report("gabriel/photos", 23)), "2026-07-01T09:30:00Z");
        merged.last_gc = Some(record.clone());
        fake.put(merged);
        fake.inside().history.insert("gabriel/photos".to_owned(), vec![record]);
        fake
    }

    fn inside(&self) -> std::sync::MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    pub(super) fn put(&self, report: RepoReport) {
        self.inside().repos.insert(report.repo.to_string(), report);
    }

    /// Removes a repo behind the console's back: the fake panics when it is asked for.
    pub(super) fn remove(&self, repo: &str) {
        self.inside().repos.remove(repo);
    }

    pub(super) fn damage(&self, problems: Vec<Problem>) {
        self.inside().problems = problems;
    }

    pub(super) fn fail(&self, verb: &'static str, kind: FailureKind, message: &str) {
        self.inside().failing = Some((verb, Failure { kind, message: message.to_owned() }));
    }

    /// Holds a verb back, each time it is called.
    pub(super) fn hold(&self, verb: &'static str) {
        self.inside().holding.push(verb);
    }

    /// How much is held back.
    pub(super) fn held(&self) -> usize {
        self.inside().held.len()
    }

    /// Tells of a step of everything that is held back.
    pub(super) fn tell(&self, phase: Phase, done: u64, total: u64) {
        for (watch, _) in &self.inside().held {
            watch.tell(Event { repo: "any".to_owned(), phase, done, total });
        }
    }

    /// Lets everything go on that is held back.
    pub(super) fn release(&self) {
        let mut inside = self.inside();
        inside.holding.clear();
        inside.held.drain(..).for_each(|(_, go)| go.send(()).unwrap());
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.inside().calls.clone()
    }

    async fn call(&self, verb: &'static str, repo: &str, watch: Option<Watch>) -> Answer<()> {
        let failing = {
            let mut inside = self.inside();
            inside.calls.push(format!("{verb} {repo}").trim_end().to_owned());
            inside.failing.take_if(|(of, _)| *of == verb)
        };
        if let Some((_, failure)) = failing {
            return Err(failure);
        }
        let Some(watch) = watch.filter(|_| self.inside().holding.contains(&verb)) else { return Ok(()) };
        let (go, mut gone_on) = oneshot::channel();
        self.inside().held.push((watch.clone(), go));
        // As a real verb does; and it tells the loop that there is something to look at.
        watch.tell(Event { repo: repo.to_owned(), phase: Phase::Plan, done: 0, total: 0 });
        tokio::select! {
            _ = &mut gone_on => Ok(()),
            () = watch.stopped() => {
                drop(gone_on);
                self.inside().held.retain(|(_, go)| !go.is_closed());
                Err(Failure { kind: FailureKind::Cancelled, message: "stopped on request; nothing was changed".to_owned() })
            }
        }
    }
}

impl Backend for Fake {
    type Plan = RepoName;

    fn now(&self) -> Timestamp {
        now()
    }

    async fn list(&self) -> Answer<Vec<RepoReport>> {
        self.call("list", "", None).await?;
        Ok(self.inside().repos.values().cloned().collect())
    }

    async fn show(&self, repo: &RepoName) -> Answer<RepoReport> {
        self.call("show", &repo.to_string(), None).await?;
        Ok(self.inside().repos[&repo.to_string()].clone())
    }

    async fn history(&self, repo: &RepoName, limit: u32) -> Answer<Vec<GcRecord>> {
        let mut history = self.inside().history.get(&repo.to_string()).cloned().unwrap_or_default();
        history.truncate(limit as usize);
        Ok(history)
    }

    async fn plan(&self, repo: &RepoName, watch: Watch) -> Answer<(GcReport, RepoName)> {
        self.call("plan", &repo.to_string(), Some(watch)).await?;
        let mut report = gc_report(&self.inside().repos[&repo.to_string()]);
        report.plan_digest = Some(format!("sha256:{}", "1f".repeat(32)));
        Ok((report, repo.clone()))
    }

    async fn run(&self, plan: RepoName, watch: Watch) -> Answer<GcReport> {
        self.call("run", &plan.to_string(), Some(watch)).await?;
        let mut inside = self.inside();
        let before = inside.repos[&plan.to_string()].clone();
        let done = gc_report(&before);
        let record = record(&done, "2026-07-01T12:00:00Z");
        inside.history.entry(plan.to_string()).or_default().insert(0, record.clone());
        let after = RepoReport {
            packs: 1,
            pack_keys: done.consolidated_key.into_iter().collect(),
            bytes: done.bytes_after,
            last_gc: Some(record),
            ..before
        };
        inside.repos.insert(plan.to_string(), after);
        Ok(done)
    }

    async fn verify(&self, repo: &RepoName, watch: Watch) -> Answer<VerifyReport> {
        self.call("verify", &repo.to_string(), Some(watch)).await?;
        let inside = self.inside();
        let report = &inside.repos[&repo.to_string()];
        Ok(VerifyReport {
            repo: repo.clone(),
            packs_checked: report.packs,
            objects_checked: report.objects,
            bytes_checked: report.bytes,
            ok: inside.problems.is_empty(),
            problems: inside.problems.clone(),
        })
    }
}
