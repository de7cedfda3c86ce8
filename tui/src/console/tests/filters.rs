//! Filters of the config, with real keys through the loop.

use super::Console;
use super::fake_store::Fake;
use crate::console::keys::Focus;
use crate::console::state::NamedFilter;

/// Two filters, as a config has them.
pub(super) fn named(console: &mut Console) {
    let filter = |name: &str, text: &str| NamedFilter { name: name.into(), text: text.into() };
    console.app.model.repos.named.entries =
        vec![filter("worn", "packs>3"), filter("idle", "packs<2 gc:never")];
}

#[tokio::test]
async fn a_filter_is_chosen_from_the_list_or_typed_by_name() {
    let store = Fake::of(&[("a/one", 1), ("b/notes", 7), ("c/none", 0)]);
    let mut console = Console::on(store, 100, 24).await;
    console.press(&["F"]).await;
    console.shows("The config has no [filters]");
    named(&mut console);
    console.press(&["F"]).await;
    console.shows("packhouse › filters");
    console.shows("▸@worn  packs>3");
    console.press(&["Down"]).await;
    console.press_shown(&["Enter open"]).await;
    assert_eq!(console.app.model.focus(), Focus::Repos);
    console.shows("2 of 3 repos");
    console.hides("b/notes");
    // It can be changed as if it had been typed.
    console.press(&["/"]).await;
    console.shows("filter: @idle▏");
    console.type_in(" none").await;
    console.shows("1 of 3 repos");
    console.press(&["Ctrl-u"]).await;
    console.type_in("@wor").await;
    console.shows("`@wor`: expected @worn, @idle");
    console.type_in("n").await;
    console.shows("1 of 3 repos");
    console.shows("b/notes");
    console.press(&["Enter", "Esc"]).await;
    console.shows("a/one");
    console.press(&["F", "Esc"]).await;
    console.shows("a/one");
}
