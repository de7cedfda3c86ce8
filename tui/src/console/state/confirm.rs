//! The confirm dialog. Every change to a store passes it: it shows a plan, a job, a dry run, a token,
//! a policy or a branch, and returns a [`Permit`] when the operator confirms.

use std::collections::HashSet;

use jiff::Timestamp;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::{Event, GcPlanReport, JobReport, PruneReport, RepoName, RepoSummary};

use super::choice::{Choice, Why};
use super::command_line::CommandLine;
use super::cursor::Cursor;
use super::input::Input;
use super::jobs::JobChange;
use super::policy_form::PolicyChange;
use super::ticket::{Abandoned, Ticket};
use crate::console::failure::{BackendResult, Failure};
use crate::console::keys::{Action, Focus};

/// For more repos than this, the operator has to type their number.
const MAX_BY_KEY: usize = 10;

/// Proof that the operator confirmed. Only a confirmed [`ConfirmDialog`] makes one, and every
/// effect that changes a store needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Permit(());

/// A plan, and whether to run it.
#[derive(Debug)]
pub(in crate::console) struct ConfirmDialog {
    ticket: Ticket,
    pub(in crate::console) subject: Subject,
    pub(in crate::console) asks: Asks,
    /// Marked repos that are skipped.
    pub(in crate::console) left_out: Vec<(RepoName, Why)>,
    /// Repos that the filter hides.
    pub(in crate::console) hidden: HashSet<RepoName>,
    /// Whether the last frame has displayed the plan: keys may come faster than frames, and a terminal
    /// may be too small.
    seen: bool,
    /// Whether this plan replaces an older one because the repo has changed.
    pub(in crate::console) renewed: bool,
    /// Why the typed number is wrong.
    pub(in crate::console) refusal: Option<String>,
    /// The first visible line of the plan.
    pub(in crate::console) top: Cursor,
    /// The selected button; none: the default one.
    pub(super) button: Option<Action>,
}

/// What would be changed.
#[derive(Debug)]
pub(in crate::console) enum Subject {
    /// One repo, and the state of its plan.
    One(RepoName, PlanState),
    /// Many repos; each is planned when it runs.
    Many(Vec<RepoSummary>),
    /// A job, and what would be done to it.
    Job(Box<JobReport>, JobChange),
    /// Packs that no repo needs: the dry run, and when it was asked for.
    Prune(Box<PruneReport>, Timestamp),
    /// A token to create.
    NewToken(Box<NewToken>),
    /// A token to revoke.
    Revoke(Box<TokenReport>),
    /// A policy to set or reset.
    Policy(Box<PolicyChange>),
    /// A branch to delete.
    Branch(Box<Branch>),
    /// Repos to repair.
    Repair(Vec<RepoName>),
    /// A command of the config to run.
    Command(Box<CommandLine>),
}

/// A branch that would be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Branch {
    pub(in crate::console) repo: RepoName,
    pub(in crate::console) name: String,
    /// The commit that it is at.
    pub(in crate::console) head: String,
    /// Whether it is the default branch.
    pub(in crate::console) is_default: bool,
}

impl Subject {
    /// What confirming does, in a few words; `plan` for a plan.
    pub(in crate::console) fn hint(&self, plan: &str) -> String {
        match self {
            Subject::One(..) | Subject::Many(_) => plan.to_owned(),
            Subject::Job(_, change) => format!("{} job", change.verb()),
            Subject::Prune(..) => "prune".to_owned(),
            Subject::NewToken(_) => "create token".to_owned(),
            Subject::Revoke(_) => "revoke token".to_owned(),
            Subject::Policy(change) if change.to.is_some() => "set policy".to_owned(),
            Subject::Policy(_) => "reset policy".to_owned(),
            Subject::Branch(_) => "delete branch".to_owned(),
            Subject::Repair(_) => "repair".to_owned(),
            Subject::Command(line) => format!("run {}", line.name),
        }
    }
}

/// The state of a plan.
#[derive(Debug)]
pub(in crate::console) enum PlanState {
    /// In progress, with its last step.
    Planning(Option<Event>),
    /// The plan is kept under the dialog's ticket.
    Ready(Box<GcPlanReport>),
    /// Nothing to do.
    Idle(Box<GcPlanReport>),
    /// Planning failed.
    Failed(Failure),
}

/// How the operator can confirm.
#[derive(Debug)]
pub(in crate::console) enum Asks {
    /// Not at all: the plan is only displayed.
    Nothing,
    /// With the key of [`crate::console::keys::Action::Confirm`].
    Key,
    /// By typing the number of repos, or of packs to delete.
    Count(Input),
}

impl Asks {
    fn about(repos: usize) -> Asks {
        match repos {
            0 => Asks::Nothing,
            1..=MAX_BY_KEY => Asks::Key,
            _ => Asks::Count(Input::default()),
        }
    }
}

/// What was confirmed.
#[derive(Debug)]
pub(in crate::console) enum Confirmed {
    /// The plan of the ticket.
    Plan(Permit, Ticket, RepoName),
    /// Consolidations of these repos.
    Many(Permit, Vec<RepoName>),
    /// A change of the job with this id.
    Job(Permit, i64, JobChange),
    /// A prune of what was due at a time.
    Prune(Permit, Timestamp),
    /// The creation of a token.
    NewToken(Permit, Box<NewToken>),
    /// The revocation of the token with this ID.
    Revoke(Permit, String),
    /// A policy.
    Policy(Permit, Box<PolicyChange>),
    /// The deletion of a branch.
    Branch(Permit, Box<Branch>),
    /// Repairs of these repos.
    Repair(Permit, Vec<RepoName>),
    /// A command of the config, which needs no permit: most run without a question.
    Command(Box<CommandLine>),
}

impl ConfirmDialog {
    fn about(ticket: Ticket, subject: Subject, asks: Asks) -> ConfirmDialog {
        ConfirmDialog {
            ticket,
            subject,
            asks,
            left_out: Vec::new(),
            hidden: HashSet::new(),
            seen: false,
            renewed: false,
            refusal: None,
            top: Cursor::default(),
            button: None,
        }
    }

    /// A dialog for one repo, planned under `ticket`. Without `asking`, it only shows the plan.
    pub(in crate::console) fn one(repo: RepoName, ticket: Ticket, asking: bool) -> ConfirmDialog {
        let asks = if asking { Asks::Key } else { Asks::Nothing };
        ConfirmDialog::about(ticket, Subject::One(repo, PlanState::Planning(None)), asks)
    }

    /// A dialog for marked repos. If only one remains, it shows the whole plan of that one.
    pub(in crate::console) fn of(choice: Choice, ticket: Ticket, asking: bool) -> ConfirmDialog {
        let Choice { repos, left_out, hidden } = choice;
        let (subject, asks) = match &repos[..] {
            [one] => (Subject::One(one.repo.clone(), PlanState::Planning(None)), Asks::Key),
            many => (Subject::Many(many.to_vec()), Asks::about(many.len())),
        };
        let asks = if asking { asks } else { Asks::Nothing };
        ConfirmDialog { left_out, hidden, ..ConfirmDialog::about(ticket, subject, asks) }
    }

    /// A dialog about a job. There is nothing to plan.
    pub(in crate::console) fn of_job(
        job: JobReport,
        change: JobChange,
        ticket: Ticket,
    ) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::Job(Box::new(job), change), Asks::Key)
    }

    /// A dialog about the packs of a dry run, which would be deleted: their number is typed.
    pub(in crate::console) fn of_prune(
        report: PruneReport,
        asked_at: Timestamp,
        ticket: Ticket,
    ) -> ConfirmDialog {
        let subject = Subject::Prune(Box::new(report), asked_at);
        ConfirmDialog::about(ticket, subject, Asks::Count(Input::default()))
    }

    /// A dialog about a token to create.
    pub(in crate::console) fn of_new_token(token: NewToken, ticket: Ticket) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::NewToken(Box::new(token)), Asks::Key)
    }

    /// A dialog about a token to revoke.
    pub(in crate::console) fn of_revoke(token: TokenReport, ticket: Ticket) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::Revoke(Box::new(token)), Asks::Key)
    }

    /// A dialog about a policy to set or reset.
    pub(in crate::console) fn of_policy(change: PolicyChange, ticket: Ticket) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::Policy(Box::new(change)), Asks::Key)
    }

    /// A dialog about a branch to delete.
    pub(in crate::console) fn of_branch(branch: Branch, ticket: Ticket) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::Branch(Box::new(branch)), Asks::Key)
    }

    /// A dialog about a command of the config.
    pub(in crate::console) fn of_command(line: CommandLine, ticket: Ticket) -> ConfirmDialog {
        ConfirmDialog::about(ticket, Subject::Command(Box::new(line)), Asks::Key)
    }

    /// A dialog about repos to repair.
    pub(in crate::console) fn of_repair(repos: Vec<RepoName>, ticket: Ticket) -> ConfirmDialog {
        let asks = Asks::about(repos.len());
        ConfirmDialog::about(ticket, Subject::Repair(repos), asks)
    }

    /// The repo to plan, and the ticket of its plan, if the dialog needs one.
    pub(in crate::console) fn to_plan(&self) -> Option<(Ticket, RepoName)> {
        self.repo().map(|repo| (self.ticket, repo.clone()))
    }

    /// Asks for confirmation, if the plan was only displayed.
    pub(in crate::console) fn ask(&mut self) {
        self.button = None;
        self.asks = match &self.subject {
            Subject::One(_, PlanState::Planning(_) | PlanState::Ready(_)) => Asks::Key,
            Subject::One(..) => Asks::Nothing,
            Subject::Many(repos) => Asks::about(repos.len()),
            Subject::Prune(..) => Asks::Count(Input::default()),
            _ => Asks::Key,
        };
    }

    /// Which keys it takes.
    pub(in crate::console) fn focus(&self) -> Focus {
        match self.asks {
            Asks::Nothing => Focus::Preview,
            Asks::Key => Focus::Confirm,
            Asks::Count(_) => Focus::Typing,
        }
    }

    /// The only repo of the dialog.
    pub(in crate::console) fn repo(&self) -> Option<&RepoName> {
        match &self.subject {
            Subject::One(repo, _) => Some(repo),
            _ => None,
        }
    }

    /// The number to type, if the dialog asks for one.
    pub(in crate::console) fn number(&self) -> u64 {
        match &self.subject {
            Subject::Many(repos) => repos.len() as u64,
            Subject::Repair(repos) => repos.len() as u64,
            Subject::Prune(report, _) => report.packs_deleted,
            _ => 1,
        }
    }

    /// Whether there is something to run.
    pub(in crate::console) fn is_ready(&self) -> bool {
        match &self.subject {
            Subject::One(_, state) => matches!(state, PlanState::Ready(_)),
            Subject::Many(repos) => !repos.is_empty(),
            _ => true,
        }
    }

    /// Whether a result for the ticket belongs to this dialog.
    pub(in crate::console) fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket && matches!(self.subject, Subject::One(_, PlanState::Planning(_)))
    }

    /// A frame has displayed the dialog, with or without room to read it.
    pub(in crate::console) fn drawn(&mut self, cramped: bool) {
        self.seen = self.is_ready() && !cramped;
    }

    /// Selects a button. It can be pressed when a frame has displayed it as selected: pasted text may
    /// come as single keys.
    pub(super) fn select(&mut self, button: Option<Action>) {
        self.button = button;
        self.seen = false;
    }

    /// Whether a frame has displayed the plan.
    #[cfg(test)]
    pub(in crate::console) fn is_seen(&self) -> bool {
        self.seen
    }

    /// Takes progress of the planning.
    pub(in crate::console) fn step(&mut self, event: Event) {
        if let Subject::One(_, state @ PlanState::Planning(_)) = &mut self.subject {
            *state = PlanState::Planning(Some(event));
        }
    }

    /// Takes the plan. If there is nothing to do or planning failed, there is nothing to confirm.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<GcPlanReport>) {
        if let Subject::One(_, state) = &mut self.subject {
            *state = match answer {
                Ok(report) if report.skipped => PlanState::Idle(Box::new(report)),
                Ok(report) => PlanState::Ready(Box::new(report)),
                Err(failure) => PlanState::Failed(failure),
            };
            if !matches!(state, PlanState::Ready(_)) {
                self.asks = Asks::Nothing;
            }
        }
    }

    /// The operator confirms. Returns `None` while nothing can be run or the plan has not been
    /// drawn yet, and when the typed number is wrong; then the dialog says so and stays open.
    pub(in crate::console) fn confirm(&mut self) -> Option<Confirmed> {
        if !self.seen {
            return None;
        }
        match (&self.asks, &self.subject) {
            (Asks::Key, Subject::One(repo, PlanState::Ready(_))) => {
                Some(Confirmed::Plan(Permit(()), self.ticket, repo.clone()))
            }
            (Asks::Key, Subject::Job(job, change)) => {
                Some(Confirmed::Job(Permit(()), job.id, *change))
            }
            (Asks::Key, Subject::NewToken(token)) => {
                Some(Confirmed::NewToken(Permit(()), token.clone()))
            }
            (Asks::Key, Subject::Revoke(token)) => {
                Some(Confirmed::Revoke(Permit(()), token.id.clone()))
            }
            (Asks::Key, Subject::Policy(change)) => {
                Some(Confirmed::Policy(Permit(()), change.clone()))
            }
            (Asks::Key, Subject::Branch(branch)) => {
                Some(Confirmed::Branch(Permit(()), branch.clone()))
            }
            (Asks::Key, Subject::Repair(repos)) => {
                Some(Confirmed::Repair(Permit(()), repos.clone()))
            }
            (Asks::Key, Subject::Command(line)) => Some(Confirmed::Command(line.clone())),
            (Asks::Key, Subject::Many(repos)) => Some(Confirmed::Many(Permit(()), names(repos))),
            (Asks::Count(typed), _) if typed.text().trim() != self.number().to_string() => {
                let number = self.number();
                self.refusal = Some(match typed.text().trim() {
                    "" => format!("Type {number} to confirm, or press Esc to cancel."),
                    other => format!("{other} is not {number}. Nothing was done."),
                });
                None
            }
            (Asks::Count(_), Subject::Many(repos)) => {
                Some(Confirmed::Many(Permit(()), names(repos)))
            }
            (Asks::Count(_), Subject::Repair(repos)) => {
                Some(Confirmed::Repair(Permit(()), repos.clone()))
            }
            (Asks::Count(_), Subject::Prune(_, asked_at)) => {
                Some(Confirmed::Prune(Permit(()), *asked_at))
            }
            _ => None,
        }
    }

    /// The operator cancels. Returns what is no longer wanted.
    pub(in crate::console) fn decline(self) -> Option<Abandoned> {
        match self.subject {
            Subject::One(_, PlanState::Planning(_)) => Some(Abandoned::Call(self.ticket)),
            Subject::One(..) => Some(Abandoned::Plan(self.ticket)),
            _ => None,
        }
    }
}

fn names(repos: &[RepoSummary]) -> Vec<RepoName> {
    repos.iter().map(|repo| repo.repo.clone()).collect()
}

#[cfg(test)]
mod tests;
