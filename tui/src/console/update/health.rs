//! What needs attention in the store: loads it, and leads from each finding to where something can be
//! done about it.

use packhouse_host::{Health, JobReport, JobStatus, RepoName};

use super::{jobs, prune, reload, screens};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{Finding, Level, Model, Screen, Ticket};

/// Shows what needs attention.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Health), Screen::Health);
    vec![reload::failed_jobs(model)]
}

/// Where the selected finding leads.
enum Target {
    Repo(RepoName),
    Job(Box<JobReport>),
    FailedJobs,
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
        Finding::Unchecked(..) => finding.command().map(Target::Command),
    });
    match target {
        Some(Target::Repo(repo)) => screens::open_repo(model, repo),
        Some(Target::Job(job)) => jobs::show(model, *job),
        Some(Target::FailedJobs) => jobs::show_with(model, JobStatus::Failed),
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
    if let Some(failure) = model.health.take(answer) {
        let message = format!("Reading the health of the store failed: {failure}");
        model.log.say(model.now, Level::Warning, message);
    }
}
