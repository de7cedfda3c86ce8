//! The jobs of the store: shows them, and retries and cancels them after a confirmation.

use packhouse_host::{JobReport, JobStatus};

use super::{reload, screens, workers};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{ConfirmDialog, Job, JobChange, Level, Model, Screen, Ticket};

/// Shows the jobs with any status.
pub(super) fn show_all(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Jobs), Screen::Jobs);
    vec![reload::jobs(model)]
}

/// Shows the jobs with a status.
pub(super) fn show_with(model: &mut Model, status: JobStatus) -> Vec<Effect> {
    model.jobs.filter(Some(status));
    show_all(model)
}

/// Shows a job in full.
pub(super) fn show(model: &mut Model, report: JobReport) -> Vec<Effect> {
    let (ticket, id) = (model.ticket(), report.id);
    model.screens.push(Screen::Job(Box::new(Job::new(report, ticket))));
    vec![Effect::Job(ticket, id)]
}

/// Filters by another status.
pub(super) fn step_status(model: &mut Model, by: isize) -> Vec<Effect> {
    model.jobs.step_status(by);
    vec![reload::jobs(model)]
}

/// Asks whether to change the displayed or selected job, if that is possible.
pub(super) fn ask(model: &mut Model, change: JobChange) -> Vec<Effect> {
    let job = model.current_job().filter(|job| change.applies_to(job.status)).cloned();
    if let Some(job) = job.filter(|_| !model.read_only) {
        let ticket = model.ticket();
        model.dialog = Some(ConfirmDialog::of_job(job, change, ticket));
    }
    Vec::new()
}

/// A page of jobs: of the list, or the failed ones of the health.
pub(super) fn listed(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Vec<JobReport>>,
) -> Option<Effect> {
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    if model.health.failed_loading == Some(ticket) {
        model.dirty = true;
        model.health.take_failed(answer.ok());
        return None;
    }
    if model.workers.loading == Some(ticket) {
        workers::listed(model, answer);
        return None;
    }
    if model.jobs.loading != Some(ticket) {
        return None;
    }
    model.dirty = true;
    if missed {
        model.jobs.give_up();
        return None;
    }
    model.jobs.take(answer).map(|next| Effect::Jobs(ticket, next))
}

/// A job in full.
pub(super) fn shown(model: &mut Model, ticket: Ticket, answer: BackendResult<Box<JobReport>>) {
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    let Some(job) = model.job_awaiting(ticket) else { return };
    match missed {
        true => job.loading = None,
        false => job.take(answer),
    }
    model.dirty = true;
}

/// A job was changed, or could not be changed. Says so, and loads the jobs again.
pub(super) fn changed(
    model: &mut Model,
    (id, change): (i64, JobChange),
    answer: BackendResult<Box<JobReport>>,
) -> Vec<Effect> {
    model.dirty = true;
    let (level, text) = match answer {
        Ok(job) => {
            model.put_job(&job);
            let text = match (job.id == id, change) {
                (false, _) => format!("Job {id}: job {}, which waits, does the same", job.id),
                (true, JobChange::Retry) => {
                    format!("Job {id} is queued again: it runs when a worker is free")
                }
                (true, JobChange::Cancel) => format!("Job {id} is cancelled"),
            };
            (Level::Note, text)
        }
        Err(failure) => (Level::Error, format!("Job {id}: {} failed: {failure}", change.verb())),
    };
    model.notice = Some(text.clone());
    model.log.say(model.now, level, text);
    reload::all(model)
}
