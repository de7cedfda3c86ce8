//! The columns of tables, with real keys through the loop.

use super::Console;
use super::fake_store::{Fake, FakeStore};
use crate::console::keys::Focus;
use crate::console::state::{Column, TableColumns, TableName};

/// The head of the displayed table: its line with a word.
fn head(console: &Console<FakeStore>, word: &str) -> String {
    let screen = console.screen();
    let line = screen.lines().find(|line| line.trim_start().starts_with(word));
    line.unwrap_or_else(|| panic!("{word} heads no line of:\n{screen}")).to_owned()
}

/// Whether the words are in a line, in this order.
fn are_in_order(line: &str, words: &[&str]) -> bool {
    let places: Vec<_> = words.iter().map(|word| line.find(word)).collect();
    places.iter().all(Option::is_some) && places.is_sorted()
}

#[tokio::test]
async fn columns_of_repos_are_hidden_and_moved() {
    let mut console = Console::on(Fake::three(), 120, 24).await;
    assert!(are_in_order(&head(&console, "NAME"), &["STATE", "PACKS", "SIZE", "LAST"]));
    console.press(&["s", "s", "C"]).await;
    assert_eq!(console.app.model.repos.sorted().0, Column::Packs);
    console.shows("packhouse › repos › columns");
    console.shows("NAME is always displayed, as the first");
    console.shows("▸ ✓ STATE");
    console.press_shown(&["J down", "J down"]).await;
    console.press(&["Home", "Space"]).await;
    console.shows("▸   PACKS");
    console.shows("repos = [\"name\", \"reclaimable\", \"state\", \"size\", ");
    console.press(&["Esc"]).await;
    let line = head(&console, "NAME");
    assert!(are_in_order(&line, &["NAME▲", "RECLAIMABLE", "STATE", "SIZE"]), "{line}");
    assert!(!line.contains("PACKS"), "{line}");
    // It was sorted by a column that is hidden now.
    assert_eq!(console.app.model.repos.sorted().0, Column::Name);
    let mut orders = Vec::new();
    for _ in 0..10 {
        console.press(&["s"]).await;
        orders.push(console.app.model.repos.sorted().0);
    }
    assert_eq!(orders[..2], [Column::Reclaimable, Column::State]);
    assert!(!orders.contains(&Column::Packs) && orders[9] == Column::Name, "{orders:?}");
}

#[tokio::test]
async fn packs_and_jobs_have_their_own() {
    let mut console = Console::on(Fake::three(), 120, 24).await;
    console.press(&["P"]).await;
    console.shows("sorted by STATE");
    console.press(&["C"]).await;
    console.shows("packhouse › packs › columns");
    console.press(&["Down", "Space", "K", "q"]).await;
    assert_eq!(console.app.model.focus(), Focus::Packs);
    let line = head(&console, "PACK ");
    assert!(are_in_order(&line, &["SIZE", "NEEDED", "STORED", "RECORDS"]), "{line}");
    assert!(!line.contains("STATE"), "{line}");
    console.shows("sorted by SIZE");
    console.press(&["2", "C"]).await;
    console.shows("packhouse › jobs › columns");
    console.shows("▸ ✓ JOB");
}

#[tokio::test]
async fn chosen_columns_give_way_in_a_narrow_terminal_and_the_state_stays() {
    for (columns, shown, hidden) in
        [(120, &["TAGS", "SIZE", "STATE"][..], &["PACKS"][..]), (40, &["STATE"], &["TAGS", "SIZE"])]
    {
        let mut console = Console::on(Fake::three(), columns, 15).await;
        let heads = ["TAGS", "SIZE", "STATE"];
        *console.app.model.columns.of_mut(TableName::Repos) =
            TableColumns::only(TableName::Repos, &heads);
        console.press(&["Down"]).await;
        let line = head(&console, "NAME");
        assert!(are_in_order(&line, shown), "{columns}: {line}");
        hidden.iter().for_each(|word| assert!(!line.contains(word), "{columns}: {line}"));
        console.shows("gabriel/notes");
        console.press(&["C"]).await;
        console.shows(match columns {
            120 => "▸ ✓ TAGS",
            _ => "▸ - TAGS: no room in 40 columns",
        });
    }
}
