//! The model of the console. Plain data: nothing here draws, waits or reads a clock.

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
pub(super) use run::{Outcome, Run, RunState, Runs, Work, step_text};
pub(super) use speed::Speed;
pub(super) use totals::Totals;

use jiff::Timestamp;
use packhouse_host::{GcEntry, RepoName};

use super::backend;
use super::keys::{Keymap, Place};
use super::msg::{Effect, Extent, Ticket};
use super::theme::Styles;

/// The model.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) styles: Styles,
    pub(super) keymap: Keymap,
    /// Whether actions that change the store are disabled.
    pub(super) read_only: bool,
    /// The name of the store.
    pub(super) store: String,
    /// The time of the last message.
    pub(super) now: Timestamp,
    /// The minute of the last frame, to update relative times.
    pub(super) minute: i64,
    /// Whether the screen must be drawn again.
    pub(super) dirty: bool,
    /// The scroll area of the last frame.
    pub(super) extent: Extent,
    /// The first screen, which is always open.
    pub(super) repos: Repos,
    /// The screens above it, the visible one last.
    pub(super) screens: Vec<Screen>,
    /// The confirm dialog, instead of the screen.
    pub(super) dialog: Option<ConfirmDialog>,
    /// The quit dialog, above everything except the help.
    pub(super) leave: Option<Leave>,
    /// The help, with its scroll position.
    pub(super) help: Option<Cursor>,
    pub(super) palette: Option<Palette>,
    pub(super) runs: Runs,
    pub(super) history: History,
    pub(super) log: Log,
    /// A notice about the last action, until the next key.
    pub(super) notice: Option<String>,
    /// Whether watching has failed, so that changes by others are not displayed.
    pub(super) unwatched: bool,
    /// The stamp of the store when it was last watched.
    pub(super) stamp: Option<u64>,
    /// The connection to a remote store; none for a local one.
    pub(super) connection: Option<backend::Connection>,
    /// Whether a load failed while disconnected, and must be repeated.
    pub(super) missed: bool,
    tickets: u64,
}

/// A screen above the list of repos.
#[derive(Debug)]
pub(super) enum Screen {
    /// A repo.
    Repo(Box<Repo>),
    /// All runs.
    Runs,
    /// One run, or its result.
    Run(Ticket),
    /// All consolidations.
    History,
    /// One consolidation, with its scroll position.
    Record(Box<GcEntry>, Cursor),
    /// The log.
    Log,
}

/// Quitting while runs are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// The operator chooses: wait, cancel or stay.
    Asking,
    /// Quits when all runs have ended.
    Waiting,
    /// Quits when all runs have stopped.
    Stopping,
}

impl Model {
    /// An empty model.
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

    /// The place that receives keys.
    pub(super) fn place(&self) -> Place {
        match (&self.help, &self.palette) {
            (Some(_), _) => Place::Help,
            (None, Some(_)) => Place::Palette,
            (None, None) => self.place_below(),
        }
    }

    /// The place below help and palette.
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

    /// The displayed or selected repo.
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

    /// A new ticket.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Reloads the list and the screens above it.
    pub(super) fn refresh(&mut self) -> Vec<Effect> {
        let mut effects = vec![self.refresh_list()];
        effects.extend(self.refresh_above());
        effects
    }

    /// Reloads the list of repos.
    pub(super) fn refresh_list(&mut self) -> Effect {
        let ticket = self.ticket();
        self.repos.begin(ticket, self.now);
        Effect::List(ticket, None)
    }

    /// Reloads the screens above the list.
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

    /// The cursor that arrow keys move, and its number of lines. For text, the cursor is the first
    /// visible line, and the lines are those of the last frame.
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
