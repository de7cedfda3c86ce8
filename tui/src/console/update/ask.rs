//! What leads to work: plans that are shown, questions, their answers.

use std::collections::HashSet;

use packhouse_host::{RepoName, RepoSummary};

use super::work;
use crate::console::keys::Place;
use crate::console::msg::Effect;
use crate::console::state::{Choice, ConfirmDialog, Confirmed, Model, Work};
use crate::text::count;

/// The repos that are marked, where an action is about them.
fn marked(model: &Model) -> Vec<RepoSummary> {
    if model.place() == Place::Repos { model.repos.marked() } else { Vec::new() }
}

/// Repos on which such work waits or goes on.
fn busy(model: &Model, work: Work) -> HashSet<RepoName> {
    model.runs.open().filter(|run| run.work == work).map(|run| run.repo.clone()).collect()
}

/// Shows a plan and, if `asking`, asks whether to run it. Where work goes on in that repo already,
/// shows that instead.
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
    let effect = dialog.plan();
    model.dialog = Some(dialog);
    effect.into_iter().collect()
}

fn choose(model: &Model, marked: Vec<RepoSummary>) -> Choice {
    let busy = busy(model, Work::Consolidate);
    let shown: HashSet<&RepoName> = model.repos.from(0).map(|repo| &repo.repo).collect();
    Choice::of(marked, |repo| busy.contains(repo), |repo| shown.contains(repo))
}

/// The operator says yes.
pub(super) fn confirm(model: &mut Model) -> Vec<Effect> {
    let Some(confirmed) = model.dialog.as_mut().and_then(ConfirmDialog::confirm) else {
        return Vec::new();
    };
    model.dialog = None;
    if model.screens.is_empty() {
        // What was marked was marked for this.
        model.repos.unmark();
    }
    match confirmed {
        Confirmed::Plan(permit, ticket, repo) => {
            model.runs.ask(ticket, repo, Work::Consolidate, Effect::Run(permit, ticket), model.now);
            work::show(model, ticket);
        }
        Confirmed::Many(permit, repos) => {
            work::show_all(model);
            for repo in repos {
                let ticket = model.ticket();
                let effect = Effect::Consolidate(permit.clone(), ticket, repo.clone());
                model.runs.ask(ticket, repo, Work::Consolidate, effect, model.now);
            }
        }
    }
    work::start(model)
}

/// The operator says no, to a plan or to leaving.
pub(super) fn decline(model: &mut Model) -> Vec<Effect> {
    if model.leave.take().is_some() {
        return Vec::new();
    }
    model.dialog.take().and_then(ConfirmDialog::decline).into_iter().collect()
}

/// Verifies the repo that is looked at or pointed to, or all that are marked. Nothing is asked: it
/// changes nothing.
pub(super) fn verify(model: &mut Model) -> Vec<Effect> {
    let marked = marked(model);
    if !marked.is_empty() {
        return verify_many(model, marked);
    }
    let Some(repo) = model.current_repo() else { return Vec::new() };
    // A plan that found damage is looked into: it is not run.
    let mut effects = decline(model);
    if !work::show_open(model, &repo) {
        let ticket = model.ticket();
        model.runs.ask(ticket, repo.clone(), Work::Verify, Effect::Verify(ticket, repo), model.now);
        work::show(model, ticket);
        effects.extend(work::start(model));
    }
    effects
}

fn verify_many(model: &mut Model, marked: Vec<RepoSummary>) -> Vec<Effect> {
    let (busy, mut left_out) = (busy(model, Work::Verify), 0);
    work::show_all(model);
    for RepoSummary { repo, .. } in marked {
        if busy.contains(&repo) {
            left_out += 1;
            continue;
        }
        let ticket = model.ticket();
        model.runs.ask(ticket, repo.clone(), Work::Verify, Effect::Verify(ticket, repo), model.now);
    }
    if left_out > 0 {
        model.notice = Some(format!("{} left out: being verified already", count(left_out)));
    }
    model.repos.unmark();
    work::start(model)
}
