//! Enabled actions, and the effects of keys and clicks.

use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use packhouse_host::{Problem, ProblemKind, VerifyReport};

use super::fake::summary;
use super::update::{failure, model, model_with, name, planned, press};
use crate::console::failure::FailureKind;
use crate::console::keys::{Action, Focus};
use crate::console::msg::{Effect, Msg};
use crate::console::state::{Extent, Level, Model};
use crate::console::update::update;

#[test]
fn a_click_selects_and_a_second_click_opens() {
    let mut model = model_with(vec![summary("a/b", 3), summary("c/d", 3), summary("e/f", 3)]);
    let click = |model: &mut Model, kind, row| {
        update(
            model,
            Msg::Mouse(MouseEvent { kind, column: 4, row, modifiers: KeyModifiers::NONE }),
        )
    };
    let left = MouseEventKind::Down(MouseButton::Left);
    update(
        &mut model,
        Msg::Drawn(Extent { content: 3, height: 3, first: 0, row: 5, ..Extent::default() }),
    );
    for beside in [0, 4, 8, 60] {
        assert_eq!(click(&mut model, left, beside), []);
    }
    assert_eq!(click(&mut model, left, 6), []);
    assert_eq!(model.repos.current().unwrap().repo, name("c/d"));
    assert!(
        matches!(&click(&mut model, left, 6)[..], [Effect::Show(_, repo)] if *repo == name("c/d"))
    );
    press(&mut model, &["Esc"]);
    click(&mut model, MouseEventKind::ScrollDown, 0);
    assert_eq!(model.repos.current().unwrap().repo, name("e/f"));
    press(&mut model, &["g"]);
    assert_eq!(click(&mut model, left, 6), [], "a click confirms nothing");
}

#[test]
fn a_click_selects_a_finding() {
    let mut model = model();
    let effects = press(&mut model, &["v"]);
    let [Effect::Verify(ticket, _)] = effects[..] else { panic!("{effects:?}") };
    let problem = |n: usize| Problem {
        kind: ProblemKind::LostEntity,
        entity: Some(format!("object {n}")),
        pack: None,
        detail: String::new(),
    };
    let (repo, problems) = (name("a/b"), (0..3).map(problem).collect());
    let report = VerifyReport {
        repo,
        packs_checked: 3,
        objects_checked: 9,
        bytes_checked: 9,
        ok: false,
        problems,
        repaired: None,
    };
    update(&mut model, Msg::Verified(ticket, Ok(report)));
    update(
        &mut model,
        Msg::Drawn(Extent { content: 3, height: 3, first: 0, row: 4, ..Extent::default() }),
    );
    let kind = MouseEventKind::Down(MouseButton::Left);
    update(
        &mut model,
        Msg::Mouse(MouseEvent { kind, column: 4, row: 6, modifiers: KeyModifiers::NONE }),
    );
    assert_eq!(press(&mut model, &["c"]), [Effect::Copy("object 2".to_owned())]);
}

#[test]
fn esc_removes_marks_then_the_filter_and_never_quits() {
    let mut model = model_with(vec![summary("a/b", 3), summary("c/d", 3)]);
    press(&mut model, &["/", "c", "Enter", "Space"]);
    assert!(model.is_enabled(Action::Back));
    assert_eq!(press(&mut model, &["Esc"]), []);
    assert_eq!((model.repos.marks(), model.repos.shown()), (0, 1));
    assert_eq!(press(&mut model, &["Esc"]), []);
    assert_eq!(model.repos.shown(), 2);
    assert!(!model.is_enabled(Action::Back));
    assert_eq!((press(&mut model, &["Esc"]), model.notice.as_deref()), (vec![], Some("q quits")));
    assert_eq!(press(&mut model, &["q"]), [Effect::Quit]);
}

#[test]
fn disabled_actions_are_not_offered() {
    fn offered(model: &Model) -> Vec<&str> {
        let bindings = model.keymap.in_focus(model.focus());
        let enabled =
            bindings.filter(|it| !it.row.hint.is_empty() && model.is_enabled(it.row.action));
        enabled.map(|binding| binding.row.name.as_ref()).collect()
    }
    let lacks = |model: &Model, names: &[&str]| {
        let offered = offered(model);
        names.iter().for_each(|name| assert!(!offered.contains(name), "{name}: {offered:?}"));
    };
    let mut model = model_with(vec![summary("a/b", 1)]);
    press(&mut model, &["w"]);
    lacks(&model, &["open", "cancel-run", "cancel-queued", "runs"]);
    press(&mut model, &["h"]);
    lacks(&model, &["history", "open"]);
    press(&mut model, &["l"]);
    lacks(&model, &["log"]);
    press(&mut model, &["Esc", "Esc", "Esc", "v"]);
    assert!(offered(&model).contains(&"cancel-run"));
    press(&mut model, &["x"]);
    lacks(&model, &["cancel-run"]);
    press(&mut model, &["Ctrl-c"]);
    assert!(offered(&model).contains(&"quit-when-done"));
    // The store is local, so runs can be cancelled.
    lacks(&model, &["quit-now"]);
    press(&mut model, &["w"]);
    lacks(&model, &["quit-when-done"]);
    press(&mut model, &["x"]);
    lacks(&model, &["cancel-all"]);
    // The repo has only one pack.
    press(&mut model, &["Esc"]);
    let ticket = model.runs.current().unwrap().ticket;
    update(&mut model, Msg::Verified(ticket, Err(failure(FailureKind::Cancelled))));
    assert_eq!(model.focus(), Focus::Done);
    lacks(&model, &["consolidate", "preview"]);
}

#[test]
fn the_log_has_starts_and_failed_plans() {
    let mut model = model();
    press(&mut model, &["v"]);
    assert_eq!(model.log.newest().next().unwrap().text, "a/b: verifying");
    let mut model = super::update::model();
    let ticket = planned(&press(&mut model, &["g"]));
    update(&mut model, Msg::Planned(ticket, Err(failure(FailureKind::Damage))));
    let line = model.log.newest().next().unwrap();
    assert_eq!((line.level, &line.text[..]), (Level::Error, "a/b: planning failed: no"));
    // The next key can verify.
    assert!(matches!(press(&mut model, &["v"])[..], [Effect::Forget(_), Effect::Verify(..)]));
}

#[test]
fn active_runs_are_not_queued_again() {
    let mut model = model_with(vec![summary("a/b", 3), summary("c/d", 3), summary("e/f", 3)]);
    press(&mut model, &["a", "v"]);
    assert_eq!((model.runs.len(), model.repos.marks()), (3, 0));
    press(&mut model, &["Esc", "a", "v"]);
    assert_eq!(
        (model.runs.len(), model.notice.as_deref()),
        (3, Some("3 skipped: already being verified"))
    );
    press(&mut model, &["Esc", "a", "g", "y"]);
    assert_eq!(model.runs.len(), 6, "each consolidation follows its verification");
    press(&mut model, &["Esc", "a", "g"]);
    let dialog = model.dialog.as_ref().unwrap();
    assert_eq!((dialog.left_out.len(), dialog.is_ready()), (3, false));
}
