//! Messages, which change the model, and effects, which [`super::update`] requests.

use std::fmt;

use crossterm::event::MouseEvent;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::report::{RepoDetail, ServerReport};
use packhouse_host::{
    BranchDeleteReport, ConnectionStatus, Event, FilesPage, FilesQuery, GcEntry, GcPlanReport,
    GcQuery, GcReport, Health, JobReport, JobsQuery, LogPage, LogQuery, PackComparison,
    PackComparisonQuery, PackRecordsPage, PackRecordsQuery, PolicyCheck, PolicyReport,
    PruneOptions, PruneReport, RepoName, RepoSummary, VerifyReport,
};

use super::failure::BackendResult;
use super::keys::Key;
use super::state::{
    Branch, CommandLine, Export, Extent, FoundIn, JobChange, Level, Opened, Permit, PolicyChange,
    Ticket,
};

/// A message.
#[derive(Debug)]
pub(super) enum Msg {
    /// The console has just started.
    Started,
    /// A key was pressed.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// A mouse event.
    Mouse(MouseEvent),
    /// The terminal was resized.
    Resized,
    /// The console resumes; `false` if it could not be suspended.
    Resumed(bool),
    /// A second has passed.
    Tick,
    /// A frame was drawn, with this scroll area.
    Drawn(Extent),
    /// A log line from below the console.
    Logged(Level, String),
    /// [`Effect::List`] ended: some repos, sorted by name.
    Listed(Ticket, BackendResult<Vec<RepoSummary>>),
    /// [`Effect::Summarise`] ended.
    Summarised(BackendResult<RepoSummary>),
    /// [`Effect::Health`] ended.
    Health(Ticket, BackendResult<Health>),
    /// [`Effect::Server`] ended.
    Served(Ticket, BackendResult<Option<Box<ServerReport>>>),
    /// [`Effect::Show`] ended.
    Shown(Ticket, BackendResult<Box<RepoDetail>>),
    /// [`Effect::Records`] ended.
    Records(Ticket, BackendResult<PackRecordsPage>),
    /// [`Effect::Compare`] ended.
    Compared(Ticket, BackendResult<PackComparison>),
    /// [`Effect::Commits`] ended.
    Commits(Ticket, BackendResult<LogPage>),
    /// [`Effect::Files`] ended.
    Files(Ticket, BackendResult<FilesPage>),
    /// [`Effect::Entity`] ended.
    Entity(Ticket, BackendResult<Box<Opened>>),
    /// [`Effect::Find`] ended: what was found in each of the repos that were reached.
    Found(Ticket, Vec<FoundIn>),
    /// [`Effect::Plan`] ended. The runner keeps the plan under the ticket.
    Planned(Ticket, BackendResult<GcPlanReport>),
    /// Progress, the latest of each ticket.
    Progress(Vec<(Ticket, Event)>),
    /// [`Effect::Run`] or [`Effect::Consolidate`] ended.
    Consolidated(Ticket, BackendResult<GcReport>),
    /// [`Effect::Verify`] or [`Effect::Repair`] ended.
    Verified(Ticket, BackendResult<VerifyReport>),
    /// [`Effect::History`] ended: some consolidations, newest first.
    Remembered(Ticket, BackendResult<Vec<GcEntry>>),
    /// [`Effect::Jobs`] ended: some jobs, newest first.
    Jobs(Ticket, BackendResult<Vec<JobReport>>),
    /// [`Effect::Job`] ended.
    Job(Ticket, BackendResult<Box<JobReport>>),
    /// [`Effect::ChangeJob`] ended: the job now, or the one that does the same.
    JobChanged(i64, JobChange, BackendResult<Box<JobReport>>),
    /// [`Effect::Tokens`] ended.
    Tokens(Ticket, BackendResult<Vec<TokenReport>>),
    /// [`Effect::CreateToken`] ended: the token with its text.
    TokenCreated(BackendResult<Box<TokenReport>>),
    /// [`Effect::RevokeToken`] ended, for this ID.
    TokenRevoked(String, BackendResult<Box<TokenReport>>),
    /// [`Effect::Policies`] ended: the default policy, and the repos with several packs.
    Policies(Ticket, BackendResult<(PolicyReport, Vec<PolicyCheck>)>),
    /// [`Effect::Policy`] ended: the policy of a repo, to edit it.
    Policy(BackendResult<Box<PolicyReport>>),
    /// [`Effect::SetPolicy`] ended: the policy now.
    PolicySet(BackendResult<Box<PolicyReport>>),
    /// [`Effect::DeleteBranch`] ended, for this branch.
    BranchDeleted(Box<Branch>, BackendResult<Box<BranchDeleteReport>>),
    /// [`Effect::PreviewPrune`] ended.
    PrunePreviewed(Ticket, BackendResult<Box<PruneReport>>),
    /// [`Effect::Prune`] ended.
    Pruned(Ticket, BackendResult<Box<PruneReport>>),
    /// [`Effect::Export`] ended: how many lines (`3 repos`) and the path of the file, or why there is none.
    Exported(Result<(String, String), String>),
    /// [`Effect::Command`] ended, for the command of this name: how, or why it was not started.
    CommandEnded(String, Result<Ended, String>),
    /// [`Effect::Watch`] ended: the store has changed; this is its new stamp.
    Changed(BackendResult<u64>),
    /// The connection to the store has changed. It is down before a call fails for that reason: see
    /// [`packhouse_host::Inspect::connection`]. When it is up again, the console repeats failed
    /// reads; failed runs have ended.
    Connection(ConnectionStatus),
}

/// How a command of the config ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

impl Ended {
    /// Whether the command has succeeded.
    pub(super) const fn is_ok(self) -> bool {
        matches!(self, Ended::Code(0))
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Code(code) => write!(f, "exit code {code}"),
            Ended::Signal(signal) => write!(f, "ended by signal {signal}"),
        }
    }
}

/// A side effect, run outside of [`super::update`].
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// List repos after this one.
    List(Ticket, Option<RepoName>),
    /// Load the row of one repo.
    Summarise(Ticket, RepoName),
    /// Load what needs attention in the store.
    Health(Ticket),
    /// Load what the server says of itself.
    Server(Ticket),
    /// Load the details of one repo.
    Show(Ticket, RepoName),
    /// Load a page of the records of a pack.
    Records(Ticket, RepoName, PackRecordsQuery),
    /// Load a page of a comparison of two packs.
    Compare(Ticket, RepoName, PackComparisonQuery),
    /// Load a page of commits.
    Commits(Ticket, RepoName, LogQuery),
    /// Load a page of the files of a commit.
    Files(Ticket, RepoName, FilesQuery),
    /// Load a record, and the beginning of its bytes.
    Entity(Ticket, RepoName, String),
    /// Look for an ID in these repos.
    Find(Ticket, String, Vec<RepoName>),
    /// Plan a consolidation, and keep the plan.
    Plan(Ticket, RepoName),
    /// Run the plan of the ticket.
    Run(Permit, Ticket),
    /// Plan and run, for one of many repos.
    Consolidate(Permit, Ticket, RepoName),
    /// Verify a repo.
    Verify(Ticket, RepoName),
    /// Verify a repo, and repair what can be repaired.
    Repair(Permit, Ticket, RepoName),
    /// Stop the call of a ticket at its next safe point; it still ends with its own message.
    Cancel(Ticket),
    /// Drop the plan of the ticket.
    Forget(Ticket),
    /// Load ended consolidations.
    History(Ticket, GcQuery),
    /// Load a page of jobs.
    Jobs(Ticket, JobsQuery),
    /// Load a job.
    Job(Ticket, i64),
    /// Retry or cancel a job.
    ChangeJob(Permit, Ticket, i64, JobChange),
    /// Load the access tokens.
    Tokens(Ticket),
    /// Create an access token.
    CreateToken(Permit, Ticket, Box<NewToken>),
    /// Revoke an access token.
    RevokeToken(Permit, Ticket, String),
    /// Load the default policy, and check the repos against theirs.
    Policies(Ticket),
    /// Load the policy of a repo, to edit it.
    Policy(Ticket, RepoName),
    /// Set or reset a policy.
    SetPolicy(Permit, Ticket, Box<PolicyChange>),
    /// Delete a branch.
    DeleteBranch(Permit, Ticket, Box<Branch>),
    /// List the packs that no repo needs.
    PreviewPrune(Ticket, PruneOptions),
    /// Delete packs that no repo needs.
    Prune(Permit, Ticket, PruneOptions),
    /// Wait until the store changes.
    Watch(Option<u64>),
    /// Write lines to a new file of this name.
    Export(Ticket, String, Box<Export>),
    /// Give the terminal to a command of the config until it ends.
    Command(Box<CommandLine>),
    /// Copy a text to the clipboard.
    Copy(String),
    /// Stop the process until the shell continues it.
    Suspend,
    /// Quit the console.
    Quit,
}
