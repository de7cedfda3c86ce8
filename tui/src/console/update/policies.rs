//! The policies: shows them, and which repos are due, and sets one after a confirmation.

use packhouse_host::{PolicyCheck, PolicyReport};

use super::{reload, screens};
use crate::console::failure::BackendResult;
use crate::console::keys::Focus;
use crate::console::msg::Effect;
use crate::console::state::{
    ConfirmDialog, Cursor, Level, Model, PolicyChange, PolicyForm, Screen, Ticket,
};
use crate::text::{escaped, rules};

/// Shows the policies.
pub(super) fn show(model: &mut Model) -> Vec<Effect> {
    screens::open(model, |screen| matches!(screen, Screen::Policies), Screen::Policies);
    model.policies.cursor = Cursor::default();
    model.policies.pace.expire();
    reload::what_is_due(model)
}

/// Loads the policy of the current repo, to edit it. A repo with one pack is not in the list of
/// policies.
pub(super) fn load(model: &mut Model) -> Vec<Effect> {
    let repo = model.current_repo().filter(|_| !model.read_only);
    let ticket = model.ticket();
    repo.map(|repo| Effect::Policy(ticket, repo)).into_iter().collect()
}

/// The policy of a repo. Opens its form, if the repo is still the current one.
pub(super) fn loaded(model: &mut Model, answer: BackendResult<Box<PolicyReport>>) {
    model.dirty = true;
    match answer {
        Ok(policy) => {
            let is_there = matches!(model.focus(), Focus::Repos | Focus::Repo);
            if is_there && model.current_repo() == policy.repo {
                edit(model, Some(*policy));
            }
        }
        Err(failure) => {
            let text = format!("Loading the policy failed: {failure}");
            model.notice = Some(text.clone());
            model.log.say(model.now, Level::Error, text);
        }
    }
}

/// Opens the form of a policy.
pub(super) fn edit(model: &mut Model, policy: Option<PolicyReport>) {
    if let Some(policy) = policy.filter(|_| !model.read_only) {
        model.screens.push(Screen::PolicyForm(Box::new(PolicyForm::new(policy))));
    }
}

/// Goes to another field of the form; the first follows the last.
pub(super) fn step(model: &mut Model, by: isize) {
    if let Some(form) = model.policy_form() {
        let fields = form.fields.len();
        let at = form.cursor.at(fields) as isize + by;
        form.cursor.set(at.rem_euclid(fields.max(1) as isize) as usize);
    }
}

/// Asks whether to set or reset the policy of the form, unless something is wrong with it.
pub(super) fn ask(model: &mut Model, change: fn(&PolicyForm) -> Result<PolicyChange, String>) {
    let read_only = model.read_only;
    let Some(form) = model.policy_form() else { return };
    match change(form) {
        Ok(_) if read_only => {}
        Ok(change) => model.dialog = Some(ConfirmDialog::of_policy(change, model.ticket())),
        Err(refusal) => form.refusal = Some(refusal),
    }
}

/// A policy was set, or could not be set. Then its form stays, and says why.
pub(super) fn set(model: &mut Model, answer: BackendResult<Box<PolicyReport>>) -> Vec<Effect> {
    model.dirty = true;
    let (level, text) = match answer {
        Ok(set) => {
            if model.policy_form().is_some_and(|form| form.now.repo == set.repo) {
                model.screens.pop();
            }
            let of = of(&set);
            (Level::Note, format!("{of} is set: {}", rules(&set.policy)))
        }
        Err(failure) => {
            if let Some(form) = model.policy_form() {
                form.refusal = Some(failure.message.clone());
            }
            (Level::Error, format!("Setting the policy failed: {failure}"))
        }
    };
    model.notice = Some(text.clone());
    model.log.say(model.now, level, text);
    model.policies.pace.expire();
    reload::what_is_due(model)
}

/// Which policy it is.
fn of(policy: &PolicyReport) -> String {
    match (&policy.repo, policy.set) {
        (Some(repo), true) => format!("The policy of {}", escaped(&repo.to_string())),
        (Some(repo), false) => format!("The default policy of {}", escaped(&repo.to_string())),
        (None, true) => "The default policy".to_owned(),
        (None, false) => "The built-in default policy".to_owned(),
    }
}

/// The default policy, and the repos with several packs.
pub(super) fn checked(
    model: &mut Model,
    ticket: Ticket,
    answer: BackendResult<(PolicyReport, Vec<PolicyCheck>)>,
) {
    if reload::takes(model, |model| &mut model.policies.pace, ticket, &answer) {
        model.policies.take(answer, model.now);
    }
}
