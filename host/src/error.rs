//! What can go wrong, and what a user can do about it.
//!
//! Every error names the thing, the place and the way out. [`Error::class`] says what it means for
//! the store; the CLI turns that into an exit code.

use std::path::{Path, PathBuf};

use packhouse_core::{BranchConflict, EntityId, Kind};

use crate::access::ID_DIGITS;
use crate::catalog::ExhaustedBudget;
use crate::names::{MpackKey, RepoName};
use crate::text::escaped;

/// Shorthand for this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What an error means for the store and for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Refused or failed; nothing changed.
    Refused,
    /// The call's words are off.
    Usage,
    /// Another writer was there first; safe to retry.
    Conflict,
    /// The store is damaged.
    Damage,
}

/// Why a verb failed. Nothing is half-done: what a failed verb leaves behind is at most a file that
/// nothing refers to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The call's words are off.
    #[error("{0}")]
    Usage(String),

    /// No such repo.
    #[error("there is no repo `{0}` in this store; make it with: packhouse repo create {0}")]
    UnknownRepo(RepoName),

    /// No such repo, told to somebody who may see them all.
    #[error(
        "there is no repo `{repo}` in this store; did you mean `{nearest}`? To make it: packhouse repo create {repo}"
    )]
    MistypedRepo {
        /// The name.
        repo: RepoName,
        /// The repo whose name is nearest.
        nearest: RepoName,
    },

    /// No store, where a verb wants one that is there.
    #[error(
        "there is no store: {catalog} {instead}. Make one with: packhouse repo create OWNER/SLUG, or name the one you mean with --data, --database or --storage. Nothing was made"
    )]
    NoStore {
        /// Where its catalog would be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
    },

    /// Packs without their catalog.
    #[error(
        "the catalog {catalog} {instead}, and there are packs in {packs}: no new catalog is made beside them. Restore the catalog from a backup, then run: packhouse verify. Without a backup, make a store in another folder and push the packs to its repos: packhouse --data OTHER repo create OWNER/SLUG, then packhouse --data OTHER push OWNER/SLUG FILE…"
    )]
    LostCatalog {
        /// Where it should be.
        catalog: String,
        /// What is there instead, as the end of a sentence.
        instead: &'static str,
        /// Where the packs are.
        packs: String,
    },

    /// The repo is there already.
    #[error("repo `{0}` is there already; `packhouse repo show {0}` shows it")]
    RepoExists(RepoName),

    /// Another repo has the name of the one that is to be restored.
    #[error(
        "repo `{0}` can't be restored: another repo has that name by now. `packhouse repo show {0}` shows it; nothing was changed"
    )]
    NameTaken(RepoName),

    /// No repo of that name was deleted.
    #[error(
        "there is no deleted repo `{0}` in this store; `packhouse repo list` lists those that are not deleted"
    )]
    NeverDeleted(RepoName),

    /// Prune has removed a deleted repo.
    #[error(
        "repo `{repo}` can't be restored: prune removed it at {at}{}. Nothing was changed; push its history again, or restore the store from a backup",
        pack.as_ref().map_or_else(String::new, |pack| format!(", and pack {pack} of it with it"))
    )]
    Pruned {
        /// The repo.
        repo: RepoName,
        /// When.
        at: jiff::Timestamp,
        /// A pack of it that no other repo had.
        pack: Option<MpackKey>,
    },

    /// A pack that is pushed is not well formed.
    #[error("{}, byte {offset}: {}{reason}; nothing was stored", file.display(), record.as_ref().map_or_else(String::new, |r| format!("{r}: ")))]
    BadPack {
        /// The file.
        file: PathBuf,
        /// The byte at which it is wrong.
        offset: u64,
        /// The record that it is in, in words.
        record: Option<String>,
        /// What is wrong.
        reason: String,
    },

    /// Assembled answers may take no more of the disk.
    #[error("an answer of {bytes} bytes has no room: {}", match used_up {
        ExhaustedBudget::Caller => "you have as many answers here that are still good as you may; wait until some have expired, or ask for shorter ones (ttl_seconds)",
        ExhaustedBudget::Strangers => "those without a token have as many answers here as there may be; use a token, or try again later",
        ExhaustedBudget::All => "answers take as much of this server's disk as they may (--answers, --keep-free); try again later",
    })]
    AnswersFull {
        /// What is used up.
        used_up: ExhaustedBudget,
        /// The size of the answer.
        bytes: u64,
    },

    /// Two encodings of one entity reach different things.
    #[error(
        "{entity} in {first} and in {second} disagree: {detail}. One of them is forged or damaged; nothing was stored"
    )]
    Disagreement {
        /// What it is, and what it is called.
        entity: String,
        /// Where the one encoding stands, in words.
        first: String,
        /// Where the other stands.
        second: String,
        /// What differs.
        detail: String,
    },

    /// Branches whose heads don't follow from each other.
    #[error("{}; nothing was stored. Fetch and merge first, or push with --force to move the branch", conflict_words(.0))]
    HeadConflict(Vec<BranchConflict>),

    /// Ids that were asked for and are no commits of the repo.
    #[error("repo `{repo}` has no commit {}; `packhouse repo show {repo}` lists its branch heads", ids.join(", "))]
    UnknownWant {
        /// The repo.
        repo: RepoName,
        /// The ids.
        ids: Vec<String>,
    },

    /// A new branch whose name is a folder of another branch's, or the other way round.
    #[error(
        "branch `{}` can't be beside branch `{}`: a clone keeps branches as files, and one name can't be a file and a folder; nothing was stored. Push to another name, or delete the other branch: packhouse branch delete {repo} '{}'",
        escaped(branch),
        escaped(other),
        escaped(other)
    )]
    BranchInTheWay {
        /// The repo.
        repo: RepoName,
        /// The new branch.
        branch: String,
        /// The one that is in its way.
        other: String,
    },

    /// No such branch.
    #[error(
        "repo `{repo}` has no branch `{}`; `packhouse branch list {repo}` lists those that it has",
        escaped(branch)
    )]
    UnknownBranch {
        /// The repo.
        repo: RepoName,
        /// The name.
        branch: String,
    },

    /// What a branch would reach is neither in the repo nor in the push.
    #[error(
        "this push has holes, and nothing of it was stored. A clone of another hub leaves out what that hub has; send all of it: muse bundle create all.mpack {branch}, then packhouse push {repo} all.mpack. Missing: {}{}",
        missing.join(", "), more(*.left_out)
    )]
    Incomplete {
        /// The repo.
        repo: RepoName,
        /// The branch.
        branch: String,
        /// Some of what is missing, each with what reaches it.
        missing: Vec<String>,
        /// How many more are missing.
        left_out: usize,
    },

    /// Another writer kept being first.
    #[error("repo `{repo}` kept changing while {what}; nothing was changed, try again")]
    Busy {
        /// The repo.
        repo: RepoName,
        /// What was tried.
        what: &'static str,
    },

    /// No such job.
    #[error("there is no job {0}; `packhouse jobs list` lists those that there are")]
    UnknownJob(i64),

    /// No such token. Of what was asked for, the beginning is told: it may be a whole token, with
    /// its secret.
    #[error("there is no token `{}`; `packhouse token list` lists those that there are", token_id(.0))]
    UnknownToken(String),

    /// A job was taken over while it was done.
    #[error(
        "job {job} has been taken over by another worker, since its lease had run out; nothing was changed here"
    )]
    LeaseLost {
        /// The job.
        job: i64,
    },

    /// A pack that the catalog knows is not in storage.
    #[error(
        "pack {key} of repo `{repo}` is not in storage ({place}). Push the same bytes again, run: packhouse verify --repair {repo}; or restore that file from a backup, then run: packhouse verify {repo}"
    )]
    MissingPack {
        /// The pack.
        key: MpackKey,
        /// The repo whose index maps to it.
        repo: RepoName,
        /// Where it should be.
        place: String,
    },

    /// A stored pack is not what it was.
    #[error(
        "pack {key} of repo `{repo}` is damaged: {detail}. Nothing was changed. Push the same bytes again, run: packhouse verify --repair {repo}; or restore {place} from a backup, then run: packhouse verify {repo}"
    )]
    DamagedPack {
        /// The pack.
        key: MpackKey,
        /// The repo whose index maps to it.
        repo: RepoName,
        /// Where it is.
        place: String,
        /// What is wrong, with the record and the byte.
        detail: String,
    },

    /// The index knows an entity that no pack gives.
    #[error(
        "repo `{repo}` has lost {kind} {id}: its index knows it and no pack gives it (wanted by {wanted_by}). Run: packhouse verify --repair {repo}; push it again, or restore its packs from a backup"
    )]
    Lost {
        /// The repo.
        repo: RepoName,
        /// What it is.
        kind: Kind,
        /// What it is called.
        id: EntityId,
        /// What refers to it.
        wanted_by: String,
    },

    /// The component did not do what its interface promises; caught before anything was published.
    #[error("the component {digest} was stopped while {doing}: {reason}. Nothing was changed")]
    Component {
        /// Digest of the component.
        digest: String,
        /// What it was asked to do.
        doing: &'static str,
        /// What it did.
        reason: String,
    },

    /// What a plan made is not what it promised; caught before anything was published.
    #[error(
        "the component {digest} made a plan that does not hold for repo `{repo}`: {reason}. Nothing was changed"
    )]
    Unproven {
        /// Digest of the component.
        digest: String,
        /// The repo.
        repo: RepoName,
        /// Which proof failed.
        reason: String,
    },

    /// A tape is not one, or was cut or changed.
    #[error("the tape {} is damaged: line {line}: {reason}. Record the run again, or take the tape from where it came from", tape.display())]
    DamagedTape {
        /// The tape.
        tape: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },

    /// A component did something else than what is on its tape.
    #[error("{0}")]
    Diverged(String),

    /// The store was made by a newer packhouse.
    #[error(
        "the catalog {catalog} was made by a newer packhouse (it has migration {found}, this one knows up to {known}); update packhouse, or use another --data folder"
    )]
    NewerStore {
        /// The catalog.
        catalog: String,
        /// The migration that is not known.
        found: i64,
        /// The last known one.
        known: i64,
    },

    /// The catalog failed.
    #[error("the catalog {catalog} failed while {doing}: {reason}")]
    Catalog {
        /// The catalog.
        catalog: String,
        /// What was tried.
        doing: String,
        /// What the database said.
        reason: String,
        /// Whether another writer was in the way.
        busy: bool,
        /// Whether it can be read, and not written.
        read_only: bool,
        /// Whether its disk is full.
        full: bool,
    },

    /// The storage is not that of the catalog's packs.
    #[error(
        "the packs of the catalog {catalog} are not in {place}: {instead} there. Name the storage that they are in (--storage, PACKHOUSE_STORAGE_URL, or --data); if they were moved, move all that lay beside them as well. Nothing was changed"
    )]
    WrongStorage {
        /// The catalog.
        catalog: String,
        /// The storage that was named.
        place: String,
        /// What is there instead, in words.
        instead: &'static str,
    },

    /// A file or folder failed.
    #[error("{doing} {} failed: {source}{}", path.display(), way_out(source))]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },

    /// The server that packs are on failed, or refused.
    #[error("{doing} {place} failed ({server}): {reason}. {way_out}")]
    Storage {
        /// What was tried.
        doing: &'static str,
        /// The bucket or the object.
        place: String,
        /// The server.
        server: String,
        /// What it said, or why it could not be asked.
        reason: String,
        /// What to do.
        way_out: &'static str,
    },

    /// The copies that a run needs at once are more than the local disk may hold.
    #[error(
        "the packs of repo `{repo}` are {needed} bytes, and {} may hold {budget} bytes of copies; allow it more with PACKHOUSE_SPOOL_BYTES={needed}. Nothing was downloaded",
        spool.display()
    )]
    SpoolTooSmall {
        /// The repo.
        repo: RepoName,
        /// Bytes of its packs.
        needed: u64,
        /// Bytes that may be kept.
        budget: u64,
        /// Where.
        spool: PathBuf,
    },

    /// Not what this build can do.
    #[error("{0}")]
    Unsupported(String),

    /// The repo is not what it was when the plan was made that somebody has looked at.
    #[error("{0} has changed since the plan was made; nothing was done")]
    PlanChanged(RepoName),

    /// What a server answered that it was asked for from afar.
    #[error("{message}")]
    Remote {
        /// What it means there.
        class: Class,
        /// What the server said.
        message: String,
    },

    /// A server could not be asked, or its answer did not come whole.
    #[error(
        "{url} can't be reached: {reason}. Look whether the server runs, and whether --remote names it"
    )]
    Unreachable {
        /// The server.
        url: String,
        /// What the system said.
        reason: String,
    },

    /// The caller asked to stop.
    #[error("stopped on request; nothing was changed")]
    Cancelled,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 4] = [Class::Refused, Class::Usage, Class::Conflict, Class::Damage];

    /// The one of that name; what is not known is a refusal.
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
    pub const fn class(&self) -> Class {
        match self {
            Error::Usage(_) => Class::Usage,
            Error::Remote { class, .. } => *class,
            Error::HeadConflict(_)
            | Error::Busy { .. }
            | Error::LeaseLost { .. }
            | Error::AnswersFull { .. }
            | Error::PlanChanged(_)
            | Error::Catalog { busy: true, .. } => Class::Conflict,
            Error::MissingPack { .. }
            | Error::DamagedPack { .. }
            | Error::Lost { .. }
            | Error::Diverged(_) => Class::Damage,
            _ => Class::Refused,
        }
    }

    /// Whether a place can be read, and not written.
    pub fn is_read_only(&self) -> bool {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
        match self {
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
            Error::Catalog { full, .. } => *full,
            Error::Io { source, .. } => matches!(source.kind(), StorageFull | QuotaExceeded),
            _ => false,
        }
    }

    /// Somebody deleted the repo that something was being done for.
    pub(crate) fn deleted_meanwhile() -> Error {
        Error::Unsupported("the repo was deleted meanwhile; nothing was changed".into())
    }

    /// An error of the system, with what was tried.
    pub(crate) fn io(
        doing: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

/// What to do about the errors of the system that users meet most.
fn way_out(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind as Kind;
    match error.kind() {
        Kind::StorageFull | Kind::QuotaExceeded => {
            ". Free some space and run it again; nothing was changed"
        }
        Kind::ReadOnlyFilesystem => ". Mount it writable, or use another --data folder",
        Kind::PermissionDenied => ". Check who owns it, or use another --data folder",
        _ => "",
    }
}

fn more(left_out: usize) -> String {
    if left_out == 0 { String::new() } else { format!(" and {left_out} more") }
}

/// As much of a text as an id of a token has, so that a secret that somebody took for one is not
/// repeated.
fn token_id(text: &str) -> String {
    text.chars().take(ID_DIGITS).collect()
}

fn conflict_words(conflicts: &[BranchConflict]) -> String {
    let words = |conflict: &BranchConflict| {
        let mut given: Vec<String> = conflict.given.iter().map(EntityId::to_string).collect();
        given.dedup();
        match conflict.stored {
            Some(stored) => format!(
                "branch `{}` stands at {stored}, which the pushed {} does not lead to",
                escaped(&conflict.branch),
                given.join(" or ")
            ),
            None => {
                format!(
                    "branch `{}` is given heads that don't lead to each other: {}",
                    escaped(&conflict.branch),
                    given.join(", ")
                )
            }
        }
    };
    conflicts.iter().map(words).collect::<Vec<_>>().join("; ")
}
