//! Which actions are enabled. Those that would do nothing are not offered.

use packhouse_host::RepoName;

use super::columns::TableName;
use super::confirm::{ConfirmDialog, PlanState, Subject};
use super::findings::Finding;
use super::jobs::JobChange;
use super::model::Model;
use super::palette::Palette;
use super::repo::Item;
use super::run::{Outcome, Run, RunState};
use super::screen::{Leave, Screen};
use crate::console::keys::{Action, Focus};

impl Model {
    /// Whether an action would do something with the current focus.
    pub(in crate::console) fn is_enabled(&self, action: Action) -> bool {
        self.is_enabled_in(self.focus(), action)
    }

    /// Whether an action does nothing to the displayed record, which has no selection that could change
    /// this.
    pub(in crate::console) fn lacks(&self, focus: Focus, action: Action) -> bool {
        focus == Focus::Entity
            && matches!(action, Action::Open | Action::Raw)
            && !self.is_enabled_in(focus, action)
    }

    /// Whether an action would do something with a focus: the current one, or the one below the
    /// palette.
    pub(super) fn is_enabled_in(&self, focus: Focus, action: Action) -> bool {
        use Action::{
            Back, CancelJob, CancelQueued, Commits, Confirm, Consolidate, Copy, DeleteBranch,
            EditDefault, EditPolicy, LeaveNow, Mark, NextButton, Open, Packs, Preview, PruneNow,
            Raw, Repair, ResetPolicy, RetryJob, Revoke, SortNext, Stop, Verify, Wait,
        };
        match (focus, action) {
            (Focus::Leave, Wait) => self.leave == Some(Leave::Asking),
            (Focus::Leave, LeaveNow) => self.is_disconnected(),
            (Focus::Leave, Stop) => self.leave != Some(Leave::Stopping),
            (Focus::Confirm | Focus::Typing | Focus::Leave, NextButton) => {
                self.buttons(focus).len() > 1
            }
            (Focus::Confirm, Confirm) if !self.may_confirm() => false,
            (Focus::Preview | Focus::Confirm, Confirm | Consolidate | Verify) => {
                self.dialog.as_ref().is_some_and(|dialog| dialog.is_enabled(action))
            }
            (Focus::Repos, Back) => self.repos.marks() > 0 || !self.repos.filter().is_empty(),
            (
                Focus::Repos,
                EditPolicy | Open | Mark | Consolidate | Preview | Verify | SortNext | Copy
                | Commits | Packs,
            ) => self.repos.shown() > 0,
            (Focus::Repo, Open) => self.leads_further(),
            (focus, Action::Server) => focus != Focus::Server && self.connection.is_some(),
            (Focus::Packs, Action::SortNext)
                if self.columns.of(TableName::Packs).shown().is_empty() =>
            {
                false
            }
            (Focus::Repos, Action::Filters) => !self.repos.named.entries.is_empty(),
            (_, Action::Export) => self.export_name().is_some(),
            (_, Action::Command(at)) => {
                self.keymap.command(at).is_some_and(|command| self.has_values(command))
            }
            (Focus::Repo, DeleteBranch) => self.branch_here().is_some() && self.is_row_in_sight(),
            (_, Repair) => !self.to_repair().is_empty(),
            (_, Action::RepairAll) => self.damaged_repos().next().is_some(),
            (Focus::Packs, Action::Compare) => match self.screens.last() {
                Some(Screen::Packs(packs)) => packs.to_compare().is_some(),
                _ => false,
            },
            (Focus::Packs, Open | Copy | SortNext | Mark) => self.pack_here().is_some(),
            (Focus::Tokens, Copy) => self.tokens.current().is_some(),
            (Focus::Tokens, Revoke) => {
                self.tokens.current().is_some_and(|token| token.revoked_at.is_none())
            }
            (Focus::Workers, Open | Copy) => self.workers.current().is_some(),
            (
                Focus::Commits | Focus::Files | Focus::Find | Focus::Records | Focus::Comparison,
                Open,
            ) => self.id_here().is_some(),
            (Focus::Commits | Focus::Files | Focus::Find | Focus::Comparison, Copy) => {
                self.id_here().is_some()
            }
            (Focus::Records, Copy) => {
                matches!(self.screens.last(), Some(Screen::Records(it)) if it.pages.current().is_some())
            }
            (Focus::Commits, Action::Entity) => self.id_here().is_some(),
            (Focus::Entity, Open) => self.record_here().is_some(),
            (Focus::Entity, Raw) => {
                matches!(self.screens.last(), Some(Screen::Entity(entity)) if entity.has_text())
            }
            (Focus::Runs, Open | Copy) => self.runs.len() > 0,
            (Focus::Runs, CancelQueued) => self.runs.queued().next().is_some(),
            (Focus::Runs | Focus::Run, Stop) => self.run_here().is_some_and(Run::can_be_stopped),
            (Focus::History, Open | Copy) => self.history.current().is_some(),
            (Focus::Jobs, Open) => self.jobs.current().is_some(),
            (Focus::Jobs | Focus::Job, Copy) => self.current_job().is_some(),
            (Focus::Jobs | Focus::Job, RetryJob) => self.may(JobChange::Retry),
            (Focus::Jobs | Focus::Job, CancelJob) => self.may(JobChange::Cancel),
            (Focus::Health, Open | Copy) => self.current_finding().is_some_and(Finding::leads),
            (Focus::Policies, Open | Copy | SortNext | EditPolicy) => {
                self.policies.current().is_some()
            }
            (Focus::Policies, EditDefault) => self.policies.default.is_some(),
            (Focus::PolicyForm, ResetPolicy) => {
                matches!(self.screens.last(), Some(Screen::PolicyForm(form)) if form.now.set)
            }
            (Focus::Prune, Open) => self.current_repo().is_some(),
            (Focus::Prune, Copy) => self.prune.current().is_some(),
            (Focus::Prune, PruneNow) => {
                self.prune.deletable().is_some() || self.runs.open_prune().is_some()
            }
            // A prune has no repo.
            (Focus::Done, Consolidate | Preview | Verify) if self.current_repo().is_none() => false,
            (Focus::Repo | Focus::Done | Focus::Record, Consolidate | Preview) => {
                self.has_several_packs()
            }
            // The current screen.
            (Focus::Runs, Action::Runs)
            | (Focus::History, Action::History)
            | (Focus::Repos, Action::Repos)
            | (Focus::Jobs, Action::Jobs)
            | (Focus::Health, Action::Health)
            | (Focus::Prune, Action::Prune)
            | (Focus::Policies, Action::Policies)
            | (Focus::Tokens, Action::Tokens)
            | (Focus::Workers, Action::Workers)
            | (Focus::Log, Action::Log) => false,
            _ => true,
        }
    }

    /// Whether a dialog like the displayed one may be confirmed. A read-only console only has commands
    /// of the config that change nothing, so it confirms those.
    pub(in crate::console) fn may_confirm(&self) -> bool {
        let subject = self.dialog.as_ref().map(|dialog| &dialog.subject);
        !self.read_only || matches!(subject, Some(Subject::Command(_)))
    }

    /// A palette with the actions that are enabled with the current focus.
    pub(in crate::console) fn new_palette(&self) -> Palette {
        let focus = self.focus_below();
        let all = self.keymap.in_focus(focus).map(|binding| binding.row.action);
        Palette::new(focus, all.filter(|action| !self.is_enabled_in(focus, *action)).collect())
    }

    /// Whether a branch head or a pack is selected.
    fn leads_further(&self) -> bool {
        match self.screens.last() {
            Some(Screen::Repo(repo)) => {
                matches!(repo.current(), Some(Item::Head(_) | Item::Pack(_)))
            }
            _ => false,
        }
    }

    /// The selected branch of the displayed repo, and its head.
    pub(in crate::console) fn branch_here(&self) -> Option<(&str, &str)> {
        let Some(Screen::Repo(repo)) = self.screens.last() else { return None };
        let (Some(known), Some(Item::Head(at))) = (&repo.known, repo.current()) else {
            return None;
        };
        let (branch, head) = known.report.branch_heads.iter().nth(at)?;
        Some((branch, head))
    }

    /// Whether the selected line of the displayed repo is visible.
    pub(in crate::console) fn is_row_in_sight(&self) -> bool {
        match self.screens.last() {
            Some(Screen::Repo(repo)) => repo.is_in_sight(&self.extent),
            _ => true,
        }
    }

    /// The displayed repo, if it is damaged and a repair may help.
    pub(super) fn repairable_here(&self) -> Option<&RepoName> {
        let is_left = match self.screens.last()? {
            Screen::Repo(repo) => self.is_repaired_in_vain(repo.known.as_ref()?),
            Screen::Run(ticket) => self.is_left_by_repair(self.runs.get(*ticket)?),
            _ => false,
        };
        self.damaged_here().filter(|_| !is_left)
    }

    /// The displayed repo, if it is damaged, or a verification of it found problems.
    pub(in crate::console) fn damaged_here(&self) -> Option<&RepoName> {
        match self.screens.last()? {
            Screen::Repo(repo) => {
                let known = repo.known.as_ref()?;
                (known.summary.damaged > 0).then_some(&repo.name)
            }
            Screen::Run(ticket) => match self.runs.get(*ticket) {
                Some(Run {
                    repo, state: RunState::Ended(Ok(Outcome::Verified(report))), ..
                }) if !report.ok => repo.as_ref(),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether a change applies to the displayed or selected job.
    fn may(&self, change: JobChange) -> bool {
        self.current_job().is_some_and(|job| change.applies_to(job.status))
    }

    /// The displayed or selected run.
    fn run_here(&self) -> Option<&Run> {
        match self.screens.last() {
            Some(Screen::Run(ticket)) => self.runs.get(*ticket),
            _ => self.runs.current(),
        }
    }

    /// Whether the current repo has more than one pack; true if unknown.
    fn has_several_packs(&self) -> bool {
        let known =
            self.current_repo().and_then(|name| self.repos.get(&name).map(|repo| repo.packs > 1));
        known.unwrap_or(true)
    }
}

impl ConfirmDialog {
    fn is_enabled(&self, action: Action) -> bool {
        let planning = matches!(self.subject, Subject::One(_, PlanState::Planning(_)));
        match action {
            Action::Consolidate => self.is_ready() || planning,
            Action::Verify => self.repo().is_some(),
            _ => self.is_ready(),
        }
    }
}

impl Run {
    fn can_be_stopped(&self) -> bool {
        match self.state {
            RunState::Queued(_) => true,
            RunState::Running { stopping, .. } => !stopping,
            RunState::Ended(_) => false,
        }
    }
}
