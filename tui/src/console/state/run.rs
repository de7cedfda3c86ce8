//! A run: a consolidation, a verification, a repair or a prune that is queued, active or ended.

use jiff::Timestamp;
use packhouse_host::{Event, GcReport, PruneReport, RepoName, VerifyReport};

use super::confirm::Permit;
use super::cursor::Cursor;
use super::speed::Speed;
use super::ticket::{Abandoned, Ticket};
use crate::console::failure::{Failure, FailureKind};
use crate::text::{percent, phase};

/// The kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Work {
    Consolidate,
    Verify,
    /// Verifies, and repairs what can be repaired.
    Repair,
    /// Deletes packs that no repo needs.
    Prune,
}

impl Work {
    /// The verb form, while it runs.
    pub(in crate::console) const fn doing(self) -> &'static str {
        match self {
            Work::Consolidate => "consolidating",
            Work::Verify => "verifying",
            Work::Repair => "repairing",
            Work::Prune => "pruning",
        }
    }

    /// The noun form.
    pub(in crate::console) const fn noun(self) -> &'static str {
        match self {
            Work::Consolidate => "consolidation",
            Work::Verify => "verification",
            Work::Repair => "repair",
            Work::Prune => "prune",
        }
    }
}

/// A run on one repo, or on the store.
#[derive(Debug)]
pub(in crate::console) struct Run {
    pub(in crate::console) ticket: Ticket,
    /// The repo; none: the store.
    pub(in crate::console) repo: Option<RepoName>,
    pub(in crate::console) work: Work,
    pub(in crate::console) state: RunState,
    /// Whether the operator confirmed its plan, not many repos at once.
    pub(in crate::console) planned: bool,
    /// When it was queued, started and ended.
    pub(in crate::console) queued_at: Timestamp,
    pub(in crate::console) began: Option<Timestamp>,
    pub(in crate::console) ended: Option<Timestamp>,
    /// The scroll position of its screen, or the selected finding.
    pub(in crate::console) top: Cursor,
}

/// The state of a run.
#[derive(Debug)]
pub(in crate::console) enum RunState {
    /// Queued; starts with this call.
    Queued(Call),
    /// Running.
    Running {
        /// The latest progress.
        step: Option<Event>,
        /// Its speed.
        speed: Speed,
        /// Whether it was cancelled.
        stopping: bool,
    },
    /// Ended.
    Ended(Result<Outcome, Failure>),
}

/// The call that a run makes when it starts. Those that change the store carry a permit.
#[derive(Debug)]
pub(in crate::console) enum Call {
    /// Run the plan of the run's ticket.
    Plan(Permit),
    /// Plan and run, for one of many repos.
    Consolidate(Permit),
    /// Verify the repo.
    Verify,
    /// Repair it.
    Repair(Permit),
    /// Delete the packs that were due at a time, and no others.
    Prune(Permit, Timestamp),
}

/// The result of a successful run.
#[derive(Debug)]
pub(in crate::console) enum Outcome {
    Consolidated(Box<GcReport>),
    /// With or without problems.
    Verified(Box<VerifyReport>),
    Pruned(Box<PruneReport>),
}

impl Run {
    /// What it is a run on.
    pub(in crate::console) fn of(&self) -> String {
        self.repo.as_ref().map_or_else(|| "the store".to_owned(), ToString::to_string)
    }

    /// Whether it ended badly: it failed, or found problems. Being cancelled is not bad.
    pub(in crate::console) fn is_bad(&self) -> bool {
        match &self.state {
            RunState::Ended(Err(failure)) => failure.kind != FailureKind::Cancelled,
            RunState::Ended(Ok(Outcome::Verified(report))) => !report.ok,
            _ => false,
        }
    }

    /// Whether it was cancelled.
    pub(in crate::console) fn is_cancelled(&self) -> bool {
        matches!(&self.state, RunState::Ended(Err(failure)) if failure.kind == FailureKind::Cancelled)
    }

    /// Whether it is running.
    pub(in crate::console) fn is_running(&self) -> bool {
        matches!(self.state, RunState::Running { .. })
    }

    /// Whether it is queued or running.
    pub(in crate::console) fn is_open(&self) -> bool {
        !matches!(self.state, RunState::Ended(_))
    }

    /// Cancels the run: a queued one ends at once, a running one stops at its next safe point.
    /// Returns what is no longer wanted.
    pub(super) fn stop(&mut self, now: Timestamp) -> Option<Abandoned> {
        match &mut self.state {
            RunState::Ended(_) | RunState::Running { stopping: true, .. } => None,
            RunState::Running { stopping, .. } => {
                *stopping = true;
                Some(Abandoned::Call(self.ticket))
            }
            RunState::Queued(_) => {
                let message = "Cancelled before it started.".to_owned();
                self.state =
                    RunState::Ended(Err(Failure { kind: FailureKind::Cancelled, message }));
                self.ended = Some(now);
                Some(Abandoned::Plan(self.ticket))
            }
        }
    }

    /// Its step in a few words: `writing 43 %`. `None` after its end.
    pub(in crate::console) fn step_text(&self) -> Option<String> {
        match &self.state {
            RunState::Ended(_) => None,
            RunState::Queued(_) => Some("queued".to_owned()),
            RunState::Running { stopping: true, .. } => Some("stopping".to_owned()),
            RunState::Running { step: None, .. } => Some(format!("{} …", self.work.doing())),
            RunState::Running { step: Some(step), .. } => Some(step_text(step)),
        }
    }
}

/// A step in a few words.
pub(in crate::console) fn step_text(step: &Event) -> String {
    match percent(step.done, step.total) {
        Some(percent) => format!("{} {percent} %", phase(step.phase)),
        None => format!("{} …", phase(step.phase)),
    }
}
