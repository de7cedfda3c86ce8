//! Handles actions.

use super::{
    answer, ask, branches, columns, commands, contents, export, health, jobs, packs, policies,
    prompt, prune, reload, screens, server, tokens, work, workers,
};
use crate::console::keys::{Action, Focus};
use crate::console::msg::Effect;
use crate::console::state::{
    Asks, Cursor, Finding, Help, Item, JobChange, Leave, Model, Outcome, PolicyForm, RunState,
    Screen, Ticket, Wanted,
};
use crate::text::count;

/// Handles an action with the current focus.
pub(super) fn act(model: &mut Model, action: Action) -> Vec<Effect> {
    if moved(model, action) {
        let ticket = model.ticket();
        let next = match model.focus() {
            Focus::Jobs => model.jobs.more(ticket).map(|query| Effect::Jobs(ticket, query)),
            Focus::History | Focus::Search => {
                model.history.more(ticket).map(|query| Effect::History(ticket, query))
            }
            Focus::Health => health::damage(model),
            _ => contents::more(model),
        };
        return next.into_iter().collect();
    }
    if model.dialog.is_some() && leads_elsewhere(action) {
        // The plan is only displayed: it would hide the other screen.
        let mut effects = ask::decline(model);
        effects.extend(act(model, action));
        return effects;
    }
    match action {
        Action::Open => return open(model),
        Action::Consolidate => return ask::ask(model, true),
        Action::Preview => return ask::ask(model, false),
        Action::Verify => return ask::verify(model),
        Action::Refresh => return reload::and_watch(model),
        Action::Filter => match model.focus() {
            Focus::History => model.history.typing = true,
            Focus::Policies => model.policies.typing = true,
            Focus::Files => contents::ask_path(model),
            Focus::Packs => packs::ask_words(model),
            Focus::Records => contents::ask_record(model),
            Focus::Help => {
                let text = model.help.as_ref().map(Help::text).unwrap_or_default();
                prompt::ask(model, Wanted::Help, &text);
            }
            _ => model.repos.typing = true,
        },
        Action::SortNext if model.focus() == Focus::Packs => packs::sort(model, 1),
        Action::SortPrevious if model.focus() == Focus::Packs => packs::sort(model, -1),
        Action::SortNext if model.focus() == Focus::Policies => model.policies.sort(1),
        Action::SortPrevious if model.focus() == Focus::Policies => model.policies.sort(-1),
        Action::SortNext | Action::SortPrevious | Action::SortTurn => {
            model.repos.sort(action, model.now)
        }
        Action::Mark if model.focus() == Focus::Packs => packs::mark(model),
        Action::Mark if model.focus() == Focus::Columns => columns::turn(model),
        Action::Compare => return packs::compare(model),
        Action::StatusNext if model.focus() == Focus::Comparison => {
            return packs::step_class(model, 1);
        }
        Action::StatusPrevious if model.focus() == Focus::Comparison => {
            return packs::step_class(model, -1);
        }
        Action::Mark => model.repos.mark(),
        Action::MarkAll => model.repos.mark_all(),
        Action::Copy => return copy(model),
        Action::Runs => screens::open(model, |screen| matches!(screen, Screen::Runs), Screen::Runs),
        Action::Log => {
            model.log.cursor = Cursor::default();
            screens::open(model, |screen| matches!(screen, Screen::Log), Screen::Log);
        }
        Action::History => {
            screens::open(model, |screen| matches!(screen, Screen::History), Screen::History);
            let ticket = model.ticket();
            return vec![Effect::History(ticket, model.history.begin(ticket))];
        }
        Action::Repos => model.screens.clear(),
        Action::Jobs => return jobs::show_all(model),
        Action::Health => return health::show(model),
        Action::Prune => return prune::show(model),
        Action::Policies => return policies::show(model),
        Action::Packs => return packs::show(model),
        Action::Tokens => return tokens::show(model),
        Action::NewToken => tokens::ask_new(model),
        Action::Revoke => tokens::ask_revoke(model),
        Action::Workers => return workers::show(model),
        Action::Server => return server::show(model),
        Action::Filters if model.repos.named.entries.is_empty() => {
            model.notice = Some("The config has no [filters]; see docs/console.md".to_owned());
        }
        Action::Filters => model.screens.push(Screen::Filters),
        Action::Columns => columns::show(model),
        Action::ColumnUp => columns::shift(model, true),
        Action::ColumnDown => columns::shift(model, false),
        Action::EditPolicy if model.focus() != Focus::Policies => return policies::load(model),
        Action::EditPolicy => {
            let policy = model.policies.current_policy();
            policies::edit(model, policy);
        }
        Action::EditDefault => {
            let policy = model.policies.default.clone();
            policies::edit(model, policy);
        }
        Action::ResetPolicy => policies::ask(model, PolicyForm::reset),
        Action::Export => export::ask(model),
        Action::DeleteBranch => branches::ask(model),
        Action::Repair => return ask::ask_repair(model),
        Action::RepairAll => return ask::ask_repair_all(model),
        Action::Commits => return contents::show_commits(model),
        Action::Entity => return contents::show_commit(model),
        Action::Raw => contents::turn_raw(model),
        Action::Find => prompt::ask(model, Wanted::Id, ""),
        Action::PruneNow => return prune::ask(model),
        Action::RetryJob => return jobs::ask(model, JobChange::Retry),
        Action::CancelJob => return jobs::ask(model, JobChange::Cancel),
        Action::StatusNext => return jobs::step_status(model, 1),
        Action::StatusPrevious => return jobs::step_status(model, -1),
        Action::Help => model.help = Some(Help::default()),
        Action::Palette => model.palette = Some(model.new_palette()),
        Action::Back => return back(model),
        Action::Quit => return quit(model),
        Action::Suspend => return vec![Effect::Suspend],
        Action::Command(at) => return commands::run(model, at),
        Action::Confirm => return ask::confirm(model),
        Action::Decline => return ask::decline(model),
        Action::Press => return press(model),
        Action::NextField => policies::step(model, 1),
        Action::PreviousField => policies::step(model, -1),
        Action::NextButton => model.step_button(true),
        Action::PreviousButton => model.step_button(false),
        Action::Wait => (model.leave, model.leave_button) = (Some(Leave::Waiting), None),
        // While connected, runs can be awaited or cancelled.
        Action::LeaveNow if model.is_disconnected() => return vec![Effect::Quit],
        Action::LeaveNow => {}
        Action::Stop => return stop(model),
        Action::CancelQueued => return cancel_queued(model),
        Action::Accept => return accept(model),
        Action::Cancel => return cancel(model),
        Action::Type(_) | Action::Erase | Action::EraseWord | Action::EraseAll => {
            return typed(model, action);
        }
        Action::Up
        | Action::Down
        | Action::PageUp
        | Action::PageDown
        | Action::First
        | Action::Last => {}
    }
    Vec::new()
}

/// Whether an action shows another screen.
const fn leads_elsewhere(action: Action) -> bool {
    use Action::{
        Find, Health, History, Jobs, Log, Policies, Prune, RepairAll, Repos, Runs, Server, Tokens,
        Workers,
    };
    matches!(
        action,
        Repos
            | Jobs
            | Health
            | Prune
            | Policies
            | Find
            | RepairAll
            | Tokens
            | Workers
            | Server
            | Runs
            | History
            | Log
    )
}

fn moved(model: &mut Model, action: Action) -> bool {
    let (page, below) = (model.extent.height, model.extent.below);
    let is_list = model.screens.is_empty() && model.focus() != Focus::Leave;
    if model.focus() == Focus::Repo
        && let Some(Screen::Repo(repo)) = model.screens.last_mut()
        && repo.scroll(action, &model.extent)
    {
        return true;
    }
    match model.scrolled() {
        Some((cursor, lines)) => {
            cursor.scroll_text(action, (lines, page), below) || cursor.act(action, lines, page)
        }
        None => is_list && model.repos.act(action, page),
    }
}

fn typed(model: &mut Model, action: Action) -> Vec<Effect> {
    match model.focus() {
        Focus::Filter => model.repos.type_filter(action, model.now),
        Focus::Search if model.policies.typing => model.policies.type_text(action),
        Focus::Prompt => prompt::edit(model, action),
        Focus::PolicyForm => {
            if let Some(form) = model.policy_form() {
                form.edit(|input| _ = input.act(action));
            }
        }
        Focus::Search => {
            model.history.type_text(action);
            return search_again(model);
        }
        Focus::Palette => {
            if let Some(palette) = &mut model.palette {
                palette.input.act(action);
                palette.cursor = Cursor::default();
            }
        }
        _ => {
            if let Some(dialog) = &mut model.dialog
                && let Asks::Count(input) = &mut dialog.asks
            {
                input.act(action);
                dialog.refusal = None;
            }
        }
    }
    Vec::new()
}

/// Searches for the input; if a request is pending, after its end.
pub(super) fn search_again(model: &mut Model) -> Vec<Effect> {
    if model.history.loading.is_some() || !model.history.outdated() {
        return Vec::new();
    }
    let ticket = model.ticket();
    model.history.cursor = Cursor::default();
    vec![Effect::History(ticket, model.history.begin(ticket))]
}

/// Does what the selected button says.
fn press(model: &mut Model) -> Vec<Effect> {
    let button = model.button(model.focus());
    button.map(|action| act(model, action)).unwrap_or_default()
}

fn accept(model: &mut Model) -> Vec<Effect> {
    match model.focus() {
        Focus::Filter => model.repos.typing = false,
        Focus::Search => (model.history.typing, model.policies.typing) = (false, false),
        Focus::Typing if model.button(Focus::Typing) == Some(Action::Cancel) => {
            return ask::decline(model);
        }
        Focus::Typing => return ask::confirm(model),
        Focus::Prompt => return answer::accept(model),
        Focus::PolicyForm => policies::ask(model, PolicyForm::change),
        Focus::Palette => {
            let chosen = model.palette.take().and_then(|palette| palette.chosen(&model.keymap));
            return chosen.map(|action| act(model, action)).unwrap_or_default();
        }
        _ => {}
    }
    Vec::new()
}

fn cancel(model: &mut Model) -> Vec<Effect> {
    match model.focus() {
        Focus::Filter => {
            model.repos.typing = false;
            model.repos.clear_filter(model.now);
        }
        Focus::Search if model.policies.typing => {
            model.policies.typing = false;
            model.policies.clear();
        }
        Focus::Search => {
            model.history.typing = false;
            model.history.clear();
            return search_again(model);
        }
        Focus::Palette => model.palette = None,
        Focus::Prompt => model.prompt = None,
        Focus::PolicyForm => drop(model.screens.pop()),
        _ => return ask::decline(model),
    }
    Vec::new()
}

fn open(model: &mut Model) -> Vec<Effect> {
    match model.focus() {
        Focus::Runs => {
            if let Some(ticket) = model.runs.current().map(|run| run.ticket) {
                work::show(model, ticket);
            }
        }
        Focus::History => {
            if let Some(entry) = model.history.current() {
                let screen = Screen::Record(Box::new(entry.clone()), Cursor::default());
                model.screens.push(screen);
            }
        }
        Focus::Jobs => {
            let job = model.jobs.current().cloned();
            return job.map(|job| jobs::show(model, job)).unwrap_or_default();
        }
        Focus::Health => return health::open(model),
        Focus::Repo => {
            return match model.screens.last() {
                Some(Screen::Repo(repo)) if matches!(repo.current(), Some(Item::Pack(_))) => {
                    packs::show(model)
                }
                _ => contents::show_commits(model),
            };
        }
        Focus::Filters => {
            model.screens.pop();
            model.repos.filter_by_name(model.now);
        }
        Focus::Workers => return workers::open(model),
        Focus::Entity if model.commit_here().is_none() => return contents::show_place(model),
        Focus::Commits | Focus::Entity => return contents::show_files(model),
        Focus::Packs => return contents::show_records(model),
        Focus::Files | Focus::Find | Focus::Records | Focus::Comparison => {
            return contents::show_selected(model);
        }
        _ => {
            let name = model.current_repo();
            return name.map(|name| screens::open_repo(model, name)).unwrap_or_default();
        }
    }
    Vec::new()
}

fn back(model: &mut Model) -> Vec<Effect> {
    if model.help.take().is_some() {
        return Vec::new();
    }
    if model.dialog.is_some() {
        return ask::decline(model);
    }
    if model.screens.pop().is_some() || model.repos.unmark() {
        return Vec::new();
    }
    if model.repos.filter().is_empty() {
        // One Esc too many must not quit.
        model.notice = Some(format!("{} quits", model.keymap.key_of(Action::Quit)));
    } else {
        model.repos.clear_filter(model.now);
    }
    Vec::new()
}

fn quit(model: &mut Model) -> Vec<Effect> {
    if model.runs.open().next().is_none() {
        return vec![Effect::Quit];
    }
    (model.help, model.palette) = (None, None);
    if model.leave.is_none() {
        (model.leave, model.leave_button) = (Some(Leave::Asking), None);
    }
    Vec::new()
}

/// Cancels the displayed or selected run; in the quit dialog, all runs.
fn stop(model: &mut Model) -> Vec<Effect> {
    let tickets: Vec<Ticket> = match (model.focus(), model.screens.last()) {
        (Focus::Leave, _) => {
            (model.leave, model.leave_button) = (Some(Leave::Stopping), None);
            model.runs.open().map(|run| run.ticket).collect()
        }
        (_, Some(Screen::Run(ticket))) => vec![*ticket],
        (_, Some(Screen::Runs)) => model.runs.current().map(|run| run.ticket).into_iter().collect(),
        _ => Vec::new(),
    };
    work::stop(model, &tickets)
}

/// Cancels all queued runs.
fn cancel_queued(model: &mut Model) -> Vec<Effect> {
    let tickets: Vec<Ticket> = model.runs.queued().map(|run| run.ticket).collect();
    if !tickets.is_empty() {
        model.notice = Some(format!("{} cancelled", count(tickets.len() as u64)));
    }
    work::stop(model, &tickets)
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let text = match model.screens.last() {
        Some(Screen::Repo(repo)) => repo.copied(),
        Some(Screen::Run(ticket)) => model.runs.get(*ticket).and_then(|run| match &run.state {
            RunState::Ended(Ok(Outcome::Consolidated(report))) => {
                report.consolidated_key.map(|key| key.to_string())
            }
            RunState::Ended(Ok(Outcome::Verified(report))) => {
                let problem = report.problems.get(run.top.at(report.problems.len()))?;
                problem.entity.clone().or(problem.pack.map(|key| key.to_string()))
            }
            _ => None,
        }),
        Some(Screen::History) => {
            model.history.current().and_then(|entry| entry.record.consolidated_key.clone())
        }
        Some(Screen::Record(entry, _)) => entry.record.consolidated_key.clone(),
        Some(Screen::Jobs | Screen::Job(_)) => model.current_job().map(|job| job.id.to_string()),
        Some(Screen::Prune) => model.prune.current().map(|pack| pack.pack.to_string()),
        Some(Screen::Health) => model.current_finding().and_then(Finding::command),
        Some(Screen::Packs(_)) => model.pack_here().map(|key| key.to_string()),
        Some(Screen::Tokens) => model.tokens.current().map(|token| token.id.clone()),
        Some(Screen::NewToken(token)) => {
            let text = token.token.clone().unwrap_or_default();
            // The notice must not have it.
            model.notice = Some("Copied the token".to_owned());
            return vec![Effect::Copy(text)];
        }
        Some(Screen::Workers) => model.workers.current().map(|job| job.id.to_string()),
        Some(Screen::Commits(_) | Screen::Files(_) | Screen::Find(_) | Screen::Comparison(_)) => {
            model.id_here()
        }
        Some(Screen::Records(records)) => records.pages.current().map(|record| record.id.clone()),
        Some(Screen::Entity(entity)) => Some(entity.id.clone()),
        _ => None,
    };
    let text = text.or_else(|| model.current_repo().map(|repo| repo.to_string()));
    text.map(|text| screens::copy(model, text)).unwrap_or_default()
}
