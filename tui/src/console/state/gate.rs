//! The one gate that every change of a store passes: it shows a plan, and only a confirmed plan is run.

use packhouse_host::{Event, GcReport, RepoName};

use crate::console::backend::{Answer, Failure};
use crate::console::msg::{Effect, Ticket};

/// A question: shall this plan be run?
#[derive(Debug)]
pub(in crate::console) struct Gate {
    pub(in crate::console) repo: RepoName,
    ticket: Ticket,
    pub(in crate::console) state: GateState,
}

/// How far the question is.
#[derive(Debug)]
pub(in crate::console) enum GateState {
    /// The plan is being made; this is its last step.
    Planning(Option<Event>),
    /// The plan, kept under the gate's ticket.
    Ready(GcReport),
    /// There is nothing to do.
    Idle(GcReport),
    /// There is no plan.
    Failed(Failure),
}

impl Gate {
    /// A question whose plan is being made under `ticket`.
    pub(in crate::console) fn new(repo: RepoName, ticket: Ticket) -> Self {
        Gate { repo, ticket, state: GateState::Planning(None) }
    }

    /// Whether an answer to the ticket is for this gate.
    pub(in crate::console) fn awaits(&self, ticket: Ticket) -> bool {
        self.ticket == ticket && matches!(self.state, GateState::Planning(_))
    }

    /// Takes the plan.
    pub(in crate::console) fn take(&mut self, answer: Answer<GcReport>) {
        self.state = match answer {
            Ok(report) if report.skipped => GateState::Idle(report),
            Ok(report) => GateState::Ready(report),
            Err(failure) => GateState::Failed(failure),
        };
    }

    /// The operator said yes: the ticket of the work, and the effect that does it. None while there is no plan.
    pub(in crate::console) fn confirm(&self) -> Option<(Ticket, Effect)> {
        matches!(self.state, GateState::Ready(_)).then_some((self.ticket, Effect::Run(self.ticket)))
    }

    /// The operator said no: what is left to do.
    pub(in crate::console) fn decline(self) -> Effect {
        match self.state {
            GateState::Planning(_) => Effect::Cancel(self.ticket),
            GateState::Ready(_) | GateState::Idle(_) | GateState::Failed(_) => Effect::Forget(self.ticket),
        }
    }
}
