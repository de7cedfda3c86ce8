//! What can happen to the console, and what it can ask for.

use crossterm::event::MouseEvent;
use packhouse_host::{Event, GcEntry, GcQuery, GcReport, RepoName, RepoSummary, VerifyReport};

use super::backend::{BackendResult, Connection, Detail};
use super::keys::Key;
use super::state::{Level, Permit};

/// Names one thing that was asked for, so that its answer finds who asked, and a late answer finds
/// nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(pub(super) u64);

/// Something happened.
#[derive(Debug)]
pub(super) enum Msg {
    /// The console has just started.
    Started,
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The mouse did something.
    Mouse(MouseEvent),
    /// The terminal has another size, or must be drawn anew.
    Resized,
    /// The console goes on after it was suspended, or could not be (`false`).
    Resumed(bool),
    /// A second has gone by.
    Tick,
    /// A frame was drawn; this much of the scrolled part was seen.
    Drawn(Extent),
    /// Something below the console had something to say.
    Logged(Level, String),
    /// [`Effect::List`] ended: some repos, by name.
    Listed(Ticket, BackendResult<Vec<RepoSummary>>),
    /// [`Effect::Summarise`] ended.
    Summarised(BackendResult<RepoSummary>),
    /// [`Effect::Show`] ended.
    Shown(Ticket, BackendResult<Box<Detail>>),
    /// [`Effect::Plan`] ended. Its plan is kept under the ticket.
    Planned(Ticket, BackendResult<GcReport>),
    /// Steps forward, the latest of each ticket.
    Progress(Vec<(Ticket, Event)>),
    /// [`Effect::Run`] or [`Effect::Consolidate`] ended.
    Consolidated(Ticket, BackendResult<GcReport>),
    /// [`Effect::Verify`] ended.
    Verified(Ticket, BackendResult<VerifyReport>),
    /// [`Effect::History`] ended: some consolidations, newest first.
    Remembered(Ticket, BackendResult<Vec<GcEntry>>),
    /// [`Effect::Watch`] ended: the store has changed, and has a new stamp.
    Changed(BackendResult<u64>),
    /// The connection to the store has changed: see [`super::backend::Backend::connection`].
    Connection(Connection),
}

/// Something to be done, outside of [`super::update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// List repos after one.
    List(Ticket, Option<RepoName>),
    /// Read the list's row of one repo.
    Summarise(Ticket, RepoName),
    /// Read all about one repo.
    Show(Ticket, RepoName),
    /// Plan a consolidation and keep the plan.
    Plan(Ticket, RepoName),
    /// Run the plan that is kept under the ticket.
    Run(Permit, Ticket),
    /// Plan and run, for one of many that were asked for together.
    Consolidate(Permit, Ticket, RepoName),
    /// Verify a repo.
    Verify(Ticket, RepoName),
    /// Ask the work of a ticket to stop at its next safe point; it still ends with its own message.
    Cancel(Ticket),
    /// Drop the plan that is kept under the ticket.
    Forget(Ticket),
    /// Read consolidations that ended.
    History(Ticket, GcQuery),
    /// Wait until the store changes.
    Watch(Option<u64>),
    /// Put a text on the operator's clipboard.
    Copy(String),
    /// Stop the process until the shell lets it go on.
    Suspend,
    /// Leave.
    Quit,
}

/// How far the scrolled part of a screen reaches, in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Lines there are.
    pub(super) content: usize,
    /// Lines there is room for.
    pub(super) height: usize,
    /// The first of them that is seen.
    pub(super) first: usize,
    /// The terminal's row on which it is seen.
    pub(super) row: u16,
    /// Where not every line can be pointed to: what each of those that are seen stands for.
    pub(super) items: Vec<Option<usize>>,
}
