//! The packs that no repo needs, with real keys through the loop.

use packhouse_host::{Health, PackFate, ReplacedPack};

use super::fake::replaced;
use super::fake_store::Fake;
use super::{Console, own_demo};
use crate::console::demo::REPOS;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

/// Two packs are due, one is kept, one waits.
fn packs() -> Vec<ReplacedPack> {
    vec![
        replaced(1, "gabriel/notes", 30),
        replaced(2, "", 12),
        ReplacedPack { fate: PackFate::Kept, ..replaced(3, "gabriel/photos", 20) },
        replaced(4, "gabriel/notes", 5),
    ]
}

fn worn() -> Fake {
    let store = Fake::three();
    store.put_replaced(packs());
    store.put_health(Health { prunable_packs: 2, prunable_bytes: 590 << 20, ..Health::default() });
    store
}

#[tokio::test]
async fn packs_are_seen_with_reasons_and_deleted_with_displayed_keys() {
    let mut console = Console::on(worn(), 120, 30).await;
    console.shows("! 590.0 MiB to prune");
    console.press(&["4"]).await;
    console.shows("2 packs, 348.0 KiB due · 1 pack, 464.0 KiB waiting · 1 pack, 348.0 KiB kept");
    console.shows("gabriel/notes has replaced it, 2026-06-01 12:00");
    console.press(&["Down"]).await;
    console.shows("its repos were deleted, the last 2026-06-19 12:00");
    console.press(&["Down"]).await;
    console.shows("which replaces it, is");
    console.press(&["Down"]).await;
    console.shows("in 3d");
    console.press_shown(&["p prune"]).await;
    console.shows("Delete 2 packs, 348.0 KiB?");
    console.shows("can't be restored any more");
    console.type_in("2").await;
    console.press_shown(&["Enter confirm"]).await;
    assert_eq!(console.store.calls().iter().filter(|call| *call == "prune").count(), 1);
    console.shows("2 packs deleted, 348.0 KiB; 1 pack kept.");
    console.hides("to prune");
    console.press(&["l"]).await;
    console.shows("the store: 2 packs deleted");
    console.press(&["4"]).await;
    console.shows("nothing is due · 1 pack, 464.0 KiB waiting · 1 pack, 348.0 KiB kept");
    console.press(&["p"]).await;
    assert_eq!(console.app.model.focus(), Focus::Prune, "there is nothing to delete");
    console.shows("Nothing can be deleted yet; the next pack is due 2026-07-04 12:00 UTC");
}

#[tokio::test]
async fn nothing_deletes_packs_but_their_number() {
    for keys in [&["y"][..], &["Enter"], &["1", "Enter"], &["y", "Enter"], &["2", "Esc"]] {
        let mut console = Console::on(worn(), 80, 24).await;
        console.press(&["4", "p"]).await;
        console.press(keys).await;
        assert_eq!(console.store.calls().iter().filter(|call| *call == "prune").count(), 0);
    }
}

#[tokio::test]
async fn read_only_shows_packs_and_no_way_to_delete_them() {
    let mut console = Console::read_only(worn(), 120, 24).await;
    console.press(&["4"]).await;
    console.shows("2 packs, 348.0 KiB due");
    console.hides(" p prune");
    console.press(&["p", "2", "Enter"]).await;
    assert!(!console.store.calls().contains(&"prune".to_owned()));
    console.press(&["3"]).await;
    console.shows("Enter shows which packs.");
}

#[tokio::test]
async fn the_finding_about_packs_leads_to_them_and_they_lead_to_their_repos() {
    let mut console = Console::on(worn(), 120, 24).await;
    console.press(&["3"]).await;
    console.shows("Enter shows which packs, and p there deletes them");
    console.press(&["Enter"]).await;
    assert_eq!(console.app.model.focus(), Focus::Prune);
    console.press_shown(&["Enter open"]).await;
    console.shows("packhouse › gabriel/notes");
    console.press(&["Esc", "Down"]).await;
    console.hides("Enter open");
    console.press(&["c"]).await;
    assert!(console.copied.lock().unwrap().last().unwrap().starts_with("sha256:0202"));
}

#[tokio::test]
async fn the_packs_are_listed_again_when_the_store_changes() {
    let mut console = Console::on(worn(), 80, 24).await;
    console.press(&["4", "Down"]).await;
    let mut more = packs();
    more.insert(0, replaced(9, "gabriel/photos", 40));
    console.store.put_replaced(more);
    console.store.advance(5);
    console.press(&["r"]).await;
    console.shows("3 packs,");
    let selected = console.app.model.prune.current().unwrap().clone();
    assert_eq!(selected, replaced(2, "", 12), "the cursor stays on its pack");
}

#[tokio::test]
async fn a_prune_that_runs_is_displayed_cancelled_and_awaited_like_any_run() {
    let store = worn();
    store.hold("prune");
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["4", "p", "2", "Enter"]).await;
    console.shows("packhouse › the store › prune");
    console.shows("deleting");
    console.press(&["4", "p"]).await;
    assert_eq!(console.app.model.focus(), Focus::Run, "there is one already");
    console.press(&["Ctrl-c"]).await;
    console.shows("the store: deleting");
    console.press(&["Esc"]).await;
    console.press_shown(&["x cancel run"]).await;
    console.turn_until(|console| console.app.model.runs.open().next().is_none()).await;
    console.settle().await;
    console.shows("Prune was cancelled.");
    console.shows("stays deleted");
}

#[tokio::test]
async fn errors_are_displayed_and_what_was_loaded_stays() {
    let store = worn();
    store.fail("preview", FailureKind::Refused, "the bucket \x1b[2J is gone");
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["4"]).await;
    console.shows("Listing them failed.");
    console.shows("the bucket \\u{1b}[2J is gone");
    console.press(&["r"]).await;
    console.hides("is gone");
    console.store.fail("preview", FailureKind::Refused, "the bucket is gone");
    console.press(&["r"]).await;
    console.shows("is gone");
    console.shows("gabriel/notes");
    console.store.fail("prune", FailureKind::Refused, "the disk is broken");
    console.press(&["p", "2", "Enter"]).await;
    console.shows("Prune failed.");
    console.shows("the disk is broken");
}

#[tokio::test]
async fn ten_thousand_packs_are_listed_and_only_the_visible_ones_drawn() {
    let store = Fake::three();
    let pack = |n: u32| ReplacedPack { bytes: u64::from(n), ..replaced(1, "gabriel/notes", 30) };
    store.put_replaced((0..10_000).map(pack).collect());
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["4", "End"]).await;
    console.shows("10,000 packs");
    console.shows("9.8 KiB");
    assert_eq!(console.app.model.extent.content, 10_000);
    assert!(console.app.model.extent.height < 24);
}

#[tokio::test]
async fn the_demo_has_packs_that_may_go_and_packs_that_wait() {
    let mut console = Console::on(own_demo(REPOS).await, 120, 40).await;
    console.press(&["4"]).await;
    console.shows(" due · ");
    console.shows("waiting");
    let due = console.app.model.prune.report().unwrap().packs_deleted;
    console.press(&["p"]).await;
    console.type_in(&due.to_string()).await;
    console.press(&["Enter"]).await;
    console.until_seen(" deleted, ").await;
    console.hides("to prune");
}
