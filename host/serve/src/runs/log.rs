//! The events of a run: kept for clients that connect later. Their number is limited by the phases
//! of a run.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use packhouse_model::progress::Event;
use packhouse_model::report::{RunEvent, RunFailed, Step};
use serde_json::value::RawValue;
use tokio::sync::watch;

/// How a run ended.
#[derive(Debug)]
pub(super) struct RunEnd {
    /// When.
    pub(super) at: Timestamp,
    /// Its result, or why it failed.
    pub(super) outcome: Result<Box<RawValue>, RunFailed>,
}

/// Numbered events. A step replaces the previous one of the same repo and phase, and gets a new
/// number. A client that resumes after a number gets everything that it missed, and memory is
/// bounded.
#[derive(Debug, Default)]
pub(super) struct RunLog {
    seq: u64,
    steps: Vec<(u64, Step)>,
    end: Option<(u64, RunEnd)>,
}

impl RunLog {
    /// The number of the last event.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn end(&self) -> Option<&RunEnd> {
        self.end.as_ref().map(|(_, end)| end)
    }

    fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    fn step(&mut self, step: Step) {
        let seq = self.next();
        self.steps.retain(|(_, before)| before.repo != step.repo || before.phase != step.phase);
        self.steps.push((seq, step));
    }

    /// The events after a number. A number in the future is from an earlier run with this id: then
    /// all events.
    pub(super) fn since(&self, seq: u64) -> Vec<(u64, RunEvent)> {
        let after = if seq > self.seq { 0 } else { seq };
        let steps = self.steps.iter().filter(|(seq, _)| *seq > after);
        let mut events: Vec<_> =
            steps.map(|(seq, step)| (*seq, RunEvent::Progress(step.clone()))).collect();
        if let Some((seq, end)) = self.end.as_ref().filter(|(seq, _)| *seq > after) {
            events.push((
                *seq,
                match &end.outcome {
                    Ok(report) => RunEvent::Done { report: report.clone() },
                    Err(problem) => RunEvent::Failed { problem: problem.clone() },
                },
            ));
        }
        events
    }
}

/// A log, and a signal for its readers.
#[derive(Debug, Default)]
pub(super) struct RunProgress {
    log: Mutex<RunLog>,
    news: watch::Sender<()>,
}

impl RunProgress {
    pub(super) fn log(&self) -> MutexGuard<'_, RunLog> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a step of the work.
    pub(super) fn step(&self, event: Event) {
        let Event { repo, phase, done, total } = event;
        self.add(Step { repo, phase: phase.label().to_owned(), done, total });
    }

    pub(super) fn add(&self, step: Step) {
        self.log().step(step);
        self.news.send_replace(());
    }

    pub(super) fn end(&self, end: RunEnd) {
        let mut log = self.log();
        let seq = log.next();
        log.end = Some((seq, end));
        drop(log);
        self.news.send_replace(());
    }

    /// Fires after each event.
    pub(super) fn bell(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use packhouse_model::progress::Phase;

    use super::*;

    fn event(phase: Phase, done: u64) -> Event {
        Event { repo: "a/b".into(), phase, done, total: 10_000 }
    }

    fn numbers(log: &RunLog, seq: u64) -> Vec<u64> {
        log.since(seq).into_iter().map(|(seq, _)| seq).collect()
    }

    #[test]
    fn a_log_is_as_long_as_a_run_has_phases_and_whoever_comes_back_misses_nothing() {
        let events = RunProgress::default();
        for done in 0..10_000 {
            events.step(event(Phase::Plan, done));
        }
        assert_eq!(numbers(&events.log(), 0), [10_000]);
        events.step(event(Phase::Splice, 0));
        events.step(event(Phase::Splice, 1));
        assert_eq!(numbers(&events.log(), 0), [10_000, 10_002]);
        assert_eq!(numbers(&events.log(), 10_001), [10_002]);
        let outcome = Ok(serde_json::value::to_raw_value(&7).unwrap());
        events.end(RunEnd { at: Timestamp::UNIX_EPOCH, outcome });
        let log = events.log();
        assert_eq!(numbers(&log, 10_002), [10_003]);
        assert_eq!(numbers(&log, 10_003), [0; 0]);
        assert_eq!(numbers(&log, 20_000), [10_000, 10_002, 10_003], "heard of another run");
    }
}
