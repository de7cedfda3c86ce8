//! The packs that no repo needs: shows them, and deletes those that are due after a confirmation.

use packhouse_host::PruneReport;

use super::{reload, screens, work};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{ConfirmDialog, Cursor, Model, Screen, Ticket};

/// Shows the packs that no repo needs.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Prune), Screen::Prune);
    model.prune.cursor = Cursor::default();
    model.prune.pace.expire();
    reload::what_is_due(model)
}

/// Asks for the number of the packs to delete. If a prune is queued or runs, shows that instead.
pub(super) fn ask(model: &mut Model) -> Vec<Effect> {
    if let Some(ticket) = model.runs.open_prune().map(|run| run.ticket) {
        work::show(model, ticket);
        return Vec::new();
    }
    if let Some(why) = model.prune.nothing_due(model.now) {
        model.notice = Some(why);
        return Vec::new();
    }
    let deletable = model.prune.deletable().map(|(report, at)| (report.clone(), at));
    if let Some((report, asked_at)) = deletable.filter(|_| !model.read_only) {
        let ticket = model.ticket();
        model.dialog = Some(ConfirmDialog::of_prune(report, asked_at, ticket));
    }
    Vec::new()
}

/// The packs that no repo needs.
pub(super) fn previewed(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Box<PruneReport>>,
) {
    if reload::takes(model, |model| &mut model.prune.pace, ticket, &answer) {
        model.prune.take(answer, model.now);
    }
}
