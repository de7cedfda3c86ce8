//! All runs: which of them start, and in which order they are listed.

use std::cmp::Reverse;
use std::collections::{HashSet, VecDeque};
use std::fmt;

use jiff::Timestamp;
use packhouse_host::{Event, RepoName};

use super::cursor::Cursor;
use super::run::{Call, Outcome, Run, RunState, Work};
use super::speed::Speed;
use super::ticket::{Abandoned, Ticket};
use crate::console::failure::BackendResult;
use crate::text;

/// Concurrent runs: enough to keep two cores and a disk busy. The others are queued.
pub(in crate::console) const CONCURRENCY: usize = 2;

/// Number of ended runs that are kept. The history of the store goes further back.
const REMEMBERED: usize = 1000;

/// A run that starts now, with the call that it makes.
#[derive(Debug)]
pub(in crate::console) struct Started {
    pub(in crate::console) ticket: Ticket,
    pub(in crate::console) repo: Option<RepoName>,
    pub(in crate::console) call: Call,
}

/// How runs have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Tally {
    pub(in crate::console) done: u64,
    pub(in crate::console) failed: u64,
    pub(in crate::console) cancelled: u64,
}

impl fmt::Display for Tally {
    /// `8 done, 1 failed`: only what there is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [(self.done, "done"), (self.failed, "failed"), (self.cancelled, "cancelled")];
        f.write_str(&text::tally(parts))
    }
}

/// All runs since the console started, in the order in which they were queued.
#[derive(Debug, Default)]
pub(in crate::console) struct Runs {
    all: VecDeque<Run>,
    /// The runs that were started together last, until all have ended.
    bulk: Vec<Ticket>,
    pub(in crate::console) cursor: Cursor,
}

impl Runs {
    /// Queues a run, of a repo or of the store.
    pub(in crate::console) fn ask(
        &mut self,
        ticket: Ticket,
        repo: impl Into<Option<RepoName>>,
        work: Work,
        call: Call,
        now: Timestamp,
    ) {
        let selected = self.selected();
        let planned = matches!(call, Call::Plan(_));
        let state = RunState::Queued(call);
        self.all.push_back(Run {
            ticket,
            repo: repo.into(),
            work,
            state,
            planned,
            queued_at: now,
            began: None,
            ended: None,
            top: Cursor::default(),
        });
        // Drop the oldest ended run. If there is one, it is among the first, because runs start in
        // this order.
        if self.all.len() > REMEMBERED
            && let Some(old) = self.all.iter().take(REMEMBERED).position(|run| !run.is_open())
        {
            self.all.remove(old);
        }
        self.select_again(selected);
    }

    /// Starts queued runs up to the concurrency limit, never two on one repo. Returns them, so that
    /// their calls are made.
    pub(in crate::console) fn start(&mut self, now: Timestamp) -> Vec<Started> {
        let (selected, mut started) = (self.selected(), Vec::new());
        let mut busy: Vec<Option<RepoName>> = self.running().map(|run| run.repo.clone()).collect();
        for run in &mut self.all {
            if busy.len() >= CONCURRENCY {
                break;
            }
            if !matches!(run.state, RunState::Queued(_)) || busy.contains(&run.repo) {
                continue;
            }
            let going = RunState::Running { step: None, speed: Speed::default(), stopping: false };
            if let RunState::Queued(call) = std::mem::replace(&mut run.state, going) {
                run.began = Some(now);
                busy.push(run.repo.clone());
                started.push(Started { ticket: run.ticket, repo: run.repo.clone(), call });
            }
        }
        self.select_again(selected);
        started
    }

    /// The last run of a repo of this kind that has ended.
    pub(super) fn last(&self, repo: &RepoName, work: Work) -> Option<&Run> {
        let is_it = |run: &&Run| run.work == work && run.repo.as_ref() == Some(repo);
        self.all.iter().rev().filter(is_it).find(|run| !run.is_open())
    }

    /// The run of a ticket.
    pub(in crate::console) fn get(&self, ticket: Ticket) -> Option<&Run> {
        self.all.iter().find(|run| run.ticket == ticket)
    }

    /// The run of a ticket.
    pub(in crate::console) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Run> {
        self.all.iter_mut().find(|run| run.ticket == ticket)
    }

    /// These runs were started together.
    pub(in crate::console) fn begin_bulk(&mut self, tickets: Vec<Ticket>) {
        self.bulk = tickets;
    }

    /// How the runs have ended that were started together, once, when the last of them has.
    pub(in crate::console) fn take_bulk(&mut self) -> Option<Tally> {
        let bulk: HashSet<Ticket> = self.bulk.iter().copied().collect();
        if bulk.is_empty() || self.open().any(|run| bulk.contains(&run.ticket)) {
            return None;
        }
        self.bulk.clear();
        Some(tally(self.all.iter().filter(|run| bulk.contains(&run.ticket))))
    }

    /// How all ended runs have ended.
    pub(in crate::console) fn tally(&self) -> Tally {
        tally(self.all.iter().filter(|run| !run.is_open()))
    }

    /// All runs: first running, then queued in order, then ended ones: those that ended badly, then the
    /// others, the latest first.
    pub(in crate::console) fn listed(&self) -> Vec<&Run> {
        let mut ended: Vec<&Run> = self.all.iter().rev().filter(|run| !run.is_open()).collect();
        ended.sort_by_key(|run| (!run.is_bad(), Reverse(run.ended)));
        self.running().chain(self.queued()).chain(ended).collect()
    }

    /// Number of runs.
    pub(in crate::console) fn len(&self) -> usize {
        self.all.len()
    }

    /// The selected run.
    pub(in crate::console) fn current(&self) -> Option<&Run> {
        self.listed().get(self.cursor.at(self.all.len())).copied()
    }

    /// The selected run, unless it is the first: on the first line the cursor stays on that line.
    fn selected(&self) -> Option<Ticket> {
        (self.cursor.at(self.all.len()) > 0).then(|| self.current().map(|run| run.ticket)).flatten()
    }

    /// Moves the cursor to the same run at its new position.
    fn select_again(&mut self, selected: Option<Ticket>) {
        let line =
            selected.and_then(|ticket| self.listed().iter().position(|run| run.ticket == ticket));
        if let Some(line) = line {
            self.cursor.set(line);
        }
    }

    /// Running runs, oldest first.
    pub(in crate::console) fn running(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| run.is_running())
    }

    /// Queued runs, in order.
    pub(in crate::console) fn queued(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| matches!(run.state, RunState::Queued(_)))
    }

    /// Queued and running runs, oldest first.
    pub(in crate::console) fn open(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().filter(|run| run.is_open())
    }

    /// The latest run on a repo.
    pub(in crate::console) fn of_repo(&self, repo: &RepoName) -> Option<&Run> {
        self.all.iter().rev().find(|run| run.repo.as_ref() == Some(repo))
    }

    /// The queued or running prune.
    pub(in crate::console) fn open_prune(&self) -> Option<&Run> {
        self.open().find(|run| run.work == Work::Prune)
    }

    /// Takes progress. False if the run has ended already.
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

    /// Cancels runs. Returns what is no longer wanted.
    pub(in crate::console) fn stop(
        &mut self,
        tickets: &[Ticket],
        now: Timestamp,
    ) -> Vec<Abandoned> {
        let (selected, tickets) = (self.selected(), tickets.iter().collect::<HashSet<_>>());
        let stopped = self.all.iter_mut().filter(|run| tickets.contains(&run.ticket));
        let abandoned = stopped.filter_map(|run| run.stop(now)).collect();
        self.select_again(selected);
        abandoned
    }

    /// Takes the result of a run.
    pub(in crate::console) fn end(
        &mut self,
        ticket: Ticket,
        answer: BackendResult<Outcome>,
        now: Timestamp,
    ) {
        let selected = self.selected();
        if let Some(run) = self.get_mut(ticket) {
            run.state = RunState::Ended(answer);
            run.ended = Some(now);
        }
        self.select_again(selected);
    }

    /// Removes a run whose plan is displayed again.
    pub(in crate::console) fn drop(&mut self, ticket: Ticket) {
        let selected = self.selected().filter(|selected| *selected != ticket);
        self.all.retain(|run| run.ticket != ticket);
        self.select_again(selected);
    }
}

fn tally<'a>(runs: impl Iterator<Item = &'a Run>) -> Tally {
    runs.fold(Tally::default(), |mut tally, run| {
        let number = match (run.is_bad(), run.is_cancelled()) {
            (true, _) => &mut tally.failed,
            (false, true) => &mut tally.cancelled,
            (false, false) => &mut tally.done,
        };
        *number += 1;
        tally
    })
}

#[cfg(test)]
mod tests;
