//! Tests of all screens, at any size and with any content.

mod screens;

use std::collections::BTreeSet;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;

use super::view;
use crate::console::cells::width;
use crate::console::keys::{Action, Keymap};
use crate::console::state::{Extent, Model, Repo, Screen, Ticket};
use crate::console::tests::fake::{now, summary};
use crate::console::theme::{Styles, Theme};
use screens::{detail, screens, with_repo};

pub(in crate::console) use screens::damaged_detail;

/// A console without any data.
pub(in crate::console) fn model() -> Model {
    let styles = Styles { theme: Theme::Mono, ascii: false };
    let mut model = Model::new(styles, Keymap::new(false), false, "/srv/packs".to_owned());
    model.now = now();
    model
}

/// The screen, without trailing blanks.
pub(in crate::console) fn shown(model: &Model, columns: u16, rows: u16) -> String {
    drawn(model, columns, rows).0
}

/// The screen, and its scroll area.
pub(in crate::console) fn drawn(model: &Model, columns: u16, rows: u16) -> (String, Extent) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let mut extent = Extent::default();
    terminal.draw(|frame| extent = view(model, frame)).unwrap();
    let buffer = terminal.backend().buffer();
    let lines = buffer.content().chunks(usize::from(columns).max(1));
    let lines = lines.map(|row| {
        row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()
            + "\n"
    });
    (lines.collect(), extent)
}

const SIZES: [(u16, u16); 12] = [
    (1, 1),
    (2, 3),
    (3, 2),
    (10, 4),
    (20, 5),
    (40, 9),
    (60, 20),
    (80, 24),
    (120, 40),
    (200, 60),
    (300, 8),
    (7, 100),
];

/// Checks that a screen can be drawn at any size, and that it gives the terminal no command.
///
/// With `SHOW_SCREENS` it is printed as well, of `COLUMNS` and `LINES`, with `ASCII` in ASCII:
/// `SHOW_SCREENS=1 cargo test -p packhouse at_any_size -- --nocapture --test-threads 1`.
pub(in crate::console) fn can_be_drawn_at_any_size(name: &str, mut model: Model) {
    for (columns, rows) in SIZES {
        let (text, extent) = drawn(&model, columns, rows);
        assert!(
            !text.contains(['\u{1b}', '\u{202e}', '\t', '\r', '\0']),
            "{name} at {columns}x{rows}:\n{text}"
        );
        assert!(extent.height <= usize::from(rows), "{name} at {columns}x{rows}: {extent:?}");
    }
    if std::env::var_os("SHOW_SCREENS").is_some() {
        let number = |name, default| {
            std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
        };
        model.styles.ascii = std::env::var_os("ASCII").is_some();
        eprintln!("=== {name}\n{}", shown(&model, number("COLUMNS", 80), number("LINES", 24)));
    }
}

#[test]
fn every_screen_can_be_drawn_at_any_size() {
    for (name, model) in screens() {
        can_be_drawn_at_any_size(name, model);
    }
}

#[test]
fn the_selected_line_is_reversed_up_to_both_edges() {
    let mut seen = 0;
    for (name, model) in screens() {
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|frame| _ = view(&model, frame)).unwrap();
        let buffer = terminal.backend().buffer();
        for row in buffer.content().chunks(80).filter(|row| row[0].symbol() == "▸") {
            let mut column = 0;
            while let Some(cell) = row.get(column) {
                let is_reversed = cell.modifier.contains(Modifier::REVERSED);
                assert!(is_reversed, "{name}, column {column}:\n{}", shown(&model, 80, 24));
                // The cell behind a wide character is not drawn.
                column += width(cell.symbol()).max(1);
            }
            seen += 1;
        }
    }
    assert!(seen > 8, "{seen}");
}

#[test]
fn an_ascii_terminal_gets_nothing_else() {
    for (name, mut model) in screens() {
        model.styles.ascii = true;
        for (columns, rows) in SIZES {
            let text = shown(&model, columns, rows);
            assert!(text.is_ascii(), "{name} at {columns}x{rows}:\n{text}");
        }
    }
}

#[test]
fn an_ascii_arrow_keeps_its_blanks() {
    let mut plan = screen("plan, ready");
    plan.styles.ascii = true;
    assert!(shown(&plan, 80, 24).contains("Packs       7 -> 1"), "{}", shown(&plan, 80, 24));
}

#[test]
fn the_selected_line_is_visible_and_every_line_can_be_reached() {
    for (columns, rows) in [(60, 12), (60, 20), (80, 24), (120, 40), (200, 60)] {
        let mut model = with_repo(detail(summary("gabriel/notes", 7), 40, &["main", "live"]));
        let (mut seen, mut content) = (BTreeSet::new(), 0);
        for at in 0..44 {
            if let Some(Screen::Repo(repo)) = model.screens.last_mut() {
                repo.cursor.set(at);
                // It is moved.
                repo.cursor.act(Action::Down, 44, 1);
                repo.cursor.set(at);
            }
            let (text, extent) = drawn(&model, columns, rows);
            let is_low = at == 0 && rows < 20;
            assert!(
                is_low || text.lines().any(|line| line.starts_with('▸')),
                "{at} at {columns}x{rows}:\n{text}"
            );
            seen.extend(extent.first..(extent.first + extent.height).min(extent.content));
            content = extent.content;
        }
        assert_eq!(seen.len(), content, "at {columns}x{rows}");
    }
}

#[test]
fn a_repo_is_displayed_from_its_top_until_the_cursor_is_moved() {
    // The default branch, on which the cursor begins, is far below.
    let branches: Vec<String> = (0..30).map(|n| format!("a{n:02}")).collect();
    let heads: Vec<&str> = branches.iter().map(String::as_str).chain(["main"]).collect();
    let mut repo = detail(summary("gabriel/notes", 7), 7, &heads);
    repo.report.default_branch = "main".to_owned();
    let mut model = with_repo(repo);
    assert!(shown(&model, 80, 24).contains(" State       "), "{}", shown(&model, 80, 24));
    if let Some(Screen::Repo(repo)) = model.screens.last_mut() {
        repo.cursor.act(Action::Up, 40, 1);
    }
    assert!(shown(&model, 80, 24).contains("▸a29"), "{}", shown(&model, 80, 24));
}

#[test]
fn a_hash_in_a_fact_is_not_broken_at_the_end_of_a_line() {
    let damaged = with_repo(damaged_detail(7, 1));
    let key = match damaged.screens.last() {
        Some(Screen::Repo(repo)) => {
            repo.known.as_ref().unwrap().report.damaged[0].mpack_key.unwrap().hex()
        }
        other => panic!("{other:?}"),
    };
    let at = |columns| shown(&damaged, columns, 40);
    assert!(at(120).contains(&format!("sha256:{key}:")), "{}", at(120));
    assert!(at(80).contains(&format!("{key}:")), "{}", at(80));
    assert!(at(60).contains(&format!("{}…:", &key[..12])), "{}", at(60));
}

fn screen(wanted: &str) -> Model {
    screens().into_iter().find(|(name, _)| *name == wanted).unwrap().1
}

#[test]
fn the_question_is_visible_however_long_the_plan_is() {
    for (columns, rows) in [(36, 8), (40, 9), (60, 12), (80, 24), (200, 60)] {
        let typing = shown(&screen("plan, many"), columns, rows);
        assert!(
            typing.contains("Cancel    Esc") && typing.contains("12▏"),
            "at {columns}x{rows}:\n{typing}"
        );
        let ready = shown(&screen("plan, ready"), columns, rows);
        assert!(
            ready.contains("[ Cancel ]") && ready.contains("Consolidate    y"),
            "at {columns}x{rows}:\n{ready}"
        );
        assert!(ready.contains("y run this plan"), "at {columns}x{rows}:\n{ready}");
    }
    let planning = shown(&screen("plan, planning"), 80, 24);
    assert!(
        planning.contains("[ Cancel ]")
            && !planning.contains("y run this plan")
            && !planning.contains("Consolidate    y")
    );
    let mut shown_only = screen("plan, only shown");
    assert!(shown(&shown_only, 80, 24).contains("Preview only. Press g to run it."));
    (shown_only.read_only, shown_only.keymap) = (true, Keymap::new(true));
    let seen = shown(&shown_only, 80, 24);
    assert!(seen.contains("the console is read-only") && !seen.contains("g consolidate"), "{seen}");
}

#[test]
fn a_dialog_for_marked_repos_lists_hidden_and_skipped_ones() {
    let dialog = shown(&screen("plan, chosen"), 80, 40);
    for expected in [
        "Consolidate 3 repos?",
        "1 marked repo is hidden by the filter.",
        "Bytes       1.7 MiB → about 1.5 MiB (174.0 KiB less)",
        "Duplicates  about 174.0 KiB (9 %) removed",
        "Skipped     3: one pack already (1), empty (1), being consolidated, or queued (1)",
        "REPOS HIDDEN BY THE FILTER",
    ] {
        let text = dialog.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains(&expected.split_whitespace().collect::<Vec<_>>().join(" ")),
            "“{expected}” is missing on\n{dialog}"
        );
    }
    let line = |text: &str, begin: &str| {
        text.lines().find(|line| line.starts_with(begin)).unwrap_or_default().to_owned()
    };
    assert!(line(&dialog, " gabriel/photos").ends_with("one pack already"), "{dialog}");
    assert!(line(&dialog, " zoe/busy").contains("being consolidated"), "{dialog}");
    let one = shown(&screen("plan, one chosen"), 80, 40);
    assert!(
        one.contains("Consolidate zoe/hidden?") && one.contains("hidden by the filter"),
        "{one}"
    );
    assert!(line(&one, " zoe/empty").ends_with("empty"), "{one}");
    let none = shown(&screen("plan, none"), 80, 24);
    assert!(
        none.contains("Nothing to do") && line(&none, " zoe/busy").contains("being consolidated"),
        "{none}"
    );
}

#[test]
fn the_header_keeps_a_blank_between_path_and_status() {
    let mut busy = screen("runs");
    {
        let name = "studio/takes-of-an-evening-in-the-north-with-all-of-them";
        busy.screens.push(Screen::Repo(Box::new(Repo::new(name.parse().unwrap(), Ticket(99)))));
        for columns in 30..90 {
            let line = shown(&busy, columns, 10).lines().next().unwrap_or_default().to_owned();
            if let Some(at) = line.find("1 running").or(line.find("running:")) {
                assert!(line[..at].ends_with(' '), "{line}");
            }
        }
    }
}

#[test]
fn the_header_drops_the_store_first() {
    let busy = screen("repos, busy");
    let header = |columns| shown(&busy, columns, 10).lines().next().unwrap().to_owned();
    let all = ["read-only", "2 running, 1 queued", "not watching, r reloads", "/srv/packs"];
    assert!(all.iter().all(|text| header(120).contains(text)), "{}", header(120));
    assert!(header(66).contains("not watching") && !header(66).contains("/srv"), "{}", header(66));
    assert!(header(52).contains("read-only · 2 running, 1 queued"), "{}", header(52));
    assert!(header(50).contains("read-only · 2 running"), "{}", header(50));
    assert!(header(30).contains("packhouse") && header(30).contains("read-only"), "{}", header(30));
}

#[test]
fn input_is_in_the_footer() {
    let footer =
        |name, columns| shown(&screen(name), columns, 10).lines().last().unwrap().to_owned();
    let typed = " filter: gab packs>x▏ Enter apply";
    let typing = footer("repos, bad filter", 80);
    assert!(typing.starts_with(typed) && typing.ends_with(" 1/2"), "{typing}");
    // What is wrong is whole, in a narrow terminal in several lines.
    let wrong = shown(&screen("repos, bad filter"), 40, 10);
    let lines: Vec<&str> = wrong.lines().rev().take(3).collect();
    assert_eq!(lines[1..], [" 10 or 2k", " `packs>x`: expected a number such as"], "{wrong}");
    assert_eq!(footer("palette", 80), " :repo▏ Enter run  Esc cancel");
    assert_eq!(footer("palette", 7), " :…o▏");
}
