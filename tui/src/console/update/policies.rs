//! The policies: shows them, and which repos are due.

use packhouse_host::{PolicyCheck, PolicyReport};

use super::{reload, screens};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{Cursor, Model, Screen, Ticket};

/// Shows the policies.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Policies), Screen::Policies);
    model.policies.cursor = Cursor::default();
    model.policies.pace.expire();
    reload::what_is_due(model)
}

/// The default policy, and the repos with several packs.
pub(super) fn checked(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<(PolicyReport, Vec<PolicyCheck>)>,
) {
    if reload::takes(model, |model| &mut model.policies.pace, ticket, &answer) {
        model.policies.take(answer, model.now);
    }
}
