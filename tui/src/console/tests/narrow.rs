//! What must be readable in a terminal of 80 columns and 24 rows.

use super::Console;
use super::fake_store::Fake;

#[tokio::test]
async fn what_is_wrong_with_an_input_is_displayed_whole() {
    let mut console = Console::on(Fake::three(), 80, 24).await;
    console.press(&["/"]).await;
    console.type_in("notes packs>lots").await;
    console.shows("expected");
    let wrong = console.app.model.repos.bad_filter.clone().unwrap();
    let whole =
        |console: &Console| console.screen().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(whole(&console).contains(&wrong[1..]), "{wrong}\n{}", console.screen());
    console.shows("filter: notes packs>lots▏");
    console.press(&["Esc", "7", "n"]).await;
    console.type_in("push gabriel-of-the-north/hydrophone-array/and-more 90d").await;
    console.press(&["Enter"]).await;
    let wrong = console.app.model.prompt.as_ref().unwrap().refusal.clone().unwrap();
    assert!(whole(&console).contains(&wrong[1..]), "{wrong}\n{}", console.screen());
    console.press(&["Backspace"]).await;
    assert!(!whole(&console).contains(&wrong[1..]), "it is about the input before");
}

#[tokio::test]
async fn a_new_token_can_be_copied_whole() {
    for (columns, rows) in [(80, 24), (40, 12)] {
        let mut console = Console::on(Fake::three(), columns, rows).await;
        console.press(&["7", "n"]).await;
        console.type_in("push * laptop").await;
        console.press(&["Enter", "y"]).await;
        console.press(&["c"]).await;
        let copied = console.copied.lock().unwrap().last().unwrap().clone();
        let lines = console.screen();
        let lines: String = lines.lines().map(str::trim).collect();
        assert!(lines.contains(&copied), "{copied}\n{}", console.screen());
    }
}

#[tokio::test]
async fn a_damaged_repo_is_displayed_from_its_top() {
    let store = Fake::three();
    store.put_damage("gabriel/notes", &[0, 1, 2]);
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["Enter"]).await;
    console.shows(" State       damaged");
    console.shows(" Next        v lists all damage");
}

#[tokio::test]
async fn a_branch_out_of_sight_is_shown_before_it_can_be_deleted() {
    let store = Fake::three();
    store.put_damage("gabriel/notes", &[0, 1, 2, 3, 4, 5]);
    let mut console = Console::on(store, 80, 18).await;
    console.press(&["Enter"]).await;
    console.hides("▸");
    console.hides("x delete branch");
    // Any movement shows the selected line first, and then the top again.
    console.press(&["Down"]).await;
    console.shows("▸main");
    console.shows("x delete branch");
    console.press(&["Up"]).await;
    console.shows(" State       damaged");
    console.press(&["x"]).await;
    console.shows("Branch main is selected; x deletes it");
    console.shows("▸main");
    console.press(&["x"]).await;
    console.shows("Delete branch main");
}

#[tokio::test]
async fn the_health_is_named_while_something_is_wrong_and_screens_come_first_in_the_help() {
    let store = Fake::three();
    let mut console = Console::on(store, 80, 24).await;
    console.hides("3 health");
    console.press(&["?"]).await;
    for key in ["Enter", "1", "2", "3", "4", "5", "6", "7", "8"] {
        console.shows(&format!("  {key} "));
    }
    console.press(&["Esc"]).await;
    console.store.put_damage("gabriel/notes", &[0]);
    console.settle().await;
    console.press(&["r"]).await;
    console.press_shown(&["3 health"]).await;
    console.shows("gabriel/notes: damaged");
}
