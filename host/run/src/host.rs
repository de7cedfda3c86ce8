//! Implements a component's imports.

use packhouse_core::{Database, Storage};
use packhouse_model::error::Error;

/// A host for one run: the core's two ports, and the fault that stopped it, if any.
///
/// Errors in the WIT are results for the component. A fault is an error of the host itself (a
/// failed disk, a missing pack): the component can't handle it, and does not see it. It is stopped.
pub trait Host: Storage + Database + Send + 'static {
    /// The fault that ended the run. If there is one, all calls fail.
    fn fault(&self) -> Option<&Error> {
        None
    }

    /// The same, taken out: the outcome of the run.
    fn take_fault(&mut self) -> Option<Error> {
        None
    }
}
