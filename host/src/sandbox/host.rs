//! What answers a component's calls.

use packhouse_core::{Database, Storage};

use crate::error::Error;

/// A host for one run: the core's two ports, and a word for when it can't go on.
///
/// Refusals that the WIT names are answers, and the component deals with them. A fault is the
/// host's own (a disk that fails, a pack that is gone): the component can't do anything about it,
/// and does not see it. It is stopped.
pub trait Host: Storage + Database + Send + 'static {
    /// What ended the run. While there is something, no call is answered.
    fn fault(&self) -> Option<&Error> {
        None
    }

    /// The same, taken out: the run's outcome.
    fn take_fault(&mut self) -> Option<Error> {
        None
    }
}
