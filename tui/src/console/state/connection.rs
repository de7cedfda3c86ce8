//! The connection to a remote store. While it is down, the console keeps what it has loaded.

use super::model::Model;
use super::run::Run;
use crate::console::failure::{Failure, FailureKind};

/// Shown for everything that has to wait for the connection.
pub(in crate::console) const RECONNECTING: &str = "reconnecting …";

impl Model {
    /// Whether the connection to the store is down.
    pub(in crate::console) fn is_disconnected(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.down_since().is_some())
    }

    /// Records a failed load. Returns true if the only reason is the lost connection: then the
    /// loaded data stays, and is loaded again after reconnecting.
    pub(in crate::console) fn misses(&mut self, failure: &Failure) -> bool {
        let unreachable = failure.kind == FailureKind::Unreachable;
        self.missed |= unreachable;
        unreachable && self.is_disconnected()
    }

    /// The step of a run in a few words; while disconnected, only that. The run screen shows the
    /// last known step with its age.
    pub(in crate::console) fn step_text(&self, run: &Run) -> Option<String> {
        if run.is_running() && self.is_disconnected() {
            Some(RECONNECTING.to_owned())
        } else {
            run.step_text()
        }
    }
}
