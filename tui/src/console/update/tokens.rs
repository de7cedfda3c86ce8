//! The access tokens of the store: shows them, and creates and revokes them after a confirmation.

use packhouse_host::access::TokenReport;

use super::{prompt, screens};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{ConfirmDialog, Level, Model, Screen, Ticket, Wanted, read_token};

/// Shows the tokens.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Tokens), Screen::Tokens);
    vec![load(model)]
}

/// Loads them.
pub(super) fn load(model: &mut Model) -> Effect {
    let ticket = model.ticket();
    model.tokens.loading = Some(ticket);
    Effect::Tokens(ticket)
}

/// Asks what a new token allows.
pub(super) fn ask_new(model: &mut Model) {
    if !model.read_only {
        prompt::ask(model, Wanted::Token, "");
    }
}

/// Asks whether to create a token.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn confirm_new(model: &mut Model, text: &str) -> Result<(), String> {
    let token = read_token(text)?;
    if !model.read_only {
        model.dialog = Some(ConfirmDialog::of_new_token(token, model.ticket()));
    }
    Ok(())
}

/// Asks whether to revoke the selected token, if it is not revoked yet.
pub(super) fn ask_revoke(model: &mut Model) {
    let token = model.tokens.current().filter(|token| token.revoked_at.is_none()).cloned();
    if let Some(token) = token.filter(|_| !model.read_only) {
        model.dialog = Some(ConfirmDialog::of_revoke(token, model.ticket()));
    }
}

/// All tokens.
pub(super) fn listed(model: &mut Model, ticket: Ticket, answer: BackendResult<Vec<TokenReport>>) {
    if model.tokens.loading != Some(ticket) {
        return;
    }
    model.dirty = true;
    match matches!(&answer, Err(failure) if model.misses(failure)) {
        true => model.tokens.loading = None,
        false => model.tokens.take(answer),
    }
}

/// A token was created, or could not be created. Shows it, once. The log does not have it.
pub(super) fn created(model: &mut Model, answer: BackendResult<Box<TokenReport>>) -> Vec<Effect> {
    model.dirty = true;
    match answer {
        Ok(token) => {
            let text = format!("Token {} is created: {}", token.id, token.scope);
            model.log.say(model.now, Level::Note, text);
            model.screens.push(Screen::NewToken(token));
        }
        Err(failure) => {
            let text = format!("Creating a token failed: {failure}");
            model.notice = Some(text.clone());
            model.log.say(model.now, Level::Error, text);
        }
    }
    vec![load(model)]
}

/// A token was revoked, or could not be revoked.
pub(super) fn revoked(
    model: &mut Model,
    id: &str,
    answer: BackendResult<Box<TokenReport>>,
) -> Vec<Effect> {
    model.dirty = true;
    let (level, text) = match answer {
        Ok(token) => (Level::Note, format!("Token {} is revoked", token.id)),
        Err(failure) => (Level::Error, format!("Revoking token {id} failed: {failure}")),
    };
    model.notice = Some(text.clone());
    model.log.say(model.now, level, text);
    vec![load(model)]
}
