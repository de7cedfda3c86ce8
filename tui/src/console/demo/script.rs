//! Controls the demo store in tests: holds calls, continues them step by step, makes them fail, and
//! records them. Nothing here waits for time to pass.

use std::sync::{Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use jiff::Timestamp;
use packhouse_host::sample::Random;
use packhouse_host::{Cause, Event, Moment, PackReport, Phase, Problem, RepoName, RepoSummary};
use tokio::sync::oneshot;

use super::offline::SimulatedConnection;
use super::repo::Repo;
use super::{Demo, Pace};
use crate::console::backend::{BackendResult, Control, Failure, FailureKind};
use crate::console::tests::fake;

/// The controls of a test.
#[derive(Default)]
pub(super) struct Script {
    controls: Mutex<Controls>,
    /// The simulated connection of a remote store.
    pub(super) connection: SimulatedConnection,
}

#[derive(Default)]
struct Controls {
    /// Calls that wait at each step.
    holding: Vec<&'static str>,
    /// The waiting calls, and how to continue them.
    held: Vec<(Control, oneshot::Sender<()>)>,
    /// Fails the next call of a method; panics without a failure.
    failing: Vec<(&'static str, Option<Failure>)>,
    /// All calls, in order.
    calls: Vec<String>,
    /// The stamps of active watches.
    watching: Vec<u64>,
    /// Problems that verification finds in any repo.
    problems: Option<Vec<Problem>>,
}

impl Script {
    fn controls(&self) -> MutexGuard<'_, Controls> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call.
    pub(super) fn called(&self, verb: &'static str, about: &str) -> BackendResult<()> {
        self.controls().calls.push(format!("{verb} {about}").trim_end().to_owned());
        self.fails(verb)
    }

    /// Fails the call if the test wants it.
    pub(super) fn fails(&self, verb: &'static str) -> BackendResult<()> {
        self.connection.fails(verb)?;
        let mut controls = self.controls();
        let Some(at) = controls.failing.iter().position(|(failing, _)| *failing == verb) else {
            return Ok(());
        };
        match controls.failing.remove(at).1 {
            Some(failure) => Err(failure),
            None => panic!("a bug in {verb}, on purpose"),
        }
    }

    /// A step of a call: waits while the test holds it.
    pub(super) async fn pause(&self, verb: &'static str, control: &Control) {
        let (go, resumed) = oneshot::channel();
        {
            let mut controls = self.controls();
            if !controls.holding.contains(&verb) {
                return;
            }
            controls.held.push((control.clone(), go));
        }
        // A cancelled call is dropped here.
        let _ = resumed.await;
    }

    /// A watch begins, at the stamp `stamp`.
    pub(super) fn watches(&self, stamp: u64) -> Watching<'_> {
        self.controls().watching.push(stamp);
        Watching(self, stamp)
    }

    pub(super) fn problems(&self) -> Option<Vec<Problem>> {
        self.controls().problems.clone()
    }
}

/// An active watch.
pub(super) struct Watching<'a>(&'a Script, u64);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut controls = self.0.controls();
        if let Some(at) = controls.watching.iter().position(|stamp| *stamp == self.1) {
            controls.watching.remove(at);
        }
    }
}

/// For the tests of the console.
impl Demo {
    /// A store of repos with these names and numbers of packs.
    pub(in crate::console) fn of(repos: &[(&str, u64)]) -> Demo {
        let demo = Demo::new(0, 1, Pace::Held, fake::now());
        for (name, packs) in repos {
            demo.put(&fake::summary(name, *packs));
        }
        demo
    }

    /// Three repos: one fragmented, one consolidated, one empty.
    pub(in crate::console) fn three() -> Demo {
        let demo = Demo::of(&[("gabriel/notes", 7), ("zoe/empty", 0)]);
        let photos = fake::summary("gabriel/photos", 23);
        demo.put(&photos);
        demo.consolidated(&photos.repo, "2026-07-01T09:30:00Z");
        demo
    }

    /// Adds a repo, without the console.
    pub(in crate::console) fn put(&self, summary: &RepoSummary) {
        self.change(|inside| {
            let repo = Repo::like(summary, fake::now());
            inside.repos.insert(repo.name.clone(), repo);
        });
    }

    /// Removes a repo, without the console.
    pub(in crate::console) fn remove(&self, repo: &str) {
        self.change(|inside| inside.repos.remove(&repo.parse::<RepoName>().unwrap()));
    }

    /// Pushes a pack, without the console.
    pub(in crate::console) fn pushed(&self, repo: &str) {
        self.push(&repo.parse().unwrap());
    }

    /// Consolidates a repo, without the console.
    fn consolidated(&self, repo: &RepoName, at: &str) {
        let plan = self.planned(repo).unwrap();
        self.inside().now = at.parse().unwrap();
        self.publish(plan, 1234).unwrap();
        self.inside().now = fake::now();
    }

    /// Verification finds these problems in any repo.
    pub(in crate::console) fn damage(&self, problems: Vec<Problem>) {
        self.script.controls().problems = Some(problems);
    }

    /// Advances the clock.
    pub(in crate::console) fn advance(&self, seconds: i64) {
        self.inside().now += jiff::SignedDuration::from_secs(seconds);
    }

    /// Fails the next call of a method.
    pub(in crate::console) fn fail(&self, verb: &'static str, kind: FailureKind, message: &str) {
        self.script
            .controls()
            .failing
            .push((verb, Some(Failure { kind, message: message.to_owned() })));
    }

    /// Panics in the next call of a method.
    pub(in crate::console) fn panic(&self, verb: &'static str) {
        self.script.controls().failing.push((verb, None));
    }

    /// From now on, a method waits at each step.
    pub(in crate::console) fn hold(&self, verb: &'static str) {
        self.script.controls().holding.push(verb);
    }

    /// Number of calls that wait for the test.
    pub(in crate::console) fn held(&self) -> usize {
        // Cancelled calls continue on their own.
        let waits = |control: &Control| control.stopped().now_or_never().is_none();
        let held = &mut self.script.controls().held;
        held.retain(|(_, go)| !go.is_closed());
        held.iter().filter(|(control, _)| waits(control)).count()
    }

    /// Reports progress of all waiting calls.
    pub(in crate::console) fn report_progress(&self, phase: Phase, done: u64, total: u64) {
        for (control, _) in &self.script.controls().held {
            control.report(Event { repo: "any/repo".to_owned(), phase, done, total });
        }
    }

    /// Continues all waiting calls by one step.
    pub(in crate::console) fn step(&self) {
        for (_, go) in self.script.controls().held.drain(..) {
            // It may have been cancelled meanwhile.
            let _ = go.send(());
        }
    }

    /// Continues all calls to their end.
    pub(in crate::console) fn release(&self) {
        self.script.controls().holding.clear();
        self.step();
    }

    /// Whether all watches have seen the last change.
    pub(in crate::console) fn is_seen(&self) -> bool {
        let stamp = *self.stamp.borrow();
        self.script.controls().watching.iter().all(|seen| *seen == stamp)
    }

    /// All calls in order, without watches.
    pub(in crate::console) fn calls(&self) -> Vec<String> {
        self.script.controls().calls.clone()
    }
}

impl Repo {
    /// A repo with this summary.
    fn like(summary: &RepoSummary, now: Timestamp) -> Repo {
        let mut repo =
            Repo::new(summary.repo.clone(), summary.created_at, Random::new(summary.packs));
        (repo.commits, repo.tags, repo.last_gc) =
            (summary.commits, summary.tags, summary.last_gc.clone());
        let (packs, entities) =
            (summary.packs.max(1), summary.objects + 2 * summary.commits + summary.tags);
        for nth in 0..summary.packs {
            // The remainder goes to the first pack.
            let part = |whole: u64| whole / packs + if nth == 0 { whole % packs } else { 0 };
            let (bytes, repeated, needed_records) =
                (part(summary.bytes), part(summary.duplicate_bytes), part(entities));
            let key = repo.key();
            repo.packs.push(PackReport {
                key,
                bytes,
                records: needed_records + u64::from(repeated > 0) * 5,
                stored_at: now,
                consolidated: false,
                needed_records,
                needed_bytes: bytes - repeated,
                retired_at: None,
            });
            repo.timeline.push(Moment {
                at: now,
                cause: Cause::Push,
                packs: nth + 1,
                bytes: repo.bytes(),
            });
        }
        if summary.packs > 0 {
            repo.heads.insert("main".to_owned(), format!("sha256:{}", "4f".repeat(32)));
        }
        if summary.superseded_bytes > 0 {
            let key = repo.key();
            let bytes = summary.superseded_bytes;
            let (records, stored_at) = (9, summary.created_at);
            repo.waiting.push(PackReport {
                key,
                bytes,
                records,
                stored_at,
                consolidated: false,
                needed_records: 0,
                needed_bytes: 0,
                retired_at: Some(now),
            });
        }
        repo
    }
}
