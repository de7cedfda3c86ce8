//! Sends keys to the real event loop with a fake store, and checks the screen.

use crossterm::event::Event;
use packhouse_host::{Phase, Problem, ProblemKind};

use super::fake::summary;
use super::fake_store::Fake;
use super::{Console, HUNG};
use crate::console::app::Exit;
use crate::console::failure::FailureKind;
use crate::console::inputs::Input;

#[tokio::test]
async fn a_repo_is_found_planned_consolidated_and_verified() {
    let store = Fake::three();
    store.hold("run");
    let mut console = Console::on(store, 120, 30).await;
    console.shows("fragmented (7)");
    console.press(&["Enter"]).await;
    console.shows("112 objects, 14 commits, 14 snapshots, 0 tags");
    console.press(&["g"]).await;
    console.shows("gabriel/notes › plan");
    console.shows("812.0 KiB");
    console.shows("730.8 KiB");
    console.press(&["y"]).await;
    console.store.report_progress(Phase::Splice, 43, 100);
    console.until_seen("43 %").await;
    console.shows("writing");
    console.store.release();
    console.until_seen("Consolidated 7 packs into 1").await;
    console.shows("112 objects");
    console.press(&["Esc"]).await;
    console.shows(" State       ok");
    console.press(&["q"]).await;
    console.hides("fragmented (7)");
    console.press(&["q"]).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[tokio::test]
async fn neither_enter_nor_g_confirms() {
    for no in ["Enter", "g", "n", "q", "Esc", "Space"] {
        let mut console = Console::on(Fake::three(), 80, 20).await;
        console.press(&["g", no]).await;
        assert_eq!(console.calls("run"), [""; 0], "{no} ran it");
        if no == "g" || no == "Space" {
            console.shows("gabriel/notes › plan");
        } else {
            console.hides("gabriel/notes › plan");
        }
    }
}

#[tokio::test]
async fn a_yes_before_there_is_a_plan_does_nothing() {
    let store = Fake::three();
    store.hold("plan");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["g", "y"]).await;
    console.shows("Planning");
    console.store.release();
    console.until_seen("730.8 KiB").await;
    assert_eq!(console.store.calls(), ["list", "plan gabriel/notes"]);
}

#[tokio::test]
async fn declining_stops_the_planning() {
    let store = Fake::three();
    store.hold("plan");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["g", "Esc"]).await;
    assert_eq!(console.store.held(), 0);
    console.shows("fragmented (7)");
}

#[tokio::test]
async fn one_pack_is_nothing_to_do() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["Down", "g", "y"]).await;
    console.shows("Nothing to do");
    console.hides("run this plan");
    assert_eq!(console.calls("run"), [""; 0]);
}

#[tokio::test]
async fn runs_continue_behind_other_screens() {
    let store = Fake::three();
    store.hold("run");
    let mut console = Console::on(store, 100, 20).await;
    console.press(&["g", "y", "Esc"]).await;
    console.store.report_progress(Phase::Prove, 1, 2);
    console.until_seen("running: gabriel/notes verifying 50 %").await;
    // Asking again shows the active run, and plans nothing.
    console.press(&["g"]).await;
    console.shows("gabriel/notes › consolidation");
    console.press(&["q"]).await;
    console.store.release();
    console.until_seen("  ok  ").await;
    console.settle().await;
    console.hides("fragmented (7)");
    let calls = console.store.calls();
    assert_eq!(
        calls[..4],
        ["list", "plan gabriel/notes", "run gabriel/notes", "summary gabriel/notes"]
    );
}

#[tokio::test]
async fn runs_can_be_cancelled() {
    let store = Fake::three();
    store.hold("run");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["g", "y", "x"]).await;
    console.until_seen("cancelled").await;
    console.shows("Nothing was changed");
    console.press(&["Esc"]).await;
    console.shows("fragmented (7)");
}

#[tokio::test]
async fn quitting_with_active_runs_asks_and_stays_by_default() {
    let store = Fake::three();
    store.hold("verify");
    let mut console = Console::on(store, 80, 20).await;
    for stay in ["Enter", "Esc", "n", "q"] {
        console.press(&["v", "Ctrl-c"]).await;
        console.shows("Quit while runs are active?");
        console.press(&[stay]).await;
        console.hides("Quit while runs are active?");
        assert_eq!(console.exit, None);
    }
    console.press(&["Ctrl-c", "w"]).await;
    console.shows("Quitting when all runs have finished");
    console.store.release();
    console.turn_until(|console| console.exit.is_some()).await;
    assert_eq!(console.exit, Some(Exit::Quit));
}

#[tokio::test]
async fn quitting_can_cancel_runs() {
    let store = Fake::three();
    store.hold("verify");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["v", "Esc", "q", "x"]).await;
    assert_eq!((console.exit, console.store.held()), (Some(Exit::Quit), 0));
}

#[tokio::test]
async fn damage_is_displayed_before_quitting() {
    let store = Fake::three();
    store.hold("verify");
    store.damage(vec![problem("bytes differ")]);
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["v", "Ctrl-c", "w"]).await;
    console.store.release();
    console.until_seen("1 problem found").await;
    assert_eq!(console.exit, None);
}

#[tokio::test]
async fn findings_are_shown_and_marked_in_the_list() {
    let store = Fake::three();
    store.damage((0..30).map(|n| problem(&format!("finding number {n}"))).collect());
    let mut console = Console::on(store, 100, 20).await;
    console.press(&["v"]).await;
    console.shows("30 problems found");
    console.hides("finding number 29");
    console.press(&["End"]).await;
    console.shows("finding number 29");
    console.press(&["Esc"]).await;
    console.shows("damaged");
}

#[tokio::test]
async fn errors_are_displayed_where_they_belong_and_stay() {
    let store = Fake::three();
    store.fail("list", FailureKind::Refused, "the catalog is \x1b[2Jlocked");
    let mut console = Console::on(store, 80, 20).await;
    console.shows("Loading the repos failed.");
    console.shows("the catalog is \\u{1b}[2Jlocked");
    console.press(&["r"]).await;
    console.shows("fragmented (7)");
    console.hides("locked");

    console.store.fail("plan", FailureKind::Damage, "pack x is damaged");
    console.press(&["g"]).await;
    console.shows("Planning found damage.");
    console.press(&["y"]).await;
    console.shows("pack x is damaged");
    console.press(&["Esc"]).await;

    console.store.fail("run", FailureKind::Refused, "there is no space left");
    console.press(&["g", "y"]).await;
    console.shows("there is no space left");
    console.press(&["Esc"]).await;
    console.shows("failed");
    // The log has both, and so have the runs.
    console.press(&["w", "Enter"]).await;
    console.shows("there is no space left");
    console.press(&["l"]).await;
    console.shows("no space left");
    console.shows("locked");
}

#[tokio::test]
async fn a_long_error_can_be_read_to_its_end() {
    let store = Fake::three();
    let long: Vec<String> = (0..200).map(|n| format!("reason-{n}")).collect();
    store.fail("run", FailureKind::Refused, &long.join(" "));
    let mut console = Console::on(store, 60, 15).await;
    console.press(&["g", "y"]).await;
    console.shows("reason-0 ");
    console.hides("reason-199");
    console.press(&["End"]).await;
    console.shows("reason-199");
}

#[tokio::test]
async fn the_filter_narrows_and_the_cursor_stays_on_its_repo() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["/"]).await;
    console.type_in("pqx").await;
    console.shows("filter: pqx");
    console.shows("No matches");
    console.press(&["Backspace", "Backspace"]).await;
    console.shows("gabriel/photos");
    console.press(&["Ctrl-u"]).await;
    console.type_in("phot").await;
    console.hides("gabriel/notes");
    console.press(&["Enter", "Enter"]).await;
    console.shows("packhouse › gabriel/photos");
    console.press(&["Esc", "Esc"]).await;
    console.shows("gabriel/notes");
    console.press(&["Enter"]).await;
    console.shows("packhouse › gabriel/photos");
    assert_eq!(console.exit, None);
}

#[tokio::test]
async fn the_selected_row_stays_visible() {
    let names: Vec<String> = (0..500).map(|n| format!("owner/repo-{n:03}")).collect();
    let repos: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut console = Console::on(Fake::of(&repos), 60, 15).await;
    for key in ["End", "Up", "PgUp", "Home", "PgDn", "Down"] {
        console.press(&[key]).await;
        let selected = console.app.model.repos.current().unwrap().repo.to_string();
        console.shows(&selected);
    }
    // It stays on the same repo when another one is inserted before it.
    let selected = console.app.model.repos.current().unwrap().repo.to_string();
    assert_ne!(selected, "owner/repo-000");
    console.store.put(&summary("owner/a", 1));
    console.press(&["r"]).await;
    console.shows(&selected);
    assert_eq!(console.app.model.repos.current().unwrap().repo.to_string(), selected);
}

#[tokio::test]
async fn help_begins_with_the_current_place() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["Enter", "?"]).await;
    console.shows("REPO, current screen");
    console.press(&["End"]).await;
    console.shows("Ctrl-c");
    console.press(&["Esc"]).await;
    console.shows("packhouse › gabriel/notes");
}

#[tokio::test]
async fn a_signal_ends_it_after_stopping_runs() {
    let store = Fake::three();
    store.hold("run");
    let mut console = Console::on(store, 80, 20).await;
    console.press(&["g", "y"]).await;
    assert_eq!(console.store.held(), 1);
    console.send([Input::Signal(15)]);
    let exit = tokio::time::timeout(HUNG, console.app.run()).await.unwrap().unwrap();
    assert_eq!((exit, console.store.held()), (Exit::Signal(15), 0));
}

#[tokio::test]
async fn nothing_is_drawn_when_nothing_changed() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    let frames = console.app.terminal.get_frame().count();
    console.send([Input::Event(Event::FocusLost), Input::Event(Event::FocusGained)]);
    console.settle().await;
    assert_eq!(console.app.terminal.get_frame().count(), frames);
    console.press(&["Down"]).await;
    assert_eq!(console.app.terminal.get_frame().count(), frames + 1);
}

#[tokio::test]
async fn another_size_is_drawn_anew() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    for (columns, rows) in [(200, 50), (60, 15), (20, 4), (80, 20)] {
        console.app.terminal.backend_mut().resize(columns, rows);
        console.send([Input::Event(Event::Resize(columns, rows))]);
        console.settle().await;
        assert!(
            console.screen().lines().count() == usize::from(rows)
                && console.screen().contains("packhouse")
        );
    }
    console.shows("fragmented (7)");
}

fn problem(detail: &str) -> Problem {
    let entity = Some("object sha256:00".to_owned());
    Problem { kind: ProblemKind::DamagedPack, entity, pack: None, detail: detail.to_owned() }
}
