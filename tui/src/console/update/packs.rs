//! The packs of a repo: shows them, sorted and searched, and compares two of them.

use super::prompt;
use crate::console::keys::{Action, Focus};
use crate::console::msg::Effect;
use crate::console::state::{Comparison, Item, Model, Packs, Screen, TableName, Wanted};

/// Shows the packs of the current repo; from a repo, with the cursor on the selected pack.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    let Some(repo) = model.current_repo() else { return Vec::new() };
    let ticket = model.ticket();
    let shown = match model.screens.last() {
        Some(Screen::Repo(shown)) => Some(shown),
        _ => None,
    };
    let known = shown.and_then(|shown| shown.known.clone());
    let selected = shown.and_then(|shown| match shown.current()? {
        Item::Pack(at) => shown.known.as_ref()?.packs.get(at).map(|pack| pack.key),
        _ => None,
    });
    let mut packs = Packs::new(repo.clone(), known, ticket);
    packs.sort_within(&model.columns.of(TableName::Packs).shown());
    selected.into_iter().for_each(|key| packs.select(key));
    model.screens.push(Screen::Packs(Box::new(packs)));
    vec![Effect::Show(ticket, repo)]
}

/// Sorts the displayed packs by another column.
pub(super) fn sort(model: &mut Model, by: isize) {
    if let Some(Screen::Packs(packs)) = model.screens.last_mut() {
        packs.sort(by, &model.columns.of(TableName::Packs).shown());
    }
}

/// Asks for words to search the displayed packs for.
pub(super) fn ask_words(model: &mut Model) {
    if let Some(Screen::Packs(packs)) = model.screens.last() {
        let text = packs.text().to_owned();
        prompt::ask(model, Wanted::Packs, &text);
    }
}

/// Searches the displayed packs.
pub(super) fn search(model: &mut Model, text: &str) {
    if let Some(Screen::Packs(packs)) = model.screens.last_mut() {
        packs.search(text);
    }
}

/// Marks or unmarks the selected pack.
pub(super) fn mark(model: &mut Model) {
    if let Some(Screen::Packs(packs)) = model.screens.last_mut() {
        packs.mark();
    }
}

/// Compares the marked packs.
pub(super) fn compare(model: &mut Model) -> Vec<Effect> {
    let Some(Screen::Packs(packs)) = model.screens.last() else { return Vec::new() };
    let Some(pair) = packs.to_compare() else {
        let mark = model.keymap.key_in(Focus::Packs, Action::Mark);
        model.notice = Some(format!("Mark two packs with {mark} to compare them"));
        return Vec::new();
    };
    let mut comparison = Comparison::new(packs.repo.clone(), pair);
    let ticket = model.ticket();
    let effect = Effect::Compare(ticket, comparison.repo.clone(), comparison.begin(ticket));
    model.screens.push(Screen::Comparison(Box::new(comparison)));
    vec![effect]
}

/// Lists the records of another class.
pub(super) fn step_class(model: &mut Model, by: isize) -> Vec<Effect> {
    let ticket = model.ticket();
    let Some(Screen::Comparison(it)) = model.screens.last_mut() else { return Vec::new() };
    it.step_class(by);
    vec![Effect::Compare(ticket, it.repo.clone(), it.begin(ticket))]
}
