//! The search for an ID: in the current repo first, then in all others.

use packhouse_host::RepoName;

use super::contents;
use crate::console::msg::Effect;
use crate::console::state::{Find, FoundIn, Model, Screen, Ticket};

/// Fewest characters of an ID.
const MIN_DIGITS: usize = 4;

/// What is wrong with an ID, if it is too short for one. Tags are named by their text.
pub(super) fn refuses(id: &str) -> Option<String> {
    let digits = id.strip_prefix("sha256:").unwrap_or(id);
    (digits.len() < MIN_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| format!("at least {MIN_DIGITS} digits of an ID, or the text of a tag"))
}

/// Looks for an ID, instead of for the one before.
pub(super) fn show(model: &mut Model, id: String) -> Vec<Effect> {
    let first = model.current_repo();
    let others = model.repos.names().filter(|name| Some(*name) != first.as_ref()).cloned();
    let repos: Vec<RepoName> = first.iter().cloned().chain(others).collect();
    model.screens.retain(|screen| !matches!(screen, Screen::Find(_)));
    let ticket = model.ticket();
    let mut screen = Screen::Find(Box::new(Find::new(id, repos)));
    let effect = contents::reload(&mut screen, ticket, false);
    model.screens.push(screen);
    effect.into_iter().collect()
}

/// What was found in some repos. The search goes on with the next.
pub(super) fn found(model: &mut Model, ticket: Ticket, mut found: Vec<FoundIn>) -> Option<Effect> {
    let last =
        found.pop_if(|(_, records)| matches!(records, Err(failure) if model.misses(failure)));
    let next = model.ticket();
    let find = model.find_awaiting(ticket)?;
    find.take(found);
    model.dirty = true;
    if last.is_some() {
        // It goes on when the connection is back.
        return None;
    }
    let is_it = |screen: &&mut Screen| matches!(screen, Screen::Find(_));
    contents::reload(model.screens.iter_mut().find(is_it)?, next, false)
}
