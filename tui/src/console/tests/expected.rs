//! What people expect of any console of this kind, with real keys through the loop.

use super::Console;
use super::fake_store::Fake;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

#[tokio::test]
async fn the_cursor_is_on_the_best_match() {
    let store = Fake::of(&[("a/my-notes-2", 3), ("b/footnotes", 3), ("c/notes", 3), ("d/x", 3)]);
    let mut console = Console::on(store, 100, 20).await;
    console.press(&["End", "/"]).await;
    console.type_in("notes").await;
    console.shows("▸ c/notes");
    console.shows("3 of 4 repos");
    console.shows("best match first");
    console.press(&["Enter", "Enter"]).await;
    console.shows("packhouse › c/notes");
    // Letters in this order are fuzzy, and without words the cursor stays on its repo.
    console.press(&["q", "/", "Ctrl-u"]).await;
    console.shows("▸ c/notes");
    console.type_in("~mnt").await;
    console.shows("1 of 4 repos");
    // Another order, if it was chosen.
    console.press(&["Ctrl-u", "n", "o", "t", "e", "s", "Enter", "o"]).await;
    console.shows("▸ c/notes");
    console.hides("best match");
}

#[tokio::test]
async fn a_key_that_does_nothing_says_so_until_the_next() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["F5"]).await;
    console.shows("F5 does nothing here; ? lists the keys");
    console.press(&["Down"]).await;
    console.hides("F5 does nothing");
    console.press(&["?", "z"]).await;
    console.shows("z does nothing here");
    // In a text it is no mistake.
    console.press(&["Esc", "/", "F5", "z"]).await;
    console.hides("does nothing");
}

#[tokio::test]
async fn gg_goes_to_the_top_and_is_harmless_where_g_consolidates() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.press(&["g", "g"]).await;
    assert_eq!(console.app.model.focus(), Focus::Confirm);
    assert_eq!(console.calls("run"), [""; 0]);
    console.press(&["Esc", "7", "1", "h", "G", "g", "g"]).await;
    assert_eq!(console.app.model.position().map(|(at, ..)| at), Some(1));
}

#[tokio::test]
async fn lists_say_where_the_cursor_is() {
    let mut console = Console::on(Fake::three(), 80, 20).await;
    console.shows("1/3");
    console.press(&["Down"]).await;
    console.shows("2/3");
    console.press(&["/", "p"]).await;
    console.shows("1/2");
    console.press(&["Esc", "g"]).await;
    console.hides("/3");
}

#[tokio::test]
async fn what_can_not_be_read_is_not_confirmed() {
    let mut console = Console::on(Fake::three(), 20, 5).await;
    console.press(&["g", "y"]).await;
    assert_eq!(console.calls("run"), [""; 0]);
    console.shows("Nothing was done");
    let mut console = Console::on(Fake::three(), 60, 5).await;
    console.press(&["g"]).await;
    console.shows("Too small to confirm: 36×8 is enough");
    console.press(&["y"]).await;
    assert_eq!(console.calls("run"), [""; 0]);
    let mut console = Console::on(Fake::three(), 36, 8).await;
    console.press(&["g", "y"]).await;
    assert_eq!(console.calls("run"), ["gabriel/notes"]);
}

#[tokio::test]
async fn after_bulk_work_a_line_says_how_it_ended_and_enter_shows_what_failed() {
    let store = Fake::of(&[("a/1", 4), ("a/2", 4), ("a/3", 4)]);
    store.fail("consolidate", FailureKind::Refused, "no space left");
    let mut console = Console::on(store, 100, 20).await;
    console.press(&["a", "g", "y"]).await;
    console.until_seen("2 done, 1 failed; Enter shows the failed").await;
    console.shows("2 done · 1 failed");
    console.shows("▸a/1");
    console.press(&["Enter"]).await;
    console.shows("no space left");
    console.press(&["l"]).await;
    console.shows("2 done, 1 failed");
}

#[tokio::test]
async fn the_help_begins_with_the_keys_of_this_screen_in_two_columns() {
    let mut console = Console::on(Fake::three(), 120, 40).await;
    console.press(&["7", "?"]).await;
    console.shows("TOKENS, current screen");
    let screen = console.screen();
    let row = screen.lines().find(|line| line.contains("Create a token")).unwrap();
    assert!(row.len() > 70, "there is a column beside it: {row}");
    console.shows("REPOS");
}

#[tokio::test]
async fn a_list_is_exported_to_a_new_file_whose_name_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("r.json");
    let mut console = Console::on(Fake::three(), 160, 20).await;
    console.press(&["/", "n", "o", "t", "e", "Enter", "Ctrl-s"]).await;
    console.shows("export to (.csv, .json): packhouse-repos.csv");
    console.press(&["Ctrl-u"]).await;
    console.type_in(file.to_str().unwrap()).await;
    console.press(&["Enter"]).await;
    console.shows("1 repo written to ");
    console.shows("r.json");
    let rows: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(rows[0]["repo"], "gabriel/notes");
    console.press(&["Ctrl-s", "Ctrl-u"]).await;
    console.type_in(file.to_str().unwrap()).await;
    console.press(&["Enter"]).await;
    console.shows("1 repo written to ");
    console.shows("r-2.json");
    // A screen that is no list has nothing to export.
    console.press(&["3", "Ctrl-s"]).await;
    assert_eq!(console.app.model.focus(), Focus::Health);
}

#[tokio::test]
async fn the_cursor_of_a_repo_begins_on_its_default_branch() {
    let mut console = Console::on(super::demo().await, 120, 40).await;
    console.press(&["Enter"]).await;
    console.shows("▸main");
}

#[tokio::test]
async fn the_help_is_searched_for_keys_actions_and_sentences() {
    let mut console = Console::on(Fake::three(), 100, 30).await;
    console.press(&["?"]).await;
    console.press_shown(&["/ search"]).await;
    console.type_in("packs compare").await;
    console.shows("search: packs compare▏");
    console.press(&["Enter"]).await;
    console.shows("Matching “packs compare”");
    console.shows("Compare the two marked packs");
    console.hides("Quit the console");
    // The title of a place counts, and so do keys.
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("ctrl-z Tokens").await;
    console.press(&["Enter"]).await;
    console.shows("TOKENS");
    console.hides("REPOS");
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("\u{2603} nothing").await;
    console.press(&["Enter"]).await;
    console.shows("No key matches “☃ nothing”. Press / to change the search.");
    console.press(&["/", "Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Help);
    console.press(&["/", "Ctrl-u", "Enter"]).await;
    console.shows("REPOS, current screen");
    console.press(&["Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
}
