//! What the lists have in common that are loaded page by page.

use packhouse_host::{FilesPage, LogPage, PackComparison, PackRecordsPage};

use super::commits::Commits;
use super::comparison::Comparison;
use super::files::Files;
use super::model::Model;
use super::records::Records;
use super::screen::Screen;
use super::ticket::Ticket;
use crate::console::failure::BackendResult;

/// A screen whose list is loaded page by page.
pub(in crate::console) trait Paged {
    /// A page of its list.
    type Page;

    /// The screen that waits for a ticket.
    fn awaiting(model: &mut Model, ticket: Ticket) -> Option<&mut Self>;

    /// Takes a page.
    fn take(&mut self, answer: BackendResult<Self::Page>);

    /// The connection was lost: nothing is loading any more, and what was loaded stays.
    fn give_up(&mut self);

    /// Whether a search has found too few, so that the next page is loaded at once.
    fn is_searching(&self) -> bool {
        false
    }
}

impl Paged for Commits {
    type Page = LogPage;

    fn awaiting(model: &mut Model, ticket: Ticket) -> Option<&mut Self> {
        model.screens.iter_mut().find_map(|screen| match screen {
            Screen::Commits(it) if it.pages.loading == Some(ticket) => Some(it.as_mut()),
            _ => None,
        })
    }

    fn take(&mut self, answer: BackendResult<LogPage>) {
        self.take(answer);
    }

    fn give_up(&mut self) {
        self.pages.loading = None;
    }
}

impl Paged for Files {
    type Page = FilesPage;

    fn awaiting(model: &mut Model, ticket: Ticket) -> Option<&mut Self> {
        model.screens.iter_mut().find_map(|screen| match screen {
            Screen::Files(it) if it.pages.loading == Some(ticket) => Some(it.as_mut()),
            _ => None,
        })
    }

    fn take(&mut self, answer: BackendResult<FilesPage>) {
        self.take(answer);
    }

    fn give_up(&mut self) {
        self.pages.loading = None;
    }

    fn is_searching(&self) -> bool {
        self.is_searching()
    }
}

impl Paged for Records {
    type Page = PackRecordsPage;

    fn awaiting(model: &mut Model, ticket: Ticket) -> Option<&mut Self> {
        model.screens.iter_mut().find_map(|screen| match screen {
            Screen::Records(it) if it.pages.loading == Some(ticket) => Some(it.as_mut()),
            _ => None,
        })
    }

    fn take(&mut self, answer: BackendResult<PackRecordsPage>) {
        self.take(answer);
    }

    fn give_up(&mut self) {
        self.pages.loading = None;
    }

    fn is_searching(&self) -> bool {
        self.is_searching()
    }
}

impl Paged for Comparison {
    type Page = PackComparison;

    fn awaiting(model: &mut Model, ticket: Ticket) -> Option<&mut Self> {
        model.screens.iter_mut().find_map(|screen| match screen {
            Screen::Comparison(it) if it.pages.loading == Some(ticket) => Some(it.as_mut()),
            _ => None,
        })
    }

    fn take(&mut self, answer: BackendResult<PackComparison>) {
        self.take(answer);
    }

    fn give_up(&mut self) {
        self.pages.loading = None;
    }

    fn is_searching(&self) -> bool {
        self.is_searching()
    }
}
