//! The model of the console as a whole.

use jiff::Timestamp;
use packhouse_host::{ConnectionStatus, JobReport, RepoName};

use super::columns::ChosenColumns;
use super::commands::StorePlace;
use super::confirm::ConfirmDialog;
use super::cursor::Cursor;
use super::extent::Extent;
use super::findings::Finding;
use super::health::StoreHealth;
use super::help::Help;
use super::history::History;
use super::jobs::{Job, Jobs};
use super::log::{Level, Log};
use super::palette::Palette;
use super::policies::Policies;
use super::policy_form::PolicyForm;
use super::prompt::Prompt;
use super::prune::Prune;
use super::repo::Repo;
use super::repos::Repos;
use super::run::{Outcome, RunState};
use super::runs::Runs;
use super::screen::{Leave, Screen};
use super::server::Server;
use super::ticket::Ticket;
use super::tokens::Tokens;
use super::workers::Workers;
use crate::console::keys::{Action, Focus, Keymap};
use crate::console::theme::Styles;

/// The model.
#[derive(Debug)]
pub(in crate::console) struct Model {
    pub(in crate::console) styles: Styles,
    pub(in crate::console) keymap: Keymap,
    /// Whether actions that change the store are disabled.
    pub(in crate::console) read_only: bool,
    /// The name of the store.
    pub(in crate::console) store: String,
    /// The columns of the tables.
    pub(in crate::console) columns: ChosenColumns,
    /// The config file, whether it exists or not.
    pub(in crate::console) config: Option<String>,
    /// Where the store is, for the commands of the config.
    pub(in crate::console) place: StorePlace,
    /// The time of the last message.
    pub(in crate::console) now: Timestamp,
    /// The minute of the last frame, to update relative times.
    pub(in crate::console) minute: i64,
    /// Whether the screen must be drawn again.
    pub(in crate::console) dirty: bool,
    /// The scroll area of the last frame.
    pub(in crate::console) extent: Extent,
    /// The first screen, which is always open.
    pub(in crate::console) repos: Repos,
    /// The screens above it, the visible one last.
    pub(in crate::console) screens: Vec<Screen>,
    /// The confirm dialog, instead of the screen.
    pub(in crate::console) dialog: Option<ConfirmDialog>,
    /// The quit dialog, above everything except the help.
    pub(in crate::console) leave: Option<Leave>,
    /// The selected button of the quit dialog; none: the first.
    pub(in crate::console) leave_button: Option<Action>,
    /// The help, while it is displayed.
    pub(in crate::console) help: Option<Help>,
    pub(in crate::console) palette: Option<Palette>,
    /// The question in the footer.
    pub(in crate::console) prompt: Option<Prompt>,
    pub(in crate::console) runs: Runs,
    pub(in crate::console) history: History,
    pub(in crate::console) jobs: Jobs,
    /// The packs that no repo needs.
    pub(in crate::console) prune: Prune,
    pub(in crate::console) policies: Policies,
    pub(in crate::console) tokens: Tokens,
    pub(in crate::console) workers: Workers,
    /// The server of a remote store.
    pub(in crate::console) server: Server,
    /// What needs attention in the store.
    pub(in crate::console) health: StoreHealth,
    pub(in crate::console) log: Log,
    /// A notice about the last action, until the next key.
    pub(in crate::console) notice: Option<String>,
    /// Whether watching has failed, so that changes by others are not displayed.
    pub(in crate::console) unwatched: bool,
    /// The stamp of the store when it was last watched.
    pub(in crate::console) stamp: Option<u64>,
    /// The connection to a remote store; none for a local one.
    pub(in crate::console) connection: Option<ConnectionStatus>,
    /// Whether a load failed while disconnected, and must be repeated.
    pub(in crate::console) missed: bool,
    tickets: u64,
}

impl Model {
    /// Logs which actions have lost a key to the config.
    pub(in crate::console) fn log_notes_of_keys(&mut self, now: Timestamp) {
        for note in std::mem::take(&mut self.keymap.notes) {
            self.log.say(now, Level::Note, note);
        }
    }

    /// An empty model.
    pub(in crate::console) fn new(
        styles: Styles,
        keymap: Keymap,
        read_only: bool,
        store: String,
    ) -> Self {
        Model {
            styles,
            keymap,
            read_only,
            store,
            columns: ChosenColumns::default(),
            config: None,
            place: StorePlace::default(),
            now: Timestamp::UNIX_EPOCH,
            minute: 0,
            dirty: true,
            extent: Extent::default(),
            repos: Repos::default(),
            screens: Vec::new(),
            dialog: None,
            leave: None,
            leave_button: None,
            help: None,
            palette: None,
            prompt: None,
            runs: Runs::default(),
            history: History::default(),
            jobs: Jobs::default(),
            prune: Prune::default(),
            policies: Policies::default(),
            tokens: Tokens::default(),
            workers: Workers::default(),
            server: Server::default(),
            health: StoreHealth::default(),
            log: Log::default(),
            notice: None,
            unwatched: false,
            stamp: None,
            connection: None,
            missed: false,
            tickets: 0,
        }
    }

    /// What receives keys.
    pub(in crate::console) fn focus(&self) -> Focus {
        match (&self.help, &self.palette) {
            (Some(_), _) if self.prompt.is_some() => Focus::Prompt,
            (Some(_), _) => Focus::Help,
            (None, Some(_)) => Focus::Palette,
            (None, None) => self.focus_below(),
        }
    }

    /// What receives them when help and palette are closed.
    pub(in crate::console) fn focus_below(&self) -> Focus {
        match (&self.leave, &self.dialog, self.screens.last()) {
            (Some(_), ..) => Focus::Leave,
            (_, Some(dialog), _) => dialog.focus(),
            _ if self.prompt.is_some() => Focus::Prompt,
            (.., Some(Screen::Repo(_))) => Focus::Repo,
            (.., Some(Screen::Packs(_))) => Focus::Packs,
            (.., Some(Screen::Records(_))) => Focus::Records,
            (.., Some(Screen::Comparison(_))) => Focus::Comparison,
            (.., Some(Screen::Commits(_))) => Focus::Commits,
            (.., Some(Screen::Files(_))) => Focus::Files,
            (.., Some(Screen::Entity(_))) => Focus::Entity,
            (.., Some(Screen::Find(_))) => Focus::Find,
            (.., Some(Screen::Runs)) => Focus::Runs,
            (.., Some(Screen::Run(ticket))) => match self.runs.get(*ticket) {
                Some(run) if run.is_open() => Focus::Run,
                _ => Focus::Done,
            },
            (.., Some(Screen::History)) if self.history.typing => Focus::Search,
            (.., Some(Screen::History)) => Focus::History,
            (.., Some(Screen::Record(..))) => Focus::Record,
            (.., Some(Screen::Jobs)) => Focus::Jobs,
            (.., Some(Screen::Job(_))) => Focus::Job,
            (.., Some(Screen::Health)) => Focus::Health,
            (.., Some(Screen::Prune)) => Focus::Prune,
            (.., Some(Screen::Policies)) if self.policies.typing => Focus::Search,
            (.., Some(Screen::Policies)) => Focus::Policies,
            (.., Some(Screen::PolicyForm(_))) => Focus::PolicyForm,
            (.., Some(Screen::Tokens)) => Focus::Tokens,
            (.., Some(Screen::NewToken(_))) => Focus::NewToken,
            (.., Some(Screen::Workers)) => Focus::Workers,
            (.., Some(Screen::Server)) => Focus::Server,
            (.., Some(Screen::Filters)) => Focus::Filters,
            (.., Some(Screen::Columns(..))) => Focus::Columns,
            (.., Some(Screen::Log)) => Focus::Log,
            (.., None) if self.repos.typing => Focus::Filter,
            (.., None) => Focus::Repos,
        }
    }

    /// The displayed or selected repo.
    pub(in crate::console) fn current_repo(&self) -> Option<RepoName> {
        if let Some(dialog) = &self.dialog {
            return dialog.repo().cloned();
        }
        match self.screens.last() {
            Some(Screen::Repo(repo)) => Some(repo.name.clone()),
            Some(Screen::Packs(packs)) => Some(packs.repo.clone()),
            Some(Screen::Records(records)) => Some(records.repo.clone()),
            Some(Screen::Comparison(comparison)) => Some(comparison.repo.clone()),
            Some(Screen::Commits(commits)) => Some(commits.repo.clone()),
            Some(Screen::Files(files)) => Some(files.repo.clone()),
            Some(Screen::Entity(entity)) => Some(entity.repo.clone()),
            Some(Screen::Find(find)) => find.current().map(|record| record.repo.clone()),
            Some(Screen::Runs) => self.runs.current().and_then(|run| run.repo.clone()),
            Some(Screen::Run(ticket)) => self.runs.get(*ticket).and_then(|run| run.repo.clone()),
            Some(Screen::History) => self.history.current().map(|entry| entry.repo.clone()),
            Some(Screen::Record(entry, _)) => Some(entry.repo.clone()),
            Some(Screen::Jobs | Screen::Job(_)) => {
                self.current_job().and_then(|job| job.repo.clone())
            }
            Some(Screen::Health) => match self.current_finding()? {
                Finding::Damaged(repo) | Finding::GcFailed(repo) => Some(repo.repo.clone()),
                Finding::JobFailed(job) => job.repo.clone(),
                _ => None,
            },
            Some(Screen::Prune) => {
                self.prune.current().and_then(|pack| pack.repos.first().cloned())
            }
            Some(Screen::Policies) => self.policies.current().map(|check| check.repo.clone()),
            Some(Screen::PolicyForm(form)) => form.repo().cloned(),
            Some(Screen::Workers) => self.workers.current().and_then(|job| job.repo.clone()),
            Some(
                Screen::Tokens
                | Screen::NewToken(_)
                | Screen::Server
                | Screen::Filters
                | Screen::Columns(..)
                | Screen::Log,
            ) => None,
            None => self.repos.current().map(|repo| repo.repo.clone()),
        }
    }

    /// The displayed or selected job.
    pub(in crate::console) fn current_job(&self) -> Option<&JobReport> {
        match self.screens.last()? {
            Screen::Job(job) => Some(&job.report),
            Screen::Jobs => self.jobs.current(),
            _ => None,
        }
    }

    /// The form of a policy, if it is displayed.
    pub(in crate::console) fn policy_form(&mut self) -> Option<&mut PolicyForm> {
        match self.screens.last_mut() {
            Some(Screen::PolicyForm(form)) => Some(form),
            _ => None,
        }
    }

    /// The position of the cursor in a list, from 1 on, and its number of lines; whether more are to be
    /// loaded.
    pub(in crate::console) fn position(&self) -> Option<(usize, usize, bool)> {
        if self.dialog.is_some() || self.leave.is_some() || self.help.is_some() {
            return None;
        }
        let (cursor, lines, more) = match self.screens.last() {
            _ if self.palette.is_some() => return None,
            None => (self.repos.cursor(), self.repos.shown(), !self.repos.known),
            Some(Screen::Repo(repo)) => (repo.cursor, repo.items(), false),
            Some(Screen::Packs(packs)) => (packs.cursor, packs.len(), false),
            Some(Screen::Comparison(it)) => it.pages.extent(),
            Some(Screen::Records(records)) => records.pages.extent(),
            Some(Screen::Commits(commits)) => commits.pages.extent(),
            Some(Screen::Files(files)) => files.pages.extent(),
            Some(Screen::Find(find)) => (find.cursor, find.found.len(), false),
            Some(Screen::Runs) => (self.runs.cursor, self.runs.len(), false),
            Some(Screen::History) => {
                (self.history.cursor, self.history.entries.len(), !self.history.complete)
            }
            Some(Screen::Jobs) => (self.jobs.cursor, self.jobs.entries.len(), !self.jobs.complete),
            Some(Screen::Health) => (self.health.cursor, self.findings().len(), false),
            Some(Screen::Prune) => (self.prune.cursor, self.prune.packs().len(), false),
            Some(Screen::Policies) => (self.policies.cursor, self.policies.len(), false),
            Some(Screen::Tokens) => (self.tokens.cursor, self.tokens.entries.len(), false),
            Some(Screen::Workers) => (self.workers.cursor, self.workers.leases.len(), false),
            Some(Screen::Filters) => {
                (self.repos.named.cursor, self.repos.named.entries.len(), false)
            }
            Some(Screen::Columns(table, cursor)) => {
                (*cursor, self.columns.of(*table).entries().len(), false)
            }
            Some(Screen::Log) => (self.log.cursor, self.log.newest().len(), false),
            Some(
                Screen::Entity(_)
                | Screen::Run(_)
                | Screen::Record(..)
                | Screen::Job(_)
                | Screen::PolicyForm(_)
                | Screen::NewToken(_)
                | Screen::Server,
            ) => return None,
        };
        (lines > 0).then(|| (cursor.at(lines) + 1, lines, more))
    }

    /// A new ticket.
    pub(in crate::console) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The repo screen that waits for a ticket.
    pub(in crate::console) fn repo_awaiting(&mut self, ticket: Ticket) -> Option<&mut Repo> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Repo(repo) if repo.loading == Some(ticket) => Some(repo.as_mut()),
            _ => None,
        })
    }

    /// The job screen that waits for a ticket.
    pub(in crate::console) fn job_awaiting(&mut self, ticket: Ticket) -> Option<&mut Job> {
        self.screens.iter_mut().find_map(|screen| match screen {
            Screen::Job(job) if job.loading == Some(ticket) => Some(job.as_mut()),
            _ => None,
        })
    }

    /// Updates a job, in the list and where it is displayed.
    pub(in crate::console) fn put_job(&mut self, job: &JobReport) {
        self.jobs.put(job);
        for screen in &mut self.screens {
            if let Screen::Job(shown) = screen
                && shown.report.id == job.id
            {
                shown.report.clone_from(job);
            }
        }
    }

    /// The cursor that arrow keys move, and its number of lines. For text, the cursor is the first
    /// visible line, and the lines are those of the last frame.
    pub(in crate::console) fn scrolled(&mut self) -> Option<(&mut Cursor, usize)> {
        let text = self.extent.content.saturating_sub(self.extent.height) + 1;
        let on_health = matches!(self.screens.last(), Some(Screen::Health));
        let findings = if on_health { self.findings().len() } else { 0 };
        if let Some(help) = &mut self.help {
            return Some((&mut help.top, text));
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
            Screen::Health => Some((&mut self.health.cursor, findings)),
            Screen::Jobs => {
                let lines = self.jobs.entries.len();
                Some((&mut self.jobs.cursor, lines))
            }
            Screen::Job(job) => Some((&mut job.top, text)),
            Screen::Policies => {
                let lines = self.policies.len();
                Some((&mut self.policies.cursor, lines))
            }
            Screen::PolicyForm(form) => Some((&mut form.cursor, form.fields.len())),
            Screen::Prune => {
                let lines = self.prune.packs().len();
                Some((&mut self.prune.cursor, lines))
            }
            Screen::Repo(repo) => {
                let items = repo.items();
                // Without any, the text scrolls.
                Some((&mut repo.cursor, if items > 0 { items } else { text }))
            }
            Screen::Packs(packs) => {
                let lines = packs.len();
                Some((&mut packs.cursor, lines))
            }
            Screen::Comparison(it) => Some(it.pages.cursor()),
            Screen::Records(records) => Some(records.pages.cursor()),
            Screen::Tokens => {
                let lines = self.tokens.entries.len();
                Some((&mut self.tokens.cursor, lines))
            }
            Screen::Workers => {
                let lines = self.workers.leases.len();
                Some((&mut self.workers.cursor, lines))
            }
            Screen::Server => Some((&mut self.server.top, text)),
            Screen::Columns(table, cursor) => {
                Some((cursor, self.columns.of(*table).entries().len()))
            }
            Screen::Filters => {
                let lines = self.repos.named.entries.len();
                Some((&mut self.repos.named.cursor, lines))
            }
            // It fits.
            Screen::NewToken(_) => None,
            Screen::Commits(commits) => Some(commits.pages.cursor()),
            Screen::Files(files) => Some(files.pages.cursor()),
            Screen::Entity(entity) => Some((&mut entity.top, text)),
            Screen::Find(find) => Some((&mut find.cursor, find.found.len())),
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
