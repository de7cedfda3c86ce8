//! What needs attention in the store: the numbers of [`Health`], as they were last loaded.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_host::{Damage, Health, JobReport, RepoName};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// The header shows it on every screen.
#[derive(Debug, Default)]
pub(in crate::console) struct StoreHealth {
    /// The numbers, once they are loaded.
    pub(in crate::console) known: Option<Health>,
    /// When they were loaded, by the clock of this machine.
    pub(in crate::console) loaded_at: Timestamp,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed. The loaded numbers stay.
    pub(in crate::console) failure: Option<Failure>,
    /// The newest failed jobs; loaded with the screen.
    pub(in crate::console) failed_jobs: Vec<JobReport>,
    /// The request for them.
    pub(in crate::console) failed_loading: Option<Ticket>,
    /// What is damaged in repos whose findings were selected, since the list of repos was loaded.
    pub(in crate::console) damage: BTreeMap<RepoName, Vec<Damage>>,
    /// The request for the damage of one more.
    pub(in crate::console) damage_loading: Option<Ticket>,
    /// The selected finding.
    pub(in crate::console) cursor: Cursor,
}

impl StoreHealth {
    /// Takes a result. Returns the failure, if it is news. After a failure, the numbers are as old as
    /// they were.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Health>,
        now: Timestamp,
    ) -> Option<&Failure> {
        self.loading = None;
        match answer {
            Ok(known) => {
                (self.known, self.failure, self.loaded_at) = (Some(known), None, now);
                None
            }
            Err(failure) if self.failure.as_ref() == Some(&failure) => None,
            Err(failure) => Some(self.failure.insert(failure)),
        }
    }

    /// Takes the newest failed jobs; none: they could not be loaded, and stay. A failure because of
    /// damage that was repaired since needs no attention.
    pub(in crate::console) fn take_failed(&mut self, jobs: Option<Vec<JobReport>>) {
        self.failed_loading = None;
        self.failed_jobs = jobs.unwrap_or_else(|| std::mem::take(&mut self.failed_jobs));
        self.failed_jobs.retain(|job| !job.healed);
    }
}
