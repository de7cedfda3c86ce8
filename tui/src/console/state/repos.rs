//! The list of repos: what is in it, what the filter leaves of it, and which one is pointed to.

use packhouse_host::{RepoName, RepoReport};

use crate::console::backend::{Answer, Failure};
use crate::console::msg::Ticket;

/// See [`crate::console::view`] for how it looks.
#[derive(Debug, Default)]
pub(in crate::console) struct Repos {
    all: Vec<RepoReport>,
    /// Positions in `all` that the filter leaves. Kept, so that drawing touches only the rows on the screen.
    shown: Vec<usize>,
    /// Position in `shown`.
    selected: usize,
    pub(in crate::console) filter: String,
    /// Whether keys go into the filter.
    pub(in crate::console) typing: bool,
    /// Whether `all` was ever read.
    pub(in crate::console) known: bool,
    /// The reading that is under way; answers to older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last reading failed. What was read before stays on the screen.
    pub(in crate::console) failure: Option<Failure>,
}

impl Repos {
    /// Takes an answer. The operator goes on pointing to the same repo, if it is still there.
    pub(in crate::console) fn take(&mut self, answer: Answer<Vec<RepoReport>>) {
        self.loading = None;
        match answer {
            Ok(all) => {
                let pointed = self.current().map(|report| report.repo.clone());
                self.all = all;
                self.known = true;
                self.failure = None;
                self.filter_again(pointed);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Changes the filter, a part of a name in any case.
    pub(in crate::console) fn filter_by(&mut self, filter: String) {
        let pointed = self.current().map(|report| report.repo.clone());
        self.filter = filter;
        self.filter_again(pointed);
    }

    fn filter_again(&mut self, pointed: Option<RepoName>) {
        let wanted = self.filter.to_lowercase();
        let named = |report: &RepoReport| wanted.is_empty() || report.repo.to_string().to_lowercase().contains(&wanted);
        self.shown = (0..self.all.len()).filter(|&at| named(&self.all[at])).collect();
        let again = self.shown.iter().position(|&at| Some(&self.all[at].repo) == pointed.as_ref());
        self.selected = again.unwrap_or_else(|| self.selected.min(self.shown.len().saturating_sub(1)));
    }

    /// All repos of the store.
    pub(in crate::console) fn all(&self) -> &[RepoReport] {
        &self.all
    }

    /// How many the filter leaves.
    pub(in crate::console) fn shown(&self) -> usize {
        self.shown.len()
    }

    /// The repos from one position on.
    pub(in crate::console) fn from(&self, first: usize) -> impl Iterator<Item = &RepoReport> {
        self.shown.iter().skip(first).map(|&at| &self.all[at])
    }

    /// Which one is pointed to.
    pub(in crate::console) fn selected(&self) -> usize {
        self.selected
    }

    /// Points to another; to the last one, if there aren't so many.
    pub(in crate::console) fn select(&mut self, position: usize) {
        self.selected = position.min(self.shown.len().saturating_sub(1));
    }

    /// The repo that is pointed to.
    pub(in crate::console) fn current(&self) -> Option<&RepoReport> {
        self.shown.get(self.selected).map(|&at| &self.all[at])
    }
}
