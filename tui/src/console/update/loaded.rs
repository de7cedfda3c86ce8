//! Results of loading and watching.

use packhouse_host::report::RepoDetail;
use packhouse_host::{GcEntry, RepoSummary};

use super::{health, reload};
use crate::console::failure::{BackendResult, FailureKind};
use crate::console::msg::Effect;
use crate::console::state::{Level, Model, Ticket};

/// The store has changed, or watching it failed.
pub(super) fn changed(model: &mut Model, answer: BackendResult<u64>) -> Vec<Effect> {
    let stamp = match answer {
        Ok(stamp) => stamp,
        Err(failure) => {
            (model.unwatched, model.dirty) = (true, true);
            if model.misses(&failure) {
                return Vec::new();
            }
            // A lost connection is logged once, in [`super::connection`].
            if failure.kind != FailureKind::Unreachable {
                model.log.say(
                    model.now,
                    Level::Warning,
                    format!("Watching the store failed: {failure}"),
                );
            }
            return if has_list(model) { Vec::new() } else { reload::store(model).to_vec() };
        }
    };
    (model.unwatched, model.stamp) = (false, Some(stamp));
    let mut effects = vec![Effect::Watch(Some(stamp))];
    if has_list(model) {
        model.repos.stale = true;
    } else {
        effects.extend(reload::store(model));
    }
    effects
}

/// Whether the list of repos is there or being loaded.
fn has_list(model: &Model) -> bool {
    model.repos.known || model.repos.loading.is_some()
}

/// A page of the list of repos.
pub(super) fn listed(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Vec<RepoSummary>>,
) -> Vec<Effect> {
    if model.repos.loading != Some(ticket) {
        return Vec::new();
    }
    model.dirty = true;
    match &answer {
        Err(failure) if model.misses(failure) => {
            model.repos.give_up(model.now);
            return Vec::new();
        }
        Err(failure) if failure.kind != FailureKind::Unreachable => {
            model.log.say(model.now, Level::Error, format!("Reading the store failed: {failure}"));
        }
        _ => {}
    }
    match model.repos.take(answer, model.now) {
        Some(after) => vec![Effect::List(ticket, Some(after))],
        None => {
            model.health.damage.clear();
            health::damage(model).into_iter().collect()
        }
    }
}

/// The row of one repo.
pub(super) fn summarised(model: &mut Model, answer: BackendResult<RepoSummary>) {
    match answer {
        Ok(summary) => {
            model.repos.put(summary, model.now);
            model.dirty = true;
        }
        // Reload the whole list, now or after reconnecting.
        Err(failure) => model.repos.stale |= !model.misses(&failure),
    }
}

/// The details of one repo.
pub(super) fn shown(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Box<RepoDetail>>,
) -> Vec<Effect> {
    if model.health.damage_loading == Some(ticket) {
        return health::damage_loaded(model, answer);
    }
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    if let Some(packs) = model.packs_awaiting(ticket) {
        match missed {
            true => packs.loading = None,
            false => packs.take(answer),
        }
        model.dirty = true;
        return Vec::new();
    }
    if let Some(repo) = model.repo_awaiting(ticket) {
        match missed {
            true => repo.loading = None,
            false => repo.take(answer),
        }
        model.dirty = true;
    }
    Vec::new()
}

/// A page of the history.
pub(super) fn remembered(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Vec<GcEntry>>,
) -> Option<Effect> {
    if model.history.loading != Some(ticket) {
        return None;
    }
    model.dirty = true;
    let missed = matches!(&answer, Err(failure) if model.misses(failure));
    let next = model.ticket();
    let query = match missed {
        true => model.history.give_up(next),
        false => model.history.take(answer, next),
    };
    query.map(|query| Effect::History(next, query))
}
