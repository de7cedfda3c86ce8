//! The policies, with real keys through the loop.

use packhouse_host::{Policy, PolicyCheck, PolicyReport};

use super::fake::{check, summary};
use super::fake_store::Fake;
use super::update::{model_with, name, press};
use super::{Console, own_demo};
use crate::console::demo::REPOS;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;
use crate::console::msg::{Effect, Msg};
use crate::console::update::update;

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
    console.shows("Default     consolidated when it has more than 50 packs");
    console.shows("1 of 3 repos with several packs due · sorted by DUE");
    console.shows("▸zoe/busy");
    console.shows("a full consolidation is due: it has 99 packs, more than 50");
    console.press(&["Down"]).await;
    console.shows("Policy      the default");
    console.shows("not due: 7 packs, 696.0 KiB pushed since a consolidation left 116.0 KiB");
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

#[tokio::test]
async fn a_repo_with_one_pack_gets_a_policy_from_the_list_of_repos() {
    let mut console = Console::on(Fake::three(), 100, 24).await;
    console.press(&["Down", "e"]).await;
    console.shows("Policy of gabriel/photos: the default, until it is set");
    console.press(&["End", "Ctrl-u", "1", "2", "h"]).await;
    console.shows("a pack has waited for 12h");
    console.press(&["Enter", "y"]).await;
    assert_eq!(console.calls("set-policy"), ["gabriel/photos"]);
    console.shows("The policy of gabriel/photos is set");
    assert_eq!(console.app.model.focus(), Focus::Repos);
}

#[test]
fn a_policy_that_comes_late_opens_no_form() {
    let mut model = model_with(vec![summary("a/b", 1), summary("c/d", 1)]);
    let effects = press(&mut model, &["e"]);
    assert!(
        matches!(&effects[..], [Effect::Policy(_, repo)] if *repo == name("a/b")),
        "{effects:?}"
    );
    press(&mut model, &["Down"]);
    let policy = PolicyReport { repo: Some(name("a/b")), set: false, policy: Policy::default() };
    update(&mut model, Msg::Policy(Ok(Box::new(policy.clone()))));
    assert_eq!(model.focus(), Focus::Repos);
    press(&mut model, &["Up"]);
    update(&mut model, Msg::Policy(Ok(Box::new(policy))));
    assert_eq!(model.focus(), Focus::PolicyForm);
}
