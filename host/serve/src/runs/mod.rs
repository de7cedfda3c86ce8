//! Runs: work of the server itself, which clients can follow.
//!
//! ```text
//! PUT /runs/ID ─▶ Runs: known already? ─▶ a task: waits for a slot, works ─▶ RunLog ─▶ GET /runs/ID/events
//!                                              ▲ DELETE cancels it
//! ```
//!
//! The client generates the id, so that a request can be repeated if its response was lost. A run
//! continues without listeners. It exists only in this process: after a restart it is unknown, and
//! the client starts it again. That is safe, because a run changes nothing before it publishes.
//!
//! A run depends on the token that started it. When that is revoked or expires, a queued run is not
//! started, and an active one stops at its next safe point.

mod log;
mod run;
#[cfg(test)]
mod tests;
mod work;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::StatusCode;
use packhouse_model::access::Caller;
use packhouse_model::operation::RunRequest;
use packhouse_store::Store;
use tokio::sync::Semaphore;

use super::bearers::Bearers;
use super::problem::{ApiResult, Problem};
use super::tasks::Tasks;
pub(super) use run::Run;

/// Maximum number of active runs: each reads and writes at the speed of the disk.
const AT_ONCE: usize = 4;

/// Maximum number of active and queued runs.
const UNDER_WAY: usize = 256;

/// Maximum number of finished runs that are kept.
const ENDED: usize = 256;

/// Maximum bytes of their results: a list of a million dropped objects has some dozens of
/// megabytes.
const ENDED_BYTES: usize = 64 << 20;

/// All runs of this process.
#[derive(Debug)]
pub(super) struct Runs {
    kept: Mutex<Kept>,
    room: Arc<Semaphore>,
    tasks: Tasks,
    bearers: Bearers,
}

#[derive(Debug, Default)]
struct Kept {
    runs: HashMap<String, Arc<Run>>,
    /// The finished ones, oldest first.
    ended: VecDeque<String>,
    /// Nothing more is started.
    closed: bool,
}

impl Runs {
    /// None yet. `tasks` spawns their work; their clock is that of the store that they work on.
    pub(super) fn new(tasks: Tasks, bearers: Bearers) -> Runs {
        Runs { kept: Mutex::default(), room: Arc::new(Semaphore::new(AT_ONCE)), tasks, bearers }
    }

    /// Cancels all runs, and starts no more.
    pub(super) fn stop_all(&self) {
        let mut kept = self.kept();
        kept.closed = true;
        for run in kept.runs.values() {
            run.stop();
        }
    }

    /// Starts a run on a store, or finds the one of the same request.
    pub(super) fn begin(
        self: &Arc<Self>,
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
        let run = Arc::new(Run::new(id, asked, caller, self.bearers.clone(), store));
        kept.runs.insert(id.to_owned(), run.clone());
        drop(kept);
        let (runs, working) = (self.clone(), run.clone());
        self.tasks.spawn(async move {
            work::do_it(&runs.room, &working).await;
            runs.ended(&working);
        });
        Ok(run)
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<Run>> {
        self.kept().runs.get(id).cloned()
    }

    /// All runs that a caller may see, newest first.
    pub(super) fn seen_by(&self, caller: &Caller) -> Vec<Arc<Run>> {
        let mut runs: Vec<Arc<Run>> =
            self.kept().runs.values().filter(|run| run.is_seen_by(caller)).cloned().collect();
        runs.sort_by(|a, b| b.started_at.cmp(&a.started_at).then_with(|| a.id.cmp(&b.id)));
        runs
    }

    /// Records the end of a run, and forgets the oldest finished ones.
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
