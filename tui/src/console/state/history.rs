//! Consolidations that ended, of all repos, page by page; and what to look for among them.

use packhouse_host::{GcEntry, GcQuery};

use super::{Cursor, Input};
use crate::console::backend::{BackendResult, Failure};
use crate::console::keys::Action;
use crate::console::msg::{Effect, Ticket};

/// Consolidations that are read at once.
const PAGE: u32 = 200;

/// See [`crate::console::view`] for how it looks.
#[derive(Debug, Default)]
pub(in crate::console) struct History {
    /// Newest first, as far as they were read.
    pub(in crate::console) entries: Vec<GcEntry>,
    /// What is looked for.
    input: Input,
    /// What was looked for when `entries` were read.
    asked: String,
    /// Whether keys go into the text.
    pub(in crate::console) typing: bool,
    pub(in crate::console) cursor: Cursor,
    /// The reading that is under way.
    pub(in crate::console) loading: Option<Ticket>,
    /// Whether its answer goes on behind `entries`, or takes their place.
    continues: bool,
    /// Whether `entries` are all there are.
    pub(in crate::console) complete: bool,
    /// Whether what is looked for was not answered yet, be it well or badly: `entries` may be of
    /// something else.
    pub(in crate::console) unanswered: bool,
    /// Whether there is an answer.
    pub(in crate::console) known: bool,
    /// Why the last reading failed.
    pub(in crate::console) failure: Option<Failure>,
}

impl History {
    /// Reads from the newest on.
    pub(in crate::console) fn begin(&mut self, ticket: Ticket) -> Effect {
        self.loading = Some(ticket);
        self.asked = self.input.text().to_owned();
        (self.complete, self.continues, self.unanswered) = (false, false, true);
        Effect::History(ticket, self.query(None))
    }

    /// Reads on, when the end of what was read comes near.
    pub(in crate::console) fn more(&mut self, ticket: Ticket) -> Option<Effect> {
        let near = self.cursor.at(self.entries.len()) + PAGE as usize / 2 > self.entries.len();
        if !near || self.complete || self.loading.is_some() || self.failure.is_some() {
            return None;
        }
        let last = self.entries.last()?.id;
        (self.loading, self.continues) = (Some(ticket), true);
        Some(Effect::History(ticket, self.query(Some(last))))
    }

    fn query(&self, before: Option<i64>) -> GcQuery {
        GcQuery { repo: None, text: self.asked.clone(), before, limit: PAGE }
    }

    /// Takes an answer; gives the next question, when something else is looked for by now.
    pub(in crate::console) fn take(
        &mut self,
        answer: BackendResult<Vec<GcEntry>>,
        next: Ticket,
    ) -> Option<Effect> {
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

    /// Ends a reading, which may have come to nothing: what is shown stays. Gives the next
    /// question, as [`History::take`] does.
    pub(in crate::console) fn give_up(&mut self, next: Ticket) -> Option<Effect> {
        self.loading = None;
        self.outdated().then(|| self.begin(next))
    }

    /// Types into what is looked for.
    pub(in crate::console) fn type_text(&mut self, action: Action) {
        self.input.act(action);
    }

    /// Pastes into what is looked for.
    pub(in crate::console) fn paste(&mut self, text: &str) {
        self.input.paste(text);
    }

    /// Drops what is looked for.
    pub(in crate::console) fn clear(&mut self) {
        self.input = Input::default();
    }

    /// Whether what is looked for is not what was read or is being read.
    pub(in crate::console) fn outdated(&self) -> bool {
        self.asked != self.input.text()
    }

    /// What is looked for.
    pub(in crate::console) fn text(&self) -> &str {
        self.input.text()
    }

    /// The consolidation that is pointed to.
    pub(in crate::console) fn current(&self) -> Option<&GcEntry> {
        self.entries.get(self.cursor.at(self.entries.len()))
    }
}
