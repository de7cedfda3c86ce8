//! The keys in docs/console.md, generated from the table of keys. To update them after a change of
//! the table: `UPDATE_DOCS=1 cargo test -p packhouse manual`.

use std::fmt::Write;

use super::args::ConsoleArgs;
use super::keys::{Action, Focus, Keymap, Row, SCREENS, TABLE, Variable};
use super::settings::{Hints, Settings};
use super::state::{Filter, TableName, column_name};
use crate::globals::When;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/console.md");

/// The markers around the generated part.
const FROM: &str = "<!-- keys: made from tui/src/console/keys/table.rs; UPDATE_DOCS=1 cargo test -p packhouse manual -->\n";
const TO: &str = "<!-- end of keys -->\n";

/// A heading, its text, and which rows it has.
type Section = (&'static str, &'static str, fn(&Row) -> bool);

/// Keys that work nearly everywhere.
const SHARED: [Section; 4] = [
    ("Everywhere", "", everywhere),
    ("From every screen", "Except in dialogs and text inputs.", |row| {
        matches!(
            row.action,
            Action::Repos
                | Action::Jobs
                | Action::Health
                | Action::Prune
                | Action::Policies
                | Action::Find
                | Action::Tokens
                | Action::Workers
                | Action::Runs
                | Action::History
                | Action::Log
                | Action::Help
                | Action::Palette
        )
    }),
    ("Moving", MOVING, |row| {
        use Action::{Down, First, Last, PageDown, PageUp, Up};
        matches!(row.action, Up | Down | PageUp | PageDown | First | Last)
    }),
    ("While typing", "", |row| {
        matches!(row.action, Action::Erase | Action::EraseWord | Action::EraseAll)
    }),
];

const MOVING: &str = "\
These keys also scroll long text. The text below a list scrolls when the selection is at the end of
the list, and by pages also if the whole list is visible. Letters move outside of text inputs.";

/// The keys, by what has the focus.
fn keys() -> String {
    let mut page = String::new();
    for (title, note, is) in SHARED {
        section(&mut page, title, note, TABLE.iter().filter(|row| is(row)));
    }
    let keymap = Keymap::new(false);
    for focus in Focus::ALL {
        let own = |row: &&Row| !SHARED.iter().any(|(.., is)| is(row));
        let rows = keymap.in_focus(focus).map(|binding| binding.row.as_ref()).filter(own);
        section(&mut page, focus.title(), "", rows);
    }
    page
}

fn everywhere(row: &Row) -> bool {
    Focus::ALL.iter().all(|focus| row.works_in.contains(focus))
}

fn section<'a>(page: &mut String, title: &str, note: &str, rows: impl Iterator<Item = &'a Row>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let note = if note.is_empty() { String::new() } else { format!("{note}\n\n") };
    let _ = writeln!(page, "### {title}\n\n{note}| keys | action | what it does |\n|---|---|---|");
    for row in rows {
        let keys: Vec<String> = row.keys.iter().map(|key| code(&key.to_string())).collect();
        let kept = if row.changes { "; not with `--read-only`" } else { "" };
        let _ =
            writeln!(page, "| {} | `{}` | {}{kept} |", keys.join(" "), row.name, cell(&row.help));
    }
    page.push('\n');
}

/// Formats code in a table.
fn code(text: &str) -> String {
    let text = cell(text);
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The page: before, between and after the markers.
fn page() -> [String; 3] {
    let page = std::fs::read_to_string(FILE).unwrap();
    let (before, rest) = page.split_once(FROM).expect("docs/console.md has lost its marker");
    let (keys, behind) = rest.split_once(TO).expect("docs/console.md has lost its second marker");
    [before, keys, behind].map(str::to_owned)
}

/// The code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let (page, fence) = (page().concat(), format!("```{language}\n"));
    page.split(&fence)
        .skip(1)
        .filter_map(|block| Some(block.split_once("```")?.0.to_owned()))
        .collect()
}

#[test]
fn the_page_lists_the_keys_of_the_table() {
    let [before, listed, behind] = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        return std::fs::write(
            FILE,
            [&before, FROM, &keys(), TO, &behind].map(str::to_owned).concat(),
        )
        .unwrap();
    }
    assert!(
        listed == keys(),
        "docs/console.md does not match the table of keys; update it with UPDATE_DOCS=1"
    );
}

#[test]
fn every_action_is_listed() {
    let keys = keys();
    for row in TABLE {
        assert!(keys.contains(&format!("| `{}` | {}", row.name, cell(&row.help))), "{}", row.name);
    }
}

#[test]
fn the_filters_that_the_page_shows_are_understood() {
    let filters = blocks("text");
    assert!(!filters.is_empty());
    for line in filters.iter().flat_map(|block| block.lines()) {
        let filter = line.split("  ").next().unwrap();
        assert!(Filter::read(filter).1.is_none(), "{line}");
    }
}

#[test]
fn the_config_that_the_page_shows_is_understood() {
    let [config] = &blocks("toml")[..] else { panic!("one config is shown") };
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), config).unwrap();
    let args = ConsoleArgs { config: Some(file.path().to_owned()), ..ConsoleArgs::default() };
    let settings = Settings::read(&args, When::Auto, Hints::default()).unwrap();
    assert!(settings.mouse && !settings.ascii && settings.keys.len() == 2, "{settings:?}");
    assert_eq!(settings.filters.len(), 1);
    assert_eq!(settings.commands.len(), 2);
    assert_eq!(settings.columns.of(TableName::Repos).shown().len(), 4);
    let map = Keymap::with(&settings.keys, settings.commands, false).unwrap();
    assert_eq!(map.key_of(Action::Consolidate), "m");
}

#[test]
fn the_page_lists_what_commands_can_use() {
    let page = page().concat();
    let screens: Vec<String> =
        SCREENS.iter().map(|screen| format!("`{}`", screen.name())).collect();
    let variables: Vec<String> = Variable::ALL.map(|it| format!("| `{}` |", it.name())).into();
    let text = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let listed = screens.join(", ");
    assert!(text.contains(&listed), "docs/console.md does not list the screens: {listed}");
    for variable in variables {
        assert!(page.contains(&variable), "docs/console.md does not list {variable}");
    }
}

#[test]
fn the_page_lists_the_columns_of_each_table() {
    let page = page().concat();
    for table in TableName::ALL {
        let names: Vec<String> =
            table.heads().iter().map(|head| format!("`{}`", column_name(head))).collect();
        let first = column_name(table.first());
        let row = format!("| `{}` | `{first}`, {} |", table.name(), names.join(", "));
        assert!(page.contains(&row), "docs/console.md does not have: {row}");
    }
}
