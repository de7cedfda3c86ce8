//! A demo store that pretends to be remote. Tests break and restore its connection.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::Demo;
use crate::console::backend::{
    Backend, BackendResult, Connection, ConnectionState, Failure, FailureKind,
};

/// The simulated connection, if the store pretends to be remote.
#[derive(Default)]
pub(super) struct SimulatedConnection(Mutex<Option<watch::Sender<Connection>>>);

impl SimulatedConnection {
    /// The connection, as the console sees it.
    pub(super) fn connection(&self) -> Option<watch::Receiver<Connection>> {
        self.with(|connection| connection.subscribe())
    }

    /// Fails reads while disconnected. Runs wait instead, if the test holds them.
    pub(super) fn fails(&self, verb: &str) -> BackendResult<()> {
        let down = self.with(|connection| connection.borrow().down_since().is_some()) == Some(true);
        if down && ["list", "summary", "show", "history", "watch"].contains(&verb) {
            return Err(Failure {
                kind: FailureKind::Unreachable,
                message: "no response".to_owned(),
            });
        }
        Ok(())
    }

    fn with<T>(&self, read: impl FnOnce(&watch::Sender<Connection>) -> T) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(read)
    }
}

impl Demo {
    /// The same store as a remote store that has just responded.
    pub(in crate::console) fn remote(self) -> Demo {
        let connection = Connection {
            state: ConnectionState::Up,
            latency: Some(Duration::from_millis(12)),
            heard_at: Some(self.now()),
        };
        *self.script.connection.0.lock().unwrap() = Some(watch::Sender::new(connection));
        self
    }

    /// Breaks the connection.
    pub(in crate::console) fn disconnect(&self, why: &str) {
        let state = ConnectionState::Down { since: self.now(), why: why.to_owned() };
        self.script
            .connection
            .with(|connection| connection.send_modify(|connection| connection.state = state));
    }

    /// The store responds after `ms` milliseconds, which restores the connection.
    pub(in crate::console) fn answer_after(&self, ms: u64) {
        let connection = Connection {
            state: ConnectionState::Up,
            latency: Some(Duration::from_millis(ms)),
            heard_at: Some(self.now()),
        };
        self.script.connection.with(|old| old.send_replace(connection));
    }
}
