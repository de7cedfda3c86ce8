//! What happens when something happens: a message changes the model, and asks for effects. No I/O, no waiting.

use packhouse_host::{Event, RepoName};

use super::backend::{Answer, FailureKind};
use super::keys::{Action, Place, lookup};
use super::msg::{Effect, Msg, Ticket};
use super::state::{Gate, GateState, Leave, Model, Outcome, Repo, RunState, Screen, Work};

/// Takes a message.
pub(super) fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Started => return changed(model, Model::refresh),
        Msg::Key(key) => {
            if let Some(action) = lookup(model.place(), key) {
                return changed(model, |model| act(model, action));
            }
        }
        Msg::Resized => model.dirty = true,
        // Running work shows its seconds; otherwise only "minutes ago" grows old.
        Msg::Tick => model.dirty |= model.runs.going().next().is_some() || model.minute != model.now.as_second() / 60,
        Msg::Drawn(extent) => {
            model.extent = extent;
            model.minute = model.now.as_second() / 60;
            let last = extent.content.saturating_sub(extent.height);
            if let Some(top) = model.top_line().filter(|top| **top > last) {
                *top = last;
                model.dirty = true;
            }
        }
        Msg::Listed(ticket, answer) => {
            if model.repos.loading == Some(ticket) {
                model.repos.take(answer);
                model.dirty = true;
            }
        }
        Msg::Shown(ticket, answer) => {
            if let Some(repo) = model.repo_awaiting(ticket) {
                repo.take(answer);
                model.dirty = true;
            }
        }
        Msg::Planned(ticket, answer) => match model.gate.as_mut().filter(|gate| gate.awaits(ticket)) {
            Some(gate) => {
                gate.take(answer);
                model.dirty = true;
            }
            // Declined while it was being made.
            None => return vec![Effect::Forget(ticket)],
        },
        Msg::Progress(steps) => {
            for (ticket, event) in steps {
                model.dirty |= step(model, ticket, event);
            }
        }
        Msg::Consolidated(ticket, answer) => {
            return changed(model, |model| ended(model, ticket, answer.map(Outcome::Consolidated)));
        }
        Msg::Verified(ticket, answer) => {
            return changed(model, |model| ended(model, ticket, answer.map(Outcome::Verified)));
        }
    }
    Vec::new()
}

fn changed(model: &mut Model, change: impl FnOnce(&mut Model) -> Vec<Effect>) -> Vec<Effect> {
    model.dirty = true;
    change(model)
}

fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    match action {
        Action::Up | Action::Down | Action::PageUp | Action::PageDown | Action::First | Action::Last => scroll(model, action),
        Action::Open => return open(model),
        Action::Consolidate => return ask(model),
        Action::Verify => return verify(model),
        Action::Refresh => return model.refresh(),
        Action::Filter => model.repos.typing = true,
        Action::KeepFilter => model.repos.typing = false,
        Action::ClearFilter => {
            model.repos.typing = false;
            model.repos.filter_by(String::new());
        }
        Action::Erase => {
            let mut filter = model.repos.filter.clone();
            filter.pop();
            model.repos.filter_by(filter);
        }
        Action::Type(c) => {
            let filter = format!("{}{c}", model.repos.filter);
            model.repos.filter_by(filter);
        }
        Action::Help => model.help = Some(0),
        Action::Back => return back(model),
        Action::Quit => return quit(model),
        Action::Confirm => return confirm(model),
        Action::Decline => return decline(model),
        Action::Wait => model.leave = Some(Leave::Waiting),
        Action::Stop => return stop(model),
    }
    Vec::new()
}

fn scroll(model: &mut Model, action: Action) {
    let (page, last_line) = (model.extent.height.max(1), model.extent.content.saturating_sub(model.extent.height));
    let moved = |from: usize, last: usize| match action {
        Action::Up => from.saturating_sub(1),
        Action::Down => from + 1,
        Action::PageUp => from.saturating_sub(page),
        Action::PageDown => from + page,
        Action::Last => last,
        _ => 0,
    };
    match model.top_line() {
        Some(top) => *top = moved(*top, last_line).min(last_line),
        None => model.repos.select(moved(model.repos.selected(), usize::MAX)),
    }
}

fn open(model: &mut Model) -> Vec<Effect> {
    let Some(name) = model.current_repo() else { return Vec::new() };
    let ticket = model.ticket();
    model.screens.push(Screen::Repo(Box::new(Repo::new(name.clone(), ticket))));
    vec![Effect::Show(ticket, name)]
}

/// Asks whether to consolidate; where work goes on in that repo already, shows that instead.
fn ask(model: &mut Model) -> Vec<Effect> {
    let Some(repo) = model.current_repo() else { return Vec::new() };
    if show_going(model, &repo) {
        return Vec::new();
    }
    let ticket = model.ticket();
    model.gate = Some(Gate::new(repo.clone(), ticket));
    vec![Effect::Plan(ticket, repo)]
}

fn verify(model: &mut Model) -> Vec<Effect> {
    let Some(repo) = model.current_repo() else { return Vec::new() };
    if show_going(model, &repo) {
        return Vec::new();
    }
    let ticket = model.ticket();
    start(model, ticket, repo.clone(), Work::Verify);
    vec![Effect::Verify(ticket, repo)]
}

fn show_going(model: &mut Model, repo: &RepoName) -> bool {
    let going = model.runs.of_repo(repo).filter(|run| run.is_going()).map(|run| run.ticket);
    if let Some(ticket) = going {
        show(model, ticket);
    }
    going.is_some()
}

fn start(model: &mut Model, ticket: Ticket, repo: RepoName, work: Work) {
    model.runs.start(ticket, repo, work, model.now);
    show(model, ticket);
}

/// Shows work; it takes the place of the work that is shown now.
fn show(model: &mut Model, ticket: Ticket) {
    if matches!(model.screens.last(), Some(Screen::Run(_))) {
        model.screens.pop();
    }
    model.screens.push(Screen::Run(ticket));
}

fn confirm(model: &mut Model) -> Vec<Effect> {
    let Some((ticket, run)) = model.gate.as_ref().and_then(Gate::confirm) else { return Vec::new() };
    if let Some(gate) = model.gate.take() {
        start(model, ticket, gate.repo, Work::Consolidate);
    }
    vec![run]
}

fn decline(model: &mut Model) -> Vec<Effect> {
    if model.leave.take().is_some() {
        return Vec::new();
    }
    model.gate.take().map(Gate::decline).into_iter().collect()
}

fn back(model: &mut Model) -> Vec<Effect> {
    if model.help.take().is_some() || model.screens.pop().is_some() {
        return Vec::new();
    }
    if model.repos.filter.is_empty() {
        return quit(model);
    }
    model.repos.filter_by(String::new());
    Vec::new()
}

fn quit(model: &mut Model) -> Vec<Effect> {
    if model.runs.going().next().is_none() {
        return vec![Effect::Quit];
    }
    model.help = None;
    model.leave.get_or_insert(Leave::Asking);
    Vec::new()
}

/// Stops the work that is shown; from the question about leaving, all work.
fn stop(model: &mut Model) -> Vec<Effect> {
    let tickets: Vec<Ticket> = if model.place() == Place::Leave {
        model.leave = Some(Leave::Stopping);
        model.runs.going().map(|run| run.ticket).collect()
    } else {
        match model.screens.last() {
            Some(Screen::Run(ticket)) => vec![*ticket],
            _ => Vec::new(),
        }
    };
    tickets.into_iter().filter(|ticket| model.runs.stop(*ticket)).map(Effect::Cancel).collect()
}

fn step(model: &mut Model, ticket: Ticket, event: Event) -> bool {
    if let Some(gate) = model.gate.as_mut().filter(|gate| gate.awaits(ticket)) {
        gate.state = GateState::Planning(Some(event));
        return true;
    }
    model.runs.step(ticket, event)
}

/// Work has ended: everything on the screen may be old. Whoever waited to leave leaves, unless there is a failure or
/// damage that nobody has seen.
fn ended(model: &mut Model, ticket: Ticket, answer: Answer<Outcome>) -> Vec<Effect> {
    model.runs.end(ticket, answer);
    let run = model.runs.get(ticket).map(|run| &run.state);
    let bad = match run {
        Some(RunState::Ended(Err(failure))) => failure.kind != FailureKind::Cancelled,
        Some(RunState::Ended(Ok(Outcome::Verified(report)))) => !report.ok,
        _ => false,
    };
    if model.leave.is_some() && bad {
        model.leave = None;
        show(model, ticket);
    }
    let idle = model.runs.going().next().is_none();
    match model.leave {
        Some(Leave::Waiting | Leave::Stopping) if idle => return vec![Effect::Quit],
        Some(Leave::Asking) if idle => model.leave = None,
        _ => {}
    }
    model.refresh()
}
