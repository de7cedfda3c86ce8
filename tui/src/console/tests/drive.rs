//! Keys into the real loop, on a fake store; what stands on the screen then.

use packhouse_host::{Phase, Problem, ProblemKind};

use super::fake::{Fake, report};
use super::{Console, HUNG};
use crate::console::app::Exit;
use crate::console::backend::FailureKind;
use crate::console::terminal::Input;

#[tokio::test]
async fn a_repo_is_found_previewed_consolidated_and_proven() {
    let fake = Fake::three();
    fake.hold("run");
    let mut console = Console::on(fake, 100, 24).await;
    console.shows("7 packs to merge");
    console.press(&["Enter"]).await;
    console.shows("112 objects, 14 commits, 14 snapshots, 0 tags");
    console.press(&["g"]).await;
    console.shows("Consolidate gabriel/notes?");
    console.shows("7 packs (812.0 KiB) become 1 (730.8 KiB).");
    console.press(&["y"]).await;
    console.fake.tell(Phase::Splice, 43, 100);
    console.until_seen(" 43 %").await;
    console.shows("splicing");
    console.fake.release();
    console.until_seen("Done: 7 packs became 1, in 1.2 s.").await;
    console.shows("✓ the content of every object hashes to its id: 112 objects");
    console.press(&["Esc"]).await;
    console.shows("State       in order");
    console.press(&["q"]).await;
    console.shows("7 → 1 packs, just now");
    console.press(&["q"]).await;
    assert_eq!(console.exit, Some(Exit::Left));
}

#[tokio::test]
async fn neither_enter_nor_g_confirms() {
    for no in ["Enter", "g", "n", "q", "Esc"] {
        let mut console = Console::on(Fake::three(), 80, 20).await;
        console.press(&["g", no]).await;
        assert!(!console.fake.calls().iter().any(|call| call.starts_with("run")), "{no} ran it");
        if no == "g" {
            console.shows("Consolidate gabriel/notes?");
        } else {
            console.hides("Consolidate gabriel/notes?");
        }
    }
}

#[tokio::test]
async fn a_yes_before_there_is_a_plan_does_nothing() {
    let fake = Fake::three();
    fake.hold("plan");
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["g", "y"]).await;
    console.shows("Looking at what there is to do");
    console.fake.release();
    console.until_seen("press y to consolidate").await;
    assert_eq!(console.fake.calls(), ["list", "plan gabriel/notes"]);
}

#[tokio::test]
async fn declining_stops_the_planning() {
    let fake = Fake::three();
    fake.hold("plan");
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["g", "Esc"]).await;
    assert_eq!(console.fake.held(), 0);
    console.shows("7 packs to merge");
}

#[tokio::test]
async fn one_pack_is_nothing_to_do() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["Down", "g", "y"]).await;
    console.shows("the repo is one pack already");
    console.hides("press y");
}

#[tokio::test]
async fn work_goes_on_behind_other_screens() {
    let fake = Fake::three();
    fake.hold("run");
    let mut console = Console::on(fake, 100, 20).await;
    console.press(&["g", "y", "Esc"]).await;
    console.fake.tell(Phase::Prove, 1, 2);
    console.until_seen("running: gabriel/notes proving 50 %").await;
    console.shows("▸gabriel/notes");
    // Asking again shows the work that goes on, and plans nothing.
    console.press(&["g"]).await;
    console.shows("Phase       proving");
    console.press(&["q"]).await;
    console.fake.release();
    console.until_seen("7 → 1 packs, just now").await;
    assert_eq!(console.fake.calls(), ["list", "plan gabriel/notes", "run gabriel/notes", "list"]);
}

#[tokio::test]
async fn work_can_be_cancelled() {
    let fake = Fake::three();
    fake.hold("run");
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["g", "y", "c"]).await;
    console.until_seen("The consolidation was cancelled.").await;
    console.shows("nothing was changed");
}

#[tokio::test]
async fn quitting_with_work_running_asks_and_stays_by_default() {
    let fake = Fake::three();
    fake.hold("verify");
    let mut console = Console::on(fake, 80, 20).await;
    for stay in ["Enter", "Esc", "n", "q"] {
        console.press(&["v", "Ctrl-c"]).await;
        console.shows("Leave while work is running?");
        console.press(&[stay]).await;
        console.hides("Leave while work is running?");
        assert_eq!(console.exit, None);
    }
    console.press(&["Ctrl-c", "w"]).await;
    console.shows("Leaving when the work has ended");
    console.fake.release();
    console.turn_until(|console| console.exit.is_some()).await;
    assert_eq!(console.exit, Some(Exit::Left));
}

#[tokio::test]
async fn quitting_can_cancel_the_work() {
    let fake = Fake::three();
    fake.hold("verify");
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["v", "Esc", "q", "c"]).await;
    assert_eq!((console.exit, console.fake.held()), (Some(Exit::Left), 0));
}

#[tokio::test]
async fn who_waits_to_leave_still_sees_damage() {
    let fake = Fake::three();
    fake.hold("verify");
    fake.damage(vec![problem("bytes differ")]);
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["v", "Ctrl-c", "w"]).await;
    console.fake.release();
    console.until_seen("Damage: 1 problem found.").await;
    assert_eq!(console.exit, None);
}

#[tokio::test]
async fn findings_are_shown_and_marked_in_the_list() {
    let fake = Fake::three();
    fake.damage((0..30).map(|n| problem(&format!("finding number {n}"))).collect());
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["v"]).await;
    console.shows("Damage: 30 problems found.");
    console.hides("finding number 29");
    console.press(&["End"]).await;
    console.shows("finding number 29");
    console.press(&["Esc"]).await;
    console.shows("30 problems");
}

#[tokio::test]
async fn errors_stand_where_they_belong_and_stay() {
    let fake = Fake::three();
    fake.fail("list", FailureKind::Refused, "the catalog is \x1b[2Jlocked");
    let mut console = Console::on(fake, 80, 20).await;
    console.shows("The reading of the store failed.");
    console.shows("the catalog is \\u{1b}[2Jlocked");
    console.press(&["r"]).await;
    console.shows("7 packs to merge");
    console.hides("locked");

    console.fake.fail("plan", FailureKind::Damage, "pack x is damaged");
    console.press(&["g"]).await;
    console.shows("The planning found damage.");
    console.press(&["y"]).await;
    console.shows("pack x is damaged");
    console.press(&["Enter"]).await;

    console.fake.fail("run", FailureKind::Conflict, "the repo kept changing");
    console.press(&["g", "y"]).await;
    console.shows("gave way to another writer");
    console.press(&["Esc"]).await;
    console.shows("consolidation failed");
    console.press(&["Enter"]).await;
    console.shows("the repo kept changing");
}

#[tokio::test]
async fn the_filter_narrows_by_a_part_of_the_name() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["/", "P", "h", "q"]).await;
    console.shows("filter: Phq");
    console.shows("No repo has “Phq” in its name.");
    console.press(&["Backspace"]).await;
    console.shows("gabriel/photos");
    console.hides("gabriel/notes");
    console.press(&["Enter", "Enter"]).await;
    console.shows("packhouse › gabriel/photos");
    console.press(&["Esc", "Esc"]).await;
    console.shows("gabriel/notes");
    // The same repo is still pointed to.
    console.shows("▸gabriel/photos");
    assert_eq!(console.exit, None);
}

#[tokio::test]
async fn the_pointed_row_stays_in_sight() {
    let names: Vec<String> = (0..500).map(|n| format!("owner/repo-{n:03}")).collect();
    let repos: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 1)).collect();
    let mut console = Console::on(Fake::of(&repos), 60, 15).await;
    for (key, name) in [("End", 499), ("Up", 498), ("PageUp", 486), ("Home", 0), ("PageDown", 12), ("Down", 13)] {
        console.press(&[key]).await;
        console.shows(&format!("▸owner/repo-{name:03}"));
    }
    // And it is still the same repo when another comes in before it.
    console.fake.put(report("owner/a", 1));
    console.press(&["r"]).await;
    console.shows("▸owner/repo-013");
}

#[tokio::test]
async fn help_begins_with_the_place_one_is_in() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["Enter", "?"]).await;
    assert_eq!(console.screen().lines().nth(1), Some(" A repo"));
    console.press(&["End"]).await;
    console.shows("Ctrl-c");
    console.press(&["Esc"]).await;
    console.shows("State       7 packs to merge");
}

#[tokio::test]
async fn a_signal_ends_it_after_stopping_the_work() {
    let fake = Fake::three();
    fake.hold("run");
    let mut console = Console::on(fake, 80, 20).await;
    console.press(&["g", "y"]).await;
    assert_eq!(console.fake.held(), 1);
    console.send([Input::Signal(15)]);
    let exit = tokio::time::timeout(HUNG, console.app.run()).await.unwrap().unwrap();
    assert_eq!((exit, console.fake.held()), (Exit::Signal(15), 0));
}

#[tokio::test]
async fn nothing_is_drawn_when_nothing_changed() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    let frames = console.app.terminal.get_frame().count();
    console.press(&["x", "y", "F"]).await;
    assert_eq!(console.app.terminal.get_frame().count(), frames);
    console.press(&["Down"]).await;
    assert_eq!(console.app.terminal.get_frame().count(), frames + 1);
}

fn problem(detail: &str) -> Problem {
    let entity = Some("object sha256:00".to_owned());
    Problem { kind: ProblemKind::DamagedPack, entity, pack: None, detail: detail.to_owned() }
}
