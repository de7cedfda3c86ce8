//! Messages and their effects.

use jiff::ToSpan;
use packhouse_host::{Event, GcEntry, Health, Phase, RepoName, RepoSummary};

use super::fake::{gc_plan, last_gc, summary};
use super::fake_store::Fake;
use super::{key, model_of};
use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::Focus;
use crate::console::msg::{Effect, Msg};
use crate::console::state::{Extent, Leave, Level, Model, Screen, Ticket};
use crate::console::update::update;

/// A model that has loaded these repos.
pub(super) fn model_with(repos: Vec<RepoSummary>) -> Model {
    let mut model = model_of(&Fake::of(&[]), false);
    assert_eq!(update(&mut model, Msg::Started), [Effect::Watch(None)]);
    let effects = update(&mut model, Msg::Changed(Ok(5)));
    assert_eq!(
        effects,
        [Effect::Watch(Some(5)), Effect::List(Ticket(1), None), Effect::Health(Ticket(2))]
    );
    update(&mut model, Msg::Health(Ticket(2), Ok(Health::default())));
    assert_eq!(update(&mut model, Msg::Listed(Ticket(1), Ok(repos))), []);
    model
}

/// A model that has loaded one repo.
pub(in crate::console) fn model() -> Model {
    model_with(vec![summary("a/b", 3)])
}

/// Presses keys, each after a new frame.
pub(in crate::console) fn press(model: &mut Model, names: &[&str]) -> Vec<Effect> {
    let press = |name: &&str| {
        let extent = model.extent.clone();
        update(model, Msg::Drawn(extent));
        update(model, Msg::Key(key(name)))
    };
    names.iter().flat_map(press).collect()
}

pub(super) fn name(repo: &str) -> RepoName {
    repo.parse().unwrap()
}

fn step() -> Event {
    Event { repo: "a/b".to_owned(), phase: Phase::Splice, done: 1, total: 2 }
}

pub(super) fn failure(kind: FailureKind) -> Failure {
    Failure { kind, message: "no".to_owned() }
}

/// The ticket of the only requested plan.
pub(super) fn planned(effects: &[Effect]) -> Ticket {
    match effects {
        [Effect::Plan(ticket, _)] => *ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_a_displayed_plan_can_be_run_and_only_once() {
    let mut model = model();
    let ticket = planned(&press(&mut model, &["g", "y"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    let run = press(&mut model, &["y"]);
    assert!(matches!(run[..], [Effect::Run(_, of)] if of == ticket), "{run:?}");
    assert_eq!(press(&mut model, &["y"]), []);
}

#[test]
fn keys_that_come_faster_than_frames_confirm_nothing() {
    let mut model = model_with(vec![summary("a/b", 3), summary("c/d", 3)]);
    let typed = |model: &mut Model, keys: &[&str]| -> Vec<Effect> {
        keys.iter().flat_map(|name| update(model, Msg::Key(key(name)))).collect()
    };
    // Some terminals paste text as single keys.
    assert_eq!(typed(&mut model, &["a", "g", "y", "y"]), []);
    assert_eq!((model.focus(), model.runs.len()), (Focus::Confirm, 0));
    let ticket = planned(&typed(&mut model, &["Esc", "Esc", "g"]));
    update(&mut model, Msg::Drawn(Extent::default()));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    assert_eq!(typed(&mut model, &["y"]), [], "the last frame had no plan");
    update(&mut model, Msg::Drawn(Extent::default()));
    assert!(matches!(typed(&mut model, &["y"])[..], [Effect::Run(..)]));
}

#[test]
fn a_declined_plan_is_dropped_whenever_it_comes() {
    let mut model = model();
    let ticket = planned(&press(&mut model, &["g"]));
    assert_eq!(press(&mut model, &["Esc"]), [Effect::Cancel(ticket)]);
    let late = update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    assert_eq!(late, [Effect::Forget(ticket)]);

    let ticket = planned(&press(&mut model, &["g"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    assert_eq!(press(&mut model, &["Enter"]), [Effect::Forget(ticket)]);
}

#[test]
fn a_preview_asks_for_confirmation_on_request() {
    let mut model = model();
    let ticket = planned(&press(&mut model, &["p"]));
    update(&mut model, Msg::Planned(ticket, Ok(gc_plan(&summary("a/b", 3)))));
    assert_eq!((model.focus(), press(&mut model, &["y", "Space"])), (Focus::Preview, vec![]));
    assert_eq!(press(&mut model, &["g"]), [], "the displayed plan is the one to confirm");
    assert!(matches!(press(&mut model, &["y"])[..], [Effect::Run(_, of)] if of == ticket));
}

#[test]
fn an_outdated_result_is_dropped() {
    let mut model = model();
    let effects = press(&mut model, &["r", "r"]);
    let [Effect::List(first, None), _, Effect::List(second, None), _] = effects[..] else {
        panic!("{effects:?}")
    };
    update(&mut model, Msg::Listed(second, Ok(vec![summary("new/one", 1)])));
    update(&mut model, Msg::Listed(first, Ok(vec![summary("old/one", 1)])));
    assert_eq!(model.repos.current().unwrap().repo, name("new/one"));
}

#[test]
fn loaded_data_stays_when_loading_fails() {
    let mut model = model();
    let effects = press(&mut model, &["r"]);
    let [Effect::List(ticket, None), _] = effects[..] else { panic!("{effects:?}") };
    update(&mut model, Msg::Listed(ticket, Err(failure(FailureKind::Refused))));
    assert!(model.repos.failure.is_some());
    assert_eq!(model.repos.shown(), 1);
    assert_eq!(model.log.newest().next().unwrap().level, Level::Error);
}

#[test]
fn a_long_list_comes_in_pages() {
    let all: Vec<RepoSummary> = (0..2500).map(|n| summary(&format!("o/r{n:04}"), 2)).collect();
    let mut model = model_of(&Fake::of(&[]), false);
    update(&mut model, Msg::Changed(Ok(1)));
    // Each page is displayed when it arrives.
    for (page, next, selected) in [
        (0..1000, Some("o/r0999"), "o/r0999"),
        (1000..2000, Some("o/r1999"), "o/r1999"),
        (2000..2500, None, "o/r2499"),
    ] {
        let effects = update(&mut model, Msg::Listed(Ticket(1), Ok(all[page].to_vec())));
        let wanted: Vec<Effect> =
            next.map(|last| Effect::List(Ticket(1), Some(name(last)))).into_iter().collect();
        assert_eq!(effects, wanted);
        press(&mut model, &["End"]);
        assert_eq!(model.repos.current().unwrap().repo, name(selected));
    }
    assert_eq!((model.repos.shown(), model.repos.known), (2500, true));
}

#[test]
fn a_change_of_the_store_is_loaded_at_the_next_tick_and_not_all_the_time() {
    let mut model = model();
    assert_eq!(update(&mut model, Msg::Tick), []);
    assert_eq!(update(&mut model, Msg::Changed(Ok(6))), [Effect::Watch(Some(6))]);
    assert_eq!(update(&mut model, Msg::Tick), [], "it was loaded this second");
    model.now += 2.seconds();
    assert!(matches!(update(&mut model, Msg::Tick)[..], [Effect::List(_, None), _]));
    assert_eq!(update(&mut model, Msg::Tick), [], "it is loading");
}

#[test]
fn a_store_that_cannot_be_watched_is_loaded_all_the_same() {
    let mut model = model_of(&Fake::of(&[]), false);
    update(&mut model, Msg::Started);
    assert_eq!(
        update(&mut model, Msg::Changed(Err(failure(FailureKind::Refused)))),
        [Effect::List(Ticket(1), None), Effect::Health(Ticket(2))]
    );
    assert!(model.unwatched);
    let again = press(&mut model, &["r"]);
    assert!(matches!(again[..], [Effect::List(_, None), _, Effect::Watch(None)]), "{again:?}");
}

#[test]
fn progress_of_what_has_ended_changes_nothing() {
    let mut model = model();
    let effects = press(&mut model, &["v"]);
    let [Effect::Verify(ticket, _)] = effects[..] else { panic!("{effects:?}") };
    update(&mut model, Msg::Verified(ticket, Err(failure(FailureKind::Refused))));
    model.dirty = false;
    update(&mut model, Msg::Progress(vec![(ticket, step()), (Ticket(99), step())]));
    assert!(!model.dirty);
}

#[test]
fn ticks_redraw_only_with_active_runs_or_after_a_minute() {
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
fn quitting_waits_for_all_runs() {
    let mut model = model_with(vec![summary("a/b", 3), summary("c/d", 3), summary("e/f", 3)]);
    let effects = press(&mut model, &["a", "v"]);
    let [Effect::Verify(first, _), Effect::Verify(second, _)] = effects[..] else {
        panic!("{effects:?}")
    };
    // The third is queued, and is cancelled at once.
    let stopped = press(&mut model, &["Ctrl-c", "x"]);
    assert!(
        matches!(stopped[..], [Effect::Cancel(a), Effect::Cancel(b), Effect::Forget(_)] if (a, b) == (first, second))
    );
    assert_eq!(model.leave, Some(Leave::Stopping));
    let cancelled = || Err(failure(FailureKind::Cancelled));
    let one = update(&mut model, Msg::Verified(second, cancelled()));
    assert!(!one.contains(&Effect::Quit));
    assert_eq!(update(&mut model, Msg::Verified(first, cancelled())), [Effect::Quit]);
}

#[test]
fn scrolling_ends_where_the_text_ends() {
    let mut model = model();
    press(&mut model, &["?"]);
    let drawn = |model: &mut Model, content, height| {
        update(model, Msg::Drawn(Extent { content, height, ..Extent::default() }))
    };
    let top = |model: &mut Model| model.scrolled().map(|(top, lines)| top.at(lines));
    drawn(&mut model, 30, 10);
    press(&mut model, &["End", "Down", "PgDn"]);
    assert_eq!(top(&mut model), Some(20));
    // A taller terminal shows more, so less is left to scroll.
    drawn(&mut model, 30, 25);
    assert_eq!(top(&mut model), Some(5));
    press(&mut model, &["PgUp", "Up"]);
    assert_eq!(top(&mut model), Some(0));
}

#[test]
fn the_selection_is_copied() {
    let mut model = model();
    assert_eq!(press(&mut model, &["c"]), [Effect::Copy("a/b".to_owned())]);
    assert!(model.notice.as_ref().unwrap().contains("a/b"));
    press(&mut model, &["Down"]);
    assert_eq!(model.notice, None, "the next key removes the notice");

    let effects = press(&mut model, &["h"]);
    let [Effect::History(ticket, _)] = effects[..] else { panic!("{effects:?}") };
    let record = last_gc("consolidated", "2026-07-01T09:30:00Z");
    let key = record.consolidated_key.clone().unwrap();
    let entry = GcEntry { id: 1, repo: name("a/b"), record, report: None };
    update(&mut model, Msg::Remembered(ticket, Ok(vec![entry])));
    assert_eq!(press(&mut model, &["c"]), [Effect::Copy(key.clone())]);
    assert_eq!(press(&mut model, &["Enter", "c"]), [Effect::Copy(key)]);
}

#[test]
fn pasted_text_is_typed_and_never_executed() {
    let mut model = model();
    assert_eq!(update(&mut model, Msg::Paste("gy".to_owned())), []);
    assert!(model.dialog.is_none() && model.notice.is_some());
    press(&mut model, &["/"]);
    update(&mut model, Msg::Paste("a/b\ny".to_owned()));
    assert_eq!((model.repos.filter(), model.focus()), ("a/b", Focus::Filter));
    press(&mut model, &["Esc", "g"]);
    assert_eq!(update(&mut model, Msg::Paste("y".to_owned())), []);
}

#[test]
fn screens_come_back_instead_of_piling_up() {
    let mut model = model();
    for _ in 0..5 {
        press(&mut model, &["w", "l", "h"]);
    }
    assert_eq!(model.screens.len(), 3);
    press(&mut model, &["w"]);
    assert!(matches!(model.screens[..], [Screen::Runs]));
}
