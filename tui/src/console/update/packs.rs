//! The packs of a repo: shows them, sorted and searched.

use super::prompt;
use crate::console::msg::Effect;
use crate::console::state::{Item, Model, Packs, Screen, Wanted};

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
    selected.into_iter().for_each(|key| packs.select(key));
    model.screens.push(Screen::Packs(Box::new(packs)));
    vec![Effect::Show(ticket, repo)]
}

/// Sorts the displayed packs by another column.
pub(super) fn sort(model: &mut Model, by: isize) {
    if let Some(Screen::Packs(packs)) = model.screens.last_mut() {
        packs.sort(by);
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
