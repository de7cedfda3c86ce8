//! The records of a pack, with real keys through the loop.

use super::Console;
use super::contents::filled;
use super::fake::pack_record;
use super::fake_store::Fake;
use crate::console::failure::FailureKind;

/// Packs of many records, of which one in ten is a duplicate.
pub(super) fn packed(records: u64) -> Fake {
    let store = filled();
    store.put_pack_records((0..records).map(pack_record).collect());
    store
}

#[tokio::test]
async fn a_pack_leads_to_its_records_and_a_record_says_whether_it_is_needed() {
    let mut console = Console::on(packed(20), 120, 30).await;
    console.press(&["P"]).await;
    console.press_shown(&["Enter open"]).await;
    console.shows("› records");
    console.shows("20 records · 2.0 KiB");
    console.shows("commit");
    console.shows("Index       it maps the ID to this record");
    for _ in 0..7 {
        console.press(&["Down"]).await;
    }
    console.shows("Place       at byte 716, 100 bytes");
    console.shows("it maps the ID to pack sha256:0909090909");
    console.press(&["c"]).await;
    let copied = console.copied.lock().unwrap().last().unwrap().clone();
    assert!(copied.starts_with("sha256:00000007"), "{copied}");
    // It leads to the existing screen of the record.
    let store = packed(1);
    let mut object = pack_record(6);
    object.id = format!("sha256:{}", "0b".repeat(32));
    store.put_pack_records(vec![object]);
    let mut console = Console::on(store, 120, 30).await;
    console.press(&["P", "Enter"]).await;
    console.press_shown(&["Enter open"]).await;
    console.shows("object sha256:0b0b");
    console.press(&["Esc"]).await;
    console.shows("› records");
}

#[tokio::test]
async fn more_records_are_loaded_as_one_scrolls_and_a_change_loses_no_page() {
    let mut console = Console::on(packed(1200), 80, 24).await;
    console.press(&["P", "Enter"]).await;
    console.shows("the first 500 of 1,200 records");
    console.press(&["End", "End"]).await;
    console.shows("1,200 records");
    assert_eq!(console.calls("records").len(), 3);
    console.store.notify();
    console.settle().await;
    assert_eq!(console.calls("records").len(), 3);
    console.press(&["r"]).await;
    console.shows("the first 500 of 1,200 records");
}

#[tokio::test]
async fn a_search_for_a_kind_or_an_id_goes_through_the_whole_pack() {
    let mut console = Console::on(packed(2600), 100, 24).await;
    console.press(&["P", "Enter"]).await;
    console.press_shown(&["/ search"]).await;
    console.type_in("00000a27").await;
    console.press_shown(&["Enter apply"]).await;
    // Each page searches 1,000: the third has it.
    console.shows("1 of 2,600 records");
    console.shows("▸00000a27");
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("snapshots").await;
    console.press(&["Enter"]).await;
    console.shows("3 of 2,600 records");
    console.hides("object");
    console.press(&["/", "Ctrl-u"]).await;
    console.type_in("tag").await;
    console.press(&["Enter"]).await;
    console.shows("No record matches.");
    console.press(&["/", "Ctrl-u", "Enter"]).await;
    console.shows("the first 500 of 2,600 records");
}

#[tokio::test]
async fn errors_are_displayed_and_what_was_loaded_stays() {
    let store = packed(20);
    let mut console = Console::on(store, 80, 24).await;
    console.store.fail("records", FailureKind::Refused, "its \x1b[2J directory is damaged");
    console.press(&["P", "Enter"]).await;
    console.shows("Listing the records failed.");
    console.shows("its \\u{1b}[2J directory");
    console.press(&["r"]).await;
    console.shows("20 records");
    console.store.fail("records", FailureKind::Refused, "the catalog is locked");
    console.press(&["r"]).await;
    console.shows("the catalog is locked");
    console.shows("20 records");
}
