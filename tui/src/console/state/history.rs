//! The history: ended consolidations of all repos, page by page, and the search in them.

use packhouse_host::{GcEntry, GcQuery};

use super::cursor::Cursor;
use super::input::Input;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};
use crate::console::keys::Action;

/// Consolidations per page.
const PAGE: u32 = 200;

/// [`crate::console::view`] draws it.
#[derive(Debug, Default)]
pub(in crate::console) struct History {
    /// The loaded entries, newest first.
    pub(in crate::console) entries: Vec<GcEntry>,
    /// The search text.
    input: Input,
    /// The search text of `entries`.
    searched: String,
    /// Whether keys go into the search text.
    pub(in crate::console) typing: bool,
    pub(in crate::console) cursor: Cursor,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether its result is appended to `entries`, or replaces them.
    continues: bool,
    /// Whether `entries` are complete.
    pub(in crate::console) complete: bool,
    /// Whether the search has no result yet: `entries` may be those of another search.
    pub(in crate::console) unanswered: bool,
    /// Whether anything was loaded.
    pub(in crate::console) known: bool,
    /// Why the last request failed.
    pub(in crate::console) failure: Option<Failure>,
}

impl History {
    /// Begins to load the newest page: returns its query.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> GcQuery {
        self.loading = Some(ticket);
        self.searched = self.input.text().to_owned();
        (self.complete, self.continues, self.unanswered) = (false, false, true);
        self.query(None)
    }

    /// Begins to load the next page when the cursor comes near the end: returns its query.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<GcQuery> {
        let is_near = self.cursor.is_near_end(self.entries.len(), PAGE);
        if !is_near || self.complete || self.loading.is_some() || self.failure.is_some() {
            return None;
        }
        let last = self.entries.last()?.id;
        (self.loading, self.continues) = (Some(ticket), true);
        Some(self.query(Some(last)))
    }

    fn query(&self, before: Option<i64>) -> GcQuery {
        GcQuery { repo: None, text: self.searched.clone(), before, limit: PAGE }
    }

    /// Takes a page. Returns the next query, of the ticket `next`, if the search text has changed
    /// meanwhile.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Vec<GcEntry>>,
        next: Ticket,
    ) -> Option<GcQuery> {
        self.unanswered = false;
        match answer {
            Ok(page) => {
                self.complete = page.len() < PAGE as usize;
                self.failure = None;
                self.known = true;
                if !self.continues {
                    self.entries.clear();
                }
                self.entries.extend(page);
            }
            Err(failure) => self.failure = Some(failure),
        }
        self.give_up(next)
    }

    /// Ends a request that may have failed; `entries` stay. Returns the next query, as
    /// [`History::take`] does.
    pub(in crate::console) fn give_up(&mut self, next: Ticket) -> Option<GcQuery> {
        self.loading = None;
        self.outdated().then(|| self.begin(next))
    }

    /// Types into the search text.
    pub(in crate::console) fn type_text(&mut self, action: Action) {
        self.input.act(action);
    }

    /// Pastes into the search text.
    pub(in crate::console) fn paste(&mut self, text: &str) {
        self.input.paste(text);
    }

    /// Clears the search text.
    pub(in crate::console) fn clear(&mut self) {
        self.input = Input::default();
    }

    /// Whether the search text differs from that of the last request.
    pub(in crate::console) fn outdated(&self) -> bool {
        self.searched != self.input.text()
    }

    /// The search text.
    pub(in crate::console) fn text(&self) -> &str {
        self.input.text()
    }

    /// The selected consolidation.
    pub(in crate::console) fn current(&self) -> Option<&GcEntry> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}
