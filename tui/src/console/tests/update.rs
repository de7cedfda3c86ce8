//! What happens when something happens, message by message.

use jiff::ToSpan;
use packhouse_host::{Event, Phase};

use super::fake::{gc_report, now, report};
use super::key;
use crate::console::backend::{Failure, FailureKind};
use crate::console::msg::{Effect, Extent, Msg, Ticket};
use crate::console::state::{Leave, Model};
use crate::console::update::update;
use crate::console::view::Theme;

/// A model that has read a store of one repo.
fn model() -> Model {
    let mut model = Model::new(Theme::Mono);
    model.now = now();
    let effects = update(&mut model, Msg::Started);
    assert_eq!(effects, [Effect::List(Ticket(1))]);
    update(&mut model, Msg::Listed(Ticket(1), Ok(vec![report("a/b", 3)])));
    model
}

fn press(model: &mut Model, names: &[&str]) -> Vec<Effect> {
    names.iter().flat_map(|name| update(model, Msg::Key(key(name)))).collect()
}

fn step() -> Event {
    Event { repo: "a/b".to_owned(), phase: Phase::Splice, done: 1, total: 2 }
}

#[test]
fn only_a_plan_that_is_shown_can_be_run() {
    let mut model = model();
    assert_eq!(press(&mut model, &["g", "y"]), [Effect::Plan(Ticket(2), "a/b".parse().unwrap())]);
    update(&mut model, Msg::Planned(Ticket(2), Ok(gc_report(&report("a/b", 3)))));
    assert_eq!(press(&mut model, &["y"]), [Effect::Run(Ticket(2))]);
    assert_eq!(press(&mut model, &["y"]), []);
}

#[test]
fn a_declined_plan_is_dropped_whenever_it_comes() {
    let mut model = model();
    press(&mut model, &["g"]);
    assert_eq!(press(&mut model, &["Esc"]), [Effect::Cancel(Ticket(2))]);
    let late = update(&mut model, Msg::Planned(Ticket(2), Ok(gc_report(&report("a/b", 3)))));
    assert_eq!(late, [Effect::Forget(Ticket(2))]);

    press(&mut model, &["g"]);
    update(&mut model, Msg::Planned(Ticket(3), Ok(gc_report(&report("a/b", 3)))));
    assert_eq!(press(&mut model, &["Enter"]), [Effect::Forget(Ticket(3))]);
}

#[test]
fn an_answer_that_was_overtaken_is_dropped() {
    let mut model = model();
    press(&mut model, &["r", "r"]);
    update(&mut model, Msg::Listed(Ticket(3), Ok(vec![report("new/one", 1)])));
    update(&mut model, Msg::Listed(Ticket(2), Ok(vec![report("old/one", 1)])));
    assert_eq!(model.repos.current().unwrap().repo.to_string(), "new/one");
}

#[test]
fn what_was_read_stays_when_reading_fails() {
    let mut model = model();
    press(&mut model, &["r"]);
    update(&mut model, Msg::Listed(Ticket(2), Err(Failure { kind: FailureKind::Refused, message: "no".to_owned() })));
    assert!(model.repos.failure.is_some());
    assert_eq!(model.repos.shown(), 1);
}

#[test]
fn progress_of_what_has_ended_changes_nothing() {
    let mut model = model();
    let effects = press(&mut model, &["v"]);
    assert_eq!(effects, [Effect::Verify(Ticket(2), "a/b".parse().unwrap())]);
    update(&mut model, Msg::Verified(Ticket(2), Err(Failure { kind: FailureKind::Refused, message: "no".to_owned() })));
    model.dirty = false;
    update(&mut model, Msg::Progress(vec![(Ticket(2), step()), (Ticket(9), step())]));
    assert!(!model.dirty);
}

#[test]
fn ticks_are_seen_only_while_something_goes_on_or_a_minute_has_passed() {
    let mut model = model();
    update(&mut model, Msg::Drawn(Extent::default()));
    model.dirty = false;
    update(&mut model, Msg::Tick);
    assert!(!model.dirty);
    model.now += 60.seconds();
    update(&mut model, Msg::Tick);
    assert!(model.dirty);

    update(&mut model, Msg::Drawn(Extent::default()));
    press(&mut model, &["v"]);
    model.dirty = false;
    update(&mut model, Msg::Tick);
    assert!(model.dirty);
}

#[test]
fn leaving_waits_for_all_work() {
    let mut model = model();
    update(&mut model, Msg::Key(key("r")));
    update(&mut model, Msg::Listed(Ticket(2), Ok(vec![report("a/b", 3), report("c/d", 3)])));
    press(&mut model, &["v", "Esc", "Down", "v"]);
    assert_eq!(press(&mut model, &["Ctrl-c", "c"]), [Effect::Cancel(Ticket(3)), Effect::Cancel(Ticket(4))]);
    assert_eq!(model.leave, Some(Leave::Stopping));
    let cancelled = || Err(Failure { kind: FailureKind::Cancelled, message: "stopped".to_owned() });
    let first = update(&mut model, Msg::Verified(Ticket(4), cancelled()));
    assert!(!first.contains(&Effect::Quit));
    assert_eq!(update(&mut model, Msg::Verified(Ticket(3), cancelled())), [Effect::Quit]);
}

#[test]
fn scrolling_ends_where_the_text_ends() {
    let mut model = model();
    press(&mut model, &["Enter"]);
    update(&mut model, Msg::Drawn(Extent { content: 30, height: 10 }));
    press(&mut model, &["End", "Down", "PageDown"]);
    assert_eq!(model.top_line().copied(), Some(20));
    // A taller terminal shows more, so less is left to scroll.
    update(&mut model, Msg::Drawn(Extent { content: 30, height: 25 }));
    assert_eq!(model.top_line().copied(), Some(5));
    press(&mut model, &["PageUp", "Up"]);
    assert_eq!(model.top_line().copied(), Some(0));
}
