//! What is inside repos, with real keys through the loop.

use packhouse_host::LoggedCommit;
use packhouse_host::contents::Kind;
use serde_json::json;

use super::fake::{commit, file, opened};
use super::fake_store::Fake;
use super::{Console, demo};
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

/// A merge, its two sides and what they began with; many files, and objects of text and of other
/// bytes.
pub(super) fn filled() -> Fake {
    let store = Fake::three();
    let head = LoggedCommit {
        branches: vec!["main".to_owned()],
        tags: vec!["v1".to_owned()],
        message: Some("the bridge joins".to_owned()),
        ..commit(4, &[3, 2])
    };
    let zoe = LoggedCommit { author: Some("zoe".to_owned()), ..commit(2, &[1]) };
    store.put_commits(vec![head, commit(3, &[1]), zoe, commit(1, &[])]);
    let files = (0..30).map(|n| file(&format!("takes/bridge_{n:02}.wav")));
    store.put_files([file("README.md")].into_iter().chain(files).collect());
    store.put_object("0b", b"# Notes\n\n\tlouder\n");
    store.put_object("0e", &[0x89, b'P', b'N', b'G', 0, 0x1b, b'[', b'2', b'J'].repeat(4000));
    let mut record = opened("0c", b"").record;
    record.place.id = commit(4, &[]).commit;
    record.place.kind = Kind::Commit;
    record.content_bytes = None;
    record.fields = Some(json!({"message": "the bridge joins", "author": "ines"}));
    store.put_record(record, b"\x82\xa7message");
    store
}

#[tokio::test]
async fn commits_lead_to_files_and_files_to_their_content_with_displayed_keys() {
    let mut console = Console::on(filled(), 120, 30).await;
    console.press_shown(&["b commits"]).await;
    console.shows("packhouse › gabriel/notes › commits");
    console.shows("Default branch · 4 commits");
    console.shows("▸●─╮  00000004c0c0  (main, tag v1) the bridge joins");
    console.shows(" ● │  00000003c0c0  take 3");
    console.shows(" │ ●  00000002c0c0  take 2");
    console.shows(" ●─╯  00000001c0c0  take 1");
    console.shows("Parents     00000003c0c0, 00000002c0c0");
    console.press(&["Down", "Down"]).await;
    console.shows("2026-06-27 10:00 UTC by zoe");
    console.press(&["Home"]).await;
    console.press_shown(&["Enter open"]).await;
    console.shows("packhouse › gabriel/notes › sha256:00000004c0c0 › files");
    console.shows("the bridge joins · 31 files");
    console.press_shown(&["Enter open"]).await;
    console.shows("object sha256:0b0b");
    console.shows("Content     17 bytes");
    console.shows("at byte 18,204, 97 bytes");
    console.shows(" CONTENT\n # Notes\n\n     louder");
    console.press_shown(&["x raw bytes"]).await;
    console.shows("00000000  23 20 4e 6f 74 65 73 0a  0a 09 6c 6f 75 64 65 72  # Notes...louder");
    console.press(&["c"]).await;
    assert!(console.copied.lock().unwrap().last().unwrap().starts_with("sha256:0b0b"));
    console.press(&["Esc", "Esc", "Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
}

#[tokio::test]
async fn a_branch_head_leads_to_its_commits_and_a_commit_to_its_record() {
    let mut console = Console::on(filled(), 120, 30).await;
    console.press(&["Enter"]).await;
    console.press_shown(&["Enter open"]).await;
    console.shows("Branch main · 4 commits");
    assert_eq!(console.calls("commits"), ["gabriel/notes main"]);
    console.press_shown(&["i record"]).await;
    console.shows("commit sha256:00000004c0c0");
    console.shows("\"message\": \"the bridge joins\"");
    console.press(&["x"]).await;
    console.shows("82 a7 6d 65 73 73 61 67");
    // A commit that was found leads to its files as well.
    console.press_shown(&["Enter open"]).await;
    console.shows("the bridge joins · 31 files");
    console.press(&["i"]).await;
    console.shows("commit sha256:00000004c0c0");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_displayed_in_hexadecimal_and_long_ones_are_cut() {
    let mut console = Console::on(filled(), 80, 24).await;
    console.press(&["f"]).await;
    console.type_in("0e0e").await;
    console.press(&["Enter", "Enter"]).await;
    console.shows("Content     35.2 KiB (36,000 bytes)");
    console.shows("BYTES: THE FIRST 16.0 KiB");
    console.shows("00000000  89 50 4e 47 00 1b 5b 32");
    console.press(&["End"]).await;
    console.shows("00003ff0  ");
}

#[tokio::test]
async fn a_record_leads_to_its_pack_and_keys_that_do_nothing_there_say_so() {
    let mut console = Console::on(filled(), 100, 30).await;
    console.press(&["f"]).await;
    console.type_in("0e0e").await;
    console.press(&["Enter", "Enter"]).await;
    console.shows("BYTES");
    console.hides("x raw bytes");
    console.press(&["x"]).await;
    console.shows("x does nothing here; ? lists the keys");
    console.press(&["?"]).await;
    let help = |console: &Console| {
        let screen = console.screen();
        screen.split("COMMITS").next().unwrap_or_default().to_owned()
    };
    assert!(!help(&console).contains("hexadecimal"), "{}", help(&console));
    console.press(&["Esc"]).await;
    console.press_shown(&["Enter open"]).await;
    assert_eq!(console.app.model.focus(), Focus::Records);
    console.shows("0e0e");
    console.press(&["Esc", "Esc", "f"]).await;
    console.type_in("0b0b").await;
    console.press(&["Enter", "Enter", "?"]).await;
    assert!(help(&console).contains("hexadecimal"), "{}", help(&console));
}

#[tokio::test]
async fn more_commits_and_files_are_loaded_as_one_scrolls() {
    let store = filled();
    store.put_commits((1..=450).rev().map(|n| commit(n, &[n - 1])).collect());
    store.put_files((0..4500).map(|n| file(&format!("takes/{n:05}.wav"))).collect());
    let mut console = Console::on(store, 80, 24).await;
    console.press(&["b"]).await;
    console.shows("the first 200 commits");
    console.press(&["End", "End", "End"]).await;
    console.shows("450 commits");
    assert_eq!(console.calls("commits").len(), 3);
    console.shows("▸●  00000001c0c0  take 1");
    // A push would lose the place; the operator decides.
    console.store.notify();
    console.settle().await;
    assert_eq!(console.calls("commits").len(), 3);
    console.press(&["r"]).await;
    console.shows("the first 200 commits");
    console.press(&["Enter"]).await;
    console.shows("the first 2,000 files");
    console.press(&["End"]).await;
    console.shows("the first 4,000 files");
    console.press(&["End", "End"]).await;
    console.shows("4,500 files");
    console.shows("takes/04499.wav");
}

#[tokio::test]
async fn files_are_searched_and_a_folder_is_listed_and_no_error_loses_the_list() {
    let mut console = Console::on(filled(), 100, 24).await;
    console.press(&["b", "Enter"]).await;
    console.press_shown(&["/ search"]).await;
    console.type_in("BRIDGE 07").await;
    console.press_shown(&["Enter apply"]).await;
    console.shows("No matches for “BRIDGE 07”. / searches for something else.");
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("bridge 07").await;
    console.press(&["Enter"]).await;
    console.shows("1 file matching “bridge 07”");
    console.shows("▸0b0b0b0b0b0b  takes/bridge_07.wav");
    console.press(&["Enter"]).await;
    console.shows("Path        takes/bridge_07.wav");
    console.press(&["Esc", "/", "Ctrl-u"]).await;
    console.type_in("/takes").await;
    console.press(&["Enter"]).await;
    console.shows("30 files in takes");
    console.hides("README.md");
    // A folder that does not exist is named, and the list stays.
    console.press(&["/", "x", "Enter"]).await;
    console.shows("takesx");
    console.shows("30 files in takes");
    console.press(&["/", "Ctrl-u", "Enter"]).await;
    console.shows("README.md");
    console.hides("takesx");
    console.press(&["/", "z", "Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Files, "the question is withdrawn");
}

#[tokio::test]
async fn an_id_is_found_in_all_repos_the_current_one_first() {
    let mut console = Console::on(filled(), 120, 30).await;
    console.press(&["Down"]).await;
    console.press(&["6"]).await;
    console.type_in("0b0").await;
    console.press(&["Enter"]).await;
    console.shows("At least 4 digits of an ID");
    console.shows("find ID: 0b0▏");
    assert_eq!(console.calls("find"), [""; 0]);
    console.type_in("b").await;
    console.press(&["Enter"]).await;
    assert_eq!(
        console.calls("find"),
        ["gabriel/photos 0b0b", "gabriel/notes 0b0b", "zoe/empty 0b0b"]
    );
    console.shows("3 records found · 3 repos searched");
    console.shows("▸gabriel/photos");
    console.shows("at byte 18,204, 97 bytes");
    console.press_shown(&["Enter open"]).await;
    console.shows("packhouse › gabriel/photos › sha256:0b0b");
    console.press(&["Esc", "f"]).await;
    console.type_in("ffff").await;
    console.press(&["Enter"]).await;
    console.shows("No record has the ID “ffff”.");
    console.press(&["Esc"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos, "there is one search");
}

#[tokio::test]
async fn a_repo_that_can_not_be_searched_is_counted_and_the_others_are_searched() {
    let store = filled();
    store.fail("find", FailureKind::Damage, "the index \x1b[2J is damaged");
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["f"]).await;
    console.type_in("0b0b").await;
    console.press(&["Enter"]).await;
    console.shows("2 records found · 3 repos searched");
    console.shows("Searching 1 repo found damage.");
    console.shows("the index \\u{1b}[2J is damaged");
}

#[tokio::test]
async fn a_search_that_was_cut_goes_on_when_the_connection_is_back() {
    let mut console = Console::on(filled().remote(), 120, 30).await;
    console.store.disconnect("no route");
    console.settle().await;
    console.press(&["f"]).await;
    console.type_in("0b0b").await;
    console.press(&["Enter"]).await;
    console.shows("0 of 3 repos searched");
    console.store.answer_after(9);
    console.settle().await;
    console.shows("3 records found · 3 repos searched");
}

#[tokio::test]
async fn damaged_bytes_leave_the_place_of_the_record_on_the_screen() {
    let store = filled();
    store.fail("content", FailureKind::Damage, "hash mismatch");
    let mut console = Console::on(store, 100, 24).await;
    console.press(&["b", "Enter", "Enter"]).await;
    console.shows("at byte 18,204");
    console.shows("Reading its content found damage.");
    console.press(&["r"]).await;
    console.hides("damage");
    console.shows("# Notes");
}

#[tokio::test]
async fn errors_are_displayed_and_retried() {
    for (verb, keys) in
        [("commits", &["b"][..]), ("files", &["b", "Enter"]), ("record", &["b", "Enter", "Enter"])]
    {
        let store = filled();
        store.fail(verb, FailureKind::Refused, "the catalog \x1b[2J is locked");
        let mut console = Console::on(store, 100, 24).await;
        console.press(keys).await;
        console.shows("the catalog \\u{1b}[2J is locked");
        console.press(&["r"]).await;
        console.hides("locked");
        assert_eq!(console.calls(verb).len(), 2);
    }
}

#[tokio::test]
async fn the_demo_can_be_looked_into() {
    let mut console = Console::on(demo().await, 120, 30).await;
    console.press(&["Down", "b", "Enter", "Enter"]).await;
    console.shows("object ");
    console.shows("Pack        sha256:");
    console.hides("Reading");
}
