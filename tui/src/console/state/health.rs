//! What needs attention in the store: the numbers of [`Health`], as they were last loaded.

use packhouse_host::Health;

use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// The header shows it on every screen.
#[derive(Debug, Default)]
pub(in crate::console) struct StoreHealth {
    /// The numbers, once they are loaded.
    pub(in crate::console) known: Option<Health>,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed. The loaded numbers stay.
    pub(in crate::console) failure: Option<Failure>,
}

impl StoreHealth {
    /// Takes a result. Returns the failure, if it is news.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Health>) -> Option<&Failure> {
        self.loading = None;
        match answer {
            Ok(known) => {
                (self.known, self.failure) = (Some(known), None);
                None
            }
            Err(failure) if self.failure.as_ref() == Some(&failure) => None,
            Err(failure) => Some(self.failure.insert(failure)),
        }
    }
}
