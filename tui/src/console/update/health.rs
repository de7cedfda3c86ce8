//! What needs attention in the store: loads it, and leads from each finding to where something can be
//! done about it.

use packhouse_host::report::RepoDetail;
use packhouse_host::{Health, JobReport, JobStatus, RepoName};

use super::{jobs, prune, reload, screens};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{Finding, Level, Model, Screen, Ticket};

/// Shows what needs attention.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Health), Screen::Health);
    let mut effects = vec![reload::failed_jobs(model)];
    effects.extend(damage(model));
    effects
}

/// Loads what is damaged in the repo of the selected finding, unless that is known.
pub(super) fn damage(model: &mut Model) -> Option<Effect> {
    if !matches!(model.screens.last(), Some(Screen::Health))
        || model.health.damage_loading.is_some()
    {
        return None;
    }
    let repo = match model.current_finding()? {
        Finding::Damaged(repo) => repo.repo.clone(),
        _ => return None,
    };
    if model.health.damage.contains_key(&repo) {
        return None;
    }
    let ticket = model.ticket();
    model.health.damage_loading = Some(ticket);
    Some(Effect::Show(ticket, repo))
}

/// What is damaged in a repo; then that of the finding which is selected by now. If it can't be loaded,
/// the finding says how much it is, as before.
pub(super) fn damage_loaded(
    model: &mut Model,
    answer: BackendResult<Box<RepoDetail>>,
) -> Vec<Effect> {
    model.health.damage_loading = None;
    let Ok(detail) = answer else { return Vec::new() };
    model.health.damage.insert(detail.report.repo, detail.report.damaged);
    model.dirty = true;
    damage(model).into_iter().collect()
}

/// Where the selected finding leads.
enum Target {
    Repo(RepoName),
    Job(Box<JobReport>),
    FailedJobs,
    QueuedJobs,
    Prune,
    /// A command that the console does not have.
    Command(String),
}

/// Goes to the repo, the job or the packs of the selected finding; otherwise copies its command.
pub(super) fn open(model: &mut Model) -> Vec<Effect> {
    let target = model.current_finding().and_then(|finding| match finding {
        Finding::Damaged(repo) | Finding::GcFailed(repo) => Some(Target::Repo(repo.repo.clone())),
        Finding::JobFailed(job) => Some(Target::Job(Box::new(job.clone()))),
        Finding::MoreJobsFailed(_) => Some(Target::FailedJobs),
        Finding::Unknown(_) | Finding::Disk(_) => None,
        Finding::Prunable(..) => Some(Target::Prune),
        Finding::NoWorker(_) => Some(Target::QueuedJobs),
        Finding::Unchecked(..) => finding.command().map(Target::Command),
    });
    match target {
        Some(Target::Repo(repo)) => screens::open_repo(model, repo),
        Some(Target::Job(job)) => jobs::show(model, *job),
        Some(Target::FailedJobs) => jobs::show_with(model, JobStatus::Failed),
        Some(Target::QueuedJobs) => jobs::show_with(model, JobStatus::Queued),
        Some(Target::Prune) => prune::show(model),
        Some(Target::Command(command)) => screens::copy(model, command),
        None => Vec::new(),
    }
}

/// What needs attention in the store. It is logged once why that is not known.
pub(super) fn loaded(model: &mut Model, ticket: Ticket, answer: BackendResult<Health>) {
    if model.health.loading != Some(ticket) {
        return;
    }
    if matches!(&answer, Err(failure) if model.misses(failure)) {
        model.health.loading = None;
        return;
    }
    model.dirty = true;
    if let Some(failure) = model.health.take(answer, model.now) {
        let message = format!("Reading the health of the store failed: {failure}");
        model.log.say(model.now, Level::Warning, message);
    }
}
