//! One connection: the activity of its client, and when to close it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum_server::ConnectionShutdown;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a connection may take to shut down.
const ENDS_WITHIN: Duration = Duration::from_secs(10);

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) number: u64,
    /// The network of its client.
    pub(super) from: IpAddr,
    /// Whether it uses a slot that is reserved for health checks.
    pub(super) reserved: bool,
    pub(super) end: CancellationToken,
    state: Mutex<Activity>,
}

#[derive(Debug)]
struct Activity {
    /// Requests whose responses were not sent completely.
    under_way: usize,
    /// Since when there is none.
    idle_since: Instant,
    /// How to shut it down, from its first request on.
    shutdown: Option<ConnectionShutdown>,
    asked_to_end: bool,
    /// Responses that wait for their reader, each with its deadline.
    waiting: HashMap<u64, Instant>,
}

impl Connection {
    pub(super) fn new(number: u64, from: IpAddr, reserved: bool) -> Arc<Connection> {
        let activity = Activity {
            under_way: 0,
            idle_since: Instant::now(),
            shutdown: None,
            asked_to_end: false,
            waiting: HashMap::new(),
        };
        let (end, state) = (CancellationToken::new(), Mutex::new(activity));
        Arc::new(Connection { number, from, reserved, end, state })
    }

    fn state(&self) -> MutexGuard<'_, Activity> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when no request is under way, if none is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.under_way == 0).then_some(state.idle_since)
    }

    /// Whether to close it at once; shuts it down if it has been idle for long enough.
    pub(super) fn should_end(&self, now: Instant, idle: Duration) -> bool {
        let mut state = self.state();
        if state.waiting.values().any(|until| *until <= now) {
            tracing::debug!(from = %self.from, "the client reads too slowly");
            return true;
        }
        if state.under_way > 0 {
            return false;
        }
        let silent = now.saturating_duration_since(state.idle_since);
        if silent < idle {
            return false;
        }
        if !std::mem::replace(&mut state.asked_to_end, true) {
            match &state.shutdown {
                Some(shutdown) => shutdown.graceful_shutdown(),
                // No request was sent yet.
                None => return true,
            }
        }
        silent >= idle + ENDS_WITHIN
    }

    /// A request begins. It is in progress until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>, shutdown: Option<&ConnectionShutdown>) -> RequestGuard {
        let mut state = self.state();
        state.under_way += 1;
        if let Some(shutdown) = shutdown.filter(|_| state.shutdown.is_none()) {
            state.shutdown = Some(shutdown.clone());
        }
        RequestGuard(self.clone())
    }
}

/// A request, until its response was sent, or the client is gone.
pub(super) struct RequestGuard(Arc<Connection>);

impl RequestGuard {
    /// Its response waits for the client to continue reading, until this deadline.
    pub(super) fn wait_for_reader(&self, response: u64, until: Instant) {
        self.0.state().waiting.insert(response, until);
    }

    /// The client of its response has continued reading.
    pub(super) fn reader_went_on(&self, response: u64) {
        self.0.state().waiting.remove(&response);
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way -= 1;
        if state.under_way == 0 {
            state.idle_since = Instant::now();
        }
    }
}
