//! A list that is loaded page by page, as the cursor moves down.

use super::cursor::Cursor;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};

/// Loaded entries, and where the next page begins.
#[derive(Debug)]
pub(in crate::console) struct Pages<T, N> {
    /// The loaded entries.
    pub(in crate::console) entries: Vec<T>,
    /// Where the next page begins; none at the end.
    next: Option<N>,
    pub(in crate::console) cursor: Cursor,
    /// The pending request; results of older ones are dropped.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether its result is appended to `entries`, or replaces them.
    continues: bool,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed. The loaded entries stay.
    pub(in crate::console) failure: Option<Failure>,
}

/// Nothing is loaded.
impl<T, N> Default for Pages<T, N> {
    fn default() -> Self {
        Pages {
            entries: Vec::new(),
            next: None,
            cursor: Cursor::default(),
            loading: None,
            continues: false,
            known: false,
            failure: None,
        }
    }
}

impl<T, N: Clone> Pages<T, N> {
    /// Begins to load the first page. It replaces all entries when it is here.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) {
        (self.loading, self.continues) = (Some(ticket), false);
    }

    /// Begins to load again what failed: returns where it begins; none for the first page.
    pub(in crate::console) fn again(&mut self, ticket: Ticket) -> Option<N> {
        self.loading = Some(ticket);
        self.next.clone().filter(|_| self.continues)
    }

    /// Begins to load the next page, of `size` entries, when the cursor comes near the end: returns
    /// where it begins.
    pub(in crate::console) fn more(&mut self, ticket: Ticket, size: u32) -> Option<N> {
        let is_near = self.cursor.is_near_end(self.entries.len(), size);
        if !is_near || self.loading.is_some() || self.failure.is_some() {
            return None;
        }
        let next = self.next.clone()?;
        (self.loading, self.continues) = (Some(ticket), true);
        Some(next)
    }

    /// Takes a page, and where the next one begins.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<(Vec<T>, Option<N>)>) {
        self.loading = None;
        match answer {
            Ok((entries, next)) => {
                if self.replaces() {
                    self.entries.clear();
                }
                self.entries.extend(entries);
                (self.next, self.known, self.failure) = (next, true, None);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Whether the pending page replaces all entries.
    pub(in crate::console) fn replaces(&self) -> bool {
        !self.continues
    }

    /// Where the next page begins; none at the end.
    pub(in crate::console) fn next(&self) -> Option<&N> {
        self.next.as_ref()
    }

    /// Whether all entries are loaded.
    pub(in crate::console) fn is_complete(&self) -> bool {
        self.next.is_none()
    }

    /// Where the cursor is, how many entries are loaded, and whether there are more.
    pub(in crate::console) fn extent(&self) -> (Cursor, usize, bool) {
        (self.cursor, self.entries.len(), !self.is_complete())
    }

    /// The cursor, and how many entries it moves in.
    pub(in crate::console) fn cursor(&mut self) -> (&mut Cursor, usize) {
        (&mut self.cursor, self.entries.len())
    }

    /// The selected entry.
    pub(in crate::console) fn current(&self) -> Option<&T> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}

#[cfg(test)]
mod tests {
    use packhouse_host::Error;

    use super::*;
    use crate::console::keys::Action;

    #[test]
    fn a_page_continues_the_list_or_replaces_it() {
        let mut pages = Pages::default();
        pages.begin(Ticket(1));
        assert!(pages.replaces() && !pages.known);
        pages.take(Ok(((0..100).collect(), Some(100))));
        assert_eq!(pages.more(Ticket(2), 10), None, "the end is far");
        pages.cursor.act(Action::Last, 100, 10);
        assert_eq!(pages.more(Ticket(2), 10), Some(100));
        assert_eq!(pages.more(Ticket(3), 10), None, "it is pending");
        pages.take(Ok(((100..105).collect(), None)));
        assert_eq!((pages.entries.len(), pages.current()), (105, Some(&99)));
        assert!(pages.is_complete() && pages.more(Ticket(3), 10).is_none());
        pages.begin(Ticket(4));
        assert_eq!(pages.entries.len(), 105, "until the new ones are here");
        pages.take(Ok((vec![7], None)));
        assert_eq!(pages.entries, [7]);
    }

    #[test]
    fn after_a_failure_the_entries_stay_and_the_same_page_is_loaded_again() {
        let failed = || Err(Failure::from(Error::Cancelled));
        let mut pages = Pages::default();
        pages.begin(Ticket(1));
        pages.take(failed());
        assert!(!pages.known && pages.failure.is_some());
        assert_eq!(pages.again(Ticket(2)), None, "the first page");
        pages.take(Ok((vec![0, 1], Some(2))));
        assert!(pages.failure.is_none());
        assert_eq!(pages.more(Ticket(3), 10), Some(2));
        pages.take(failed());
        assert_eq!((pages.entries.len(), pages.more(Ticket(4), 10)), (2, None));
        assert_eq!(pages.again(Ticket(4)), Some(2));
        pages.take(Ok((vec![2], None)));
        assert_eq!(pages.entries, [0, 1, 2]);
    }
}
