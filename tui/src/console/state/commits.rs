//! The commits that a branch reaches, each before its parents, and their graph.
//!
//! They are loaded page by page, as the cursor moves down.

use packhouse_host::{LogPage, LogQuery, LoggedCommit, RepoName};

use super::cursor::Cursor;
use super::graph::Lanes;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Commits per page.
pub(in crate::console) const COMMITS_PAGE: u32 = 200;

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Commits {
    pub(in crate::console) repo: RepoName,
    /// The branch; none: the default branch.
    pub(in crate::console) branch: Option<String>,
    /// The loaded commits, each with its row of the graph.
    pub(in crate::console) entries: Vec<(LoggedCommit, String)>,
    /// The lanes below them.
    lanes: Lanes,
    /// Where the next page starts; empty at the end.
    next: Vec<String>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether its result is appended to `entries`, or replaces them.
    continues: bool,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed. The loaded commits stay.
    pub(in crate::console) failure: Option<Failure>,
}

impl Commits {
    /// The commits of a branch, of which nothing is loaded.
    pub(in crate::console) fn new(repo: RepoName, branch: Option<String>) -> Commits {
        Commits {
            repo,
            branch,
            entries: Vec::new(),
            lanes: Lanes::default(),
            next: Vec::new(),
            cursor: Cursor::default(),
            loading: None,
            continues: false,
            known: false,
            failure: None,
        }
    }

    /// Begins to load the first page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> LogQuery {
        (self.loading, self.continues) = (Some(ticket), false);
        LogQuery { branch: self.branch.clone(), from: Vec::new(), limit: COMMITS_PAGE }
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<LogQuery> {
        let is_near = self.cursor.is_near_end(self.entries.len(), COMMITS_PAGE);
        if !is_near || self.is_complete() || self.loading.is_some() || self.failure.is_some() {
            return None;
        }
        (self.loading, self.continues) = (Some(ticket), true);
        let (branch, from) = (self.branch.clone(), self.next.clone());
        Some(LogQuery { branch, from, limit: COMMITS_PAGE })
    }

    /// Takes a page. The cursor stays on its commit; on the first line, on that line.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<LogPage>) {
        self.loading = None;
        let LogPage { commits, next } = match answer {
            Ok(page) => page,
            Err(failure) => {
                self.failure = Some(failure);
                return;
            }
        };
        let selected = self.current().filter(|_| self.cursor.at(self.entries.len()) > 0);
        let selected = selected.map(|commit| commit.commit.clone()).filter(|_| !self.continues);
        if !self.continues {
            (self.entries, self.lanes) = (Vec::new(), Lanes::default());
        }
        for commit in commits {
            let row = self.lanes.draw(&commit.commit, &commit.parents);
            self.entries.push((commit, row));
        }
        let line =
            selected.and_then(|id| self.entries.iter().position(|(commit, _)| commit.commit == id));
        line.into_iter().for_each(|line| self.cursor.set(line));
        (self.next, self.known, self.failure) = (next, true, None);
    }

    /// Whether all commits are loaded.
    pub(in crate::console) fn is_complete(&self) -> bool {
        self.next.is_empty()
    }

    /// Whether a reload would lose pages: then it is left to the operator.
    pub(in crate::console) fn is_long(&self) -> bool {
        self.entries.len() > COMMITS_PAGE as usize
    }

    /// The selected commit.
    pub(in crate::console) fn current(&self) -> Option<&LoggedCommit> {
        self.entries.get(self.cursor.at(self.entries.len())).map(|(commit, _)| commit)
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
        commits.cursor.act(Action::Last, 200, 1);
        assert_eq!(commits.more(Ticket(2)).unwrap().from, [commit(300, &[]).commit]);
        assert_eq!(commits.more(Ticket(3)), None, "it is loading");
        commits.take(page(300, 1));
        assert!(commits.is_complete() && commits.is_long());
        assert!(commits.entries.iter().all(|(_, row)| row == "●"), "it is one line");
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
        commits.cursor.set(3);
        commits.begin(Ticket(3));
        commits.take(page(12, 1));
        assert_eq!(commits.current().unwrap().commit, commit(7, &[]).commit);
    }
}
