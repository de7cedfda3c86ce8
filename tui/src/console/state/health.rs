//! What needs attention in the store: the numbers of [`Health`], as they were last loaded.

use std::collections::BTreeMap;

use packhouse_host::{Damage, Health, JobReport, RepoName};

use super::cursor::Cursor;
use super::model::Model;
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

    /// Takes the newest failed jobs; none: they could not be loaded, and stay. A failure because of
    /// damage that was repaired since needs no attention.
    pub(in crate::console) fn take_failed(&mut self, jobs: Option<Vec<JobReport>>) {
        self.failed_loading = None;
        self.failed_jobs = jobs.unwrap_or_else(|| std::mem::take(&mut self.failed_jobs));
        self.failed_jobs.retain(|job| !job.healed);
    }
}

impl Model {
    /// Jobs that wait although no worker runs; 0 while that is not known.
    pub(in crate::console) fn jobs_without_worker(&self) -> u64 {
        let known = self.health.known.filter(|_| !self.is_disconnected());
        known.map_or(0, |health| health.jobs_without_worker(self.now))
    }

    /// The command that starts a worker on this store; none: in the demo nothing can reach it.
    pub(in crate::console) fn worker_command(&self) -> Option<String> {
        let place = &self.place;
        match &place.data {
            _ if place.in_memory => None,
            Some(data) => Some(format!("packhouse worker --data {}", quoted(data))),
            None => Some("packhouse worker".to_owned()),
        }
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::view::tests::model;

    #[test]
    fn a_worker_is_started_on_the_store_of_the_console() {
        let mut model = model();
        let command = |model: &Model| model.worker_command().unwrap();
        assert_eq!(command(&model), "packhouse worker");
        model.place.data = Some("/srv/muse".to_owned());
        assert_eq!(command(&model), "packhouse worker --data /srv/muse");
        model.place.data = Some("/srv/it's here".to_owned());
        assert_eq!(command(&model), r"packhouse worker --data '/srv/it'\''s here'");
        model.place.in_memory = true;
        assert_eq!(model.worker_command(), None);
    }
}
