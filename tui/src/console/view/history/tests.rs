use jiff::SignedDuration;
use packhouse_host::GcEntry;

use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::Action;
use crate::console::state::{Level, Model, Screen};
use crate::console::tests::fake::{last_gc, now};
use crate::console::view::tests::{can_be_drawn_at_any_size, model, shown};

fn entry(id: i64, repo: &str, outcome: &str) -> GcEntry {
    let mut record = last_gc(outcome, "2026-07-01T09:30:00Z");
    record.finished_at = now() - SignedDuration::from_hours(13 * id);
    GcEntry { id, repo: repo.parse().unwrap(), record, report: None }
}

fn with(entries: Vec<GcEntry>) -> Model {
    let mut model = model();
    model.screens.push(Screen::History);
    let ticket = model.ticket();
    model.history.begin(ticket);
    model.history.take(Ok(entries), ticket);
    model
}

fn some() -> Model {
    let entries = [
        ("gabriel/photos", "consolidated"),
        ("gabriel/notes", "failed"),
        ("zoe/loops", "skipped"),
        ("a/b", "東京\u{1b}[2J"),
    ];
    with((1..).zip(entries).map(|(id, (repo, outcome))| entry(id, repo, outcome)).collect())
}

#[test]
fn history_shows_all_outcomes() {
    let seen = shown(&some(), 200, 12);
    for text in [
        "4 consolidations",
        "▸gabriel/photos",
        "Consolidated",
        "13 hours ago",
        "23 → 1",
        "2.6 MiB → 2.3 MiB",
        "1.2 s",
        "sha256:abab",
        "Failed",
        "no space left on device",
        "Nothing to do",
        // A wide character takes two cells.
        "東 京 \\u{1b}",
    ] {
        assert!(seen.contains(text), "“{text}” is missing on\n{seen}");
    }
    assert!(shown(&some(), 60, 12).contains("2 days ago"));
}

#[test]
fn an_empty_history_says_why() {
    let mut model = model();
    model.screens.push(Screen::History);
    assert!(shown(&model, 80, 8).contains("Loading the history …"));
    assert!(shown(&with(vec![]), 80, 8).contains("No consolidations yet."));
    let mut model = with(vec![]);
    model.history.paste("zoé");
    let seen = shown(&model, 100, 8);
    assert!(
        seen.contains("matching “zoé”")
            && seen.contains("No matches for “zoé”.")
            && seen.contains("Press / to search again."),
        "{seen}"
    );
    model.history.typing = true;
    assert!(shown(&model, 100, 8).contains("Esc clears the search."));
    let ticket = model.ticket();
    model.history.clear();
    model.history.begin(ticket);
    model.history.take(
        Err(Failure {
            kind: FailureKind::Refused,
            message: "the catalog is gone\u{1b}".to_owned(),
        }),
        ticket,
    );
    let seen = shown(&model, 80, 8);
    assert!(
        seen.contains("Loading the history failed.")
            && seen.contains("Press r to retry.")
            && !seen.contains('\u{1b}'),
        "{seen}"
    );
    assert!(!seen.contains("loading …"), "it has ended: {seen}");
}

fn log() -> Model {
    let mut model = model();
    for n in 0..40 {
        let level = [Level::Note, Level::Warning, Level::Error][n % 3];
        model.log.say(
            now() + SignedDuration::from_secs(n as i64),
            level,
            format!("line {n} 東京\u{1b}[2J {}", "and on ".repeat(n)),
        );
    }
    model.screens.push(Screen::Log);
    model
}

#[test]
fn the_log_shows_the_selected_line_in_full() {
    let mut model = log();
    let seen = shown(&model, 80, 24);
    let selected = seen.lines().find(|line| line.starts_with('▸')).unwrap();
    assert!(
        selected.starts_with("▸12:00:39    note     line 39 東 京 \\u{1b}[2J and on")
            && selected.ends_with('…'),
        "{seen}"
    );
    assert!(
        seen.contains("2026-07-01 12:00:39 UTC · note")
            && seen.matches("and on and on").count() > 3,
        "{seen}"
    );
    model.log.cursor.act(Action::Last, 40, 10);
    let seen = shown(&model, 80, 24);
    assert!(seen.contains("▸12:00:00    note     line 0"), "{seen}");
    model.log = Default::default();
    assert!(shown(&model, 80, 24).contains("The log is empty."));
}

#[test]
fn untrusted_text_breaks_neither_history_nor_log() {
    let mut history = some();
    history.history.entries.iter_mut().for_each(|entry| {
        (entry.record.packs_before, entry.record.bytes_before, entry.record.elapsed_ms) =
            (u64::MAX, u64::MAX, u64::MAX);
        entry.record.error = Some("\u{202e}東京\r\n".repeat(50));
    });
    history.history.paste(&"東京".repeat(100));
    can_be_drawn_at_any_size("history, hostile", history);
    can_be_drawn_at_any_size("log, hostile", log());
}

#[test]
fn history_can_be_drawn_at_any_size() {
    let mut empty = with(vec![]);
    empty.history.paste("nothing");
    can_be_drawn_at_any_size("history", some());
    can_be_drawn_at_any_size("history, no matches", empty);
}
