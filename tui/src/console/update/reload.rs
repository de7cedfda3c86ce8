//! Reloads what is displayed, and watches the store.

use packhouse_host::{JobStatus, JobsQuery};

use super::{contents, server, tokens, workers};
use crate::console::failure::BackendResult;
use crate::console::msg::Effect;
use crate::console::state::{JOBS_PAGE, Model, Pace, Prune, Screen, Ticket};

/// Reloads the list, what needs attention, and the screens above the list.
pub(in crate::console) fn all(model: &mut Model) -> Vec<Effect> {
    let mut effects = store(model).to_vec();
    effects.extend(screens(model));
    effects
}

/// Reloads the list of repos, and what needs attention in the store.
pub(super) fn store(model: &mut Model) -> [Effect; 2] {
    let list = list(model);
    let ticket = model.ticket();
    model.health.loading = Some(ticket);
    [list, Effect::Health(ticket)]
}

/// Reloads the list of repos.
pub(in crate::console) fn list(model: &mut Model) -> Effect {
    let ticket = model.ticket();
    model.repos.begin(ticket, model.now);
    Effect::List(ticket, None)
}

/// Reloads the jobs.
pub(super) fn jobs(model: &mut Model) -> Effect {
    let ticket = model.ticket();
    Effect::Jobs(ticket, model.jobs.begin(ticket))
}

/// Reloads the newest failed jobs, for the health.
pub(super) fn failed_jobs(model: &mut Model) -> Effect {
    let ticket = model.ticket();
    model.health.failed_loading = Some(ticket);
    let (status, limit) = (Some(JobStatus::Failed), JOBS_PAGE);
    Effect::Jobs(ticket, JobsQuery { status, limit, ..JobsQuery::default() })
}

/// Reloads the packs that no repo needs and the policies, if they are displayed and it is time.
pub(super) fn what_is_due(model: &mut Model) -> Vec<Effect> {
    let prune =
        begin(model, |screen| matches!(screen, Screen::Prune), |model| &mut model.prune.pace)
            .map(|ticket| Effect::PreviewPrune(ticket, Prune::preview()));
    let policies =
        begin(model, |screen| matches!(screen, Screen::Policies), |model| &mut model.policies.pace)
            .map(Effect::Policies);
    prune.into_iter().chain(policies).collect()
}

/// Begins to load what a screen displays, if it is open and it is time.
fn begin(
    model: &mut Model,
    is_it: fn(&Screen) -> bool,
    pace: fn(&mut Model) -> &mut Pace,
) -> Option<Ticket> {
    let now = model.now;
    if !model.screens.iter().any(is_it) || !pace(model).is_due(now) {
        return None;
    }
    let ticket = model.ticket();
    pace(model).begin(ticket, now);
    Some(ticket)
}

/// Whether an answer is taken: one that is awaited, unless the connection was lost.
pub(super) fn takes<T>(
    model: &mut Model,
    pace: fn(&mut Model) -> &mut Pace,
    ticket: Ticket,
    answer: &BackendResult<T>,
) -> bool {
    if !pace(model).awaits(ticket) {
        return false;
    }
    model.dirty = true;
    let missed = matches!(answer, Err(failure) if model.misses(failure));
    if missed {
        pace(model).give_up();
    }
    !missed
}

/// Reloads the screens above the list.
pub(super) fn screens(model: &mut Model) -> Vec<Effect> {
    let mut effects = Vec::new();
    for at in 0..model.screens.len() {
        let ticket = model.ticket();
        match model.screens.get_mut(at) {
            Some(Screen::Repo(repo)) => {
                repo.loading = Some(ticket);
                effects.push(Effect::Show(ticket, repo.name.clone()));
            }
            Some(Screen::Packs(packs)) => {
                packs.loading = Some(ticket);
                effects.push(Effect::Show(ticket, packs.repo.clone()));
            }
            Some(Screen::Tokens) => effects.push(tokens::load(model)),
            // It is polled.
            Some(Screen::Server) => {}
            Some(Screen::Workers) => effects.push(workers::load(model)),
            Some(Screen::Jobs) => effects.push(jobs(model)),
            Some(Screen::Job(job)) => {
                job.loading = Some(ticket);
                effects.push(Effect::Job(ticket, job.report.id));
            }
            Some(Screen::Health) => effects.push(failed_jobs(model)),
            Some(Screen::Prune) => model.prune.pace.outdate(),
            Some(Screen::Policies) => model.policies.pace.outdate(),
            Some(Screen::History) => {
                effects.push(Effect::History(ticket, model.history.begin(ticket)));
            }
            Some(screen) => effects.extend(contents::reload(screen, ticket, false)),
            None => {}
        }
    }
    effects.extend(what_is_due(model));
    effects
}

/// Reloads everything, and watches the store again, if watching has ended.
pub(super) fn and_watch(model: &mut Model) -> Vec<Effect> {
    model.prune.pace.expire();
    model.policies.pace.expire();
    model.server.expire();
    let mut effects = all(model);
    effects.extend(server::poll(model));
    let ticket = model.ticket();
    let loses_pages = match model.screens.last() {
        Some(Screen::Commits(commits)) => commits.is_long(),
        Some(Screen::Records(records)) => records.pages.loading.is_none(),
        Some(Screen::Comparison(comparison)) => comparison.pages.loading.is_none(),
        _ => false,
    };
    if loses_pages {
        let screen = model.screens.last_mut();
        effects.extend(screen.and_then(|screen| contents::reload(screen, ticket, true)));
    }
    if std::mem::take(&mut model.unwatched) {
        effects.push(Effect::Watch(model.stamp));
    }
    effects
}

/// The same after reconnecting: what was missed meanwhile is loaded.
pub(super) fn catch_up(model: &mut Model) -> Vec<Effect> {
    model.missed = false;
    and_watch(model)
}
