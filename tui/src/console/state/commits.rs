//! The commits that a branch reaches, each before its parents, and their graph.
//!
//! They are loaded page by page, as the cursor moves down.

use packhouse_host::{LogPage, LogQuery, LoggedCommit, RepoName};

use super::graph::Lanes;
use super::pages::Pages;
use super::ticket::Ticket;
use crate::console::failure::BackendResult;

/// Commits per page.
pub(in crate::console) const COMMITS_PAGE: u32 = 200;

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Commits {
    pub(in crate::console) repo: RepoName,
    /// The branch; none: the default branch.
    pub(in crate::console) branch: Option<String>,
    /// The loaded commits, each with its row of the graph.
    pub(in crate::console) pages: Pages<(LoggedCommit, String), Vec<String>>,
    /// The lanes below them.
    lanes: Lanes,
}

impl Commits {
    /// The commits of a branch, of which nothing is loaded.
    pub(in crate::console) fn new(repo: RepoName, branch: Option<String>) -> Commits {
        Commits { repo, branch, pages: Pages::default(), lanes: Lanes::default() }
    }

    /// Begins to load the first page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> LogQuery {
        self.pages.begin(ticket);
        LogQuery { branch: self.branch.clone(), from: Vec::new(), limit: COMMITS_PAGE }
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<LogQuery> {
        let from = self.pages.more(ticket, COMMITS_PAGE)?;
        Some(LogQuery { branch: self.branch.clone(), from, limit: COMMITS_PAGE })
    }

    /// Whether a reload would lose pages: then it is left to the operator.
    pub(in crate::console) fn is_long(&self) -> bool {
        self.pages.entries.len() > COMMITS_PAGE as usize
    }

    /// The selected commit.
    pub(in crate::console) fn current(&self) -> Option<&LoggedCommit> {
        self.pages.current().map(|(commit, _)| commit)
    }

    /// Takes a page. The cursor stays on its commit; on the first line, on that line.
    pub(super) fn take(&mut self, answer: BackendResult<LogPage>) {
        let LogPage { commits, next } = match answer {
            Ok(page) => page,
            Err(failure) => return self.pages.take(Err(failure)),
        };
        let replaces = self.pages.replaces();
        let is_first = self.pages.cursor.at(self.pages.entries.len()) == 0;
        let selected = self.current().filter(|_| replaces && !is_first);
        let selected = selected.map(|commit| commit.commit.clone());
        if replaces {
            self.lanes = Lanes::default();
        }
        let drawn = commits.into_iter().map(|commit| {
            let row = self.lanes.draw(&commit.commit, &commit.parents);
            (commit, row)
        });
        let page = (drawn.collect(), Some(next).filter(|next| !next.is_empty()));
        self.pages.take(Ok(page));
        let entries = &self.pages.entries;
        let line =
            selected.and_then(|id| entries.iter().position(|(commit, _)| commit.commit == id));
        line.into_iter().for_each(|line| self.pages.cursor.set(line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::keys::Action;
    use crate::console::tests::fake::commit;

    fn page(from: u64, to: u64) -> BackendResult<LogPage> {
        let commits = (to..=from).rev().map(|n| commit(n, &[n - 1])).collect();
        let next = if to > 1 { vec![commit(to - 1, &[]).commit] } else { Vec::new() };
        Ok(LogPage { commits, next })
    }

    #[test]
    fn pages_come_as_the_cursor_moves_down_and_continue_the_graph() {
        let mut commits = Commits::new("a/b".parse().unwrap(), None);
        assert_eq!(commits.begin(Ticket(1)).from, Vec::<String>::new());
        commits.take(page(500, 301));
        assert_eq!(commits.more(Ticket(2)), None, "the end is far");
        commits.pages.cursor.act(Action::Last, 200, 1);
        assert_eq!(commits.more(Ticket(2)).unwrap().from, [commit(300, &[]).commit]);
        assert_eq!(commits.more(Ticket(3)), None, "it is loading");
        commits.take(page(300, 1));
        assert!(commits.pages.is_complete() && commits.is_long());
        assert!(commits.pages.entries.iter().all(|(_, row)| row == "●"), "it is one line");
        assert_eq!(commits.current().unwrap().commit, commit(301, &[]).commit);
    }

    #[test]
    fn a_reload_keeps_the_cursor_on_its_commit_and_at_the_top() {
        let mut commits = Commits::new("a/b".parse().unwrap(), None);
        commits.begin(Ticket(1));
        commits.take(page(9, 1));
        commits.begin(Ticket(2));
        commits.take(page(10, 1));
        assert_eq!(commits.current().unwrap().commit, commit(10, &[]).commit);
        commits.pages.cursor.set(3);
        commits.begin(Ticket(3));
        commits.take(page(12, 1));
        assert_eq!(commits.current().unwrap().commit, commit(7, &[]).commit);
    }
}
