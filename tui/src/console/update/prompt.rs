//! Questions in the footer, answered with a line of text.

use super::{contents, find, packs, tokens};
use crate::console::keys::Action;
use crate::console::msg::Effect;
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

/// Takes the answer, unless something is wrong with it.
pub(super) fn accept(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = &model.prompt else { return Vec::new() };
    let (wanted, text) = (prompt.wanted, prompt.input.text().trim().to_owned());
    let refusal = match wanted {
        Wanted::Id => find::refuses(&text),
        Wanted::Token => tokens::confirm_new(model, &text).err(),
        Wanted::Path | Wanted::Packs => None,
    };
    if let Some(prompt) = model.prompt.as_mut().filter(|_| refusal.is_some()) {
        prompt.refusal = refusal;
        return Vec::new();
    }
    model.prompt = None;
    match wanted {
        Wanted::Token => {}
        Wanted::Packs => packs::search(model, &text),
        Wanted::Id => return find::show(model, text),
        Wanted::Path => return contents::go_to(model, &text),
    }
    Vec::new()
}
