//! What the console knows, and where the operator is. Plain data: nothing here draws, waits or reads a clock.

mod gate;
mod repo;
mod repos;
mod run;

pub(super) use gate::{Gate, GateState};
pub(super) use repo::Repo;
pub(super) use repos::Repos;
pub(super) use run::{Outcome, Run, RunState, Runs, Work, step_words};

use jiff::Timestamp;
use packhouse_host::RepoName;

use super::keys::Place;
use super::msg::{Effect, Extent, Ticket};
use super::view::Theme;

/// Everything.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) theme: Theme,
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
    /// A question about a consolidation, over the screen.
    pub(super) gate: Option<Gate>,
    /// A question about leaving, over everything but the help.
    pub(super) leave: Option<Leave>,
    /// The help, scrolled by so many lines.
    pub(super) help: Option<usize>,
    pub(super) runs: Runs,
    tickets: u64,
}

/// A screen above the list of repos.
#[derive(Debug)]
pub(super) enum Screen {
    /// A repo.
    Repo(Box<Repo>),
    /// Work that goes on, or its result.
    Run(Ticket),
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
    pub(super) fn new(theme: Theme) -> Self {
        Model {
            theme,
            now: Timestamp::UNIX_EPOCH,
            minute: 0,
            dirty: true,
            extent: Extent::default(),
            repos: Repos::default(),
            screens: Vec::new(),
            gate: None,
            leave: None,
            help: None,
            runs: Runs::default(),
            tickets: 0,
        }
    }

    /// Where the operator is, as far as keys go.
    pub(super) fn place(&self) -> Place {
        if self.help.is_some() { Place::Help } else { self.place_under_help() }
    }

    /// Where the operator is when the help is closed.
    pub(super) fn place_under_help(&self) -> Place {
        match (&self.leave, &self.gate, self.screens.last()) {
            (Some(_), ..) => Place::Leave,
            (_, Some(_), _) => Place::Gate,
            (.., Some(Screen::Repo(_))) => Place::Repo,
            (.., Some(Screen::Run(ticket))) => match self.runs.get(*ticket) {
                Some(run) if run.is_going() => Place::Run,
                _ => Place::Done,
            },
            (.., None) if self.repos.typing => Place::Filter,
            (.., None) => Place::Repos,
        }
    }

    /// The repo that the operator looks at or points to.
    pub(super) fn current_repo(&self) -> Option<RepoName> {
        match self.screens.last() {
            Some(Screen::Repo(repo)) => Some(repo.name.clone()),
            Some(Screen::Run(ticket)) => self.runs.get(*ticket).map(|run| run.repo.clone()),
            None => self.repos.current().map(|report| report.repo.clone()),
        }
    }

    /// A fresh ticket.
    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// Reads again what the operator sees, and the list under it.
    pub(super) fn refresh(&mut self) -> Vec<Effect> {
        let ticket = self.ticket();
        self.repos.loading = Some(ticket);
        let mut effects = vec![Effect::List(ticket)];
        for at in 0..self.screens.len() {
            let ticket = self.ticket();
            if let Some(Screen::Repo(repo)) = self.screens.get_mut(at) {
                repo.loading = Some(ticket);
                effects.push(Effect::Show(ticket, repo.name.clone()));
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

    /// The line at which the shown text begins, where it scrolls.
    pub(super) fn top_line(&mut self) -> Option<&mut usize> {
        if self.help.is_some() {
            return self.help.as_mut();
        }
        match self.screens.last_mut() {
            Some(Screen::Repo(repo)) => Some(&mut repo.top),
            Some(Screen::Run(ticket)) => self.runs.get_mut(*ticket).map(|run| &mut run.top),
            None => None,
        }
    }
}
