//! The marked repos. Marks outlive the filter: what it hides is still marked, and counted.

use packhouse_host::{RepoName, RepoSummary};

use super::Repos;
use crate::console::keys::Action;

impl Repos {
    /// Marks or unmarks the selected repo, and moves to the next.
    pub(in crate::console) fn mark(&mut self) {
        if let Some(name) = self.current().map(|repo| repo.repo.clone()) {
            if !self.marked.remove(&name) {
                self.marked.insert(name);
            }
            self.cursor.act(Action::Down, self.shown.len(), 1);
            self.count_hidden();
        }
    }

    /// Marks all displayed repos; if all are marked, unmarks them.
    pub(in crate::console) fn mark_all(&mut self) {
        let shown: Vec<RepoName> = self.from(0).map(|repo| repo.repo.clone()).collect();
        if shown.iter().all(|name| self.marked.contains(name)) {
            self.marked.clear();
        } else {
            self.marked.extend(shown);
        }
        self.count_hidden();
    }

    /// Unmarks all repos; false if none was marked.
    pub(in crate::console) fn unmark(&mut self) -> bool {
        let any = !self.marked.is_empty();
        self.marked.clear();
        self.hidden = 0;
        any
    }

    /// Whether a repo is marked.
    pub(in crate::console) fn is_marked(&self, repo: &RepoName) -> bool {
        self.marked.contains(repo)
    }

    /// The marked repos sorted by name, including hidden ones.
    pub(in crate::console) fn marked(&self) -> Vec<RepoSummary> {
        if self.marked.is_empty() {
            return Vec::new();
        }
        self.all
            .iter()
            .map(|row| &row.summary)
            .filter(|repo| self.marked.contains(&repo.repo))
            .cloned()
            .collect()
    }

    /// Number of marked repos that the filter hides.
    pub(in crate::console) fn hidden_marks(&self) -> usize {
        self.hidden
    }

    /// Number of marked repos.
    pub(in crate::console) fn marks(&self) -> usize {
        self.marked.len()
    }

    /// Counts the marked repos that the filter hides.
    pub(super) fn count_hidden(&mut self) {
        let seen = |marked: usize| {
            marked - self.from(0).filter(|repo| self.is_marked(&repo.repo)).count().min(marked)
        };
        self.hidden = if self.marked.is_empty() || self.filter.is_empty() {
            0
        } else {
            seen(self.marked.len())
        };
    }
}
