//! Work that goes on in the background, and how it ended. At most one per repo is going on.

use jiff::Timestamp;
use packhouse_host::{Event, GcReport, RepoName, VerifyReport};

use crate::console::backend::{Answer, Failure};
use crate::console::msg::Ticket;
use crate::console::words::percent;

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Work {
    Consolidate,
    Verify,
}

impl Work {
    /// While it goes on.
    pub(in crate::console) const fn doing(self) -> &'static str {
        match self {
            Work::Consolidate => "consolidating",
            Work::Verify => "verifying",
        }
    }

    /// As a thing that can fail.
    pub(in crate::console) const fn noun(self) -> &'static str {
        match self {
            Work::Consolidate => "consolidation",
            Work::Verify => "verification",
        }
    }
}

/// One piece of work on one repo.
#[derive(Debug)]
pub(in crate::console) struct Run {
    pub(in crate::console) ticket: Ticket,
    pub(in crate::console) repo: RepoName,
    pub(in crate::console) work: Work,
    pub(in crate::console) started: Timestamp,
    pub(in crate::console) state: RunState,
    /// The line at which its screen begins.
    pub(in crate::console) top: usize,
}

/// How far it is.
#[derive(Debug)]
pub(in crate::console) enum RunState {
    /// It goes on.
    Going {
        /// The last step that was told.
        step: Option<Event>,
        /// Whether it was asked to stop.
        stopping: bool,
    },
    /// It has ended.
    Ended(Result<Outcome, Failure>),
}

/// What work that went well gives.
#[derive(Debug)]
pub(in crate::console) enum Outcome {
    Consolidated(GcReport),
    /// With or without problems.
    Verified(VerifyReport),
}

impl Run {
    /// Whether it goes on.
    pub(in crate::console) fn is_going(&self) -> bool {
        matches!(self.state, RunState::Going { .. })
    }

    /// Where it is, in a few words: `splicing 43 %`. None once it has ended.
    pub(in crate::console) fn step_words(&self) -> Option<String> {
        match &self.state {
            RunState::Ended(_) => None,
            RunState::Going { stopping: true, .. } => Some("stopping".to_owned()),
            RunState::Going { step: None, .. } => Some(format!("{} …", self.work.doing())),
            RunState::Going { step: Some(step), .. } => Some(step_words(step)),
        }
    }
}

/// A step, in a few words.
pub(in crate::console) fn step_words(step: &Event) -> String {
    match percent(step.done, step.total) {
        Some(percent) => format!("{} {percent} %", step.phase.label()),
        None => format!("{} …", step.phase.label()),
    }
}

/// All work since the console started; of what has ended, the last of each repo.
#[derive(Debug, Default)]
pub(in crate::console) struct Runs(Vec<Run>);

impl Runs {
    /// Starts work; what ended on that repo before is forgotten.
    pub(in crate::console) fn start(&mut self, ticket: Ticket, repo: RepoName, work: Work, started: Timestamp) {
        self.0.retain(|run| run.repo != repo || run.is_going());
        self.0.push(Run { ticket, repo, work, started, state: RunState::Going { step: None, stopping: false }, top: 0 });
    }

    /// The work of a ticket.
    pub(in crate::console) fn get(&self, ticket: Ticket) -> Option<&Run> {
        self.0.iter().find(|run| run.ticket == ticket)
    }

    /// The work of a ticket.
    pub(in crate::console) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Run> {
        self.0.iter_mut().find(|run| run.ticket == ticket)
    }

    /// What goes on, oldest first.
    pub(in crate::console) fn going(&self) -> impl Iterator<Item = &Run> {
        self.0.iter().filter(|run| run.is_going())
    }

    /// What goes on, or ended last, on a repo.
    pub(in crate::console) fn of_repo(&self, repo: &RepoName) -> Option<&Run> {
        self.0.iter().rev().find(|run| run.repo == *repo)
    }

    /// Takes a step. Steps of what has ended come too late, and nothing is said of them.
    pub(in crate::console) fn step(&mut self, ticket: Ticket, event: Event) -> bool {
        match self.get_mut(ticket).map(|run| &mut run.state) {
            Some(RunState::Going { step, .. }) => {
                *step = Some(event);
                true
            }
            _ => false,
        }
    }

    /// Marks work as asked to stop; false if it isn't going on.
    pub(in crate::console) fn stop(&mut self, ticket: Ticket) -> bool {
        match self.get_mut(ticket).map(|run| &mut run.state) {
            Some(RunState::Going { stopping, .. }) => {
                *stopping = true;
                true
            }
            _ => false,
        }
    }

    /// Takes an end.
    pub(in crate::console) fn end(&mut self, ticket: Ticket, answer: Answer<Outcome>) {
        if let Some(run) = self.get_mut(ticket) {
            run.state = RunState::Ended(answer);
        }
    }
}
