//! One repo: its report and its history, once they are read.

use packhouse_host::{GcRecord, RepoName, RepoReport};

use crate::console::backend::{Answer, Failure};
use crate::console::msg::Ticket;

/// See [`crate::console::view`] for how it looks.
#[derive(Debug)]
pub(in crate::console) struct Repo {
    pub(in crate::console) name: RepoName,
    /// The repo, and its consolidations, newest first.
    pub(in crate::console) known: Option<(RepoReport, Vec<GcRecord>)>,
    /// The reading that is under way.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last reading failed.
    pub(in crate::console) failure: Option<Failure>,
    /// The line at which the screen begins.
    pub(in crate::console) top: usize,
}

impl Repo {
    /// A repo that is being read..
    pub(in crate::console) fn new(name: RepoName, loading: Ticket) -> Self {
        Repo { name, known: None, loading: Some(loading), failure: None, top: 0 }
    }

    /// Takes an answer. What was read before stays on the screen when reading fails.
    pub(in crate::console) fn take(&mut self, answer: Answer<(RepoReport, Vec<GcRecord>)>) {
        self.loading = None;
        match answer {
            Ok(known) => {
                self.known = Some(known);
                self.failure = None;
            }
            Err(failure) => self.failure = Some(failure),
        }
    }
}
