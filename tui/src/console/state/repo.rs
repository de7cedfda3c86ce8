//! The repo screen: the details of a repo, and the selected line.

use packhouse_host::RepoName;
use packhouse_host::report::RepoDetail;

use super::cursor::Cursor;
use super::extent::Extent;
use super::ticket::Ticket;
use crate::console::failure::{BackendResult, Failure};
use crate::console::keys::Action;

/// [`crate::console::view`] draws it.
#[derive(Debug)]
pub(in crate::console) struct Repo {
    pub(in crate::console) name: RepoName,
    pub(in crate::console) known: Option<Box<RepoDetail>>,
    /// The pending request.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last request failed.
    pub(in crate::console) failure: Option<Failure>,
    /// The position in [`Repo::items`].
    pub(in crate::console) cursor: Cursor,
    /// Whether the screen was scrolled down to the selected line.
    pub(in crate::console) scrolled: bool,
}

/// A line that can be selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Item {
    /// A branch head, by its position.
    Head(usize),
    /// A pack, by its position.
    Pack(usize),
    /// A consolidation, by its position.
    Past(usize),
}

impl Repo {
    /// A repo whose details are loading.
    pub(in crate::console) fn new(name: RepoName, loading: Ticket) -> Self {
        let (known, failure, cursor) = (None, None, Cursor::default());
        Repo { name, known, loading: Some(loading), failure, cursor, scrolled: false }
    }

    /// Takes a result. After a failure the loaded details stay.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Box<RepoDetail>>) {
        self.loading = None;
        match answer {
            Ok(known) => {
                if self.known.is_none() {
                    // The cursor begins on the default branch.
                    let default = &known.report.default_branch;
                    let line = known.report.branch_heads.keys().position(|name| name == default);
                    self.cursor.set(line.unwrap_or_default());
                }
                self.known = Some(known);
                self.failure = None;
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// The number of selectable lines: heads, then packs, then consolidations.
    pub(in crate::console) fn items(&self) -> usize {
        self.known.as_ref().map_or(0, |known| {
            known.report.branch_heads.len() + known.packs.len() + known.history.len()
        })
    }

    /// The selected line.
    pub(in crate::console) fn current(&self) -> Option<Item> {
        let known = self.known.as_ref()?;
        let at = self.cursor.at(self.items());
        let (heads, packs) = (known.report.branch_heads.len(), known.packs.len());
        match at {
            _ if self.items() == 0 => None,
            at if at < heads => Some(Item::Head(at)),
            at if at < heads + packs => Some(Item::Pack(at - heads)),
            at => Some(Item::Past(at - heads - packs)),
        }
    }

    /// Whether the selected line was visible on the last frame.
    pub(in crate::console) fn is_in_sight(&self, extent: &Extent) -> bool {
        let at = self.cursor.at(self.items());
        // Nothing was drawn yet, or nothing can be selected.
        extent.items.is_empty() || extent.items.contains(&Some(at))
    }

    /// Scrolls down to a selected line that is out of sight, and from the first one back to the top.
    /// False if the action moves the cursor.
    pub(in crate::console) fn scroll(&mut self, action: Action, extent: &Extent) -> bool {
        let scrolls = match action {
            Action::Down | Action::PageDown => !self.scrolled && !self.is_in_sight(extent),
            Action::Up | Action::PageUp => self.scrolled && self.cursor.at(self.items()) == 0,
            _ => false,
        };
        self.scrolled = (self.scrolled != scrolls) && action != Action::First;
        scrolls
    }

    /// What `copy` copies of that line: a commit ID or a pack key.
    pub(in crate::console) fn copied(&self) -> Option<String> {
        let known = self.known.as_ref()?;
        match self.current()? {
            Item::Head(at) => known.report.branch_heads.values().nth(at).cloned(),
            Item::Pack(at) => known.packs.get(at).map(|pack| pack.key.to_string()),
            Item::Past(at) => known.history.get(at).and_then(|past| past.consolidated_key.clone()),
        }
    }
}
