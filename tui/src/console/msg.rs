//! What can happen to the console, and what it can ask for.

use packhouse_host::{Event, GcRecord, GcReport, RepoName, RepoReport, VerifyReport};

use super::backend::Answer;
use super::keys::Key;

/// Names one thing that was asked for, so that its answer finds who asked, and a late answer finds nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ticket(pub(super) u64);

/// Something happened.
#[derive(Debug)]
pub(super) enum Msg {
    /// The console has just started.
    Started,
    /// A key was pressed.
    Key(Key),
    /// The terminal has another size, or must be drawn anew.
    Resized,
    /// A second has gone by.
    Tick,
    /// A frame was drawn; this much of the scrolled part was seen.
    Drawn(Extent),
    /// [`Effect::List`] ended.
    Listed(Ticket, Answer<Vec<RepoReport>>),
    /// [`Effect::Show`] ended: the repo, and its consolidations, newest first.
    Shown(Ticket, Answer<(RepoReport, Vec<GcRecord>)>),
    /// [`Effect::Plan`] ended. Its plan is kept under the ticket.
    Planned(Ticket, Answer<GcReport>),
    /// Steps forward, the latest of each ticket.
    Progress(Vec<(Ticket, Event)>),
    /// [`Effect::Run`] ended.
    Consolidated(Ticket, Answer<GcReport>),
    /// [`Effect::Verify`] ended.
    Verified(Ticket, Answer<VerifyReport>),
}

/// Something to be done, outside of [`super::update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// List the repos.
    List(Ticket),
    /// Read one repo and its history.
    Show(Ticket, RepoName),
    /// Plan a consolidation and keep the plan.
    Plan(Ticket, RepoName),
    /// Run the plan that is kept under the ticket. This is the only effect that changes a store, and only
    /// [`super::state::Gate`] gives it.
    Run(Ticket),
    /// Verify a repo.
    Verify(Ticket, RepoName),
    /// Ask the work of a ticket to stop at its next safe point; it still ends with its own message.
    Cancel(Ticket),
    /// Drop the plan that is kept under the ticket.
    Forget(Ticket),
    /// Leave.
    Quit,
}

/// How far the scrolled part of a screen reaches, in lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// Lines there are.
    pub(super) content: usize,
    /// Lines there is room for.
    pub(super) height: usize,
}
