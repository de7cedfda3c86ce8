//! The server of a remote store: polls it while its screen is displayed.

use packhouse_host::report::ServerReport;

use super::screens;
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{Model, Screen, Ticket};

/// Shows the server; of a store on this machine, says that there is none.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    if model.connection.is_none() {
        model.notice = Some(
            "This store has no server: start the console with --remote URL to see one".to_owned(),
        );
        return Vec::new();
    }
    screens::open(model, |screen| matches!(screen, Screen::Server), Screen::Server);
    model.server.clear();
    poll(model).into_iter().collect()
}

/// Polls the server, if it is displayed and it is time.
pub(super) fn poll(model: &mut Model) -> Option<Effect> {
    let is_shown = matches!(model.screens.last(), Some(Screen::Server));
    if !is_shown || !model.server.is_due(model.now) {
        return None;
    }
    let ticket = model.ticket();
    model.server.begin(ticket, model.now);
    Some(Effect::Server(ticket))
}

/// What the server says of itself.
pub(super) fn polled(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Option<Box<ServerReport>>>,
) {
    if model.server.loading != Some(ticket) {
        return;
    }
    model.dirty = true;
    match matches!(&answer, Err(failure) if model.misses(failure)) {
        true => model.server.loading = None,
        false => model.server.take(answer, model.now),
    }
}
