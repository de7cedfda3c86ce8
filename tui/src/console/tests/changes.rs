//! Policies, branches and repairs: changes with a form or a dialog, with real keys through the loop.

use futures::FutureExt;
use packhouse_host::{Inspect, Policy, PolicyCheck, Problem, ProblemKind};

use super::Console;
use super::fake::check;
use super::fake_store::Fake;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

fn checked() -> Fake {
    let store = Fake::three();
    let own = PolicyCheck { own_policy: true, policy: Policy::OFF, ..check("gabriel/photos", 23) };
    store.put_checks(vec![check("gabriel/notes", 7), own]);
    store
}

fn damaged() -> Fake {
    let store = Fake::three();
    store.put_damage("gabriel/notes", &[0]);
    store.damage(vec![Problem {
        kind: ProblemKind::DamagedPack,
        pack: None,
        entity: None,
        detail: "hash mismatch".to_owned(),
    }]);
    store
}

#[tokio::test]
async fn a_policy_is_set_in_a_form_after_a_confirmation() {
    let mut console = Console::on(checked(), 100, 24).await;
    console.press(&["5"]).await;
    console.press_shown(&["e edit policy"]).await;
    assert_eq!(console.app.model.focus(), Focus::PolicyForm);
    console.shows("Policy of gabriel/notes: the default, until it is set");
    console.shows("max packs   50▏");
    console.hides("scrub age");
    // Letters are text, and a bad value is named at once.
    console.press(&["Ctrl-u", "q"]).await;
    console.shows("Max packs: q is not a number of packs");
    console.press(&["Enter"]).await;
    assert_eq!(console.app.model.focus(), Focus::PolicyForm, "it can't be set");
    console.press(&["Backspace", "2", "0", "Tab", "Ctrl-u"]).await;
    console.shows("Then        consolidated when it has more than 20 packs");
    console.press_shown(&["Enter set policy"]).await;
    console.shows("Set the policy of gabriel/notes?");
    console.shows("Now         the default: consolidated when it has more than 50 packs");
    console.press(&["Enter"]).await;
    assert_eq!(console.calls("set-policy"), [""; 0], "Enter confirms nothing");
    assert_eq!(console.app.model.focus(), Focus::PolicyForm, "what was typed is still there");
    console.press(&["Enter"]).await;
    console.press_shown(&["y set policy"]).await;
    assert_eq!(console.calls("set-policy"), ["gabriel/notes"]);
    console
        .shows("The policy of gabriel/notes is set: consolidated when it has more than 20 packs");
    assert_eq!(console.app.model.focus(), Focus::Policies);
    console.shows("Policy      its own: consolidated when it has more than 20 packs");
}

#[tokio::test]
async fn the_default_policy_is_edited_and_any_policy_is_reset() {
    let mut console = Console::on(checked(), 100, 24).await;
    console.press(&["5"]).await;
    console.press_shown(&["E edit default"]).await;
    console.shows("Default policy, of all repos without their own: the built-in one");
    console.press(&["End"]).await;
    console.shows("scrub age   ▏");
    console.type_in("90d").await;
    console.shows("every pack is read within 90 days");
    console.press(&["Ctrl-r"]).await;
    console.shows("It is the built-in policy already");
    console.press(&["Enter", "y"]).await;
    assert_eq!(console.calls("set-policy"), ["default"]);
    console.press(&["Down", "e"]).await;
    console.shows("Policy of gabriel/photos");
    console.press_shown(&["Ctrl-r reset"]).await;
    console.shows("Reset the policy of gabriel/photos to the default?");
    console.press_shown(&["y reset policy"]).await;
    console.shows("The default policy of gabriel/photos is set");
}

#[tokio::test]
async fn a_policy_that_the_store_refuses_stays_in_the_form() {
    let store = checked();
    store.fail("set-policy", FailureKind::Refused, "the catalog is locked");
    let mut console = Console::on(store, 100, 24).await;
    console.press(&["5", "e", "9", "Enter", "y"]).await;
    assert_eq!(console.app.model.focus(), Focus::PolicyForm);
    console.shows("509▏");
    console.shows("The catalog is locked");
    console.press(&["Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Policies);
}

#[tokio::test]
async fn a_branch_is_deleted_after_a_confirmation_that_says_how_to_undo_it() {
    let mut console = Console::on(Fake::three(), 100, 30).await;
    console.press(&["Enter"]).await;
    console.press_shown(&["x delete branch"]).await;
    console.shows("Delete branch main of gabriel/notes?");
    console.shows("It is the default branch.");
    console.shows("push the branch again from a clone");
    console.press(&["Esc"]).await;
    assert_eq!(console.calls("delete-branch"), [""; 0]);
    console.press(&["x"]).await;
    console.press_shown(&["y delete branch"]).await;
    assert_eq!(console.calls("delete-branch"), ["main"]);
    console.shows("gabriel/notes: branch main is deleted; it was at sha256:4f4f");
    console.hides("▸main");
    console.press(&["Home", "x"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repo, "the selected line is no branch");
}

#[tokio::test]
async fn a_damaged_repo_is_repaired_after_a_confirmation() {
    let mut console = Console::on(damaged(), 110, 30).await;
    console.press(&["3"]).await;
    console.shows("R repairs what has intact copies in the store, A all damaged repos.");
    console.press(&["Enter"]).await;
    console.press(&["v"]).await;
    console.shows("Press R to repair it from intact copies in the store.");
    console.shows("packhouse push gabriel/notes FILE");
    console.press(&["R"]).await;
    console.shows("Repair gabriel/notes?");
    console.press(&["Enter", "R"]).await;
    console.press_shown(&["y repair"]).await;
    console.shows("gabriel/notes › repair");
    console.shows("No problems: all packs are present and intact.");
    console.press(&["R"]).await;
    assert_eq!(console.app.model.focus(), Focus::Done, "there is nothing to repair");
    console.shows("There is nothing to repair");
    console.press(&["1", "r"]).await;
    console.hides("damaged");
}

#[tokio::test]
async fn all_damaged_repos_are_repaired_after_one_confirmation() {
    let store = damaged();
    store.put_damage("gabriel/photos", &[0]);
    let mut console = Console::on(store, 110, 30).await;
    console.press(&["3"]).await;
    console.shows("▸✗ gabriel/notes: damaged");
    console.shows("hash mismatch");
    console.press_shown(&["A repair all"]).await;
    console.shows("packhouse › 2 repos › repair");
    console.shows("Repair 2 damaged repos?");
    console.press(&["Enter", "A"]).await;
    assert_eq!(console.calls("verify"), [""; 0]);
    console.press_shown(&["y repair"]).await;
    assert_eq!(console.calls("verify"), ["gabriel/notes", "gabriel/photos"]);
    assert_eq!(console.app.model.focus(), Focus::Runs);
    console.shows("2 done");
    console.press(&["3", "r"]).await;
    console.hides("damaged");
    console.press(&["A"]).await;
    console.shows("There is nothing to repair");
}

#[tokio::test]
async fn marked_repos_are_repaired_if_they_are_damaged() {
    let store = damaged();
    store.put_damage("gabriel/photos", &[0]);
    let mut console = Console::on(store, 110, 30).await;
    console.press(&["End", "Space", "R"]).await;
    console.shows("None of the marked repos is damaged");
    console.press(&["Home", "Space"]).await;
    console.press_shown(&["R repair"]).await;
    console.shows("Repair gabriel/notes?");
    console.press(&["Esc", "Esc"]).await;
    // From the palette of any screen, and of the selected repo.
    console.press(&["5", ":", "r", "e", "p", "a", "i", "r", "Enter"]).await;
    console.shows("Repair 2 damaged repos?");
    console.press(&["Esc", "1", "R", "y"]).await;
    assert_eq!(console.calls("verify"), ["gabriel/photos"]);
    assert_eq!(console.app.model.focus(), Focus::Done);
}

#[tokio::test]
async fn a_read_only_console_offers_none_of_it() {
    let store = damaged();
    store.put_checks(vec![check("gabriel/notes", 7)]);
    let mut console = Console::read_only(store, 110, 30).await;
    console.press(&["5", "e", "E"]).await;
    assert_eq!(console.app.model.focus(), Focus::Policies);
    console.shows("E changes the store, and the console is read-only");
    console.press(&["Enter", "x", "R", "v", "R"]).await;
    assert_eq!(console.app.model.focus(), Focus::Done);
    console.hides("R to repair");
    assert_eq!(console.calls("delete-branch"), [""; 0]);
}

/// A store with a damaged pack of which there is no copy, in the index and in verifications.
fn without_copies() -> Fake {
    let store = Fake::three();
    store.put_damage("gabriel/notes", &[0]);
    let detail = store.detail(&"gabriel/notes".parse().unwrap()).now_or_never().unwrap().unwrap();
    store.damage(vec![Problem {
        kind: ProblemKind::DamagedPack,
        entity: None,
        pack: detail.report.damaged[0].mpack_key,
        detail: "bytes differ".to_owned(),
    }]);
    store.lose_copies();
    store
}

#[tokio::test]
async fn a_repair_that_leaves_problems_says_what_to_push_and_is_not_offered_again() {
    let mut console = Console::on(without_copies(), 80, 24).await;
    console.press(&["Enter"]).await;
    console.shows("R repairs it");
    console.press_shown(&["R repair"]).await;
    console.press(&["y"]).await;
    console.shows("1 problem left");
    console.shows("Push it again from a clone that has it");
    console.shows("Push the same bytes again: packhouse push gabriel/notes FILE");
    console.shows("restore the file from a backup");
    console.hides("Press R");
    console.hides("R repair");
    console.press(&["R"]).await;
    console.shows("The last repair found no intact copies");
    // A verification that finds the same does not offer it either, nor does the repo.
    console.press(&["v"]).await;
    console.shows("1 problem found");
    console.hides("Press R");
    console.press(&["Esc"]).await;
    console.shows("no intact copies were found");
    console.hides("R repair");
    // What is pushed may have copies.
    console.store.advance(5);
    console.store.pushed("gabriel/notes");
    console.press(&["r"]).await;
    console.shows("R repairs it");
    console.press(&["v"]).await;
    console.shows("Press R to repair it");
}

#[tokio::test]
async fn a_consolidation_of_a_damaged_repo_says_that_it_will_stop_at_the_damage() {
    let store = damaged();
    let mut console = Console::on(store, 110, 30).await;
    console.press(&["g"]).await;
    console.shows("1 fault known in this repo. The run stops when it reads what is damaged");
    console.shows("repo first, with R on its screen");
    console.press(&["Esc", "Down", "p"]).await;
    console.hides("known in this repo");
}
