//! Applies messages: a message changes the model and returns effects. No I/O, no waiting.
//!
//! [`input`] handles keys, text and the mouse, [`act`] actions, [`ask`] plans and confirmations,
//! [`work`] runs, [`jobs`] the jobs of the store, [`prune`] packs that no repo needs,
//! [`policies`] the policies, [`branches`] branches, [`health`] what needs attention in it, [`contents`] what is inside
//! repos, [`packs`] the packs of one, [`find`] the search for an ID, [`tokens`] access tokens,
//! [`commands`] commands of the config, [`columns`] columns of tables, [`workers`] leases, [`server`] the server, [`prompt`] questions in the footer, [`export`] files, [`loaded`] what was loaded, [`reload`] what is loaded again, and [`connection`] the connection to a remote
//! store. [`screens`] opens screens.

mod act;
mod answer;
mod ask;
mod branches;
mod columns;
mod commands;
mod connection;
mod contents;
mod export;
mod find;
mod health;
mod input;
mod jobs;
mod loaded;
mod packs;
mod policies;
mod prompt;
mod prune;
mod reload;
mod screens;
mod server;
mod tokens;
mod work;
mod workers;

use super::keys::Focus;
use super::msg::{Effect, Msg};
use super::state::{Commits, Comparison, Extent, Files, Model, Outcome, Records};

pub(super) use columns::apply as apply_columns;
#[cfg(test)]
pub(super) use reload::all as reload_all;
pub(super) use reload::list as reload_list;
pub(super) use work::pruned;

/// Applies a message.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        // The stamp comes before the list, so that later changes are noticed.
        Msg::Started => return vec![Effect::Watch(None)],
        Msg::Key(key) => return input::key(model, key),
        Msg::Paste(text) => return input::paste(model, &text),
        Msg::Mouse(event) => return input::mouse(model, event),
        Msg::Tick => return tick(model),
        Msg::Changed(answer) => return loaded::changed(model, answer),
        Msg::Listed(ticket, answer) => return loaded::listed(model, ticket, answer),
        Msg::Planned(ticket, answer) => return ask::planned(model, ticket, answer),
        Msg::Consolidated(ticket, answer) => {
            let outcome = answer.map(|report| Outcome::Consolidated(Box::new(report)));
            return work::ended(model, ticket, outcome);
        }
        Msg::Verified(ticket, answer) => {
            let outcome = answer.map(|report| Outcome::Verified(Box::new(report)));
            return work::ended(model, ticket, outcome);
        }
        Msg::Pruned(ticket, answer) => {
            return work::ended(model, ticket, answer.map(Outcome::Pruned));
        }
        Msg::Remembered(ticket, answer) => {
            return loaded::remembered(model, ticket, answer).into_iter().collect();
        }
        Msg::Jobs(ticket, answer) => {
            return jobs::listed(model, ticket, answer).into_iter().collect();
        }
        Msg::JobChanged(id, change, answer) => {
            return jobs::changed(model, (id, change), answer);
        }
        Msg::Found(ticket, found) => {
            return find::found(model, ticket, found).into_iter().collect();
        }
        Msg::Records(ticket, answer) => {
            return contents::page::<Records>(model, ticket, answer);
        }
        Msg::Compared(ticket, answer) => {
            return contents::page::<Comparison>(model, ticket, answer);
        }
        Msg::PolicySet(answer) => return policies::set(model, answer),
        Msg::BranchDeleted(branch, answer) => return branches::deleted(model, &branch, answer),
        Msg::TokenCreated(answer) => return tokens::created(model, answer),
        Msg::TokenRevoked(id, answer) => return tokens::revoked(model, &id, answer),
        Msg::Connection(connection) => return connection::changed(model, connection),
        Msg::Summarised(answer) => loaded::summarised(model, answer),
        Msg::Health(ticket, answer) => health::loaded(model, ticket, answer),
        Msg::Job(ticket, answer) => jobs::shown(model, ticket, answer),
        Msg::Policy(answer) => policies::loaded(model, answer),
        Msg::Policies(ticket, answer) => policies::checked(model, ticket, answer),
        Msg::PrunePreviewed(ticket, answer) => prune::previewed(model, ticket, answer),
        Msg::Served(ticket, answer) => server::polled(model, ticket, answer),
        Msg::Shown(ticket, answer) => return loaded::shown(model, ticket, answer),
        Msg::Tokens(ticket, answer) => tokens::listed(model, ticket, answer),
        Msg::Commits(ticket, answer) => return contents::page::<Commits>(model, ticket, answer),
        Msg::Files(ticket, answer) => return contents::page::<Files>(model, ticket, answer),
        Msg::Entity(ticket, answer) => contents::opened(model, ticket, answer),
        Msg::Progress(steps) => {
            for (ticket, event) in steps {
                model.dirty |= work::step(model, ticket, event);
            }
        }
        Msg::Drawn(extent) => drawn(model, extent),
        Msg::Resized => model.dirty = true,
        Msg::Resumed(was_suspended) => resumed(model, was_suspended),
        Msg::CommandEnded(name, ended) => commands::ended(model, &name, ended),
        Msg::Exported(answer) => export::ended(model, answer),
        Msg::Logged(level, text) => {
            model.log.add_logged(model.now, level, text);
            model.dirty = true;
        }
    }
    Vec::new()
}

/// Active runs and a lost connection count seconds; otherwise only relative times change, once a
/// minute.
fn tick(model: &mut Model) -> Vec<Effect> {
    let counts = model.runs.open().next().is_some() || model.is_disconnected();
    model.dirty |= counts || model.minute != model.now.as_second() / 60;
    if model.is_disconnected() {
        return Vec::new();
    }
    if model.connection.is_some() && model.missed {
        // The connection was restored before its loss was noticed.
        return reload::catch_up(model);
    }
    if model.repos.due(model.now) {
        return reload::all(model);
    }
    let mut effects = reload::what_is_due(model);
    effects.extend(server::poll(model));
    effects
}

/// A frame was drawn. What it has shown can be confirmed.
fn drawn(model: &mut Model, extent: Extent) {
    let cramped = extent.cramped;
    // What the footer offers depends on what is in sight.
    model.dirty |= model.extent.items != extent.items;
    model.extent = extent;
    let in_sight = matches!(model.focus(), Focus::Preview | Focus::Confirm | Focus::Typing);
    if let Some(dialog) = model.dialog.as_mut().filter(|_| in_sight) {
        dialog.drawn(cramped);
    }
    model.minute = model.now.as_second() / 60;
}

fn resumed(model: &mut Model, was_suspended: bool) {
    model.dirty = true;
    if !was_suspended {
        model.notice =
            Some("The console was not suspended: this terminal has no shell.".to_owned());
    }
}
