//! The columns of a table: shows them, and takes what is chosen.

use crate::console::keys::Focus;
use crate::console::state::{Cursor, Model, Screen, TableName};

/// Shows the columns of the displayed table.
pub(super) fn show(model: &mut Model) {
    let table = match model.focus() {
        Focus::Repos => TableName::Repos,
        Focus::Packs => TableName::Packs,
        Focus::Jobs => TableName::Jobs,
        _ => return,
    };
    model.screens.push(Screen::Columns(table, Cursor::default()));
}

/// Shows or hides the selected column.
pub(super) fn turn(model: &mut Model) {
    if let Some(Screen::Columns(table, cursor)) = model.screens.last() {
        let columns = model.columns.of_mut(*table);
        columns.turn(cursor.at(columns.entries().len()));
    }
    apply(model);
}

/// Moves the selected column; the cursor stays on it.
pub(super) fn shift(model: &mut Model, up: bool) {
    if let Some(Screen::Columns(table, cursor)) = model.screens.last_mut() {
        let columns = model.columns.of_mut(*table);
        let at = columns.shift(cursor.at(columns.entries().len()), up);
        cursor.set(at);
    }
    apply(model);
}

/// Every order has a column: no list stays sorted by one that is hidden.
pub(in crate::console) fn apply(model: &mut Model) {
    model.repos.sort_within(&model.columns.of(TableName::Repos).shown(), model.now);
    let heads = model.columns.of(TableName::Packs).shown();
    for screen in &mut model.screens {
        if let Screen::Packs(packs) = screen {
            packs.sort_within(&heads);
        }
    }
}
