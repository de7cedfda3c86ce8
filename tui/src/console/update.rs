//! Applies messages: a message changes the model and returns effects. No I/O, no waiting.
//!
//! This file handles messages; [`act`] handles actions, [`ask`] plans and confirmations, [`work`]
//! runs, and [`connection`] the connection to a remote store.

mod act;
mod ask;
mod connection;
mod work;

use crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use packhouse_host::Event;

use super::backend::FailureKind;
use super::keys::{Action, Place};
use super::msg::{Effect, Extent, Msg, Ticket};
use super::state::{Asks, Level, Model, Outcome};

use act::act;

/// Applies a message.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        // The stamp comes before the list, so that later changes are noticed.
        Msg::Started => return vec![Effect::Watch(None)],
        Msg::Key(key) => {
            model.dirty |= model.notice.take().is_some();
            if let Some(action) = model.keymap.lookup(model.place(), key) {
                model.dirty = true;
                return act(model, action);
            }
        }
        Msg::Paste(text) => {
            model.dirty = true;
            return paste(model, &text);
        }
        Msg::Mouse(event) => return mouse(model, event),
        Msg::Resized => model.dirty = true,
        Msg::Resumed(was_suspended) => {
            model.dirty = true;
            if !was_suspended {
                model.notice =
                    Some("The console was not suspended: this terminal has no shell.".to_owned());
            }
        }
        Msg::Tick => return tick(model),
        Msg::Drawn(extent) => {
            model.extent = extent;
            let in_sight = matches!(model.place(), Place::Preview | Place::Confirm | Place::Typing);
            if let Some(dialog) = model.dialog.as_mut().filter(|_| in_sight) {
                dialog.drawn();
            }
            model.minute = model.now.as_second() / 60;
        }
        Msg::Logged(level, text) => {
            model.log.add_logged(model.now, level, text);
            model.dirty = true;
        }
        Msg::Changed(Ok(stamp)) => {
            let mut effects = vec![Effect::Watch(Some(stamp))];
            (model.unwatched, model.stamp) = (false, Some(stamp));
            if model.repos.known || model.repos.loading.is_some() {
                model.repos.stale = true;
            } else {
                effects.push(model.refresh_list());
            }
            return effects;
        }
        Msg::Changed(Err(failure)) => {
            (model.unwatched, model.dirty) = (true, true);
            if model.misses(&failure) {
                return Vec::new();
            }
            // A lost connection is logged once, in [`connection`].
            if failure.kind != FailureKind::Unreachable {
                model.log.say(
                    model.now,
                    Level::Warning,
                    format!("Watching the store failed: {failure}"),
                );
            }
            if !model.repos.known && model.repos.loading.is_none() {
                return vec![model.refresh_list()];
            }
        }
        Msg::Listed(ticket, answer) => {
            if model.repos.loading == Some(ticket) {
                model.dirty = true;
                match &answer {
                    Err(failure) if model.misses(failure) => {
                        model.repos.give_up(model.now);
                        return Vec::new();
                    }
                    Err(failure) if failure.kind != FailureKind::Unreachable => {
                        model.log.say(
                            model.now,
                            Level::Error,
                            format!("Reading the store failed: {failure}"),
                        );
                    }
                    _ => {}
                }
                let next = model.repos.take(answer, model.now);
                return next.into_iter().map(|after| Effect::List(ticket, Some(after))).collect();
            }
        }
        Msg::Summarised(answer) => match answer {
            Ok(summary) => {
                model.repos.put(summary, model.now);
                model.dirty = true;
            }
            // Reload the whole list, now or after reconnecting.
            Err(failure) => model.repos.stale |= !model.misses(&failure),
        },
        Msg::Shown(ticket, answer) => {
            let missed = matches!(&answer, Err(failure) if model.misses(failure));
            if let Some(repo) = model.repo_awaiting(ticket) {
                match missed {
                    true => repo.loading = None,
                    false => repo.take(answer),
                }
                model.dirty = true;
            }
        }
        Msg::Planned(ticket, answer) => {
            match model.dialog.as_mut().filter(|dialog| dialog.awaits(ticket)) {
                Some(dialog) => {
                    if let (Err(failure), Some(repo)) = (&answer, dialog.repo()) {
                        model.log.say(
                            model.now,
                            Level::Error,
                            format!("{repo}: planning failed: {failure}"),
                        );
                    }
                    dialog.take(answer);
                    model.dirty = true;
                }
                // Declined meanwhile.
                None => return vec![Effect::Forget(ticket)],
            }
        }
        Msg::Progress(steps) => {
            for (ticket, event) in steps {
                model.dirty |= step(model, ticket, event);
            }
        }
        Msg::Consolidated(ticket, answer) => {
            return work::ended(
                model,
                ticket,
                answer.map(|report| Outcome::Consolidated(Box::new(report))),
            );
        }
        Msg::Verified(ticket, answer) => {
            return work::ended(
                model,
                ticket,
                answer.map(|report| Outcome::Verified(Box::new(report))),
            );
        }
        Msg::Remembered(ticket, answer) => {
            if model.history.loading == Some(ticket) {
                model.dirty = true;
                let missed = matches!(&answer, Err(failure) if model.misses(failure));
                let next = model.ticket();
                let next = if missed {
                    model.history.give_up(next)
                } else {
                    model.history.take(answer, next)
                };
                return next.into_iter().collect();
            }
        }
        Msg::Connection(connection) => return connection::changed(model, connection),
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
        return model.catch_up();
    }
    if model.repos.due(model.now) {
        return model.refresh();
    }
    Vec::new()
}

fn step(model: &mut Model, ticket: Ticket, event: Event) -> bool {
    if let Some(dialog) = model.dialog.as_mut().filter(|dialog| dialog.awaits(ticket)) {
        dialog.step(event);
        return true;
    }
    model.runs.step(ticket, event, model.now)
}

fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    match model.place() {
        Place::Filter => model.repos.paste_filter(text, model.now),
        Place::Search => {
            model.history.paste(text);
            return act::search_again(model);
        }
        Place::Palette => {
            if let Some(palette) = &mut model.palette {
                palette.input.paste(text);
            }
        }
        Place::Typing => {
            if let Some(Asks::Count(input)) = model.dialog.as_mut().map(|dialog| &mut dialog.asks) {
                input.paste(text);
            }
        }
        _ => {
            model.notice =
                Some("Nothing to paste into here; / filters the list of repos.".to_owned())
        }
    }
    Vec::new()
}

/// The wheel scrolls; a click selects a line, and a click on the selected line opens it.
fn mouse(model: &mut Model, event: MouseEvent) -> Vec<Effect> {
    let action = match event.kind {
        MouseEventKind::ScrollUp => Action::Up,
        MouseEventKind::ScrollDown => Action::Down,
        MouseEventKind::Down(MouseButton::Left) => return click(model, event.row),
        _ => return Vec::new(),
    };
    model.dirty = true;
    act(model, action)
}

fn click(model: &mut Model, row: u16) -> Vec<Effect> {
    use Place::{Done, Filter, History, Log, Palette, Repo, Repos, Runs};
    let is_list =
        matches!(model.place(), Repos | Filter | Repo | Runs | Done | History | Log | Palette);
    let Some(line) = line_at(&model.extent, row).filter(|_| is_list) else { return Vec::new() };
    model.dirty = true;
    let selected = match model.scrolled() {
        Some((cursor, lines)) => {
            let selected = cursor.at(lines) == line;
            cursor.set(line);
            selected
        }
        None => {
            let selected = model.repos.cursor().at(model.repos.shown()) == line;
            model.repos.select(line);
            selected
        }
    };
    match model.place() {
        Place::Palette if selected => act(model, Action::Accept),
        Place::Repos | Place::Runs | Place::History if selected => act(model, Action::Open),
        _ => Vec::new(),
    }
}

/// The item on a row of the terminal.
fn line_at(extent: &Extent, row: u16) -> Option<usize> {
    let below = usize::from(row.checked_sub(extent.row)?);
    let line = Some(extent.first + below)
        .filter(|line| below < extent.height && *line < extent.content)?;
    if extent.items.is_empty() { Some(line) } else { *extent.items.get(below)? }
}
