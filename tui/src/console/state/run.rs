//! Work: what waits, what goes on in the background, and how it ended.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use packhouse_host::{Event, GcReport, RepoName, VerifyReport};

use super::{Cursor, Speed};
use crate::console::backend::{BackendResult, Failure, FailureKind};
use crate::console::msg::{Effect, Ticket};
use crate::text::{percent, phase};

/// How much goes on at once: as many as keep two cores and a disk busy. The rest waits.
pub(in crate::console) const AT_ONCE: usize = 2;

/// Ended work that is remembered. The store's own history goes further back.
const REMEMBERED: usize = 1000;

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
    pub(in crate::console) state: RunState,
    /// Whether it was confirmed for a plan that was shown, not for many repos at once.
    pub(in crate::console) planned: bool,
    /// When it was asked for, began and ended.
    pub(in crate::console) asked: Timestamp,
    pub(in crate::console) began: Option<Timestamp>,
    pub(in crate::console) ended: Option<Timestamp>,
    /// The line at which its screen begins, or the finding that is pointed to.
    pub(in crate::console) top: Cursor,
}

/// How far it is.
#[derive(Debug)]
pub(in crate::console) enum RunState {
    /// It waits for its turn, and starts with this effect.
    Queued(Effect),
    /// It goes on.
    Running {
        /// The last step that was told.
        step: Option<Event>,
        /// How fast it is.
        speed: Speed,
        /// Whether it was asked to stop.
        stopping: bool,
    },
    /// It has ended.
    Ended(Result<Outcome, Failure>),
}

/// What work that went well gives.
#[derive(Debug)]
pub(in crate::console) enum Outcome {
    Consolidated(Box<GcReport>),
    /// With or without problems.
    Verified(Box<VerifyReport>),
}

impl Run {
    /// Whether it goes on.
    pub(in crate::console) fn is_running(&self) -> bool {
        matches!(self.state, RunState::Running { .. })
    }

    /// Whether it waits or goes on.
    pub(in crate::console) fn is_open(&self) -> bool {
        !matches!(self.state, RunState::Ended(_))
    }

    fn stop(&mut self, now: Timestamp) -> Option<Effect> {
        match &mut self.state {
            RunState::Ended(_) | RunState::Running { stopping: true, .. } => None,
            RunState::Running { stopping, .. } => {
                *stopping = true;
                Some(Effect::Cancel(self.ticket))
            }
            RunState::Queued(_) => {
                let message = "It was taken back before its turn came.".to_owned();
                self.state =
                    RunState::Ended(Err(Failure { kind: FailureKind::Cancelled, message }));
                self.ended = Some(now);
                Some(Effect::Forget(self.ticket))
            }
        }
    }

    /// Where it is, in a few words: `splicing 43 %`. None once it has ended.
    pub(in crate::console) fn step_words(&self) -> Option<String> {
        match &self.state {
            RunState::Ended(_) => None,
            RunState::Queued(_) => Some("waiting".to_owned()),
            RunState::Running { stopping: true, .. } => Some("stopping".to_owned()),
            RunState::Running { step: None, .. } => Some(format!("{} …", self.work.doing())),
            RunState::Running { step: Some(step), .. } => Some(step_words(step)),
        }
    }
}

/// A step, in a few words.
pub(in crate::console) fn step_words(step: &Event) -> String {
    match percent(step.done, step.total) {
        Some(percent) => format!("{} {percent} %", phase(step.phase)),
        None => format!("{} …", phase(step.phase)),
    }
}

/// All work since the console started, in the order in which it was asked for.
#[derive(Debug, Default)]
pub(in crate::console) struct Runs {
    all: VecDeque<Run>,
    pub(in crate::console) cursor: Cursor,
}

impl Runs {
    /// Takes work that was asked for; it waits for its turn.
    pub(in crate::console) fn ask(
        &mut self,
        ticket: Ticket,
        repo: RepoName,
        work: Work,
        effect: Effect,
        now: Timestamp,
    ) {
        let pointed = self.pointed();
        let planned = matches!(effect, Effect::Run(..));
        let state = RunState::Queued(effect);
        self.all.push_back(Run {
            ticket,
            repo,
            work,
            state,
            planned,
            asked: now,
            began: None,
            ended: None,
            top: Cursor::default(),
        });
        // The oldest that has ended is forgotten. If there is one, it is among the first: they
        // begin in this order.
        if self.all.len() > REMEMBERED
            && let Some(old) = self.all.iter().take(REMEMBERED).position(|run| !run.is_open())
        {
            self.all.remove(old);
        }
        self.point_again(pointed);
    }

    /// What can start now: effects for as much as may go on at once. Never two on one repo.
    pub(in crate::console) fn start(&mut self, now: Timestamp) -> Vec<Effect> {
        let (pointed, mut effects) = (self.pointed(), Vec::new());
        let mut busy: Vec<RepoName> = self.running().map(|run| run.repo.clone()).collect();
        for run in &mut self.all {
            if busy.len() >= AT_ONCE {
                break;
            }
            if !matches!(run.state, RunState::Queued(_)) || busy.contains(&run.repo) {
                continue;
            }
            let going = RunState::Running { step: None, speed: Speed::default(), stopping: false };
            if let RunState::Queued(effect) = std::mem::replace(&mut run.state, going) {
                run.began = Some(now);
                busy.push(run.repo.clone());
                effects.push(effect);
            }
        }
        self.point_again(pointed);
        effects
    }

    /// The work of a ticket.
    pub(in crate::console) fn get(&self, ticket: Ticket) -> Option<&Run> {
        self.all.iter().find(|run| run.ticket == ticket)
    }

    /// The work of a ticket.
    pub(in crate::console) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Run> {
        self.all.iter_mut().find(|run| run.ticket == ticket)
    }

    /// All of it: what goes on, then what waits in the order of its turns, then what has ended, the
    /// last end first.
    pub(in crate::console) fn listed(&self) -> Vec<&Run> {
        let mut ended: Vec<&Run> = self.all.iter().rev().filter(|run| !run.is_open()).collect();
        ended.sort_by_key(|run| Reverse(run.ended));
        self.running().chain(self.queued()).chain(ended).collect()
    }

    /// How much there is.
    pub(in crate::console) fn len(&self) -> usize {
        self.all.len()
    }

    /// The work that is pointed to.
    pub(in crate::console) fn current(&self) -> Option<&Run> {
        self.listed().get(self.cursor.at(self.all.len())).copied()
    }

    /// What is pointed to below the first line. Whoever stands on the first line looks at what
    /// comes first.
    fn pointed(&self) -> Option<Ticket> {
        (self.cursor.at(self.all.len()) > 0).then(|| self.current().map(|run| run.ticket)).flatten()
    }

    /// Points to the same work again, wherever it stands in the list by now.
    fn point_again(&mut self, pointed: Option<Ticket>) {
        let line =
            pointed.and_then(|ticket| self.listed().iter().position(|run| run.ticket == ticket));
        if let Some(line) = line {
            self.cursor.set(line);
        }
    }

    /// What goes on, oldest first.
    pub(in crate::console) fn running(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| run.is_running())
    }

    /// What waits, in the order of its turns.
    pub(in crate::console) fn queued(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| matches!(run.state, RunState::Queued(_)))
    }

    /// What waits or goes on, oldest first.
    pub(in crate::console) fn open(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| run.is_open())
    }

    /// What waits, goes on, or ended last, on a repo.
    pub(in crate::console) fn of_repo(&self, repo: &RepoName) -> Option<&Run> {
        self.all.iter().rev().find(|run| run.repo == *repo)
    }

    /// Takes a step. Steps of what has ended come too late, and nothing is said of them.
    pub(in crate::console) fn step(
        &mut self,
        ticket: Ticket,
        event: Event,
        now: Timestamp,
    ) -> bool {
        match self.get_mut(ticket).map(|run| &mut run.state) {
            Some(RunState::Running { step, speed, .. }) => {
                speed.take(&event, now);
                *step = Some(event);
                true
            }
            _ => false,
        }
    }

    /// Stops work: what waits ends at once, what goes on is marked and has to be asked. Gives the
    /// effects for that.
    pub(in crate::console) fn stop(&mut self, tickets: &[Ticket], now: Timestamp) -> Vec<Effect> {
        let (pointed, tickets) = (self.pointed(), tickets.iter().collect::<HashSet<_>>());
        let stopped = self.all.iter_mut().filter(|run| tickets.contains(&run.ticket));
        let effects = stopped.filter_map(|run| run.stop(now)).collect();
        self.point_again(pointed);
        effects
    }

    /// Takes an end.
    pub(in crate::console) fn end(
        &mut self,
        ticket: Ticket,
        answer: BackendResult<Outcome>,
        now: Timestamp,
    ) {
        let pointed = self.pointed();
        if let Some(run) = self.get_mut(ticket) {
            run.state = RunState::Ended(answer);
            run.ended = Some(now);
        }
        self.point_again(pointed);
    }

    /// Drops work of which nothing should be said: a plan that is shown anew.
    pub(in crate::console) fn drop(&mut self, ticket: Ticket) {
        let pointed = self.pointed().filter(|pointed| *pointed != ticket);
        self.all.retain(|run| run.ticket != ticket);
        self.point_again(pointed);
    }
}

#[cfg(test)]
mod tests;
