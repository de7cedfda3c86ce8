//! Runs: work of the server itself, which clients may follow.
//!
//! ```text
//! PUT /runs/ID ─▶ Runs: known already? ─▶ a task: waits for a slot, works ─▶ RunLog ─▶ GET /runs/ID/events
//!                                              ▲ DELETE cancels it
//! ```
//!
//! The client draws the id, so that a request can be repeated when its response was lost. A run
//! goes on without listeners. It exists in this process only: after a restart it is unknown, and
//! the client starts it again. That is safe, because what a run had not published did not happen.
//!
//! A run depends on the token that started it. When that is revoked or expires, a waiting run is
//! not started, and a running one stops at its next safe point.

mod log;
mod routes;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use axum::http::StatusCode;
use jiff::Timestamp;
use packhouse_model::access::Caller;
use packhouse_model::progress::Progress;
use packhouse_model::report::{RunReport, RunRequest, RunState};
use packhouse_store::Store;
use tokio::sync::{Semaphore, watch};

use self::log::{RunEnd, RunLog, RunProgress};
use super::super::problem::{ApiResult, Problem};
use super::super::state::SharedState;
use super::extract::sees;

pub(super) use routes::routes;

/// Runs that are done at once: each reads and writes as fast as the disk goes.
const AT_ONCE: usize = 4;

/// Runs that are done or wait for their turn.
const UNDER_WAY: usize = 256;

/// Ended runs that are remembered.
const ENDED: usize = 256;

/// Bytes of what they answered: a list of a million dropped objects is some dozens of megabytes.
const ENDED_BYTES: usize = 64 << 20;

/// All runs of this process.
#[derive(Debug)]
pub(in super::super) struct Runs {
    kept: Mutex<Kept>,
    room: Semaphore,
    start: OnceLock<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    runs: HashMap<String, Arc<Run>>,
    /// Those that ended, the first first.
    ended: VecDeque<String>,
    /// Nothing more is started.
    closed: bool,
}

/// A run.
#[derive(Debug)]
struct Run {
    id: String,
    asked: RunRequest,
    /// Who began it.
    caller: Caller,
    /// The store, pinned to the repo of the request.
    store: Store,
    started_at: Timestamp,
    progress: Progress,
    stop: watch::Sender<bool>,
    events: Arc<RunProgress>,
}

impl Default for Runs {
    fn default() -> Runs {
        Runs { kept: Mutex::default(), room: Semaphore::new(AT_ONCE), start: OnceLock::new() }
    }
}

impl Runs {
    /// Cancels all runs, and starts no more.
    pub(in super::super) fn stop_all(&self) {
        let mut kept = self.kept();
        kept.closed = true;
        for run in kept.runs.values() {
            run.stop();
        }
    }

    /// A random number for this start of the server.
    pub(super) fn start(&self, random_id: impl FnOnce() -> [u8; 16]) -> u64 {
        *self.start.get_or_init(|| {
            random_id()[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
        })
    }

    /// Starts a run, or finds the one of the same request.
    fn begin(
        &self,
        state: &SharedState,
        id: &str,
        asked: RunRequest,
        caller: Caller,
        store: Store,
    ) -> ApiResult<Arc<Run>> {
        let mut kept = self.kept();
        if let Some(run) = kept.runs.get(id) {
            let other = || {
                Problem::new(
                    StatusCode::CONFLICT,
                    format!("run {id} exists with another request; use another id"),
                )
            };
            return if run.asked == asked { Ok(run.clone()) } else { Err(other()) };
        }
        if kept.closed {
            return Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is shutting down; retry when it is back",
            ));
        }
        if kept.runs.len() - kept.ended.len() >= UNDER_WAY {
            return Err(Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("{UNDER_WAY} runs are in progress; wait until some have ended"),
            ));
        }
        let run = Arc::new(Run::new(id, asked, caller, store));
        kept.runs.insert(id.to_owned(), run.clone());
        drop(kept);
        let work = state.tracked(work::do_it(state.clone(), run.clone()));
        tokio::spawn(work);
        Ok(run)
    }

    fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.kept().runs.get(id).cloned()
    }

    /// All that a caller may see, the last begun first.
    fn seen_by(&self, caller: &Caller) -> Vec<Arc<Run>> {
        let mut runs: Vec<Arc<Run>> =
            self.kept().runs.values().filter(|run| run.is_seen_by(caller)).cloned().collect();
        runs.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.id.cmp(&b.id)));
        runs
    }

    /// Notes that a run has ended, and forgets those that ended long ago.
    fn ended(&self, run: &Run) {
        let mut kept = self.kept();
        kept.ended.push_back(run.id.clone());
        let mut bytes: usize =
            kept.ended.iter().filter_map(|id| kept.runs.get(id)).map(|run| run.bytes()).sum();
        while kept.ended.len() > ENDED || (bytes > ENDED_BYTES && kept.ended.len() > 1) {
            let Some(first) = kept.ended.pop_front().and_then(|id| kept.runs.remove(&id)) else {
                break;
            };
            bytes -= first.bytes();
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Run {
    fn new(id: &str, asked: RunRequest, caller: Caller, store: Store) -> Run {
        let started_at = store.now();
        let events = Arc::<RunProgress>::default();
        let steps = events.clone();
        let progress = Progress::new(move |event| steps.step(event));
        Run {
            id: id.to_owned(),
            asked,
            caller,
            store,
            started_at,
            progress,
            stop: watch::Sender::new(false),
            events,
        }
    }

    /// Asks it to stop at its next safe point.
    fn stop(&self) {
        self.progress.cancel();
        self.stop.send_replace(true);
    }

    /// Ends when it should stop.
    async fn stopped(&self) {
        // The sender is its own.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    fn is_seen_by(&self, caller: &Caller) -> bool {
        sees(caller, self.asked.repo())
    }

    /// The size of what it answered.
    fn bytes(&self) -> usize {
        self.events
            .log()
            .end()
            .map_or(0, |end| end.outcome.as_ref().map_or(0, |result| result.get().len()))
    }

    fn report(&self) -> RunReport {
        let log: MutexGuard<'_, RunLog> = self.events.log();
        let end: Option<&RunEnd> = log.end();
        RunReport {
            id: self.id.clone(),
            kind: self.asked.kind().to_owned(),
            repo: self.asked.repo().cloned(),
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
