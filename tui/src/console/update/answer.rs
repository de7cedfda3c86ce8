//! What the answer to a question in the footer does.

use super::{contents, export, find, packs, tokens};
use crate::console::msg::Effect;
use crate::console::state::{Model, Wanted};

/// Takes the answer, unless something is wrong with it.
pub(super) fn accept(model: &mut Model) -> Vec<Effect> {
    let Some(prompt) = &model.prompt else { return Vec::new() };
    let (wanted, text) = (prompt.wanted, prompt.input.text().trim().to_owned());
    let refusal = match wanted {
        Wanted::Id => find::refuses(&text),
        Wanted::Token => tokens::confirm_new(model, &text).err(),
        Wanted::File if text.is_empty() => Some("a name is missing".to_owned()),
        Wanted::Path | Wanted::Packs | Wanted::Records | Wanted::Help | Wanted::File => None,
    };
    if let Some(prompt) = model.prompt.as_mut().filter(|_| refusal.is_some()) {
        prompt.refusal = refusal;
        return Vec::new();
    }
    if model.dialog.is_none() {
        model.prompt = None;
    }
    match wanted {
        // The line stays until the dialog is confirmed.
        Wanted::Token => {}
        Wanted::Help => {
            if let Some(help) = &mut model.help {
                help.search(&text);
            }
        }
        Wanted::Packs => packs::search(model, &text),
        Wanted::Records => return contents::search_records(model, &text),
        Wanted::Id => return find::show(model, text),
        Wanted::File => return export::write(model, text),
        Wanted::Path => return contents::search_files(model, &text),
    }
    Vec::new()
}
