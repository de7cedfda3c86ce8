//! The branches of a repo: deletes one after a confirmation.

use packhouse_host::BranchDeleteReport;

use super::reload;
use crate::console::failure::BackendResult;
use crate::console::keys::{Action, Focus};
use crate::console::msg::Effect;
use crate::console::state::{Branch, ConfirmDialog, Level, Model, Screen};
use crate::text::{escaped, short_id};

/// Asks whether to delete the selected branch. If it is out of sight, shows it first.
pub(super) fn ask(model: &mut Model) {
    let (is_in_sight, key) =
        (model.is_row_in_sight(), model.keymap.key_in(Focus::Repo, Action::DeleteBranch));
    if let (false, Some((name, _))) = (is_in_sight, model.branch_here()) {
        model.notice = Some(format!("Branch {} is selected; {key} deletes it", escaped(name)));
        if let Some(Screen::Repo(repo)) = model.screens.last_mut() {
            repo.scrolled = true;
        }
        return;
    }
    let branch = match (model.screens.last(), model.branch_here()) {
        (Some(Screen::Repo(repo)), Some((name, head))) => Branch {
            repo: repo.name.clone(),
            name: name.to_owned(),
            head: head.to_owned(),
            is_default: repo
                .known
                .as_ref()
                .is_some_and(|known| known.report.default_branch == name),
        },
        _ => return,
    };
    if !model.read_only {
        model.dialog = Some(ConfirmDialog::of_branch(branch, model.ticket()));
    }
}

/// A branch was deleted, or could not be deleted. Says so, and where it was.
pub(super) fn deleted(
    model: &mut Model,
    branch: &Branch,
    answer: BackendResult<Box<BranchDeleteReport>>,
) -> Vec<Effect> {
    model.dirty = true;
    let (level, text) = match answer {
        Ok(deleted) => {
            let (name, head) = (escaped(&deleted.name), short_id(&deleted.head));
            (Level::Note, format!("{}: branch {name} is deleted; it was at {head}", deleted.repo))
        }
        Err(failure) => {
            let name = escaped(&branch.name);
            (Level::Error, format!("{}: deleting branch {name} failed: {failure}", branch.repo))
        }
    };
    model.notice = Some(text.clone());
    model.log.say(model.now, level, text);
    reload::all(model)
}
