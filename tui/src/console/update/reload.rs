//! Reloads what is displayed, and watches the store.

use super::{health, jobs};
use crate::console::msg::Effect;
use crate::console::state::{Model, Screen};

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
            Some(Screen::Jobs) => effects.push(jobs::load(model)),
            Some(Screen::Job(job)) => {
                job.loading = Some(ticket);
                effects.push(Effect::Job(ticket, job.report.id));
            }
            Some(Screen::Health) => effects.push(health::load_failed(model)),
            Some(Screen::History) => {
                effects.push(Effect::History(ticket, model.history.begin(ticket)));
            }
            _ => {}
        }
    }
    effects
}

/// Reloads everything, and watches the store again, if watching has ended.
pub(super) fn and_watch(model: &mut Model) -> Vec<Effect> {
    let mut effects = all(model);
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
