//! What several actions do: open a screen, or copy a text.

use packhouse_host::RepoName;

use crate::console::msg::Effect;
use crate::console::state::{Model, Repo, Screen};

/// Opens a screen. If it is open already, closes the screens above it.
pub(super) fn open(model: &mut Model, is: fn(&Screen) -> bool, screen: Screen) {
    match model.screens.iter().position(is) {
        Some(at) => model.screens.truncate(at + 1),
        None => model.screens.push(screen),
    }
}

/// Opens the screen of a repo.
pub(super) fn open_repo(model: &mut Model, name: RepoName) -> Vec<Effect> {
    let ticket = model.ticket();
    model.screens.push(Screen::Repo(Box::new(Repo::new(name.clone(), ticket))));
    vec![Effect::Show(ticket, name)]
}

/// Copies a text, and says so.
pub(super) fn copy(model: &mut Model, text: String) -> Vec<Effect> {
    model.notice = Some(format!("Copied {text}"));
    vec![Effect::Copy(text)]
}
