//! Runs on many repos at once, and their failures, with a fake store and with the demo.

use super::fake_store::Fake;
use super::{Console, demo, own_demo};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

#[tokio::test]
async fn a_wrong_number_does_nothing_and_says_so() {
    let mut console = Console::on(demo().await, 120, 30).await;
    console.press(&["a", "g"]).await;
    assert_eq!(console.app.model.focus(), Focus::Typing);
    console.press(&["y", "Enter"]).await;
    console.shows("Nothing was done");
    console.press(&["Backspace", "7", "Enter"]).await;
    console.shows("7 is not");
    assert_eq!(console.calls("consolidate"), [""; 0]);
    console.press(&["Esc"]).await;
    assert_eq!((console.app.model.focus(), console.calls("plan")), (Focus::Repos, vec![]));
}

#[tokio::test]
async fn of_five_runs_two_are_active_three_queued_and_one_is_cancelled() {
    let repos = ["a/1", "a/2", "a/3", "a/4", "a/5"].map(|name| (name, 4));
    let store = Fake::of(&repos);
    store.hold("consolidate");
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["a", "g", "y"]).await;
    assert_eq!(console.app.model.focus(), Focus::Runs);
    console.shows("2 running, 3 queued");
    assert_eq!(console.calls("consolidate"), ["a/1", "a/2"]);
    // Active runs come first, and the first is selected.
    let first = console.screen().lines().nth(3).unwrap_or_default().to_owned();
    assert!(first.starts_with("▸a/1") && first.contains("Writing"), "{first}");
    console.press(&["End"]).await;
    console.press_shown(&["x cancel run"]).await;
    console.shows("2 running, 2 queued");
    console.store.step();
    console.settle().await;
    assert_eq!(
        (console.calls("consolidate").len(), console.store.held()),
        (2, 2),
        "they have several steps"
    );
    console.store.release();
    console.turn_until(|console| console.app.model.runs.open().next().is_none()).await;
    console.settle().await;
    assert_eq!(console.calls("consolidate"), ["a/1", "a/2", "a/3", "a/4"]);
    let packs: Vec<u64> = console.app.model.repos.from(0).map(|repo| repo.packs).collect();
    assert_eq!(packs, [1, 1, 1, 1, 4]);
}

#[tokio::test]
async fn the_queue_is_cancelled_with_one_key() {
    let store = Fake::of(&["a/1", "a/2", "a/3", "a/4", "a/5"].map(|name| (name, 4)));
    store.hold("verify");
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["a", "v"]).await;
    console.shows("2 running, 3 queued");
    console.press_shown(&["X cancel queue"]).await;
    console.shows("2 running");
    console.hides("queued");
    console.shows("3 cancelled");
    console.store.release();
    console.turn_until(|console| console.app.model.runs.open().next().is_none()).await;
    assert_eq!(console.calls("verify"), ["a/1", "a/2"]);
}

#[tokio::test]
async fn a_dialog_that_asks_for_a_number_scrolls() {
    let mut console = Console::on(demo().await, 60, 20).await;
    console.press(&["a", "g"]).await;
    console.hides("tidal-lab/spring-cruise");
    console.press(&["End", "1"]).await;
    assert_eq!(console.app.model.focus(), Focus::Typing);
    console.shows("tidal-lab/spring-cruise");
    console.press(&["Home", "PgDn", "Up"]).await;
    console.hides("tidal-lab/spring-cruise");
    console.shows(" 1▏");
}

#[tokio::test]
async fn a_pack_that_is_pushed_to_one_of_many_is_consolidated_as_well() {
    let store = Fake::of(&[("a/1", 4), ("a/2", 4)]);
    store.hold("consolidate");
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["a", "g", "y"]).await;
    console.store.pushed("a/1");
    console.store.release();
    console.turn_until(|console| console.app.model.runs.open().next().is_none()).await;
    console.settle().await;
    assert!(console.app.model.repos.from(0).all(|repo| repo.packs == 1));
}

#[tokio::test]
async fn a_failure_stops_no_other_run_and_its_error_can_be_read() {
    let store = Fake::of(&[("a/1", 4), ("a/2", 4), ("a/3", 4)]);
    store.fail("consolidate", FailureKind::Refused, "there is no space left");
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["a", "g", "y"]).await;
    assert_eq!(console.calls("consolidate").len(), 3);
    console.shows("Failed");
    let failed = console.app.model.runs.listed().iter().position(|run| run.of() == "a/1").unwrap();
    console.press(&vec!["Down"; failed]).await;
    console.press(&["Enter"]).await;
    console.shows("there is no space left");
}

#[tokio::test]
async fn marks_that_the_filter_hides_are_displayed_before_confirming() {
    let mut console = Console::on(Fake::of(&[("a/1", 4), ("b/1", 4), ("b/2", 1)]), 80, 24).await;
    console.press(&["a", "/"]).await;
    console.type_in("b/").await;
    console.press(&["Enter"]).await;
    console.shows("2 of 3 repos matching “b/”");
    console.shows("3 marked, 1 hidden");
    console.press(&["g"]).await;
    console.shows("hidden by the filter");
    console.shows("REPOS HIDDEN BY THE FILTER");
    console.shows("SKIPPED");
    console.press(&["y"]).await;
    assert_eq!(console.calls("consolidate"), ["a/1", "b/1"]);
    assert_eq!(console.app.model.repos.marks(), 0);
}

#[tokio::test]
async fn one_marked_repo_gets_its_whole_plan() {
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.press(&["a", "g"]).await;
    console.shows("Consolidate gabriel/notes?");
    console.shows("812.0 KiB → 730.8 KiB");
    console.press(&["y"]).await;
    console.until_seen("Consolidated 7 packs into 1").await;
    assert_eq!(console.app.model.repos.marks(), 0);
}

#[tokio::test]
async fn a_plan_that_finds_damage_leads_to_verification() {
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.store.fail("plan", FailureKind::Damage, "a pack is damaged");
    console.press(&["g"]).await;
    console.shows("Press v to verify");
    console.press_shown(&["v verify"]).await;
    assert_eq!(console.calls("verify"), ["gabriel/notes"]);
}

#[tokio::test]
async fn a_bulk_consolidation_that_fails_is_in_the_history() {
    let mut console = Console::on(own_demo(4).await, 120, 30).await;
    console.press(&["a", "g", "y", "h"]).await;
    let outcome = |repo: &str| {
        let history = &console.app.model.history.entries;
        let last = history.iter().find(|entry| entry.repo.to_string() == repo).unwrap();
        last.record.outcome.clone()
    };
    assert_eq!(outcome("city-archive/radio-1974"), "consolidated");
    assert_eq!(outcome("tidal-lab/hydrophone-array"), "failed");
}

#[tokio::test]
async fn a_narrow_list_shows_active_and_failed_runs() {
    let store = Fake::of(&[("a/1", 4), ("a/2", 4)]);
    store.fail("verify", FailureKind::Refused, "no");
    store.hold("verify");
    let mut console = Console::on(store, 60, 16).await;
    console.press(&["a", "v", "Esc"]).await;
    let row = |console: &Console, name: &str| {
        let screen = console.screen();
        screen.lines().rfind(|line| line.contains(name)).unwrap_or_default().to_owned()
    };
    assert!(row(&console, "a/1").contains("failed"), "{}", console.screen());
    assert!(row(&console, "a/2").contains("running"), "{}", console.screen());
}
