//! What answers a component's calls.

use packhouse_core::{Database, Storage};
use packhouse_model::error::Error;

/// A host for one run: the core's two ports, and its fault if it can't go on.
///
/// Refusals that the WIT names are answers for the component. A fault is the host's own (a failed
/// disk, a missing pack): the component can't handle it, and does not see it. It is stopped.
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
