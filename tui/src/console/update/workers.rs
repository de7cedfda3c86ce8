//! Who works on jobs.

use packhouse_host::JobReport;

use super::{jobs, screens};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{Model, Screen};

/// Shows the leases of workers.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Workers), Screen::Workers);
    vec![load(model)]
}

/// Loads them.
pub(super) fn load(model: &mut Model) -> Effect {
    let ticket = model.ticket();
    Effect::Jobs(ticket, model.workers.begin(ticket))
}

/// Shows the job of the selected lease.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let job = model.workers.current().cloned();
    job.map(|job| jobs::show(model, job)).unwrap_or_default()
}

/// The running jobs.
pub(super) fn listed(model: &mut Model, answer: BackendResult<Vec<JobReport>>) {
    model.dirty = true;
    match matches!(&answer, Err(failure) if model.misses(failure)) {
        true => model.workers.loading = None,
        false => model.workers.take(answer),
    }
}
