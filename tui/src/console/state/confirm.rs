//! The confirm dialog. Every change to a store passes it: it shows a plan, and returns a [`Permit`]
//! when the operator confirms.

use std::collections::HashSet;

use packhouse_host::{Event, GcReport, RepoName, RepoSummary};

use super::{Choice, Cursor, Input, Why};
use crate::console::backend::{BackendResult, Failure};
use crate::console::keys::Place;
use crate::console::msg::{Effect, Ticket};

/// More repos than these are not changed by one key: their number has to be typed.
const MOST_BY_KEY: usize = 10;

/// Proof that the operator confirmed. Only a confirmed [`ConfirmDialog`] makes one, and every effect
/// that changes a store needs one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Permit(());

/// A plan that is shown, and the question whether to run it.
#[derive(Debug)]
pub(in crate::console) struct ConfirmDialog {
    ticket: Ticket,
    pub(in crate::console) subject: Subject,
    pub(in crate::console) asks: Asks,
    /// Marked repos that it is not about.
    pub(in crate::console) left_out: Vec<(RepoName, Why)>,
    /// Repos that it is about, and that the list doesn't show.
    pub(in crate::console) hidden: HashSet<RepoName>,
    /// Whether a frame has shown what a yes would run: keys may come faster than frames.
    seen: bool,
    /// Whether the repo changed while an earlier plan was looked at, and this is the new one.
    pub(in crate::console) renewed: bool,
    /// Why the answer that was typed is not taken.
    pub(in crate::console) refusal: Option<String>,
    /// The line at which the plan begins to be seen.
    pub(in crate::console) top: Cursor,
}

/// What the plan is about.
#[derive(Debug)]
pub(in crate::console) enum Subject {
    /// One repo, and how far its plan is.
    One(RepoName, PlanState),
    /// Many, each of which is planned when its turn comes.
    Many(Vec<RepoSummary>),
}

/// How far a plan is.
#[derive(Debug)]
pub(in crate::console) enum PlanState {
    /// It is being made; this is its last step.
    Planning(Option<Event>),
    /// The plan is kept under the dialog's ticket.
    Ready(Box<GcReport>),
    /// There is nothing to do.
    Idle(Box<GcReport>),
    /// There is none.
    Failed(Failure),
}

/// What the operator has to do for a yes.
#[derive(Debug)]
pub(in crate::console) enum Asks {
    /// Nothing helps: the plan is only shown.
    Nothing,
    /// The key of [`crate::console::keys::Action::Confirm`].
    Key,
    /// To type how many repos there are.
    Count(Input),
}

impl Asks {
    fn about(repos: usize) -> Asks {
        match repos {
            0 => Asks::Nothing,
            1..=MOST_BY_KEY => Asks::Key,
            _ => Asks::Count(Input::default()),
        }
    }
}

/// What was confirmed.
#[derive(Debug)]
pub(in crate::console) enum Confirmed {
    /// The plan that is kept under the ticket.
    Plan(Permit, Ticket, RepoName),
    /// A consolidation of each of these.
    Many(Permit, Vec<RepoName>),
}

impl ConfirmDialog {
    /// A question about one repo, whose plan is being made under `ticket`; or, without `asking`,
    /// the plan alone.
    pub(in crate::console) fn one(repo: RepoName, ticket: Ticket, asking: bool) -> ConfirmDialog {
        let asks = if asking { Asks::Key } else { Asks::Nothing };
        let (subject, top) = (Subject::One(repo, PlanState::Planning(None)), Cursor::default());
        ConfirmDialog {
            ticket,
            subject,
            asks,
            left_out: Vec::new(),
            hidden: HashSet::new(),
            seen: false,
            renewed: false,
            refusal: None,
            top,
        }
    }

    /// A question about marked repos. Where one is left, it is about that one, with its whole plan.
    pub(in crate::console) fn of(choice: Choice, ticket: Ticket, asking: bool) -> ConfirmDialog {
        let Choice { repos, left_out, hidden } = choice;
        let (subject, asks) = match &repos[..] {
            [one] => (Subject::One(one.repo.clone(), PlanState::Planning(None)), Asks::Key),
            many => (Subject::Many(many.to_vec()), Asks::about(many.len())),
        };
        let asks = if asking { asks } else { Asks::Nothing };
        ConfirmDialog {
            ticket,
            subject,
            asks,
            left_out,
            hidden,
            seen: false,
            renewed: false,
            refusal: None,
            top: Cursor::default(),
        }
    }

    /// What makes its plan, if it needs one.
    pub(in crate::console) fn plan(&self) -> Option<Effect> {
        self.repo().map(|repo| Effect::Plan(self.ticket, repo.clone()))
    }

    /// Begins to ask, where the plan was only shown.
    pub(in crate::console) fn ask(&mut self) {
        self.asks = match &self.subject {
            Subject::One(_, PlanState::Planning(_) | PlanState::Ready(_)) => Asks::Key,
            Subject::One(..) => Asks::Nothing,
            Subject::Many(repos) => Asks::about(repos.len()),
        };
    }

    /// Where the operator is, as far as keys go.
    pub(in crate::console) fn place(&self) -> Place {
        match self.asks {
            Asks::Nothing => Place::Preview,
            Asks::Key => Place::Confirm,
            Asks::Count(_) => Place::Typing,
        }
    }

    /// The only repo that it is about.
    pub(in crate::console) fn repo(&self) -> Option<&RepoName> {
        match &self.subject {
            Subject::One(repo, _) => Some(repo),
            Subject::Many(_) => None,
        }
    }

    /// Whether there is something that could be run.
    pub(in crate::console) fn is_ready(&self) -> bool {
        match &self.subject {
            Subject::One(_, state) => matches!(state, PlanState::Ready(_)),
            Subject::Many(repos) => !repos.is_empty(),
        }
    }

    /// Whether a result for the ticket belongs to this dialog.
    pub(in crate::console) fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket && matches!(self.subject, Subject::One(_, PlanState::Planning(_)))
    }

    /// A frame was drawn in which it can be seen.
    pub(in crate::console) fn drawn(&mut self) {
        self.seen |= self.is_ready();
    }

    /// Whether a frame has shown what a yes would run.
    #[cfg(test)]
    pub(in crate::console) fn is_seen(&self) -> bool {
        self.seen
    }

    /// Takes a step of the planning.
    pub(in crate::console) fn step(&mut self, event: Event) {
        if let Subject::One(_, state @ PlanState::Planning(_)) = &mut self.subject {
            *state = PlanState::Planning(Some(event));
        }
    }

    /// Takes the plan. One with nothing to do, or that failed, asks nothing any more.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<GcReport>) {
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

    /// The operator confirms. Returns `None` while nothing can be run or the plan has not been drawn
    /// yet, and when the typed number is wrong; then the dialog says so and stays open.
    pub(in crate::console) fn confirm(&mut self) -> Option<Confirmed> {
        if !self.seen {
            return None;
        }
        match (&self.asks, &self.subject) {
            (Asks::Key, Subject::One(repo, PlanState::Ready(_))) => {
                Some(Confirmed::Plan(Permit(()), self.ticket, repo.clone()))
            }
            (Asks::Key, Subject::Many(repos)) => Some(Confirmed::Many(Permit(()), names(repos))),
            (Asks::Count(typed), Subject::Many(repos)) => {
                if typed.text().trim() == repos.len().to_string() {
                    return Some(Confirmed::Many(Permit(()), names(repos)));
                }
                self.refusal = Some(match typed.text().trim() {
                    "" => format!(
                        "Nothing was typed. It is {} repos: type that number, or leave with Esc.",
                        repos.len()
                    ),
                    other => format!("{other} is not {}. Nothing was done.", repos.len()),
                });
                None
            }
            _ => None,
        }
    }

    /// The operator said no: what is left to do.
    pub(in crate::console) fn decline(self) -> Option<Effect> {
        match self.subject {
            Subject::One(_, PlanState::Planning(_)) => Some(Effect::Cancel(self.ticket)),
            Subject::One(..) => Some(Effect::Forget(self.ticket)),
            Subject::Many(_) => None,
        }
    }
}

fn names(repos: &[RepoSummary]) -> Vec<RepoName> {
    repos.iter().map(|repo| repo.repo.clone()).collect()
}

#[cfg(test)]
mod tests;
