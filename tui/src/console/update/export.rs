//! Writes the displayed list to a file.

use super::prompt;
use crate::console::msg::Effect;
use crate::console::state::{Level, Model, Wanted};

/// Asks for the name of the file.
pub(super) fn ask(model: &mut Model) {
    if let Some(name) = model.export_name() {
        prompt::ask(model, Wanted::File, &format!("packhouse-{name}.csv"));
    }
}

/// Writes the list to a file of this name.
pub(super) fn write(model: &mut Model, file: String) -> Vec<Effect> {
    let ticket = model.ticket();
    let export = model.export();
    export.map(|export| Effect::Export(ticket, file, Box::new(export))).into_iter().collect()
}

/// The file was written, or could not be written.
pub(super) fn ended(model: &mut Model, answer: Result<(String, String), String>) {
    model.dirty = true;
    let (level, text) = match answer {
        Ok((lines, path)) => (Level::Note, format!("{lines} written to {path}")),
        Err(error) => (Level::Error, format!("Nothing was exported: {error}")),
    };
    model.notice = Some(text.clone());
    model.log.say(model.now, level, text);
}
