//! A run: its operation, its caller, and its progress.

use std::sync::{Arc, MutexGuard};

use jiff::Timestamp;
use packhouse_model::access::Caller;
use packhouse_model::operation::RunRequest;
use packhouse_model::progress::Progress;
use packhouse_model::report::{RunEvent, RunReport, RunState};
use packhouse_store::Store;
use tokio::sync::watch;

use super::super::bearers::Bearers;
use super::super::permission::sees;
use super::log::{RunEnd, RunLog, RunProgress};

/// A run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(super) id: String,
    pub(super) asked: RunRequest,
    /// The caller who started it.
    pub(crate) caller: Caller,
    /// What looks up whether the token of the caller is still valid.
    pub(super) bearers: Bearers,
    /// The store, pinned to the repo of the request.
    pub(super) store: Store,
    pub(super) started_at: Timestamp,
    pub(super) progress: Progress,
    pub(super) events: Arc<RunProgress>,
}

impl Run {
    pub(super) fn new(
        id: &str,
        asked: RunRequest,
        caller: Caller,
        bearers: Bearers,
        store: Store,
    ) -> Run {
        let started_at = store.now();
        let events = Arc::<RunProgress>::default();
        let steps = events.clone();
        let progress = Progress::new(move |event| steps.step(event));
        Run { id: id.to_owned(), asked, caller, bearers, store, started_at, progress, events }
    }

    /// Cancels it at its next safe point.
    pub(crate) fn stop(&self) {
        self.progress.cancel();
    }

    /// Whether a caller may see it: an administrator of its repo, or of the store.
    pub(crate) fn is_seen_by(&self, caller: &Caller) -> bool {
        sees(caller, self.asked.repo.as_ref())
    }

    /// Fires after each event.
    pub(crate) fn bell(&self) -> watch::Receiver<()> {
        self.events.bell()
    }

    /// The events after a number, and whether the run has ended.
    pub(crate) fn events_since(&self, seq: u64) -> (Vec<(u64, RunEvent)>, bool) {
        let log = self.events.log();
        (log.since(seq), log.end().is_some())
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.events.log().end().is_some()
    }

    /// The size of its result.
    pub(super) fn bytes(&self) -> usize {
        self.events
            .log()
            .end()
            .map_or(0, |end| end.outcome.as_ref().map_or(0, |result| result.get().len()))
    }

    pub(crate) fn report(&self) -> RunReport {
        let log: MutexGuard<'_, RunLog> = self.events.log();
        let end: Option<&RunEnd> = log.end();
        RunReport {
            id: self.id.clone(),
            kind: self.asked.operation.kind().to_owned(),
            repo: self.asked.repo.clone(),
            state: match end.map(|end| &end.outcome) {
                None => RunState::Running,
                Some(Ok(_)) => RunState::Done,
                Some(Err(failed)) => failed.state,
            },
            started_at: self.started_at,
            finished_at: end.map(|end| end.at),
            seq: log.seq(),
            result: end.and_then(|end| end.outcome.as_ref().ok().cloned()),
            problem: end.and_then(|end| end.outcome.as_ref().err().cloned()),
        }
    }
}
