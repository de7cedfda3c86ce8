//! What can go wrong, and what a user can do about it.
//!
//! Every error names the thing, the place and the way out. [`Error::class`] says what it means for
//! the store; the CLI turns that into an exit code.

use std::path::{Path, PathBuf};

use packhouse_core::{BranchConflict, EntityId, Kind};

use crate::access::ID_DIGITS;
use crate::names::{MpackKey, RepoId, RepoName};
use crate::report::{DeletedRepo, PruneReport};
use crate::text::escaped;

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
}

/// What an error means for the store and for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused or failed; nothing changed.
    Refused,
    /// The arguments are wrong.
    Usage,
    /// Another writer was there first; safe to retry.
    Conflict,
    /// The store is damaged.
    Damage,
}

/// Why a verb failed. Nothing is half-done: a failed verb leaves at most a file that nothing refers
/// to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),

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

    /// No such repo: it was deleted, and can be restored. For callers who may restore it.
    #[error(
        "there is no repo `{repo}` in this store: it was deleted at {}; restore it with: packhouse repo restore {repo}. {}. To create a new one: packhouse repo create {repo}",
        deleted.first().map_or_else(String::new, |last| last.deleted_at.to_string()),
        candidates(repo, deleted)
    )]
    DeletedRepo {
        /// The name.
        repo: RepoName,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// There is no store, and this verb does not create one.
    #[error(
        "there is no store: {catalog} {instead}. Create one with: packhouse repo create OWNER/SLUG, or name an existing one with --data, --database or --storage. Nothing was created"
    )]
    NoStore {
        /// Where its catalog would be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
    },

    /// There are packs, but their catalog is missing.
    #[error(
        "the catalog {catalog} {instead}, but there are packs in {packs}: no new catalog is created next to them. Restore the catalog from a backup, then run: packhouse verify. Without a backup, create a store in another folder and push the packs to its repos: packhouse --data OTHER repo create OWNER/SLUG, then packhouse --data OTHER push OWNER/SLUG FILE…"
    )]
    LostCatalog {
        /// Where it should be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
        /// Where the packs are.
        packs: String,
    },

    /// The repo already exists.
    #[error("repo `{0}` already exists; `packhouse repo show {0}` shows it")]
    RepoExists(RepoName),

    /// The repo can't be restored: another repo has the name that it would get.
    #[error(
        "repo `{repo}` can't be restored: another repo has {}. {}. Nothing was changed",
        if repo == name { "this name now".to_owned() } else { format!("the name `{name}`") },
        if deleted.is_empty() {
            format!("No deleted repo `{repo}` is left; `packhouse repo show {name}` shows the other")
        } else {
            format!(
                "Restore it under another name: packhouse repo restore {repo} --as OWNER/SLUG. {}",
                candidates(repo, deleted)
            )
        }
    )]
    NameTaken {
        /// The name of the deleted repo.
        repo: RepoName,
        /// The name that it would get.
        name: RepoName,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// None of the deleted repos of that name has that id.
    #[error(
        "no deleted repo `{repo}` has the id {}. {}. Nothing was changed",
        escaped(&id.0),
        candidates(repo, deleted)
    )]
    UnknownDeletion {
        /// The name.
        repo: RepoName,
        /// The id.
        id: RepoId,
        /// Those that can be restored, the last one first.
        deleted: Vec<DeletedRepo>,
    },

    /// No repo of that name was deleted.
    #[error(
        "there is no deleted repo `{0}` in this store; `packhouse repo list` lists the repos that are not deleted"
    )]
    NeverDeleted(RepoName),

    /// Prune has deleted the repo's data.
    #[error(
        "repo `{repo}` can't be restored: prune deleted its data at {at}{}. Nothing was changed; push its history again, or restore the store from a backup",
        pack.as_ref().map_or_else(String::new, |pack| format!(", with pack {pack}"))
    )]
    Pruned {
        /// The repo.
        repo: RepoName,
        /// When.
        at: jiff::Timestamp,
        /// A pack that no other repo had.
        pack: Option<MpackKey>,
    },

    /// A pushed pack is malformed.
    #[error("{}, byte {offset}: {}{reason}; nothing was stored", file.display(), record.as_ref().map_or_else(String::new, |r| format!("{r}: ")))]
    BadPack {
        /// The file.
        file: PathBuf,
        /// The offset of the fault, in bytes.
        offset: u64,
        /// The record with the fault, for the message.
        record: Option<String>,
        /// What is wrong.
        reason: String,
    },

    /// The disk quota for assembled answers is exhausted.
    #[error("no space for a fetch result of {bytes} bytes: {}", match used_up {
        ExhaustedBudget::Caller => "your unexpired fetch results fill your quota; wait until some expire, or set a shorter ttl_seconds",
        ExhaustedBudget::Strangers => "fetch results for clients without a token fill their quota; use a token, or try again later",
        ExhaustedBudget::All => "the fetch results of this server fill their quota (--answers, --keep-free); try again later",
    })]
    AnswersFull {
        /// The exhausted budget.
        used_up: ExhaustedBudget,
        /// The size of the answer.
        bytes: u64,
    },

    /// Two encodings of one entity refer to different entities.
    #[error(
        "{entity} in {first} and in {second} disagree: {detail}. One of them is forged or damaged; nothing was stored"
    )]
    Disagreement {
        /// Kind and id.
        entity: String,
        /// Where the first encoding is, for the message.
        first: String,
        /// Where the second is.
        second: String,
        /// What differs.
        detail: String,
    },

    /// Branches whose heads don't descend from each other.
    #[error("{}; nothing was stored. Fetch and merge first, or push with --force to move the branch", describe_conflicts(.0))]
    HeadConflict(Vec<BranchConflict>),

    /// Wanted ids that are not commits of the repo.
    #[error("repo `{repo}` has no commit {}; `packhouse repo show {repo}` lists its branch heads", ids.join(", "))]
    UnknownWant {
        /// The repo.
        repo: RepoName,
        /// The ids.
        ids: Vec<String>,
    },

    /// A branch name that is a folder of another branch's name, or the reverse.
    #[error(
        "branch `{}` conflicts with branch `{}`: clones keep branches as files, and a name can't be both a file and a folder; nothing was stored. Push to another name, or delete the other branch: packhouse branch delete {repo} '{}'",
        escaped(branch),
        escaped(other),
        escaped(other)
    )]
    BranchInTheWay {
        /// The repo.
        repo: RepoName,
        /// The new branch.
        branch: String,
        /// The existing branch.
        other: String,
    },

    /// The name of another branch, in other characters.
    #[error(
        "branch `{}` has the same name as branch `{}` for file systems that normalise Unicode, and clones keep branches as files; nothing was stored. Push to the existing name, or delete that branch: packhouse branch delete {repo} NAME",
        in_characters(branch),
        in_characters(other)
    )]
    SameBranch {
        /// The repo.
        repo: RepoName,
        /// The new branch.
        branch: String,
        /// The existing branch.
        other: String,
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

    /// The branch would reach records that are neither in the repo nor in the push.
    #[error(
        "this push is incomplete; nothing was stored. A clone of another hub omits what that hub has. Push all of it: muse bundle create all.mpack {branch}, then {packhouse} push {repo} all.mpack. Missing: {}{}",
        missing.join(", "), more(*.left_out)
    )]
    Incomplete {
        /// The repo.
        repo: RepoName,
        /// The branch.
        branch: String,
        /// How packhouse is called for the store, from where the push came.
        packhouse: String,
        /// Some of the missing records, each with what refers to it.
        missing: Vec<String>,
        /// How many more are missing.
        left_out: usize,
    },

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

    /// A pack that the catalog lists is not in storage.
    #[error(
        "pack {key} of repo `{repo}` is not in storage ({place}). Push the same bytes again, or run: packhouse verify --repair {repo}; or restore the file from a backup, then run: packhouse verify {repo}"
    )]
    MissingPack {
        /// The pack.
        key: MpackKey,
        /// The repo that needs it.
        repo: RepoName,
        /// Where it should be.
        place: String,
    },

    /// A stored pack has changed.
    #[error(
        "pack {key} of repo `{repo}` is damaged: {detail}. Nothing was changed. Push the same bytes again, or run: packhouse verify --repair {repo}; or restore {place} from a backup, then run: packhouse verify {repo}"
    )]
    DamagedPack {
        /// The pack.
        key: MpackKey,
        /// The repo that needs it.
        repo: RepoName,
        /// Where it is.
        place: String,
        /// What is wrong, with the record and the byte.
        detail: String,
    },

    /// An entity is in the index, but in no pack.
    #[error(
        "repo `{repo}` has lost {kind} {id}: it is in the index, but in no pack (wanted by {wanted_by}). Run: packhouse verify --repair {repo}; or push it again, or restore its packs from a backup"
    )]
    Lost {
        /// The repo.
        repo: RepoName,
        /// Its kind.
        kind: Kind,
        /// Its id.
        id: EntityId,
        /// What refers to it.
        wanted_by: String,
    },

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

    /// A file is not a tape, or was truncated or changed.
    #[error("the tape {} is damaged: line {line}: {reason}. Record the run again, or copy the tape again", tape.display())]
    DamagedTape {
        /// The tape.
        tape: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },

    /// A component did something other than what is on the tape.
    #[error("{0}")]
    Diverged(String),

    /// The store was created by a newer packhouse.
    #[error(
        "the catalog {catalog} was created by a newer packhouse (it has migration {found}, this one supports up to {known}); update packhouse, or use another --data folder"
    )]
    NewerStore {
        /// The catalog.
        catalog: String,
        /// The unknown migration.
        found: i64,
        /// The last known one.
        known: i64,
    },

    /// The catalog was created by an older packhouse, and this verb does not migrate it.
    #[error(
        "the catalog {catalog} was created by an older packhouse: {}. A verb that only reads changes nothing; migrate the catalog first: packhouse migrate",
        if missing.is_empty() {
            "its migrations are not those of this one".to_owned()
        } else {
            format!("it lacks migration {}", missing.join(", "))
        }
    )]
    PendingMigrations {
        /// The catalog.
        catalog: String,
        /// What it lacks.
        missing: Vec<String>,
    },

    /// There is a database of another program where a catalog should be.
    #[error(
        "{database} is not a catalog: its tables belong to another program. Name the store with --data or --database; if this was its catalog, restore it from a backup. Nothing was changed"
    )]
    ForeignDatabase {
        /// The file, or the database on a server.
        database: String,
    },

    /// The catalog is damaged.
    #[error("the catalog {catalog} is damaged, as {doing} showed: {reason}")]
    DamagedCatalog {
        /// The catalog.
        catalog: String,
        /// The operation.
        doing: String,
        /// The database's error, and the way out.
        reason: String,
    },

    /// The storage has the packs of another catalog.
    #[error(
        "the storage {place} belongs to another catalog: {}. Give the catalog {catalog} a storage of its own with --storage (in a bucket: another prefix); if the other one no longer exists, remove its note from the folder `catalogs` there. Nothing was changed",
        others.join(", ")
    )]
    StorageTaken {
        /// The catalog.
        catalog: String,
        /// The storage.
        place: String,
        /// What the notes there say.
        others: Vec<String>,
    },

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

    /// The storage is not the one with the catalog's packs.
    #[error(
        "the packs of the catalog {catalog} are not in {place}: {instead} there. Name their storage with --storage, PACKHOUSE_STORAGE_URL or --data; if the packs were moved, move the files next to them, too. Nothing was changed"
    )]
    WrongStorage {
        /// The catalog.
        catalog: String,
        /// The named storage.
        place: String,
        /// What is there instead.
        instead: &'static str,
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

    /// Not supported here.
    #[error("{0}")]
    Unsupported(String),

    /// The repo has changed since the plan was created.
    #[error("{0} has changed since the plan was created; nothing was done")]
    PlanChanged(RepoName),

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
        "{url} can't be reached: {reason}. Check that the server is running, and that --remote is right"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// The system's error.
        reason: String,
    },

    /// The caller cancelled it.
    #[error("cancelled; nothing was changed")]
    Cancelled,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 4] = [Class::Refused, Class::Usage, Class::Conflict, Class::Damage];

    /// The class with this name; `Refused` for an unknown name.
    pub fn named(name: &str) -> Class {
        Class::ALL.into_iter().find(|class| class.as_str() == name).unwrap_or(Class::Refused)
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Refused => "refused",
            Class::Usage => "usage",
            Class::Conflict => "conflict",
            Class::Damage => "damage",
        }
    }
}

impl Error {
    /// What the error means for the store and for the caller.
    pub fn class(&self) -> Class {
        match self {
            Error::Usage(_) => Class::Usage,
            Error::PruneUnfinished { cause, .. } => cause.class(),
            Error::Remote { class, .. } => *class,
            Error::HeadConflict(_)
            | Error::Busy { .. }
            | Error::LeaseLost { .. }
            | Error::AnswersFull { .. }
            | Error::PlanChanged(_)
            | Error::Catalog { busy: true, .. } => Class::Conflict,
            Error::MissingPack { .. }
            | Error::DamagedPack { .. }
            | Error::DamagedCatalog { .. }
            | Error::Lost { .. }
            | Error::Diverged(_) => Class::Damage,
            _ => Class::Refused,
        }
    }

    /// Whether a file, folder or database is read-only.
    pub fn is_read_only(&self) -> bool {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_read_only(),
            Error::Catalog { read_only, .. } => *read_only,
            Error::Io { source, .. } => {
                matches!(source.kind(), ReadOnlyFilesystem | PermissionDenied)
            }
            _ => false,
        }
    }

    /// Whether a disk is full.
    pub fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_full(),
            Error::Catalog { full, .. } => *full,
            Error::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }

    /// Whether the caller cancelled it, be it after something was done.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Error::PruneUnfinished { cause, .. } => cause.is_cancelled(),
            error => matches!(error, Error::Cancelled),
        }
    }

    /// The repo was deleted during the operation.
    pub fn deleted_meanwhile() -> Error {
        Error::Unsupported("the repo was deleted in the meantime; nothing was changed".into())
    }

    /// An error of the system, with the operation and the path.
    pub fn io(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

/// An error's text, without the claim that nothing was changed and without its full stop.
fn without_claim(error: &Error) -> String {
    let text = error.to_string();
    let text = text.replace("; nothing was changed", "").replace(". Nothing was changed", "");
    text.trim_end_matches('.').to_owned()
}

/// What to do about the most frequent errors of the system.
fn way_out(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            ". Free some space and run it again; nothing was changed"
        }
        Kind::ReadOnlyFilesystem => ". Mount it writable, or use another --data folder",
        // A file in the place of a folder.
        Kind::AlreadyExists | Kind::NotADirectory => {
            ". Something else is in its place: move it away and run it again"
        }
        Kind::PermissionDenied => ". Check who owns it, or use another --data folder",
        _ => "",
    }
}

/// Deleted repos of a name, to choose one from.
fn candidates(repo: &RepoName, deleted: &[DeletedRepo]) -> String {
    const SHOWN: usize = 5;
    let describe = |one: &DeletedRepo| {
        let packs = if one.packs == 1 { "1 pack".into() } else { format!("{} packs", one.packs) };
        format!("{} (deleted at {}, {packs})", one.repo_id, one.deleted_at)
    };
    let shown: Vec<String> = deleted.iter().take(SHOWN).map(describe).collect();
    let left_out = more(deleted.len().saturating_sub(SHOWN));
    format!("Deleted repos `{repo}`, for --id: {}{left_out}", shown.join(", "))
}

/// A name in which equal looks are told apart.
fn in_characters(name: &str) -> String {
    let shown = |c: char| match c.is_ascii() {
        true => c.to_string(),
        false => c.escape_unicode().to_string(),
    };
    escaped(&name.chars().map(shown).collect::<String>()).to_string()
}

fn more(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!(" and {left_out} more") }
}

/// At most as much as a token's id has, so that a secret is never repeated.
fn token_id(text: &str) -> String {
    text.chars().take(ID_DIGITS).collect()
}

fn describe_conflicts(conflicts: &[BranchConflict]) -> String {
    let describe = |conflict: &BranchConflict| {
        let mut given: Vec<String> = conflict.given.iter().map(EntityId::to_string).collect();
        given.dedup();
        match conflict.stored {
            Some(stored) => format!(
                "branch `{}` is at {stored}, and the pushed {} does not descend from it",
                escaped(&conflict.branch),
                given.join(" or ")
            ),
            None => {
                format!(
                    "branch `{}`: the pushed heads don't descend from each other: {}",
                    escaped(&conflict.branch),
                    given.join(", ")
                )
            }
        }
    };
    conflicts.iter().map(describe).collect::<Vec<_>>().join("; ")
}
