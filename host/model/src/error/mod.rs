//! What can go wrong, and what a user can do about it.
//!
//! Every error names the thing, the place and the way out. [`Error::class`] says what it means for
//! the store; the CLI turns that into an exit code.

mod backup;
mod class;
mod damage;
mod deletion;
mod hub;
mod job;
mod open;
mod push;
mod restore;
mod setup;
mod tape;
mod wording;

use std::path::{Path, PathBuf};

use wording::{token_id, way_out, without_claim};

use crate::names::{MpackKey, NameError, RepoName};
use crate::report::prune::PruneReport;
use crate::text::escaped;

pub use backup::BackupError;
pub use class::Class;
pub use damage::DamageError;
pub use deletion::{ClockDifference, DeletionError};
pub use hub::HubError;
pub use job::JobError;
pub use open::OpenError;
pub use push::PushError;
pub use restore::RestoreError;
pub use setup::SetupError;
pub use tape::TapeError;

/// Shorthand for this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a budget is used up of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExhaustedBudget {
    /// All that there is.
    All,
    /// What there is for those without a token.
    Strangers,
    /// What there is for the caller.
    Caller,
    /// The disk: what is left of it is reserved for pushes.
    Disk,
}

/// The cause of an error, from any library.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a verb failed. Nothing is half-done: a failed verb leaves at most a file that nothing refers
/// to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),

    /// A text is not a name, or a name can't be given.
    #[error(transparent)]
    Name(#[from] NameError),

    /// No such repo.
    #[error("there is no repo `{0}` in this store; create it with: packhouse repo create {0}")]
    UnknownRepo(RepoName),

    /// No such repo, and one with a similar name. For callers who may see all repos.
    #[error(
        "there is no repo `{repo}` in this store; did you mean `{nearest}`? To create it: packhouse repo create {repo}"
    )]
    MistypedRepo {
        /// The name.
        repo: RepoName,
        /// The repo with the most similar name.
        nearest: RepoName,
    },

    /// A deleted repo.
    #[error(transparent)]
    Restore(#[from] RestoreError),

    /// The store is not opened.
    #[error(transparent)]
    Open(#[from] OpenError),

    /// The repo already exists.
    #[error("repo `{0}` already exists; `packhouse repo show {0}` shows it")]
    RepoExists(RepoName),

    /// Another store has another repo of this name.
    #[error(
        "{place} has a repo `{repo}` that is not this one: their IDs differ. Nothing was copied; delete or rename one of them"
    )]
    OtherRepo {
        /// The name.
        repo: RepoName,
        /// The other store.
        place: String,
    },

    /// A push is refused.
    #[error(transparent)]
    Push(#[from] PushError),

    /// The quota for fetch requests that are too long for a URL is exhausted.
    #[error("no space for a fetch request of {bytes} bytes: {}; a request with fewer haves needs none", match used_up {
        ExhaustedBudget::Caller => "your unexpired requests fill your quota; wait until some expire, or set a shorter ttl_seconds",
        ExhaustedBudget::Strangers => "requests of clients without a token fill their quota; use a token, or try again later",
        ExhaustedBudget::All => "the requests that this server keeps fill their quota (--answers); try again later",
        ExhaustedBudget::Disk => "the disk of the server is nearly full, and the rest is reserved for pushes (--keep-free); free some space",
    })]
    RequestsFull {
        /// The exhausted budget.
        used_up: ExhaustedBudget,
        /// The size of the request.
        bytes: u64,
    },

    /// Wanted ids that are not commits of the repo.
    #[error("repo `{repo}` has no commit {}; `packhouse repo show {repo}` lists its branch heads", ids.join(", "))]
    UnknownWant {
        /// The repo.
        repo: RepoName,
        /// The ids.
        ids: Vec<String>,
    },

    /// No such branch.
    #[error(
        "repo `{repo}` has no branch `{}`; `packhouse branch list {repo}` lists its branches",
        escaped(branch)
    )]
    UnknownBranch {
        /// The repo.
        repo: RepoName,
        /// The name.
        branch: String,
    },

    /// No record has this ID, or an ID that begins so.
    #[error(
        "repo `{repo}` has no {what} `{}`; an ID is given whole, or by its first 4 digits or more. `packhouse log {repo}` lists commits",
        escaped(id)
    )]
    UnknownRecord {
        /// The repo.
        repo: RepoName,
        /// What was sought: a kind, or `record`.
        what: &'static str,
        /// The text that was given.
        id: String,
    },

    /// Several IDs begin so.
    #[error("several IDs in repo `{repo}` are `{id}` or begin so: {}; give more digits", found.join(", "))]
    AmbiguousId {
        /// The repo.
        repo: RepoName,
        /// The text that was given.
        id: String,
        /// Some of them, each with its kind.
        found: Vec<String>,
    },

    /// A commit has no such file and no such folder.
    #[error(
        "commit {commit} of repo `{repo}` has nothing at `{}`; `packhouse ls {repo} {commit}` lists its files",
        escaped(path)
    )]
    UnknownPath {
        /// The repo.
        repo: RepoName,
        /// The commit.
        commit: String,
        /// The path.
        path: String,
    },

    /// The repo was deleted during the operation.
    #[error("the repo was deleted in the meantime; nothing was changed")]
    DeletedMeanwhile,

    /// Other writers kept changing the repo.
    #[error("repo `{repo}` kept changing while {what}; nothing was changed, try again")]
    Busy {
        /// The repo.
        repo: RepoName,
        /// The operation.
        what: &'static str,
    },

    /// No such job.
    #[error("there is no job {0}; `packhouse jobs list` lists all jobs")]
    UnknownJob(i64),

    /// No such token. The message repeats only the length of an id: the argument may be a whole
    /// token, with its secret.
    #[error("unknown token `{}`; `packhouse token list` lists all tokens", token_id(.0))]
    UnknownToken(String),

    /// Another worker has taken over the job.
    #[error(
        "job {job} was taken over by another worker, because its lease had expired; nothing was changed here"
    )]
    LeaseLost {
        /// The job.
        job: i64,
    },

    /// Something is missing or damaged.
    #[error(transparent)]
    Damage(#[from] DamageError),

    /// The component broke its contract; this was caught before anything was published.
    #[error("the component {digest} was stopped while {doing}: {reason}. Nothing was changed")]
    Component {
        /// Digest of the component.
        digest: String,
        /// What it was doing.
        doing: &'static str,
        /// What it did wrong.
        reason: String,
    },

    /// The result of a plan failed verification; this was caught before anything was published.
    #[error(
        "the plan of component {digest} for repo `{repo}` failed verification: {reason}. Nothing was changed"
    )]
    Unproven {
        /// Digest of the component.
        digest: String,
        /// The repo.
        repo: RepoName,
        /// Which check failed.
        reason: String,
    },

    /// A tape.
    #[error(transparent)]
    Tape(#[from] TapeError),

    /// A job.
    #[error(transparent)]
    Job(#[from] JobError),

    /// A backup.
    #[error(transparent)]
    Backup(#[from] BackupError),

    /// A MuseHub.
    #[error(transparent)]
    Hub(#[from] HubError),

    /// Nothing is deleted, so that nothing is lost.
    #[error(transparent)]
    Deletion(#[from] DeletionError),

    /// What this machine can't run.
    #[error(transparent)]
    Setup(#[from] SetupError),

    /// The catalog failed.
    #[error("the catalog {catalog} failed while {doing}: {reason}")]
    Catalog {
        /// The catalog.
        catalog: String,
        /// The operation.
        doing: String,
        /// The database's error.
        reason: String,
        /// Whether another writer was in the way.
        busy: bool,
        /// Whether it is read-only.
        read_only: bool,
        /// Whether its disk is full.
        full: bool,
    },

    /// A file or folder failed.
    #[error("{doing} {} failed: {source}{}", path.display(), way_out(source))]
    Io {
        /// The operation.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },

    /// The storage server failed, or refused the request.
    #[error("{doing} {place} failed ({server}): {reason}. {way_out}")]
    Storage {
        /// The operation.
        doing: &'static str,
        /// The bucket or the object.
        place: String,
        /// The server.
        server: String,
        /// Its error, or why it could not be reached.
        reason: String,
        /// What to do.
        way_out: &'static str,
    },

    /// A storage server returns other bytes than were written to it.
    #[error(
        "{place} does not return the bytes that were written to it, so nothing was replaced. Check the server and its disks, then run it again"
    )]
    ReadBackDiffers {
        /// The object.
        place: String,
    },

    /// What was copied is not what was read.
    #[error("the copy of pack {pack} has the hash {copied}; the disk may be failing")]
    CopyDiffers {
        /// The pack.
        pack: MpackKey,
        /// The hash of the copy.
        copied: MpackKey,
    },

    /// A run needs more local copies of packs at once than the spool may hold.
    #[error(
        "the packs of repo `{repo}` have {needed} bytes, and {} may hold {budget} bytes of copies; raise the limit with PACKHOUSE_SPOOL_BYTES={needed}. Nothing was downloaded",
        spool.display()
    )]
    SpoolTooSmall {
        /// The repo.
        repo: RepoName,
        /// Bytes of its packs.
        needed: u64,
        /// The limit of the spool, in bytes.
        budget: u64,
        /// The spool.
        spool: PathBuf,
    },

    /// A consolidation of more records than a component can plan.
    #[error(
        "repo `{repo}` has {records} records to consolidate, and a component's memory holds {most}; consolidate fewer at once: packhouse gc {repo} --geometric --max-bytes BYTES. Nothing was changed"
    )]
    TooManyRecords {
        /// The repo.
        repo: RepoName,
        /// Records of the packs to consolidate.
        records: u64,
        /// The limit.
        most: u64,
    },

    /// The repo has changed since the plan was created.
    #[error("{0} has changed since the plan was created; nothing was done")]
    PlanChanged(RepoName),

    /// The token that started it is no longer valid.
    #[error("{reason}, and it started the run; nothing was changed")]
    TokenEnded {
        /// Why.
        reason: String,
    },

    /// The report is not one of the operation.
    #[error("the store reported {what} for another operation")]
    UnexpectedReport {
        /// What it is a report of.
        what: &'static str,
    },

    /// A result that has no JSON form.
    #[error("the result can't be serialised: {0}")]
    Serialization(#[source] serde_json::Error),

    /// A prune failed after it had deleted something.
    #[error(
        "prune stopped after it had deleted {}: {}. What was deleted stays deleted; run prune again to delete the rest",
        report.deleted(),
        without_claim(cause)
    )]
    PruneUnfinished {
        /// What was done until then.
        report: Box<PruneReport>,
        /// Why it stopped.
        cause: Box<Error>,
    },

    /// The error of a remote server.
    #[error("{message}")]
    Remote {
        /// Its class.
        class: Class,
        /// Its message.
        message: String,
    },

    /// A server can't be reached, or its response was cut off.
    #[error(
        "{url} can't be reached: {reason}. Check that the server is running, and that the URL is right"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// The system's error.
        reason: String,
    },

    /// The time that the caller allowed is up.
    #[error("the time is up; nothing was changed")]
    OutOfTime,

    /// The caller cancelled it.
    #[error("cancelled; nothing was changed")]
    Cancelled,
}

impl Error {
    /// An error of the system, with the operation and the path.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path, source }
    }

    /// Whether a store says that it has no such repo. One behind a server says it in words.
    pub fn is_unknown_repo(&self, repo: &RepoName) -> bool {
        match self {
            Error::UnknownRepo(_) | Error::MistypedRepo { .. } => true,
            Error::Remote { message, .. } => {
                message.starts_with(&format!("there is no repo `{repo}`"))
            }
            _ => false,
        }
    }
}
