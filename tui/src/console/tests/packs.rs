//! The packs of a repo, with real keys through the loop.

use super::fake_store::Fake;
use super::{Console, demo};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

fn damaged() -> Fake {
    let store = Fake::three();
    store.put_damage("gabriel/notes", &[3]);
    store
}

#[tokio::test]
async fn damaged_packs_are_flagged_and_come_first() {
    let mut console = Console::on(damaged(), 120, 34).await;
    console.press(&["Enter"]).await;
    console.shows("  Damaged  ");
    console.press_shown(&["P packs"]).await;
    console.shows("packhouse › gabriel/notes › packs");
    console.shows("7 packs · 1 damaged · sorted by STATE");
    console.shows("Damaged     hash mismatch: got another one; found by verify, 3 hours ago");
    console.press_shown(&["s sort"]).await;
    console.shows("sorted by SIZE");
    console.press(&["S", "S"]).await;
    console.shows("sorted by RECORDS");
    console.press(&["c"]).await;
    assert!(console.copied.lock().unwrap().last().unwrap().starts_with("sha256:"));
}

#[tokio::test]
async fn packs_are_searched_by_key_and_state_and_a_pack_of_a_repo_leads_to_them() {
    let mut console = Console::on(damaged(), 120, 30).await;
    console.press(&["Enter", "Down", "Down"]).await;
    console.press_shown(&["Enter open"]).await;
    let selected = console.app.model.pack_here().unwrap();
    let shown = console.app.model.repos.current().unwrap().packs;
    assert_eq!(shown, 7);
    console.press_shown(&["/ search"]).await;
    console.type_in(&selected.hex()[..8]).await;
    console.press_shown(&["Enter apply"]).await;
    console.shows("1 matching");
    assert_eq!(console.app.model.pack_here(), Some(selected));
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("damaged").await;
    console.press(&["Enter"]).await;
    console.shows("▸");
    console.press(&["/", "x", "Enter"]).await;
    console.shows("No pack matches. Press / to change the search.");
    console.press(&["Esc", "Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
}

#[tokio::test]
async fn errors_are_displayed_and_what_was_loaded_stays() {
    let mut console = Console::on(damaged(), 80, 24).await;
    console.press(&["P"]).await;
    console.store.fail("show", FailureKind::Refused, "the catalog \x1b[2J is locked");
    console.press(&["r"]).await;
    console.shows("the catalog \\u{1b}[2J is locked");
    console.shows("7 packs");
    console.press(&["r"]).await;
    console.hides("locked");
}

#[tokio::test]
async fn the_demo_has_damaged_packs() {
    let mut console = Console::on(demo().await, 120, 40).await;
    console.press(&["/"]).await;
    console.type_in("hydrophone").await;
    console.press(&["Enter", "P"]).await;
    console.shows(" damaged · sorted by STATE");
}
