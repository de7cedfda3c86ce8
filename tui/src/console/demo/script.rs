//! A test's hand in the demo store: it holds verbs back, lets them go on step by step, makes them
//! fail, and sees what was called. Nothing here waits for time to go by.

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

/// What a test wants.
#[derive(Default)]
pub(super) struct Script {
    wishes: Mutex<Wishes>,
    /// The line, where the store is elsewhere.
    pub(super) connection: SimulatedConnection,
}

#[derive(Default)]
struct Wishes {
    /// Verbs that wait at each of their steps.
    holding: Vec<&'static str>,
    /// What waits now, and how it goes on.
    held: Vec<(Control, oneshot::Sender<()>)>,
    /// Fails the next call of a verb; without a failure, it panics.
    failing: Vec<(&'static str, Option<Failure>)>,
    /// Every verb that was called, in order.
    calls: Vec<String>,
    /// What those see that watch the store now.
    watching: Vec<u64>,
    /// What verifying finds, in whichever repo.
    problems: Option<Vec<Problem>>,
}

impl Script {
    fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A verb is called.
    pub(super) fn called(&self, verb: &'static str, about: &str) -> BackendResult<()> {
        self.wishes().calls.push(format!("{verb} {about}").trim_end().to_owned());
        self.fails(verb)
    }

    /// Whether this call of a verb is to fail.
    pub(super) fn fails(&self, verb: &'static str) -> BackendResult<()> {
        self.connection.fails(verb)?;
        let mut wishes = self.wishes();
        let Some(at) = wishes.failing.iter().position(|(failing, _)| *failing == verb) else {
            return Ok(());
        };
        match wishes.failing.remove(at).1 {
            Some(failure) => Err(failure),
            None => panic!("a bug in {verb}, on purpose"),
        }
    }

    /// A step of a verb: waits for as long as the test holds it.
    pub(super) async fn turn(&self, verb: &'static str, control: &Control) {
        let (go, gone_on) = oneshot::channel();
        {
            let mut wishes = self.wishes();
            if !wishes.holding.contains(&verb) {
                return;
            }
            wishes.held.push((control.clone(), go));
        }
        // What was stopped is dropped here, and its end is forgotten.
        let _ = gone_on.await;
    }

    /// Somebody waits until the store is no longer as it was at `stamp`.
    pub(super) fn watches(&self, stamp: u64) -> Watching<'_> {
        self.wishes().watching.push(stamp);
        Watching(self, stamp)
    }

    pub(super) fn problems(&self) -> Option<Vec<Problem>> {
        self.wishes().problems.clone()
    }
}

/// For as long as somebody watches.
pub(super) struct Watching<'a>(&'a Script, u64);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        let mut wishes = self.0.wishes();
        if let Some(at) = wishes.watching.iter().position(|stamp| *stamp == self.1) {
            wishes.watching.remove(at);
        }
    }
}

/// For the tests of the console.
impl Demo {
    /// A store of repos, given by name and number of packs.
    pub(in crate::console) fn of(repos: &[(&str, u64)]) -> Demo {
        let demo = Demo::new(0, 1, Pace::Held, fake::now());
        for (name, packs) in repos {
            demo.put(&fake::summary(name, *packs));
        }
        demo
    }

    /// Three repos: one to merge, one in order, one empty.
    pub(in crate::console) fn three() -> Demo {
        let demo = Demo::of(&[("gabriel/notes", 7), ("zoe/empty", 0)]);
        let photos = fake::summary("gabriel/photos", 23);
        demo.put(&photos);
        demo.consolidated(&photos.repo, "2026-07-01T09:30:00Z");
        demo
    }

    /// Puts a repo into the store, behind the console's back.
    pub(in crate::console) fn put(&self, summary: &RepoSummary) {
        self.change(|inside| {
            let repo = Repo::like(summary, fake::now());
            inside.repos.insert(repo.name.clone(), repo);
        });
    }

    /// Removes a repo behind the console's back.
    pub(in crate::console) fn remove(&self, repo: &str) {
        self.change(|inside| inside.repos.remove(&repo.parse::<RepoName>().unwrap()));
    }

    /// Somebody pushes a pack.
    pub(in crate::console) fn pushed(&self, repo: &str) {
        self.push(&repo.parse().unwrap());
    }

    /// Somebody consolidated a repo.
    fn consolidated(&self, repo: &RepoName, at: &str) {
        let plan = self.planned(repo).unwrap();
        self.inside().now = at.parse().unwrap();
        self.publish(plan, 1234).unwrap();
        self.inside().now = fake::now();
    }

    /// Verifying finds these, in whichever repo.
    pub(in crate::console) fn damage(&self, problems: Vec<Problem>) {
        self.script.wishes().problems = Some(problems);
    }

    /// Lets some time go by.
    pub(in crate::console) fn advance(&self, seconds: i64) {
        self.inside().now += jiff::SignedDuration::from_secs(seconds);
    }

    /// Fails the next call of a verb.
    pub(in crate::console) fn fail(&self, verb: &'static str, kind: FailureKind, message: &str) {
        self.script
            .wishes()
            .failing
            .push((verb, Some(Failure { kind, message: message.to_owned() })));
    }

    /// Panics in the next call of a verb.
    pub(in crate::console) fn panic(&self, verb: &'static str) {
        self.script.wishes().failing.push((verb, None));
    }

    /// From now on a verb waits at each of its steps.
    pub(in crate::console) fn hold(&self, verb: &'static str) {
        self.script.wishes().holding.push(verb);
    }

    /// How much waits for the test.
    pub(in crate::console) fn held(&self) -> usize {
        // What was asked to stop goes on by itself.
        let waits = |control: &Control| control.stopped().now_or_never().is_none();
        let held = &mut self.script.wishes().held;
        held.retain(|(_, go)| !go.is_closed());
        held.iter().filter(|(control, _)| waits(control)).count()
    }

    /// Tells of a step of everything that waits.
    pub(in crate::console) fn report_progress(&self, phase: Phase, done: u64, total: u64) {
        for (control, _) in &self.script.wishes().held {
            control.report(Event { repo: "any/repo".to_owned(), phase, done, total });
        }
    }

    /// Lets everything that waits go on by one step.
    pub(in crate::console) fn step(&self) {
        for (_, go) in self.script.wishes().held.drain(..) {
            // It may have been stopped meanwhile.
            let _ = go.send(());
        }
    }

    /// Lets everything go on to its end.
    pub(in crate::console) fn release(&self) {
        self.script.wishes().holding.clear();
        self.step();
    }

    /// Whether everyone who watches has seen the last change.
    pub(in crate::console) fn is_seen(&self) -> bool {
        let stamp = *self.stamp.borrow();
        self.script.wishes().watching.iter().all(|seen| *seen == stamp)
    }

    /// Every verb that was called, in order; but for watching.
    pub(in crate::console) fn calls(&self) -> Vec<String> {
        self.script.wishes().calls.clone()
    }
}

impl Repo {
    /// A repo that is summed up so.
    fn like(summary: &RepoSummary, now: Timestamp) -> Repo {
        let mut repo =
            Repo::new(summary.repo.clone(), summary.created_at, Random::new(summary.packs));
        (repo.commits, repo.tags, repo.last_gc) =
            (summary.commits, summary.tags, summary.last_gc.clone());
        let (packs, entities) =
            (summary.packs.max(1), summary.objects + 2 * summary.commits + summary.tags);
        for nth in 0..summary.packs {
            // What does not divide is in the first.
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
