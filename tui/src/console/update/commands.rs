//! Commands of the config.

use crate::console::msg::{Effect, Ended};
use crate::console::state::{ConfirmDialog, Level, Model};

/// Runs a command on what is selected, after its question if it has one.
pub(super) fn run(model: &mut Model, at: usize) -> Vec<Effect> {
    match model.command_line(at) {
        Ok(line) if line.question.is_some() => {
            model.dialog = Some(ConfirmDialog::of_command(line, model.ticket()));
            Vec::new()
        }
        Ok(line) => vec![Effect::Command(Box::new(line))],
        Err(refusal) => {
            model.notice = Some(refusal);
            Vec::new()
        }
    }
}

/// A command has ended, or was not started.
pub(super) fn ended(model: &mut Model, name: &str, ended: Result<Ended, String>) {
    model.dirty = true;
    let (level, text) = match ended {
        Ok(ended) if ended.is_ok() => (Level::Note, format!("{name}: {ended}")),
        Ok(ended) => (Level::Warning, format!("{name}: {ended}")),
        Err(error) => (Level::Error, format!("{name}: {error}")),
    };
    model.log.say(model.now, level, text.clone());
    model.notice = Some(text);
}
