//! Input: keys, pasted text and the mouse.

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::act::{act, search_again};
use super::{ask, prompt};
use crate::console::keys::{Action, Focus, Key};
use crate::console::msg::Effect;
use crate::console::state::{Asks, Extent, Model, Target};

/// A key.
pub(super) fn key(model: &mut Model, key: Key) -> Vec<Effect> {
    model.dirty |= model.notice.take().is_some();
    let focus = model.focus();
    let found = model.keymap.lookup(focus, key).filter(|action| !model.lacks(focus, *action));
    let Some(action) = found else {
        unknown(model, key);
        return Vec::new();
    };
    model.dirty = true;
    act(model, action)
}

/// Says that a key does nothing. In a text input it is no mistake.
fn unknown(model: &mut Model, key: Key) {
    let focus = model.focus();
    if focus.takes_text() {
        return;
    }
    let help = model.keymap.key_in(focus, Action::Help);
    model.notice = Some(match (model.keymap.is_withheld(focus, key), help.is_empty()) {
        (true, _) => format!("{key} changes the store, and the console is read-only"),
        (false, true) => format!("{key} does nothing here"),
        (false, false) => format!("{key} does nothing here; {help} lists the keys"),
    });
    model.dirty = true;
}

/// Pasted text.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    model.dirty = true;
    match model.focus() {
        Focus::Filter => model.repos.paste_filter(text, model.now),
        Focus::Search if model.policies.typing => model.policies.paste(text),
        Focus::Search => {
            model.history.paste(text);
            return search_again(model);
        }
        Focus::Prompt => prompt::paste(model, text),
        Focus::PolicyForm => {
            if let Some(form) = model.policy_form() {
                form.edit(|input| input.paste(text));
            }
        }
        Focus::Palette => {
            if let Some(palette) = &mut model.palette {
                palette.input.paste(text);
            }
        }
        Focus::Typing => {
            if let Some(Asks::Count(input)) = model.dialog.as_mut().map(|dialog| &mut dialog.asks) {
                input.paste(text);
            }
        }
        _ => {
            model.notice =
                Some("Nothing to paste into here; / filters the list of repos.".to_owned())
        }
    }
    Vec::new()
}

/// The wheel scrolls; a click selects a line, a click on the selected line opens it, and a click on a
/// button presses it.
pub(super) fn mouse(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    let action = match event.kind {
        MouseEventKind::ScrollUp => Action::Up,
        MouseEventKind::ScrollDown => Action::Down,
        MouseEventKind::Down(MouseButton::Left) => return click(model, event.row, event.column),
        _ => return Vec::new(),
    };
    model.dirty = true;
    act(model, action)
}

fn click(model: &mut Model, row: u16, column: u16) -> Vec<Effect> {
    use Focus::{
        Columns, Commits, Comparison, Done, Files, Filter, Filters, Find, Health, History, Jobs,
        Log, Packs, Palette, Policies, PolicyForm, Prune, Records, Repo, Repos, Runs, Tokens,
        Workers,
    };
    let hit = |button: &&Target| button.row == row && button.columns.contains(&column);
    if let Some(button) = model.extent.buttons.iter().find(hit).map(|button| button.action) {
        model.dirty = true;
        return press(model, button);
    }
    let is_list = matches!(
        model.focus(),
        Repos
            | Filter
            | Repo
            | Runs
            | Done
            | History
            | Jobs
            | Health
            | Prune
            | Policies
            | PolicyForm
            | Log
            | Commits
            | Files
            | Find
            | Packs
            | Records
            | Comparison
            | Filters
            | Columns
            | Tokens
            | Workers
            | Palette
    );
    let Some(line) = line_at(&model.extent, row).filter(|_| is_list) else { return Vec::new() };
    model.dirty = true;
    let selected = match model.scrolled() {
        Some((cursor, lines)) => {
            let selected = cursor.at(lines) == line;
            cursor.set(line);
            selected
        }
        None => {
            let selected = model.repos.cursor().at(model.repos.shown()) == line;
            model.repos.select(line);
            selected
        }
    };
    match model.focus() {
        Focus::Palette if selected => act(model, Action::Accept),
        Repos | Runs | History | Jobs | Health | Prune | Policies | Commits | Files | Find
        | Packs | Records | Comparison | Filters | Workers
            if selected =>
        {
            act(model, Action::Open)
        }
        _ => Vec::new(),
    }
}

/// Presses a button that was clicked, if it is still there. It need not be the selected one.
fn press(model: &mut Model, button: Action) -> Vec<Effect> {
    match model.focus() {
        focus if !model.buttons(focus).contains(&button) => Vec::new(),
        // Enter would press the selected one.
        Focus::Typing if button == Action::Accept => ask::confirm(model),
        _ => act(model, button),
    }
}

/// The item on a row of the terminal.
fn line_at(extent: &Extent, row: u16) -> Option<usize> {
    let below = usize::from(row.checked_sub(extent.row)?);
    let line = Some(extent.first + below)
        .filter(|line| below < extent.height && *line < extent.content)?;
    if extent.items.is_empty() { Some(line) } else { *extent.items.get(below)? }
}
