//! The screens above the list of repos.

use packhouse_host::GcEntry;

use super::cursor::Cursor;
use super::jobs::Job;
use super::repo::Repo;
use super::ticket::Ticket;

/// A screen above the list of repos.
#[derive(Debug)]
pub(in crate::console) enum Screen {
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
    /// The jobs of the store.
    Jobs,
    /// One of them.
    Job(Box<Job>),
    /// What needs attention in the store.
    Health,
    /// The packs that no repo needs.
    Prune,
    /// The policies, and which repos are due.
    Policies,
    /// The log.
    Log,
}

/// Quitting while runs are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Leave {
    /// The operator chooses: wait, cancel or stay.
    Asking,
    /// Quits when all runs have ended.
    Waiting,
    /// Quits when all runs have stopped.
    Stopping,
}
