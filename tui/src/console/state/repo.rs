//! One repo: all that is known of it, once it is read, and which line of it is pointed to.

use packhouse_host::RepoName;

use super::Cursor;
use crate::console::backend::{BackendResult, Detail, Failure};
use crate::console::msg::Ticket;

/// See [`crate::console::view`] for how it looks.
#[derive(Debug)]
pub(in crate::console) struct Repo {
    pub(in crate::console) name: RepoName,
    pub(in crate::console) known: Option<Box<Detail>>,
    /// The reading that is under way.
    pub(in crate::console) loading: Option<Ticket>,
    /// Why the last reading failed.
    pub(in crate::console) failure: Option<Failure>,
    /// Which of [`Repo::items`] is pointed to.
    pub(in crate::console) cursor: Cursor,
}

/// A line of the screen that can be pointed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Item {
    /// A branch, by its position among the heads.
    Head(usize),
    /// A pack, by its position.
    Pack(usize),
    /// A consolidation, by its position.
    Past(usize),
}

impl Repo {
    /// A repo that is being read.
    pub(in crate::console) fn new(name: RepoName, loading: Ticket) -> Self {
        Repo { name, known: None, loading: Some(loading), failure: None, cursor: Cursor::default() }
    }

    /// Takes an answer. What was read before stays on the screen when reading fails.
    pub(in crate::console) fn take(&mut self, answer: BackendResult<Box<Detail>>) {
        self.loading = None;
        match answer {
            Ok(known) => {
                self.known = Some(known);
                self.failure = None;
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// How many lines can be pointed to: heads, then packs, then consolidations.
    pub(in crate::console) fn items(&self) -> usize {
        self.known.as_ref().map_or(0, |known| {
            known.report.branch_heads.len() + known.packs.len() + known.history.len()
        })
    }

    /// The line that is pointed to.
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

    /// What can be copied of that line: a commit's id, a pack's key.
    pub(in crate::console) fn copied(&self) -> Option<String> {
        let known = self.known.as_ref()?;
        match self.current()? {
            Item::Head(at) => known.report.branch_heads.values().nth(at).cloned(),
            Item::Pack(at) => known.packs.get(at).map(|pack| pack.key.to_string()),
            Item::Past(at) => known.history.get(at).and_then(|past| past.consolidated_key.clone()),
        }
    }
}
