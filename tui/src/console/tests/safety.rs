//! Safety: no key changes a store unless it confirms what is on the screen, whatever the order of
//! the keys, and whether results arrive at once, late or never.

use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use packhouse_host::{Contents, GcOptions, Inspect, JobStatus, PlannedGc, Progress, VerifyOptions};
use proptest::prelude::*;

use super::fake::{job, replaced};
use super::fake_store::Fake;
use super::{key, model_of};
use crate::console::backend::Backend;
use crate::console::effects::contents;
use crate::console::failure::BackendResult;
use crate::console::keys::{Action, Focus, Key, TABLE};
use crate::console::msg::{Effect, Msg};
use crate::console::state::{Asks, JobChange, Model, PAGE, PlanState, Subject, Ticket, Work};
use crate::console::update::update;

/// A model, and a fake store whose results arrive on request.
struct Bench {
    model: Model,
    store: Fake,
    plans: BTreeMap<Ticket, Box<dyn PlannedGc>>,
    /// Effects without a result.
    open: Vec<Effect>,
    /// Confirmed consolidations and prunes, and those that were started.
    confirmed: BTreeSet<Ticket>,
    started: BTreeSet<Ticket>,
    /// How often a job was retried or cancelled.
    changes: usize,
}

impl Bench {
    fn new(store: Fake, read_only: bool) -> Bench {
        let mut model = model_of(&store, read_only);
        let open = update(&mut model, Msg::Started);
        let (plans, confirmed, started, changes) = Default::default();
        let mut bench = Bench { model, store, plans, open, confirmed, started, changes };
        bench.answer_all();
        bench
    }

    /// Sends a message, and checks that it changes no store unless it confirms.
    fn send(&mut self, msg: Msg) {
        let yes = matches!(&msg, Msg::Key(key) if self.is_yes(*key));
        let effects = update(&mut self.model, msg);
        let tickets = self
            .model
            .runs
            .listed()
            .into_iter()
            .filter(|run| run.work != Work::Verify)
            .map(|run| run.ticket);
        for ticket in tickets {
            let new = self.confirmed.insert(ticket);
            assert!(!new || (yes && !self.model.read_only), "{ticket:?} was not confirmed");
        }
        for effect in &effects {
            if let Effect::Run(_, ticket)
            | Effect::Consolidate(_, ticket, _)
            | Effect::Repair(_, ticket, _)
            | Effect::Prune(_, ticket, _) = effect
            {
                assert!(
                    self.confirmed.contains(ticket) && self.started.insert(*ticket),
                    "{effect:?}"
                );
            }
            if let Effect::ChangeJob(..)
            | Effect::CreateToken(..)
            | Effect::RevokeToken(..)
            | Effect::SetPolicy(..)
            | Effect::DeleteBranch(..) = effect
            {
                assert!(yes && !self.model.read_only, "{effect:?} was not confirmed");
                self.changes += 1;
            }
        }
        self.open.extend(effects);
    }

    /// Whether a key confirms a displayed plan.
    fn is_yes(&self, pressed: Key) -> bool {
        let Some(dialog) = &self.model.dialog else { return false };
        let ready = match &dialog.subject {
            Subject::One(_, plan) => matches!(plan, PlanState::Ready(_)),
            Subject::Many(repos) => !repos.is_empty() && repos.iter().all(|repo| repo.packs > 1),
            Subject::Job(job, change) => change.applies_to(job.status),
            Subject::Prune(report, _) => report.packs_deleted > 0,
            Subject::NewToken(_) => true,
            Subject::Revoke(token) => token.revoked_at.is_none(),
            Subject::Policy(_) | Subject::Branch(_) => true,
            Subject::Repair(repos) => !repos.is_empty(),
            Subject::Command(_) => true,
        };
        ready
            && dialog.is_seen()
            && match (self.model.focus(), &dialog.asks, &dialog.subject) {
                (Focus::Confirm, Asks::Key, _) => {
                    let is_selected = self.model.button(Focus::Confirm) == Some(Action::Confirm);
                    pressed == key("y") || (pressed == key("Enter") && is_selected)
                }
                (Focus::Typing, Asks::Count(typed), Subject::Many(repos)) => {
                    pressed == key("Enter") && typed.text().trim() == repos.len().to_string()
                }
                (Focus::Typing, Asks::Count(typed), Subject::Repair(repos)) => {
                    pressed == key("Enter") && typed.text().trim() == repos.len().to_string()
                }
                (Focus::Typing, Asks::Count(typed), Subject::Prune(report, _)) => {
                    let number = report.packs_deleted.to_string();
                    pressed == key("Enter") && typed.text().trim() == number
                }
                _ => false,
            }
    }

    /// Delivers the result of the oldest effect; false if there is none.
    fn answer(&mut self) -> bool {
        if self.open.is_empty() {
            return false;
        }
        let progress = Progress::silent();
        let store = &self.store;
        let msg = match self.open.remove(0) {
            Effect::List(ticket, after) => {
                Msg::Listed(ticket, at_once(store.summaries(after.as_ref(), PAGE)))
            }
            Effect::Summarise(_, repo) => Msg::Summarised(at_once(store.summary(&repo))),
            Effect::Health(ticket) => Msg::Health(ticket, at_once(store.health())),
            Effect::Show(ticket, repo) => {
                Msg::Shown(ticket, at_once(store.detail(&repo)).map(Box::new))
            }
            Effect::Commits(ticket, repo, query) => {
                Msg::Commits(ticket, at_once(store.log(&repo, &query)))
            }
            Effect::Records(ticket, repo, query) => {
                Msg::Records(ticket, at_once(store.pack_records(&repo, &query)))
            }
            Effect::Compare(ticket, repo, query) => {
                Msg::Compared(ticket, at_once(store.compare_packs(&repo, &query)))
            }
            Effect::Server(ticket) => {
                Msg::Served(ticket, at_once(store.server()).map(|it| it.map(Box::new)))
            }
            Effect::Files(ticket, repo, query) => {
                Msg::Files(ticket, at_once(store.files(&repo, &query)))
            }
            Effect::Entity(ticket, repo, id) => {
                let opened = at_once(contents::open(store, &repo, &id));
                Msg::Entity(ticket, opened.map(Box::new))
            }
            Effect::Find(ticket, id, repos) => {
                let found = contents::find(store, &id, repos).now_or_never();
                Msg::Found(ticket, found.expect("the fake store does not wait"))
            }
            Effect::Plan(ticket, repo) => {
                let planned = at_once(store.plan_gc(&repo, GcOptions::default(), &progress));
                let report = planned.map(|plan| {
                    let report = plan.report().clone();
                    self.plans.insert(ticket, plan);
                    report
                });
                Msg::Planned(ticket, report)
            }
            Effect::Run(_, ticket) => {
                let plan = self.plans.remove(&ticket).expect("only plans are run, and only once");
                Msg::Consolidated(ticket, at_once(plan.apply(&progress)))
            }
            Effect::Consolidate(_, ticket, repo) => {
                Msg::Consolidated(ticket, at_once(store.gc(&repo, GcOptions::default(), &progress)))
            }
            Effect::Verify(ticket, repo) => Msg::Verified(
                ticket,
                at_once(store.verify(&repo, VerifyOptions::default(), &progress)),
            ),
            Effect::Repair(_, ticket, repo) => {
                let repair = VerifyOptions { repair: true };
                Msg::Verified(ticket, at_once(store.verify(&repo, repair, &progress)))
            }
            Effect::SetPolicy(_, _, change) => {
                let set = at_once(store.set_policy(change.now.repo.as_ref(), change.to));
                Msg::PolicySet(set.map(Box::new))
            }
            Effect::DeleteBranch(_, _, branch) => {
                let deleted = at_once(store.delete_branch(&branch.repo, &branch.name));
                Msg::BranchDeleted(branch, deleted.map(Box::new))
            }
            Effect::Tokens(ticket) => Msg::Tokens(ticket, at_once(store.tokens())),
            Effect::CreateToken(_, _, token) => {
                Msg::TokenCreated(at_once(store.create_token(*token)).map(Box::new))
            }
            Effect::RevokeToken(_, _, id) => {
                let revoked = at_once(store.revoke_token(&id)).map(Box::new);
                Msg::TokenRevoked(id, revoked)
            }
            Effect::Policy(_, repo) => {
                Msg::Policy(at_once(store.policy(Some(&repo))).map(Box::new))
            }
            Effect::Policies(ticket) => {
                let default = at_once(store.policy(None));
                let checks = at_once(store.check_policies(None, false));
                Msg::Policies(ticket, default.and_then(|default| Ok((default, checks?))))
            }
            Effect::PreviewPrune(ticket, options) => {
                let report = at_once(store.prune(options, &progress));
                Msg::PrunePreviewed(ticket, report.map(Box::new))
            }
            Effect::Prune(_, ticket, options) => {
                Msg::Pruned(ticket, at_once(store.prune(options, &progress)).map(Box::new))
            }
            Effect::History(ticket, query) => {
                Msg::Remembered(ticket, at_once(store.gc_entries(&query)))
            }
            Effect::Jobs(ticket, query) => Msg::Jobs(ticket, at_once(store.jobs(&query))),
            Effect::Job(ticket, id) => Msg::Job(ticket, at_once(store.job(id)).map(Box::new)),
            Effect::ChangeJob(_, _, id, change) => {
                let job = match change {
                    JobChange::Retry => at_once(store.retry_job(id)),
                    JobChange::Cancel => at_once(store.cancel_job(id)),
                };
                Msg::JobChanged(id, change, job.map(Box::new))
            }
            Effect::Watch(since) => match store.changed(since).now_or_never() {
                Some(answer) => Msg::Changed(answer.map_err(Into::into)),
                // Keep watching.
                None => return self.answer_after(Effect::Watch(since)),
            },
            Effect::Cancel(_)
            | Effect::Forget(_)
            | Effect::Export(..)
            | Effect::Command(_)
            | Effect::Copy(_)
            | Effect::Suspend
            | Effect::Quit => return true,
        };
        self.send(msg);
        true
    }

    /// Moves an effect to the end of the queue.
    fn answer_after(&mut self, effect: Effect) -> bool {
        let others = self.open.iter().any(|other| !matches!(other, Effect::Watch(_)));
        self.open.push(effect);
        others
    }

    fn answer_all(&mut self) {
        while self.answer() {}
    }

    fn draw(&mut self) {
        self.send(Msg::Drawn(self.model.extent.clone()));
    }

    fn press(&mut self, keys: &[&str]) {
        for name in keys {
            self.draw();
            self.send(Msg::Key(key(name)));
            self.answer_all();
        }
    }

    /// How many changes of the store were started, except for those of jobs.
    fn runs(&self) -> usize {
        let runs = |call: &&String| {
            ["run ", "consolidate "].iter().any(|verb| call.starts_with(verb)) || *call == "prune"
        };
        self.store.calls().iter().filter(runs).count()
    }
}

/// A result of the fake store, which is available at once.
fn at_once<T>(work: impl Future<Output = packhouse_host::Result<T>>) -> BackendResult<T> {
    Ok(work.now_or_never().expect("the fake store does not wait")?)
}

/// A store with more than twelve fragmented repos, and a history.
fn crowd() -> Fake {
    let names: Vec<String> = (0..24).map(|n| format!("owner/repo-{n:02}")).collect();
    let packs = |n| [40, 5, 3, 7, 0, 23, 2, 6][n % 8];
    let repos: Vec<(&str, u64)> =
        names.iter().enumerate().map(|(n, name)| (name.as_str(), packs(n))).collect();
    let store = Fake::of(&repos);
    for name in names.iter().skip(1).step_by(8) {
        store.consolidated(name, "2026-06-30T12:00:00Z");
    }
    for (id, status) in (1..).zip(JobStatus::ALL) {
        store.put_job(job(id, &names[0], status));
    }
    store.put_replaced(vec![replaced(1, &names[0], 30), replaced(2, &names[1], 20)]);
    store
}

/// A random step.
#[derive(Clone, Debug)]
enum Step {
    Press(Key),
    Paste(&'static str),
    BackendResult,
    Draw,
    Tick,
    Push(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let mut keys: Vec<Key> = TABLE.iter().flat_map(|row| row.keys.iter()).copied().collect();
    keys.extend("0123456789yYngkx".chars().map(|c| key(c.encode_utf8(&mut [0; 4]))));
    let step = prop_oneof![
        8 => prop::sample::select(keys).prop_map(Step::Press),
        // Keys that lead to confirmations.
        4 => prop::sample::select(vec!["g", "y", "a", "Enter", "Space", "4", "p", "2", "Tab", "Left"]).prop_map(|name| Step::Press(key(name))),
        1 => prop::sample::select(vec!["y", "12", "14", "yes\ny", "state:merge"]).prop_map(Step::Paste),
        6 => Just(Step::BackendResult),
        6 => Just(Step::Draw),
        1 => Just(Step::Tick),
        1 => (0usize..24).prop_map(Step::Push),
    ];
    prop::collection::vec(step, 1..80)
}

/// Runs steps. Returns the number of consolidations that were started.
fn walk(read_only: bool, steps: Vec<Step>) -> usize {
    let mut bench = Bench::new(crowd(), read_only);
    for step in steps {
        match step {
            Step::Press(key) => bench.send(Msg::Key(key)),
            Step::Paste(text) => bench.send(Msg::Paste(text.to_owned())),
            Step::BackendResult => drop(bench.answer()),
            Step::Draw => bench.draw(),
            Step::Tick => {
                bench.store.advance(3);
                bench.model.now = bench.store.now();
                bench.send(Msg::Tick);
            }
            Step::Push(nth) => {
                let repos = at_once(bench.store.summaries(None, 100)).unwrap();
                bench.store.pushed(&repos[nth % repos.len()].repo.to_string());
            }
        }
    }
    bench.answer_all();
    assert!(bench.runs() <= bench.started.len());
    bench.runs()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_changed_without_confirmation(steps in steps()) {
        walk(false, steps);
    }

    #[test]
    fn read_only_changes_nothing(steps in steps()) {
        prop_assert_eq!(walk(true, steps), 0);
    }
}

#[test]
fn a_confirmation_of_the_displayed_plan_runs_it() {
    let press = |name| Step::Press(key(name));
    let answers = || [vec![Step::BackendResult; 9], vec![Step::Draw]].concat();
    let one = [vec![press("s"), press("g")], answers(), vec![press("y")], answers()].concat();
    assert_eq!((walk(false, one.clone()), walk(true, one)), (1, 0));
    // After a push between plan and confirmation, the plan is not run, and a new one is displayed.
    // It must be requested and confirmed again.
    let renewed = [
        vec![press("s"), press("g")],
        answers(),
        (0..24).map(Step::Push).collect(),
        vec![press("y")],
        answers(),
    ]
    .concat();
    let twice = [renewed.clone(), vec![press("y")], answers()].concat();
    let again = [renewed.clone(), vec![press("g"), press("y")], answers()].concat();
    assert_eq!((walk(false, renewed), walk(false, twice), walk(false, again)), (1, 1, 2));
    // A key before the plan is displayed confirms nothing.
    let blind =
        [vec![press("s"), press("g")], vec![Step::BackendResult; 9], vec![press("y")], answers()]
            .concat();
    assert_eq!(walk(false, blind), 0);
}

/// Keys that lead to each focus, with more than ten fragmented repos. A read-only console can't
/// reach some of them.
const WAYS: [(Focus, &[&str]); 19] = [
    (Focus::Repos, &[]),
    (Focus::Filter, &["/"]),
    (Focus::Repo, &["Enter"]),
    (Focus::Preview, &["p"]),
    (Focus::Confirm, &["g"]),
    (Focus::Typing, &["a", "g"]),
    (Focus::Runs, &["w"]),
    (Focus::Run, &["HOLD", "v"]),
    (Focus::Done, &["v"]),
    (Focus::History, &["h"]),
    (Focus::Search, &["h", "/"]),
    (Focus::Record, &["h", "Enter"]),
    (Focus::Jobs, &["2"]),
    (Focus::Job, &["2", "Enter"]),
    (Focus::Health, &["3"]),
    (Focus::Log, &["l"]),
    (Focus::Palette, &[":"]),
    (Focus::Leave, &["HOLD", "v", "Ctrl-c"]),
    (Focus::Help, &["?"]),
];

/// A console with a focus. After `HOLD`, no more results arrive.
fn in_place(way: &[&str], read_only: bool) -> Bench {
    let mut bench = Bench::new(crowd(), read_only);
    let mut answering = true;
    // The first repo of the list is fragmented.
    for name in ["s"].iter().chain(way) {
        match *name {
            "HOLD" => answering = false,
            name if answering => bench.press(&[name]),
            name => {
                bench.draw();
                bench.send(Msg::Key(key(name)));
            }
        }
    }
    bench
}

#[test]
fn every_place_is_reached_and_no_key_of_a_read_only_console_changes_a_store() {
    let letters = (' '..='~').map(String::from);
    let named = [
        "Enter",
        "Esc",
        "Tab",
        "Backspace",
        "Delete",
        "Up",
        "Down",
        "PgUp",
        "PgDn",
        "Home",
        "End",
        "F1",
        "F5",
    ];
    let ctrl = ('a'..='z').map(|c| format!("Ctrl-{c}"));
    let all: Vec<String> = letters
        .map(|c| if c == " " { "Space".to_owned() } else { c })
        .chain(named.map(str::to_owned))
        .chain(ctrl)
        .collect();
    for (focus, way) in WAYS {
        assert_eq!(in_place(way, false).model.focus(), focus);
        let reached = in_place(way, true).model.focus();
        assert!(
            !matches!(reached, Focus::Confirm | Focus::Typing),
            "a read-only console asks for confirmation in {focus:?}"
        );
        for name in &all {
            let mut bench = in_place(way, true);
            bench.press(&[name, "y", "Enter"]);
            assert_eq!((bench.runs(), bench.changes), (0, 0), "{name} in {reached:?}");
        }
    }
}

#[test]
fn only_the_right_number_runs_many() {
    for (typed, right) in [("", false), ("1", false), ("y", false), ("11", false), ("ALL", true)] {
        let mut bench = Bench::new(crowd(), false);
        bench.press(&["a", "g"]);
        let Some(Subject::Many(repos)) = bench.model.dialog.as_ref().map(|dialog| &dialog.subject)
        else {
            panic!("no dialog")
        };
        let many = repos.len();
        assert!(many > 11, "too few to ask for a number: {many}");
        let typed = if right { many.to_string() } else { typed.to_owned() };
        bench.draw();
        bench.send(Msg::Paste(typed));
        assert_eq!(bench.runs(), 0);
        bench.press(&["Enter"]);
        assert_eq!(bench.runs(), if right { many } else { 0 });
        assert_eq!(bench.model.dialog.is_none(), right);
    }
}
