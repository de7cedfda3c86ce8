//! Two packs compared, with real keys through the loop.

use packhouse_host::{ComparedRecord, RecordClass, RecordPlace};

use super::Console;
use super::contents::filled;
use super::fake::pack_record;
use super::fake_store::Fake;
use crate::console::failure::FailureKind;
use crate::console::keys::Focus;

/// Packs that differ in so many records: the classes take turns, and the last is of another.
pub(super) fn differing(records: u64) -> Fake {
    let store = filled();
    let record = |number: u64| {
        let class = match number {
            _ if number + 1 == records => RecordClass::OtherEncoding,
            number if number % 3 == 0 => RecordClass::OnlyA,
            number if number % 3 == 1 => RecordClass::OnlyB,
            _ => RecordClass::Same,
        };
        let place = |length| Some(RecordPlace { offset: number * 100, length });
        let (a, b) = match class {
            RecordClass::OnlyA => (place(100), None),
            RecordClass::OnlyB => (None, place(90)),
            RecordClass::Same => (place(100), place(100)),
            RecordClass::OtherEncoding => (place(100), place(90)),
        };
        let record = pack_record(number);
        ComparedRecord { class, kind: record.kind, id: record.id, a, b }
    };
    store.put_compared((0..records).map(record).collect());
    store
}

#[tokio::test]
async fn two_marked_packs_are_compared() {
    let mut console = Console::on(differing(10), 120, 34).await;
    console.press(&["P"]).await;
    console.press_shown(&["Space mark"]).await;
    console.shows("▸A ");
    console.press(&["Down", "Space"]).await;
    console.shows("▸B ");
    console.press_shown(&["d compare"]).await;
    assert_eq!(console.app.model.focus(), Focus::Comparison);
    console.shows(" › compared");
    console.shows("Only in A                3 records  300 B");
    console.shows("Only in B                3 records  270 B");
    console.shows("Other encoding            1 record  100 B in A, 90 B in B");
    console.shows("In both                  3 records  300 B");
    console.shows("In A        at byte 0, 100 bytes");
    console.shows("In B        not there");
    console.press(&["c"]).await;
    assert!(console.copied.lock().unwrap().last().unwrap().starts_with("sha256:00000000"));
    console.press(&["Esc"]).await;
    console.shows("▸B ");
}

#[tokio::test]
async fn one_marked_pack_is_compared_with_the_selected_one_and_a_third_mark_takes_the_first() {
    let mut console = Console::on(differing(3), 120, 34).await;
    console.press(&["P", "d"]).await;
    console.shows("Mark two packs with Space to compare them");
    console.press(&["Space", "d"]).await;
    console.shows("Mark two packs");
    console.press(&["Down", "d"]).await;
    console.shows(" › compared");
    console.press(&["Esc", "Space", "Down", "Space"]).await;
    let shown = console.screen();
    assert_eq!((shown.matches("▸B ").count(), shown.matches(" A ").count()), (1, 1), "{shown}");
    console.press(&["Space"]).await;
    console.hides("▸B ");
}

#[tokio::test]
async fn a_class_is_searched_to_the_end_and_pages_are_loaded_as_one_scrolls() {
    let mut console = Console::on(differing(1200), 100, 30).await;
    console.press(&["P", "Space", "Down", "Space", "d"]).await;
    console.shows("Listed: all");
    console.shows("the first 500 records");
    console.press(&["End", "End"]).await;
    console.hides("the first");
    assert_eq!(console.calls("compare").len(), 3);
    console.press_shown(&["s class"]).await;
    // A third of each page, until there is more than the screen shows.
    console.shows("Listed: Only in A · the first 334 records");
    console.press(&["s", "s"]).await;
    console.shows("Listed: Other encoding");
    // Only the last page has one.
    console.shows("▸000004af");
    console.shows("Only in A              400 records");
    console.press(&["S", "S", "S"]).await;
    console.shows("Listed: all");
}

#[tokio::test]
async fn errors_are_displayed_and_can_be_retried() {
    let mut console = Console::on(differing(3), 100, 30).await;
    console.store.fail("compare", FailureKind::Refused, "the catalog is locked");
    console.press(&["P", "Space", "Down", "Space", "d"]).await;
    console.shows("Comparing the packs failed.");
    console.shows("the catalog is locked");
    console.press(&["r"]).await;
    console.shows("Listed: all");
    console.press(&["s", "s", "s", "s"]).await;
    console.shows("In both");
}
