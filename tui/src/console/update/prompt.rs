//! Questions in the footer, answered with a line of text.

use crate::console::keys::Action;
use crate::console::state::{Model, Prompt, Wanted};

/// Asks for something; `text` is the answer so far.
pub(super) fn ask(model: &mut Model, wanted: Wanted, text: &str) {
    model.prompt = Some(Prompt::new(wanted, text));
}

/// Edits the answer.
pub(super) fn edit(model: &mut Model, action: Action) {
    if let Some(prompt) = &mut model.prompt {
        prompt.input.act(action);
        prompt.refusal = None;
    }
}

/// Pastes into the answer.
pub(super) fn paste(model: &mut Model, text: &str) {
    if let Some(prompt) = &mut model.prompt {
        prompt.input.paste(text);
        prompt.refusal = None;
    }
}
