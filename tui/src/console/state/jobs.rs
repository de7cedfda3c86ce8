//! The jobs of the store, newest first, and one of them in full.
//!
//! There may be 10 000 jobs. They are loaded page by page, as the cursor moves down. A reload loads as
//! many as before, and replaces them when it is complete.

use packhouse_host::{JobReport, JobStatus, JobsQuery};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Jobs per page.
pub(in crate::console) const JOBS_PAGE: u32 = 200;

/// The statuses to filter by, the most interesting first.
const FILTERS: [Option<JobStatus>; 6] = [
    None,
    Some(JobStatus::Failed),
    Some(JobStatus::Running),
    Some(JobStatus::Queued),
    Some(JobStatus::Done),
    Some(JobStatus::Cancelled),
];

/// The status of a job in the list: a failed one whose damage was repaired since is `healed`.
pub(in crate::console) fn job_status(job: &JobReport) -> String {
    if job.healed { "healed".to_owned() } else { job.status.to_string() }
}

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct Jobs {
    /// The loaded jobs, newest first.
    pub(in crate::console) entries: Vec<JobReport>,
    /// The pages of a reload so far.
    coming: Option<Vec<JobReport>>,
    /// With this status only.
    pub(in crate::console) status: Option<JobStatus>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether `entries` are complete.
    pub(in crate::console) complete: bool,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed. The loaded jobs stay.
    pub(in crate::console) failure: Option<Failure>,
}

impl Jobs {
    /// Begins to load the jobs again: returns the query of the newest page.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> JobsQuery {
        (self.loading, self.coming) = (Some(ticket), Some(Vec::new()));
        self.query(None)
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<JobsQuery> {
        let is_near = self.cursor.is_near_end(self.entries.len(), JOBS_PAGE);
        if !is_near || self.complete || self.loading.is_some() || self.failure.is_some() {
            return None;
        }
        let last = self.entries.last()?.id;
        (self.loading, self.coming) = (Some(ticket), None);
        Some(self.query(Some(last)))
    }

    fn query(&self, before: Option<i64>) -> JobsQuery {
        JobsQuery { repo: None, status: self.status, before, limit: JOBS_PAGE }
    }

    /// Takes a page. Returns the query of the next, if a reload needs it.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Vec<JobReport>>,
    ) -> Option<JobsQuery> {
        let page = match answer {
            Ok(page) => page,
            Err(failure) => {
                self.failure = Some(failure);
                self.give_up();
                return None;
            }
        };
        let complete = page.len() < JOBS_PAGE as usize;
        match self.coming.take() {
            Some(mut coming) => {
                coming.extend(page);
                if !complete && coming.len() < self.entries.len() {
                    let last = coming.last().map(|last| last.id);
                    self.coming = Some(coming);
                    return Some(self.query(last));
                }
                self.replace(coming);
            }
            None => self.entries.extend(page),
        }
        (self.loading, self.failure) = (None, None);
        (self.complete, self.known) = (complete, true);
        None
    }

    /// Replaces the jobs. The cursor stays on its job; on the first line, on that line.
    fn replace(&mut self, entries: Vec<JobReport>) {
        let at = self.cursor.at(self.entries.len());
        let selected = self.current().filter(|_| at > 0).map(|job| job.id);
        self.entries = entries;
        // They are sorted by id, the greatest first. Of a job that is gone, the next.
        if let Some(id) = selected {
            self.cursor.set(self.entries.partition_point(|job| job.id > id));
        }
    }

    /// Ends a request that has failed; the jobs stay.
    pub(in crate::console) fn give_up(&mut self) {
        (self.loading, self.coming) = (None, None);
    }

    /// Updates a job.
    pub(in crate::console) fn put(&mut self, job: &JobReport) {
        if let Some(known) = self.entries.iter_mut().find(|known| known.id == job.id) {
            known.clone_from(job);
        }
    }

    /// Filters by the status that is `by` steps further; the first follows the last.
    pub(in crate::console) fn step_status(&mut self, by: isize) {
        let at = FILTERS.iter().position(|status| *status == self.status).unwrap_or_default();
        let next = (at as isize + by).rem_euclid(FILTERS.len() as isize);
        self.filter(FILTERS[next as usize]);
    }

    /// Filters by a status. Nothing is known of its jobs yet.
    pub(in crate::console) fn filter(&mut self, status: Option<JobStatus>) {
        *self = Jobs { status, ..Jobs::default() };
    }

    /// The selected job.
    pub(in crate::console) fn current(&self) -> Option<&JobReport> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}

/// A job in full.
#[derive(Debug)]
pub(in crate::console) struct Job {
    pub(in crate::console) report: JobReport,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed.
    pub(in crate::console) failure: Option<Failure>,
    /// The first visible line.
    pub(in crate::console) top: Cursor,
}

impl Job {
    /// A job of the list, which is loaded again.
    pub(in crate::console) fn new(report: JobReport, loading: Ticket) -> Job {
        Job { report, loading: Some(loading), failure: None, top: Cursor::default() }
    }

    /// Takes a result. After a failure the loaded job stays.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Box<JobReport>>) {
        self.loading = None;
        match answer {
            Ok(report) => (self.report, self.failure) = (*report, None),
            Err(failure) => self.failure = Some(failure),
        }
    }
}

/// What an operator can do to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum JobChange {
    /// Retry a failed or cancelled job.
    Retry,
    /// Cancel a queued or running job.
    Cancel,
}

impl JobChange {
    /// What it does: `retry`.
    pub(in crate::console) const fn verb(self) -> &'static str {
        match self {
            JobChange::Retry => "retry",
            JobChange::Cancel => "cancel",
        }
    }

    /// Whether it applies to a job with this status.
    pub(in crate::console) const fn applies_to(self, status: JobStatus) -> bool {
        match self {
            JobChange::Retry => matches!(status, JobStatus::Failed | JobStatus::Cancelled),
            JobChange::Cancel => matches!(status, JobStatus::Queued | JobStatus::Running),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keys::Action;
    use crate::console::tests::fake::job;

    fn page(ids: impl Iterator<Item = i64>) -> BackendResult<Vec<JobReport>> {
        Ok(ids.map(|id| job(id, "a/b", JobStatus::Done)).collect())
    }

    #[test]
    fn pages_come_as_the_cursor_moves_down_and_a_reload_loads_as_many() {
        let mut jobs = Jobs::default();
        let first = jobs.begin(Ticket(1));
        assert_eq!(first, JobsQuery { limit: JOBS_PAGE, ..JobsQuery::default() });
        assert_eq!(jobs.take(page((301..=500).rev())), None);
        assert_eq!(jobs.more(Ticket(2)), None, "the end is far");
        jobs.cursor.act(Action::Last, 200, 1);
        assert_eq!(jobs.more(Ticket(2)).unwrap().before, Some(301));
        assert_eq!(jobs.more(Ticket(3)), None, "it is loading");
        assert_eq!(jobs.take(page((101..=300).rev())), None);
        jobs.cursor.set(250);
        assert_eq!(jobs.current().unwrap().id, 250);

        // Two jobs are new. The old ones stay until all are loaded.
        jobs.begin(Ticket(4));
        assert_eq!(jobs.take(page((303..=502).rev())).unwrap().before, Some(303));
        assert_eq!((jobs.entries.len(), jobs.current().unwrap().id), (400, 250));
        assert_eq!(jobs.take(page((103..=302).rev())), None);
        assert_eq!((jobs.entries.len(), jobs.current().unwrap().id), (400, 250));
        assert!(!jobs.complete && jobs.loading.is_none());
    }

    #[test]
    fn the_cursor_stays_at_the_top_and_of_a_job_that_is_gone_goes_to_the_next() {
        let mut jobs = Jobs::default();
        let reload = |jobs: &mut Jobs, ids: &[i64]| {
            jobs.begin(Ticket(1));
            jobs.take(page(ids.iter().copied()));
            jobs.current().unwrap().id
        };
        assert_eq!(reload(&mut jobs, &[9, 8, 7]), 9);
        assert_eq!(reload(&mut jobs, &[10, 9, 8, 7]), 10);
        jobs.cursor.set(2);
        assert_eq!(reload(&mut jobs, &[10, 9, 7]), 7);
    }

    #[test]
    fn a_filter_begins_with_nothing() {
        let mut jobs = Jobs::default();
        jobs.begin(Ticket(1));
        jobs.take(page([1].into_iter()));
        jobs.step_status(1);
        assert_eq!((jobs.status, jobs.known, jobs.loading), (Some(JobStatus::Failed), false, None));
        jobs.step_status(-2);
        assert_eq!(jobs.status, Some(JobStatus::Cancelled));
    }
}
