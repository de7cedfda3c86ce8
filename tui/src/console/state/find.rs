//! The search for an ID in all repos: the records that have it, or whose IDs begin so.
//!
//! There may be 100 000 repos. They are searched in groups, one after the other, so that the first
//! records are seen at once, and the search ends when its screen is closed.

use std::collections::VecDeque;

use packhouse_host::{FoundRecord, RepoName};

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Repos that are searched at once.
const GROUP: usize = 50;

/// Most records that are kept.
pub(in crate::console) const MOST_FOUND: usize = 10_000;

/// What was found in a repo.
pub(in crate::console) type FoundIn = (RepoName, BackendResult<Vec<FoundRecord>>);

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Find {
    pub(in crate::console) id: String,
    /// The records, in the order in which they were found.
    pub(in crate::console) found: Vec<FoundRecord>,
    /// The repos that are still to be searched.
    left: VecDeque<RepoName>,
    /// Number of repos that were searched.
    pub(in crate::console) searched: u64,
    /// Number of repos that could not be searched, and why the last could not.
    pub(in crate::console) failed: u64,
    pub(in crate::console) failure: Option<Failure>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
}

impl Find {
    /// A search in these repos, which has not begun.
    pub(in crate::console) fn new(id: String, repos: impl IntoIterator<Item = RepoName>) -> Find {
        Find {
            id,
            found: Vec::new(),
            left: repos.into_iter().collect(),
            searched: 0,
            failed: 0,
            failure: None,
            cursor: Cursor::default(),
            loading: None,
        }
    }

    /// Begins with the next repos: returns them. None are left, or the search is going on.
    pub(in crate::console) fn next(&mut self, ticket: Ticket) -> Option<Vec<RepoName>> {
        if self.left.is_empty() || self.loading.is_some() {
            return None;
        }
        self.loading = Some(ticket);
        Some(self.left.iter().take(GROUP).cloned().collect())
    }

    /// Takes what was found in some repos, in the order of the requests. Those that
    /// are not named are searched again.
    pub(in crate::console) fn take(&mut self, found: Vec<FoundIn>) {
        self.loading = None;
        for (repo, found) in found {
            if self.left.front() == Some(&repo) {
                self.left.pop_front();
            }
            self.searched += 1;
            match found {
                Ok(records) => self.found.extend(records),
                Err(failure) => {
                    self.failed += 1;
                    self.failure = Some(failure);
                }
            }
        }
        if self.found.len() >= MOST_FOUND {
            self.found.truncate(MOST_FOUND);
            self.left.clear();
        }
    }

    /// Number of repos that are still to be searched.
    pub(in crate::console) fn left(&self) -> u64 {
        self.left.len() as u64
    }

    /// The selected record.
    pub(in crate::console) fn current(&self) -> Option<&FoundRecord> {
        self.found.get(self.cursor.at(self.found.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::failure::FailureKind;
    use crate::console::tests::fake::opened;

    #[test]
    fn repos_are_searched_in_groups_and_those_without_an_answer_again() {
        let name = |n: usize| format!("a/{n}").parse::<RepoName>().unwrap();
        let mut find = Find::new("aa".to_owned(), (0..GROUP + 2).map(name));
        assert_eq!(find.next(Ticket(1)).unwrap().len(), GROUP);
        assert_eq!(find.next(Ticket(2)), None, "it is searching");
        let record = opened("aa", b"x").record.place;
        find.take(vec![(name(0), Ok(vec![record.clone()])), (name(1), Ok(Vec::new()))]);
        assert_eq!((find.found.len(), find.searched, find.left()), (1, 2, GROUP as u64));
        assert_eq!(find.next(Ticket(3)).unwrap()[0], name(2));
        let failure = Failure { kind: FailureKind::Damage, message: "no".to_owned() };
        find.take((2..GROUP + 2).map(|n| (name(n), Err(failure.clone()))).collect());
        assert_eq!((find.searched, find.failed, find.left()), (52, 50, 0));
        assert_eq!(find.next(Ticket(4)), None);
        assert_eq!(find.current(), Some(&record));
    }
}
