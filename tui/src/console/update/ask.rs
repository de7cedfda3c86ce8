//! Plans and confirmations, which lead to runs.

use std::collections::HashSet;

use packhouse_host::{GcPlanReport, RepoName, RepoSummary};

use super::work;
use crate::console::failure::BackendResult;
use crate::console::keys::Focus;
use crate::console::msg::Effect;
use crate::console::state::{Call, Choice, ConfirmDialog, Confirmed, Level, Model, Ticket, Work};
use crate::text::count;

/// The marked repos, if an action applies to them.
fn marked(model: &Model) -> Vec<RepoSummary> {
    if model.focus() == Focus::Repos { model.repos.marked() } else { Vec::new() }
}

/// Repos with such a run queued or active.
fn busy(model: &Model, work: Work) -> HashSet<RepoName> {
    model.runs.open().filter(|run| run.work == work).filter_map(|run| run.repo.clone()).collect()
}

/// Shows a plan and, if `asking`, asks to confirm it. If the repo already has a run, shows that
/// instead.
pub(super) fn ask(model: &mut Model, asking: bool) -> Vec<Effect> {
    let asking = asking && !model.read_only;
    if let Some(dialog) = &mut model.dialog {
        if asking {
            dialog.ask();
        }
        return Vec::new();
    }
    let marked = marked(model);
    let dialog = if marked.is_empty() {
        let Some(repo) = model.current_repo() else { return Vec::new() };
        if work::show_open(model, &repo) {
            return Vec::new();
        }
        ConfirmDialog::one(repo, model.ticket(), asking)
    } else {
        ConfirmDialog::of(choose(model, marked), model.ticket(), asking)
    };
    let to_plan = dialog.to_plan();
    model.dialog = Some(dialog);
    to_plan.map(|(ticket, repo)| Effect::Plan(ticket, repo)).into_iter().collect()
}

fn choose(model: &Model, marked: Vec<RepoSummary>) -> Choice {
    let busy = busy(model, Work::Consolidate);
    let shown: HashSet<&RepoName> = model.repos.from(0).map(|repo| &repo.repo).collect();
    Choice::of(marked, |repo| busy.contains(repo), |repo| shown.contains(repo))
}

/// A plan was made, or could not be made.
pub(super) fn planned(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<GcPlanReport>,
) -> Vec<Effect> {
    let Some(dialog) = model.dialog.as_mut().filter(|dialog| dialog.awaits(ticket)) else {
        // Declined meanwhile.
        return vec![Effect::Forget(ticket)];
    };
    if let (Err(failure), Some(repo)) = (&answer, dialog.repo()) {
        let message = format!("{repo}: planning failed: {failure}");
        model.log.say(model.now, Level::Error, message);
    }
    dialog.take(answer);
    model.dirty = true;
    Vec::new()
}

/// The operator confirms.
pub(super) fn confirm(model: &mut Model) -> Vec<Effect> {
    if !model.may_confirm() {
        return Vec::new();
    }
    let Some(confirmed) = model.dialog.as_mut().and_then(ConfirmDialog::confirm) else {
        if model.extent.cramped {
            model.notice =
                Some("Nothing was done: this terminal is too small to confirm".to_owned());
        }
        return Vec::new();
    };
    // Also what the dialog is about, if it was typed.
    (model.dialog, model.prompt) = (None, None);
    if let Confirmed::Command(line) = confirmed {
        return vec![Effect::Command(line)];
    }
    if model.screens.is_empty() {
        // The marks have served their purpose.
        model.repos.unmark();
    }
    match confirmed {
        Confirmed::Plan(permit, ticket, repo) => {
            model.runs.ask(ticket, repo, Work::Consolidate, Call::Plan(permit), model.now);
            work::show(model, ticket);
        }
        Confirmed::Job(permit, id, change) => {
            let ticket = model.ticket();
            return vec![Effect::ChangeJob(permit, ticket, id, change)];
        }
        Confirmed::NewToken(permit, token) => {
            let ticket = model.ticket();
            return vec![Effect::CreateToken(permit, ticket, token)];
        }
        Confirmed::Revoke(permit, id) => {
            let ticket = model.ticket();
            return vec![Effect::RevokeToken(permit, ticket, id)];
        }
        Confirmed::Policy(permit, change) => {
            let ticket = model.ticket();
            return vec![Effect::SetPolicy(permit, ticket, change)];
        }
        Confirmed::Branch(permit, branch) => {
            let ticket = model.ticket();
            return vec![Effect::DeleteBranch(permit, ticket, branch)];
        }
        Confirmed::Command(_) => {}
        Confirmed::Repair(permit, repos) => {
            run_each(model, repos, Work::Repair, || Call::Repair(permit.clone()));
        }
        Confirmed::Prune(permit, asked_at) => {
            let (ticket, call) = (model.ticket(), Call::Prune(permit, asked_at));
            model.runs.ask(ticket, None::<RepoName>, Work::Prune, call, model.now);
            work::show(model, ticket);
        }
        Confirmed::Many(permit, repos) => {
            run_each(model, repos, Work::Consolidate, || Call::Consolidate(permit.clone()));
        }
    }
    work::start(model)
}

/// Queues a run of each repo, and shows it, or the list of all.
fn run_each(model: &mut Model, repos: Vec<RepoName>, work: Work, call: impl Fn() -> Call) {
    let mut bulk = Vec::with_capacity(repos.len());
    for repo in repos {
        let ticket = model.ticket();
        model.runs.ask(ticket, repo, work, call(), model.now);
        bulk.push(ticket);
    }
    match &bulk[..] {
        [only] => work::show(model, *only),
        _ => {
            work::show_all(model);
            model.runs.begin_bulk(bulk);
        }
    }
}

/// The operator declines a plan, or to quit.
pub(super) fn decline(model: &mut Model) -> Vec<Effect> {
    if model.leave.take().is_some() {
        return Vec::new();
    }
    let abandoned = model.dialog.take().and_then(ConfirmDialog::decline);
    abandoned.map(work::abandon).into_iter().collect()
}

/// Verifies the current or the marked repos, without a confirmation: it changes nothing.
pub(super) fn verify(model: &mut Model) -> Vec<Effect> {
    let marked = marked(model);
    if !marked.is_empty() {
        return verify_many(model, marked);
    }
    let Some(repo) = model.current_repo() else { return Vec::new() };
    // Closes a plan that found damage.
    let mut effects = decline(model);
    if !work::show_open(model, &repo) {
        let ticket = model.ticket();
        model.runs.ask(ticket, repo, Work::Verify, Call::Verify, model.now);
        work::show(model, ticket);
        effects.extend(work::start(model));
    }
    effects
}

/// Asks whether to repair the displayed repo, the selected one, or the marked ones. If the only one has
/// a run, shows that instead.
pub(super) fn ask_repair(model: &mut Model) -> Vec<Effect> {
    let repos = model.to_repair();
    if repos.is_empty() && !model.read_only {
        let why = match model.damaged_here() {
            Some(_) => "The last repair found no intact copies, and nothing was stored since",
            None if model.focus() == Focus::Repos && model.repos.marks() > 0 => {
                "None of the marked repos is damaged"
            }
            None => "There is nothing to repair",
        };
        model.notice = Some(why.to_owned());
    }
    ask_to_repair(model, repos)
}

/// Asks whether to repair all damaged repos.
pub(super) fn ask_repair_all(model: &mut Model) -> Vec<Effect> {
    let repos: Vec<RepoName> = model.damaged_repos().cloned().collect();
    if repos.is_empty() {
        model.notice = Some("There is nothing to repair: no repo has known damage".to_owned());
    }
    ask_to_repair(model, repos)
}

/// Asks whether to repair repos. Those that are being repaired, or will be, are left out.
fn ask_to_repair(model: &mut Model, repos: Vec<RepoName>) -> Vec<Effect> {
    if repos.is_empty() || model.read_only {
        return Vec::new();
    }
    if let [only] = &repos[..]
        && work::show_open(model, only)
    {
        return Vec::new();
    }
    let busy = busy(model, Work::Repair);
    let repos: Vec<RepoName> = repos.into_iter().filter(|repo| !busy.contains(repo)).collect();
    match repos.is_empty() {
        true => work::show_all(model),
        false => model.dialog = Some(ConfirmDialog::of_repair(repos, model.ticket())),
    }
    Vec::new()
}

fn verify_many(model: &mut Model, marked: Vec<RepoSummary>) -> Vec<Effect> {
    let (busy, mut skipped, mut bulk) = (busy(model, Work::Verify), 0, Vec::new());
    work::show_all(model);
    for RepoSummary { repo, .. } in marked {
        if busy.contains(&repo) {
            skipped += 1;
            continue;
        }
        let ticket = model.ticket();
        model.runs.ask(ticket, repo, Work::Verify, Call::Verify, model.now);
        bulk.push(ticket);
    }
    model.runs.begin_bulk(bulk);
    if skipped > 0 {
        model.notice = Some(format!("{} skipped: already being verified", count(skipped)));
    }
    model.repos.unmark();
    work::start(model)
}
