//! What the console knows, and where the operator is. Plain data: nothing here draws, waits or
//! reads a clock.

mod choice;
mod column;
mod confirm;
mod connection;
mod cursor;
mod enabled;
mod filter;
mod history;
mod input;
mod log;
mod palette;
mod repo;
mod repos;
mod run;
mod speed;
mod totals;

pub(super) use choice::{Choice, Why};
pub(super) use column::Column;
pub(super) use confirm::{Asks, ConfirmDialog, Confirmed, Permit, PlanState, Subject};
pub(super) use connection::RECONNECTING;
pub(super) use cursor::Cursor;
pub(super) use filter::Filter;
pub(super) use history::History;
pub(super) use input::Input;
pub(super) use log::{Level, Log, LogLine};
pub(super) use palette::Palette;
pub(super) use repo::{Item, Repo};
pub(super) use repos::{PAGE, Repos};
pub(super) use run::{Outcome, Run, RunState, Runs, Work, step_words};
pub(super) use speed::Speed;
pub(super) use totals::Totals;

use jiff::Timestamp;
use packhouse_host::{GcEntry, RepoName};

use super::backend;
use super::keys::{Keymap, Place};
use super::msg::{Effect, Extent, Ticket};
use super::view::Styles;

/// Everything.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) styles: Styles,
    pub(super) keymap: Keymap,
    /// Whether nothing may be changed.
    pub(super) read_only: bool,
    /// Which store this is.
    pub(super) store: String,
    /// The time of day when the last message came.
    pub(super) now: Timestamp,
    /// The minute in which the last frame was drawn: what it says of times is as old.
    pub(super) minute: i64,
    /// Whether something changed that can be seen.
    pub(super) dirty: bool,
    /// How far the scrolled part of the last frame reached.
    pub(super) extent: Extent,
    /// The first screen; it is always there.
    pub(super) repos: Repos,
    /// The screens above it, the shown one last.
    pub(super) screens: Vec<Screen>,
    /// A plan, in place of the screen.
    pub(super) dialog: Option<ConfirmDialog>,
    /// A question about leaving, over everything but the help.
    pub(super) leave: Option<Leave>,
    /// The help, scrolled by so many lines.
    pub(super) help: Option<Cursor>,
    pub(super) palette: Option<Palette>,
    pub(super) runs: Runs,
    pub(super) history: History,
    pub(super) log: Log,
    /// A word about what was just done, until the next key.
    pub(super) notice: Option<String>,
    /// Whether the store is no longer watched: changes by others are not seen.
    pub(super) unwatched: bool,
    /// The stamp of the store when it was last watched.
    pub(super) stamp: Option<u64>,
    /// The connection to a remote store; none for a local one.
    pub(super) connection: Option<backend::Connection>,
    /// Whether something was to be read while the store could not be asked: it is read when it can.
    pub(super) missed: bool,
    tickets: u64,
}

/// A screen above the list of repos.
#[derive(Debug)]
pub(super) enum Screen {
    /// A repo.
    Repo(Box<Repo>),
    /// All work.
    Runs,
    /// Work that waits or goes on, or its result.
    Run(Ticket),
    /// All consolidations.
    History,
    /// One consolidation, and the line at which it begins to be seen.
    Record(Box<GcEntry>, Cursor),
    /// What happened.
    Log,
}

/// Leaving while work is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Asked: wait, cancel or stay.
    Asking,
    /// Leaves when the work has ended.
    Waiting,
    /// Leaves when the work has stopped.
    Stopping,
}

impl Model {
    /// A console that knows nothing yet.
    pub(super) fn new(styles: Styles, keymap: Keymap, read_only: bool, store: String) -> Self {
        Model {
            styles,
            keymap,
            read_only,
            store,
            now: Timestamp::UNIX_EPOCH,
            minute: 0,
            dirty: true,
            extent: Extent::default(),
            repos: Repos::default(),
            screens: Vec::new(),
            dialog: None,
            leave: None,
            help: None,
            palette: None,
            runs: Runs::default(),
            history: History::default(),
            log: Log::default(),
            notice: None,
            unwatched: false,
            stamp: None,
            connection: None,
            missed: false,
            tickets: 0,
        }
    }

    /// Where the operator is, as far as keys go.
    pub(super) fn place(&self) -> Place {
        match (&self.help, &self.palette) {
            (Some(_), _) => Place::Help,
            (None, Some(_)) => Place::Palette,
            (None, None) => self.place_below(),
        }
    }

    /// Where the operator is when help and palette are closed.
    pub(super) fn place_below(&self) -> Place {
        match (&self.leave, &self.dialog, self.screens.last()) {
            (Some(_), ..) => Place::Leave,
            (_, Some(dialog), _) => dialog.place(),
            (.., Some(Screen::Repo(_))) => Place::Repo,
            (.., Some(Screen::Runs)) => Place::Runs,
            (.., Some(Screen::Run(ticket))) => match self.runs.get(*ticket) {
                Some(run) if run.is_open() => Place::Run,
                _ => Place::Done,
            },
            (.., Some(Screen::History)) if self.history.typing => Place::Search,
            (.., Some(Screen::History)) => Place::History,
            (.., Some(Screen::Record(..))) => Place::Record,
            (.., Some(Screen::Log)) => Place::Log,
            (.., None) if self.repos.typing => Place::Filter,
            (.., None) => Place::Repos,
        }
    }

    /// The repo that the operator looks at or points to.
    pub(super) fn current_repo(&self) -> Option<RepoName> {
        if let Some(dialog) = &self.dialog {
            return dialog.repo().cloned();
        }
        match self.screens.last() {
            Some(Screen::Repo(repo)) => Some(repo.name.clone()),
            Some(Screen::Runs) => self.runs.current().map(|run| run.repo.clone()),
            Some(Screen::Run(ticket)) => self.runs.get(*ticket).map(|run| run.repo.clone()),
            Some(Screen::History) => self.history.current().map(|entry| entry.repo.clone()),
            Some(Screen::Record(entry, _)) => Some(entry.repo.clone()),
            Some(Screen::Log) => None,
            None => self.repos.current().map(|repo| repo.repo.clone()),
        }
    }

    /// A fresh ticket.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Reads again what the operator sees, and the list under it.
    pub(super) fn refresh(&mut self) -> Vec<Effect> {
        let mut effects = vec![self.refresh_list()];
        effects.extend(self.refresh_above());
        effects
    }

    /// Reads the list of repos again.
    pub(super) fn refresh_list(&mut self) -> Effect {
        let ticket = self.ticket();
        self.repos.begin(ticket, self.now);
        Effect::List(ticket, None)
    }

    /// Reads again the screens above the list.
    pub(super) fn refresh_above(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for at in 0..self.screens.len() {
            let ticket = self.ticket();
            match self.screens.get_mut(at) {
                Some(Screen::Repo(repo)) => {
                    repo.loading = Some(ticket);
                    effects.push(Effect::Show(ticket, repo.name.clone()));
                }
                Some(Screen::History) => effects.push(self.history.begin(ticket)),
                _ => {}
            }
        }
        effects
    }

    /// The repo screen that waits for a ticket.
    pub(super) fn repo_awaiting(&mut self, ticket: Ticket) -> Option<&mut Repo> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Repo(repo) if repo.loading == Some(ticket) => Some(repo.as_mut()),
            _ => None,
        })
    }

    /// What moves with the arrows here, and through how many lines. Where the lines are text, they
    /// are those of the last frame, and the cursor is the first that is seen.
    pub(super) fn scrolled(&mut self) -> Option<(&mut Cursor, usize)> {
        let text = self.extent.content.saturating_sub(self.extent.height) + 1;
        if let Some(top) = &mut self.help {
            return Some((top, text));
        }
        if let Some(palette) = &mut self.palette {
            let lines = palette.fitting(&self.keymap).len();
            return Some((&mut palette.cursor, lines));
        }
        if self.leave.is_some() {
            return None;
        }
        if let Some(dialog) = &mut self.dialog {
            return Some((&mut dialog.top, text));
        }
        match self.screens.last_mut()? {
            Screen::Repo(repo) => {
                let items = repo.items();
                Some((&mut repo.cursor, items))
            }
            Screen::Runs => {
                let lines = self.runs.len();
                Some((&mut self.runs.cursor, lines))
            }
            Screen::Run(ticket) => {
                let run = self.runs.get_mut(*ticket)?;
                let findings = match &run.state {
                    RunState::Ended(Ok(Outcome::Verified(report))) if !report.ok => {
                        Some(report.problems.len())
                    }
                    _ => None,
                };
                Some((&mut run.top, findings.unwrap_or(text)))
            }
            Screen::History => {
                let lines = self.history.entries.len();
                Some((&mut self.history.cursor, lines))
            }
            Screen::Record(_, top) => Some((top, text)),
            Screen::Log => {
                let lines = self.log.newest().len();
                Some((&mut self.log.cursor, lines))
            }
        }
    }
}
