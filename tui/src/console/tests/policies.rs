//! The policies, with real keys through the loop.

use packhouse_host::{Policy, PolicyCheck};

use super::fake::check;
use super::fake_store::Fake;
use super::{Console, own_demo};
use crate::console::demo::REPOS;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

/// One repo is due, one has a policy of its own, one is neither.
fn checked() -> Fake {
    let store = Fake::three();
    store.put_checks(vec![
        check("gabriel/notes", 7),
        PolicyCheck { own_policy: true, policy: Policy::OFF, ..check("gabriel/photos", 23) },
        check("zoe/busy", 99),
    ]);
    store
}

#[tokio::test]
async fn the_due_come_first_with_their_reasons_and_lead_to_their_repos() {
    let mut console = Console::on(checked(), 120, 24).await;
    console.press(&["5"]).await;
    console.shows("packhouse › policies");
    console.shows("Default     consolidated with more than 50 packs");
    console.shows("1 of 3 repos with several packs due · sorted by DUE");
    console.shows("▸zoe/busy");
    console.shows("a full consolidation is due: it has 99 packs, more than 50");
    console.press(&["Down"]).await;
    console.shows("Policy      the default");
    console.shows("not due: 7 packs, 696.0 KiB pushed since 116.0 KiB were consolidated");
    console.press(&["Down"]).await;
    console.shows("its own: no automatic consolidation");
    console.press_shown(&["Enter open"]).await;
    console.shows("packhouse › gabriel/photos");
}

#[tokio::test]
async fn repos_are_sorted_and_searched_with_displayed_keys() {
    let mut console = Console::on(checked(), 120, 24).await;
    console.press(&["5"]).await;
    console.press_shown(&["s sort"]).await;
    console.shows("sorted by REPO");
    console.press(&["S", "S"]).await;
    console.shows("sorted by SIZE");
    console.press_shown(&["/ search"]).await;
    assert_eq!(console.app.model.focus(), Focus::Search);
    console.type_in("gabriel own").await;
    console.shows("1 matching “gabriel own”");
    console.shows("▸gabriel/photos");
    console.hides("gabriel/notes");
    console.press_shown(&["Enter apply"]).await;
    console.press(&["/", "x"]).await;
    console.shows("No repo matches.");
    console.press(&["Esc"]).await;
    console.shows("zoe/busy");
    assert_eq!(console.app.model.focus(), Focus::Policies);
    // The history has a search of its own.
    console.press(&["h", "/", "z"]).await;
    assert_eq!((console.app.model.policies.text(), console.app.model.history.text()), ("", "z"));
}

#[tokio::test]
async fn errors_are_displayed_and_what_was_loaded_stays() {
    let store = checked();
    store.fail("check", FailureKind::Refused, "the catalog \x1b[2J is locked");
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["5"]).await;
    console.shows("Checking them failed.");
    console.shows("the catalog \\u{1b}[2J is locked");
    console.press(&["r"]).await;
    console.hides("locked");
    console.store.fail("policy", FailureKind::Refused, "the catalog is locked");
    console.press(&["r"]).await;
    console.shows("locked");
    console.shows("zoe/busy");
}

#[tokio::test]
async fn policies_are_checked_again_when_the_store_changes() {
    let mut console = Console::on(checked(), 80, 24).await;
    console.press(&["5", "Down"]).await;
    console.store.put_checks(vec![check("a/a", 60), check("gabriel/notes", 8)]);
    console.store.advance(5);
    console.press(&["r"]).await;
    console.shows("▸gabriel/notes");
    console.shows("1 of 2 repos with several packs due");
    console.store.put_checks(Vec::new());
    console.press(&["r"]).await;
    console.shows("No repo has more than one pack");
}

#[tokio::test]
async fn the_demo_has_repos_that_are_due_and_repos_that_are_not() {
    let mut console = Console::on(own_demo(REPOS).await, 120, 40).await;
    console.press(&["5"]).await;
    let (due, all) = console.app.model.policies.counts();
    assert!(0 < due && due < all, "{due} of {all}");
    console.shows("consolidation is due");
}
