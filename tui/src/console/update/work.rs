//! Runs: shows, starts and cancels them, and handles their end.

use jiff::Timestamp;
use packhouse_host::{Event, PruneReport, RepoName};

use super::reload;
use crate::console::failure::{BackendResult, FailureKind};
use crate::console::keys::{Action, Focus};
use crate::console::msg::Effect;
use crate::console::state::{
    Abandoned, Call, ConfirmDialog, Cursor, Leave, Level, Model, Outcome, Prune, Run, RunState,
    Screen, Started, Ticket,
};
use crate::text::{plural, size};

/// Shows the queued or active run of a repo; false if there is none.
pub(super) fn show_open(model: &mut Model, repo: &RepoName) -> bool {
    let open = model.runs.of_repo(repo).filter(|run| run.is_open()).map(|run| run.ticket);
    if let Some(ticket) = open {
        show(model, ticket);
    }
    open.is_some()
}

/// Shows a run, instead of the run that is displayed now.
pub(super) fn show(model: &mut Model, ticket: Ticket) {
    if matches!(model.screens.last(), Some(Screen::Run(_))) {
        model.screens.pop();
    }
    model.screens.push(Screen::Run(ticket));
}

/// Shows the list of runs.
pub(super) fn show_all(model: &mut Model) {
    model.runs.cursor = Cursor::default();
    model.screens.clear();
    model.screens.push(Screen::Runs);
}

/// Starts queued runs.
pub(super) fn start(model: &mut Model) -> Vec<Effect> {
    let before: Vec<Ticket> = model.runs.running().map(|run| run.ticket).collect();
    let started = model.runs.start(model.now);
    for run in model.runs.running().filter(|run| !before.contains(&run.ticket)) {
        let (level, message) = log_entry(run);
        model.log.say(model.now, level, message);
    }
    started.into_iter().filter_map(|started| call(started, model.now)).collect()
}

/// Makes the call of a run; none for a run of a repo that names none.
fn call(Started { ticket, repo, call }: Started, now: Timestamp) -> Option<Effect> {
    Some(match call {
        Call::Plan(permit) => Effect::Run(permit, ticket),
        Call::Consolidate(permit) => Effect::Consolidate(permit, ticket, repo?),
        Call::Verify => Effect::Verify(ticket, repo?),
        Call::Repair(permit) => Effect::Repair(permit, ticket, repo?),
        Call::Prune(permit, asked_at) => {
            Effect::Prune(permit, ticket, Prune::of_preview(asked_at, now))
        }
    })
}

/// Ends what is no longer wanted.
pub(super) fn abandon(abandoned: Abandoned) -> Effect {
    match abandoned {
        Abandoned::Call(ticket) => Effect::Cancel(ticket),
        Abandoned::Plan(ticket) => Effect::Forget(ticket),
    }
}

/// Takes progress of a plan or a run. False if it has ended already.
pub(super) fn step(model: &mut Model, ticket: Ticket, event: Event) -> bool {
    if let Some(dialog) = model.dialog.as_mut().filter(|dialog| dialog.awaits(ticket)) {
        dialog.step(event);
        return true;
    }
    model.runs.step(ticket, event, model.now)
}

/// Cancels runs.
pub(super) fn stop(model: &mut Model, tickets: &[Ticket]) -> Vec<Effect> {
    let abandoned = model.runs.stop(tickets, model.now);
    bulk_ended(model);
    let mut effects: Vec<Effect> = abandoned.into_iter().map(abandon).collect();
    effects.extend(start(model));
    effects.extend(leave_when_done(model));
    effects
}

/// Handles the end of a run: reloads the screens, and starts the next run.
pub(super) fn ended(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<Outcome>,
) -> Vec<Effect> {
    model.dirty = true;
    model.runs.end(ticket, answer, model.now);
    bulk_ended(model);
    let Some(run) = model.runs.get(ticket) else { return Vec::new() };
    let repo = run.repo.clone();
    let (level, message) = log_entry(run);
    let (bad, renew) = (level == Level::Error, needs_new_plan(run));
    model.log.say(model.now, level, message);
    if model.leave.is_some() && bad {
        // Don't quit before the operator has seen a failure or damage.
        model.leave = None;
        show(model, ticket);
    }
    let mut effects = start(model);
    let leaving = leave_when_done(model);
    if !leaving.is_empty() {
        return leaving;
    }
    let shown = matches!(model.screens.last(), Some(Screen::Run(shown)) if *shown == ticket);
    let Some(repo) = repo else {
        model.prune.pace.expire();
        effects.extend(reload::all(model));
        return effects;
    };
    if renew && shown && model.dialog.is_none() && model.leave.is_none() {
        effects.extend(show_new_plan(model, ticket, &repo));
    }
    let fresh = model.ticket();
    effects.push(Effect::Summarise(fresh, repo));
    effects.extend(reload::screens(model));
    effects
}

/// Says how the runs have ended that were started together, if the last of them has. In the list of
/// runs, the cursor is then on the first that failed.
fn bulk_ended(model: &mut Model) {
    let Some(tally) = model.runs.take_bulk() else { return };
    let level = if tally.failed > 0 { Level::Error } else { Level::Note };
    model.log.say(model.now, level, tally.to_string());
    let is_listed = matches!(model.screens.last(), Some(Screen::Runs)) && model.dialog.is_none();
    let way = match (tally.failed, is_listed) {
        // The list says it above its lines.
        (0, true) => return,
        (0, false) => String::new(),
        (_, true) => {
            let bad = model.runs.listed().iter().position(|run| run.is_bad());
            bad.into_iter().for_each(|line| model.runs.cursor.set(line));
            format!("; {} shows the failed", model.keymap.key_in(Focus::Runs, Action::Open))
        }
        (_, false) => format!("; {} lists them", model.keymap.key_of(Action::Runs)),
    };
    model.notice = Some(format!("{tally}{way}"));
}

/// Whether the repo has changed since its plan was displayed.
fn needs_new_plan(run: &Run) -> bool {
    let conflict = matches!(&run.state, RunState::Ended(Err(failure)) if failure.kind == FailureKind::Conflict);
    run.planned && conflict
}

/// Shows a new plan after the repo has changed. It does not ask for confirmation, so that a second
/// key press for the old plan can't confirm the new one.
fn show_new_plan(model: &mut Model, old: Ticket, repo: &RepoName) -> Vec<Effect> {
    model.screens.pop();
    model.runs.drop(old);
    let ticket = model.ticket();
    let mut dialog = ConfirmDialog::one(repo.clone(), ticket, false);
    dialog.renewed = true;
    model.dialog = Some(dialog);
    vec![Effect::Plan(ticket, repo.clone())]
}

/// Quits if requested, once no run is left.
pub(super) fn leave_when_done(model: &mut Model) -> Vec<Effect> {
    let idle = model.runs.open().next().is_none();
    match model.leave {
        Some(Leave::Waiting | Leave::Stopping) if idle => vec![Effect::Quit],
        Some(Leave::Asking) if idle => {
            model.leave = None;
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// The log entry for the start or the end of a run.
fn log_entry(run: &Run) -> (Level, String) {
    let (repo, noun) = (run.of(), run.work.noun());
    match &run.state {
        RunState::Ended(Ok(Outcome::Consolidated(report))) if report.skipped => {
            (Level::Note, format!("{repo}: nothing to consolidate"))
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) => {
            let key = report.consolidated_key.map(|key| key.to_string()).unwrap_or_default();
            (
                Level::Note,
                format!(
                    "{repo}: consolidated {} into one, {key}",
                    plural(report.packs_before, "pack")
                ),
            )
        }
        RunState::Ended(Ok(Outcome::Verified(report))) if report.ok => {
            (Level::Note, format!("{repo}: verified, no problems"))
        }
        RunState::Ended(Ok(Outcome::Verified(report))) => (
            Level::Error,
            format!("{repo}: {} found", plural(report.problems.len() as u64, "problem")),
        ),
        RunState::Ended(Ok(Outcome::Pruned(report))) => {
            let level = if report.kept.is_empty() { Level::Note } else { Level::Error };
            (level, format!("{repo}: {}", pruned(report)))
        }
        RunState::Ended(Err(failure)) => match failure.kind {
            FailureKind::Cancelled => (Level::Note, format!("{repo}: {noun} cancelled")),
            FailureKind::Conflict => {
                (Level::Warning, format!("{repo}: {noun} conflicted: {failure}"))
            }
            FailureKind::Refused | FailureKind::Damage | FailureKind::Unreachable => {
                (Level::Error, format!("{repo}: {noun} failed: {failure}"))
            }
        },
        RunState::Queued(_) | RunState::Running { .. } => {
            (Level::Note, format!("{repo}: {}", run.work.doing()))
        }
    }
}

/// What a prune has done, in a line: `40 packs deleted, 590.0 MiB`.
pub(in crate::console) fn pruned(report: &PruneReport) -> String {
    let deleted = plural(report.packs_deleted, "pack");
    let kept = match report.packs_kept {
        0 => String::new(),
        kept => format!("; {} kept", plural(kept, "pack")),
    };
    format!("{deleted} deleted, {}{kept}", size(report.bytes_deleted))
}
