//! Who works on jobs: a line for each lease.

use std::collections::BTreeSet;

use packhouse_host::{JobReport, JobStatus, JobsQuery};

use super::cursor::Cursor;
use super::jobs::JOBS_PAGE;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Workers {
    /// The running jobs, by worker; the newest [`JOBS_PAGE`] of them.
    pub(in crate::console) leases: Vec<JobReport>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed. What was loaded stays.
    pub(in crate::console) failure: Option<Failure>,
}

impl Workers {
    /// Begins to load the leases: returns the query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> JobsQuery {
        self.loading = Some(ticket);
        let (status, limit) = (Some(JobStatus::Running), JOBS_PAGE);
        JobsQuery { status, limit, ..JobsQuery::default() }
    }

    /// Takes a result. The cursor stays on its job; on the first line, on that line.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Vec<JobReport>>) {
        self.loading = None;
        match answer {
            Ok(mut leases) => {
                leases.sort_by(|a, b| a.worker.cmp(&b.worker).then(a.id.cmp(&b.id)));
                let selected = self.current().filter(|_| self.cursor.at(self.leases.len()) > 0);
                let line =
                    selected.and_then(|job| leases.iter().position(|lease| lease.id == job.id));
                line.into_iter().for_each(|line| self.cursor.set(line));
                (self.leases, self.known, self.failure) = (leases, true, None);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The number of workers.
    pub(in crate::console) fn count(&self) -> u64 {
        self.leases.iter().map(|job| &job.worker).collect::<BTreeSet<_>>().len() as u64
    }

    /// The selected lease.
    pub(in crate::console) fn current(&self) -> Option<&JobReport> {
        self.leases.get(self.cursor.at(self.leases.len()))
    }
}
