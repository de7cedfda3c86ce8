//! The demo store: generated in memory, for trying the console and for its tests. No files, no I/O;
//! equal seeds give equal stores.
//!
//! In reading order:
//!
//! 1. [`names`]: the names of its repos. [`repo`]: a repo, its pushes and consolidations.
//!    [`history`]: generates its history.
//! 2. [`work`]: the operations that take time.
//! 3. `script`: for tests, holds that work and continues it; `offline`: for tests, breaks the
//!    connection to the store.

mod history;
mod names;
#[cfg(test)]
mod offline;
mod repo;
#[cfg(test)]
mod script;
mod work;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sample::Random;
use packhouse_host::{
    Error, GcEntry, GcPlanReport, GcQuery, GcReport, Problem, RepoName, RepoSummary, VerifyReport,
};
use tokio::sync::watch;

use super::backend::{Backend, BackendResult, Control, Detail};
use repo::Repo;
use work::Planned;

/// Number of repos in the default demo.
pub(super) const REPOS: usize = 40;

/// Entries of the timeline and the history of a repo.
const MOMENTS: usize = 500;
const PAST: usize = 50;

/// How time passes in the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// In real time: runs take seconds, and sometimes a push arrives.
    Live,
    /// Controlled by a test: nothing sleeps, and nothing happens on its own.
    #[cfg(test)]
    Held,
}

/// The demo store.
pub(super) struct Demo {
    inside: Mutex<Inside>,
    /// Changes with every change of the store.
    stamp: watch::Sender<u64>,
    pace: Pace,
    #[cfg(test)]
    script: script::Script,
}

struct Inside {
    repos: BTreeMap<RepoName, Repo>,
    /// Ended consolidations, oldest first.
    history: Vec<GcEntry>,
    random: Random,
    /// The time in a test.
    #[cfg(test)]
    now: Timestamp,
}

impl Demo {
    /// A store with `repos` repos at the time `now`.
    pub(super) fn new(repos: usize, seed: u64, pace: Pace, now: Timestamp) -> Demo {
        let (mut all, mut history) = (BTreeMap::new(), Vec::new());
        for number in 0..repos {
            if let Some((repo, entries)) = history::generate(number, seed, now) {
                history.extend(entries);
                all.insert(repo.name.clone(), repo);
            }
        }
        history.sort_by_key(|entry| entry.record.finished_at);
        for (entry, id) in history.iter_mut().zip(1..) {
            entry.id = id;
        }
        let inside = Inside {
            repos: all,
            history,
            random: Random::stream(seed, u64::MAX),
            #[cfg(test)]
            now,
        };
        Demo {
            inside: Mutex::new(inside),
            stamp: watch::Sender::new(1),
            pace,
            #[cfg(test)]
            script: script::Script::default(),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        // The data is consistent even after a test has panicked on purpose.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn time(&self) -> Timestamp {
        match self.pace {
            Pace::Live => SystemClock.now(),
            #[cfg(test)]
            Pace::Held => self.inside().now,
        }
    }

    /// Changes the store, and notifies watchers.
    fn change<T>(&self, change: impl FnOnce(&mut Inside) -> T) -> T {
        let changed = change(&mut self.inside());
        self.stamp.send_modify(|stamp| *stamp += 1);
        changed
    }

    /// Reads a repo, and the problems that verification finds.
    fn with<T>(
        &self,
        name: &RepoName,
        read: impl FnOnce(&Repo, Vec<Problem>) -> T,
    ) -> BackendResult<T> {
        let inside = self.inside();
        let repo = inside.repos.get(name).ok_or_else(|| Error::UnknownRepo(name.clone()))?;
        let problems = repo.problems.clone();
        #[cfg(test)]
        let problems = self.script.problems().unwrap_or(problems);
        Ok(read(repo, problems))
    }

    /// Records a call, for tests.
    fn called(&self, verb: &'static str, about: &str) -> BackendResult<()> {
        let _ = (verb, about);
        #[cfg(test)]
        self.script.called(verb, about)?;
        Ok(())
    }

    /// Pushes a pack to a repo.
    fn push(&self, name: &RepoName) {
        let now = self.time();
        self.change(|inside| {
            if let Some(repo) = inside.repos.get_mut(name) {
                repo.push(repo.profile(), now);
            }
        });
    }

    /// Pushes to a random repo after a random time.
    async fn push_sometime(&self) {
        match self.pace {
            Pace::Live => {
                let after = 6 + self.inside().random.below(15) as u64;
                tokio::time::sleep(Duration::from_secs(after)).await;
            }
            #[cfg(test)]
            Pace::Held => std::future::pending().await,
        }
        let name = {
            let mut inside = self.inside();
            let nth = inside.random.next() as usize;
            let lively: Vec<&Repo> =
                inside.repos.values().filter(|repo| (1..200).contains(&repo.packs.len())).collect();
            lively.get(nth % lively.len().max(1)).map(|repo| repo.name.clone())
        };
        if let Some(name) = name {
            self.push(&name);
        }
    }
}

impl Backend for Demo {
    type Plan = Planned;

    fn now(&self) -> Timestamp {
        self.time()
    }

    fn place(&self) -> String {
        "demo".to_owned()
    }

    async fn list(&self, after: Option<&RepoName>, limit: u32) -> BackendResult<Vec<RepoSummary>> {
        self.called("list", &after.map(|after| format!("after {after}")).unwrap_or_default())?;
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let inside = self.inside();
        let page = inside.repos.range::<RepoName, _>((after, Bound::Unbounded));
        Ok(page.take(limit as usize).map(|(_, repo)| repo.summary()).collect())
    }

    async fn summary(&self, repo: &RepoName) -> BackendResult<RepoSummary> {
        self.called("summary", &repo.to_string())?;
        self.with(repo, |repo, _| repo.summary())
    }

    async fn show(&self, repo: &RepoName) -> BackendResult<Detail> {
        self.called("show", &repo.to_string())?;
        let query = GcQuery { repo: Some(repo.clone()), limit: PAST as u32, ..GcQuery::default() };
        let history =
            self.inside().look_back(&query).into_iter().map(|entry| entry.record).collect();
        self.with(repo, |repo, _| Detail {
            report: repo.report(),
            summary: repo.summary(),
            packs: repo.packs.iter().chain(&repo.waiting).cloned().collect(),
            timeline: repo.timeline[repo.timeline.len().saturating_sub(MOMENTS)..].to_vec(),
            history,
        })
    }

    async fn plan(
        &self,
        repo: &RepoName,
        control: Control,
    ) -> BackendResult<(GcPlanReport, Planned)> {
        self.called("plan", &repo.to_string())?;
        self.do_plan(repo, &control).await
    }

    async fn run(&self, plan: Planned, control: Control) -> BackendResult<GcReport> {
        self.called("run", &plan.repo().to_string())?;
        self.do_run(plan, &control).await
    }

    async fn consolidate(&self, repo: &RepoName, control: Control) -> BackendResult<GcReport> {
        self.do_consolidate(repo, &control).await
    }

    async fn verify(&self, repo: &RepoName, control: Control) -> BackendResult<VerifyReport> {
        self.called("verify", &repo.to_string())?;
        self.do_verify(repo, &control).await
    }

    async fn history(&self, query: &GcQuery) -> BackendResult<Vec<GcEntry>> {
        self.called("history", &query.text)?;
        Ok(self.inside().look_back(query))
    }

    async fn watch(&self, since: Option<u64>) -> BackendResult<u64> {
        #[cfg(test)]
        self.script.fails("watch")?;
        let mut stamp = self.stamp.subscribe();
        loop {
            let now = *stamp.borrow_and_update();
            if since != Some(now) {
                return Ok(now);
            }
            #[cfg(test)]
            let _watching = self.script.watches(now);
            tokio::select! {
                // Fails only if the demo store was dropped.
                _ = stamp.changed() => {}
                () = self.push_sometime() => {}
            }
        }
    }

    #[cfg(test)]
    fn connection(&self) -> Option<watch::Receiver<super::backend::Connection>> {
        self.script.connection.connection()
    }
}

impl Inside {
    /// Ended consolidations, newest first.
    fn look_back(&self, query: &GcQuery) -> Vec<GcEntry> {
        let text = query.text.to_ascii_lowercase();
        let holds = |entry: &GcEntry| {
            let record = &entry.record;
            let (key, error) = (record.consolidated_key.as_deref(), record.error.as_deref());
            let texts = [
                Some(entry.repo.to_string()),
                Some(record.outcome.clone()),
                key.map(str::to_owned),
                error.map(str::to_owned),
            ];
            text.is_empty()
                || texts.into_iter().flatten().any(|held| held.to_ascii_lowercase().contains(&text))
        };
        let matching = self.history.iter().rev().filter(|entry| {
            query.before.is_none_or(|before| entry.id < before)
                && query.repo.as_ref().is_none_or(|repo| entry.repo == *repo)
                && holds(entry)
        });
        matching.take(query.limit as usize).cloned().collect()
    }
}
