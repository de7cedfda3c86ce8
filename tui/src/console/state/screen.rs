//! The screens above the list of repos.

use packhouse_host::GcEntry;
use packhouse_host::access::TokenReport;

use super::columns::TableName;
use super::commits::Commits;
use super::comparison::Comparison;
use super::cursor::Cursor;
use super::entity::Entity;
use super::files::Files;
use super::find::Find;
use super::jobs::Job;
use super::packs::Packs;
use super::policy_form::PolicyForm;
use super::records::Records;
use super::repo::Repo;
use super::ticket::Ticket;

/// A screen above the list of repos.
#[derive(Debug)]
pub(in crate::console) enum Screen {
    /// A repo.
    Repo(Box<Repo>),
    /// The packs of a repo.
    Packs(Box<Packs>),
    /// The records of a pack.
    Records(Box<Records>),
    /// Two packs compared.
    Comparison(Box<Comparison>),
    /// The commits of a repo.
    Commits(Box<Commits>),
    /// The files of one of them.
    Files(Box<Files>),
    /// A record of a repo.
    Entity(Box<Entity>),
    /// The records with an ID.
    Find(Box<Find>),
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
    /// The form of a policy.
    PolicyForm(Box<PolicyForm>),
    /// The access tokens.
    Tokens,
    /// A token that was just created, with its text.
    NewToken(Box<TokenReport>),
    /// Who works on jobs.
    Workers,
    /// The server of a remote store.
    Server,
    /// The filters of the config.
    Filters,
    /// The columns of a table, to choose some.
    Columns(TableName, Cursor),
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
