//! Operations: the work on packs that takes long, as values. Catalog, worker, server, remote, verbs
//! and console pass them on without looking into them.
//!
//! An option is a field here, and has the same name in three kinds of JSON:
//!
//! ```text
//! a job of the catalog   { "type": "mpack.gc", "payload": { OPTIONS } }           Operation
//! POST jobs              { "type": "mpack.gc", "repo": "OWNER/SLUG", OPTIONS }    JobRequest
//! PUT runs/ID            { "kind": "gc", "repo": "OWNER/SLUG", OPTIONS }          RunRequest
//! ```
//!
//! The digest of a plan that was shown is no option: it stands beside the operation in a
//! [`RunRequest`].

mod mirror;
mod request;
mod schema;
mod seconds;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::{Error, Result};
use crate::names::MpackKey;

pub use mirror::{MirrorOptions, source_url};
pub use request::{JobRequest, RunRequest};

/// Work on packs that takes long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "payload")]
pub enum Operation {
    /// Indexes stored packs: the second half of a push.
    #[serde(rename = "mpack.index")]
    Index(IndexOptions),
    /// Plans a consolidation, and changes nothing. Never a job.
    #[serde(skip)]
    Plan(GcOptions),
    /// Consolidates a repo.
    #[serde(rename = "mpack.gc")]
    Gc(GcOptions),
    /// Verifies a repo: reads and hashes everything.
    #[serde(rename = "mpack.verify")]
    Verify(VerifyOptions),
    /// Deletes unused packs.
    #[serde(rename = "mpack.prune")]
    Prune(PruneOptions),
    /// Imports what is new in a repo on another server, again and again. Only a job.
    #[serde(rename = "repo.mirror")]
    Mirror(MirrorOptions),
}

/// Which packs to index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IndexOptions {
    /// The packs: all of them or none.
    pub packs: Vec<QueuedPack>,
    /// Whether to move branches even when the heads don't descend from each other.
    pub force: bool,
}

/// A pack that waits to be indexed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QueuedPack {
    /// Its key: it is in storage already.
    pub mpack_key: MpackKey,
    /// The file that was pushed, as it was named.
    pub file: String,
}

/// How to consolidate a repo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GcOptions {
    /// Consolidates only the smallest packs, so many that each pack that is left is at least so
    /// many times as large as all smaller ones together. None: all packs, into one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 2)]
    pub geometric: Option<u32>,
    /// Drops what no branch, tag or release has reached for so many seconds.
    #[serde(
        rename = "expire_unreachable_seconds",
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u64>, maximum = 9007199254740991u64)]
    pub expire_unreachable: Option<Duration>,
    /// Writes at most so many bytes of packs: consolidates fewer packs, or none, where more would
    /// be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 9007199254740991u64)]
    pub max_bytes: Option<u64>,
    /// Ends within so many seconds: consolidates fewer packs, or none, where that would take longer
    /// at the pace of earlier runs.
    #[serde(
        rename = "max_time_seconds",
        default,
        with = "seconds::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schema(value_type = Option<u64>, maximum = 9007199254740991u64)]
    pub max_time: Option<Duration>,
}

/// How to verify a repo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VerifyOptions {
    /// Whether to repair what can be repaired.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repair: bool,
}

impl GcOptions {
    /// How many times as large as all smaller ones together a pack is at least, unless a caller
    /// says otherwise.
    pub const FACTOR: u32 = 2;

    /// Consolidates all packs into one.
    pub const FULL: GcOptions =
        GcOptions { geometric: None, expire_unreachable: None, max_bytes: None, max_time: None };

    /// Consolidates the smallest packs, by [`GcOptions::FACTOR`].
    pub const GEOMETRIC: GcOptions =
        GcOptions { geometric: Some(GcOptions::FACTOR), ..GcOptions::FULL };

    /// Whether all packs become one, however much that writes and however long it takes.
    fn consolidates_all(&self) -> bool {
        self.geometric.is_none() && self.max_bytes.is_none() && self.max_time.is_none()
    }

    /// Refuses options that exclude each other, and factors that leave packs of one size apart.
    ///
    /// # Errors
    /// [`Error::Usage`] with the way out.
    pub fn check(&self) -> Result<()> {
        match self.geometric {
            Some(factor) if factor < 2 => Err(Error::Usage(format!(
                "the geometric factor is {factor}: expected at least 2"
            ))),
            Some(_) if self.expire_unreachable.is_some() => Err(Error::Usage(
                "a geometric consolidation reads a part of the repo, and can't tell what is unreachable; to expire it, run gc without --geometric".into(),
            )),
            _ => Ok(()),
        }
    }
}

impl VerifyOptions {
    /// Repairs what can be repaired.
    pub const REPAIR: VerifyOptions = VerifyOptions { repair: true };
}

/// Which packs to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PruneOptions {
    /// How long ago a pack must have been replaced, in seconds.
    #[serde(rename = "grace_seconds", default = "eight_days", with = "seconds")]
    #[schema(value_type = u64, maximum = 9007199254740991u64)]
    pub grace: Duration,
    /// Whether to delete packs that no repo knows as well, when they are older than a day.
    #[serde(default)]
    pub orphans: bool,
    /// Whether they are deleted even where the catalog looks older than they are, and they may be
    /// all that is left of pushes. In no JSON: only for who works on the machine of the store.
    #[serde(skip)]
    pub newer: bool,
    /// Only reports what would be deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// How recently a pack that replaces others must have been read and hashed whole to be
    /// trusted, in seconds. 0: it is read now.
    #[serde(
        rename = "trust_verified_seconds",
        default,
        with = "seconds",
        skip_serializing_if = "seconds::is_zero"
    )]
    #[schema(value_type = u64, maximum = 9007199254740991u64)]
    pub trust_verified: Duration,
}

/// A day longer than the URL of a fetch can be valid.
const fn eight_days() -> Duration {
    Duration::from_secs(8 * 24 * 3600)
}

impl Default for PruneOptions {
    /// Replaced more than eight days ago: a day longer than the URL of a fetch can be valid.
    fn default() -> Self {
        PruneOptions {
            grace: eight_days(),
            orphans: false,
            newer: false,
            dry_run: false,
            trust_verified: Duration::ZERO,
        }
    }
}

/// Numbers in requests are at most that: what JavaScript counts exactly.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Options that no job has: their caller waits for the report.
const NOT_IN_JOBS: [&str; 2] = ["repair", "dry_run"];

impl Operation {
    /// One of each, with default options.
    fn each() -> [Operation; 6] {
        [
            Operation::Index(IndexOptions::default()),
            Operation::Plan(GcOptions::default()),
            Operation::Gc(GcOptions::default()),
            Operation::Verify(VerifyOptions::default()),
            Operation::Prune(PruneOptions::default()),
            Operation::Mirror(MirrorOptions::default()),
        ]
    }

    /// Its kind, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Operation::Index(_) => "index",
            Operation::Plan(_) => "plan",
            Operation::Gc(_) => "gc",
            Operation::Verify(_) => "verify",
            Operation::Prune(_) => "prune",
            Operation::Mirror(_) => "mirror",
        }
    }

    /// The type of its jobs.
    pub const fn job_type(&self) -> &'static str {
        match self {
            Operation::Index(_) => "mpack.index",
            Operation::Plan(_) => "mpack.plan",
            Operation::Gc(_) => "mpack.gc",
            Operation::Verify(_) => "mpack.verify",
            Operation::Prune(_) => "mpack.prune",
            Operation::Mirror(_) => "repo.mirror",
        }
    }

    /// Whether it is about one repo. Else it is about the whole store.
    pub const fn needs_repo(&self) -> bool {
        !matches!(self, Operation::Prune(_))
    }

    /// Whether one job of it is enough while that waits: for a repo, or for the store.
    pub const fn waits_once(&self) -> bool {
        matches!(self, Operation::Gc(_) | Operation::Prune(_) | Operation::Mirror(_))
    }

    /// Whether only those who administer the whole store may queue it: it is about all repos, or makes
    /// a worker send requests to another server, perhaps with a token that is for that server.
    pub const fn needs_whole_store(&self) -> bool {
        matches!(self, Operation::Prune(_) | Operation::Mirror(_))
    }

    /// The options, by their names in JSON.
    fn options(&self) -> Map<String, Value> {
        let options = match self {
            Operation::Index(options) => serde_json::to_value(options),
            Operation::Plan(options) | Operation::Gc(options) => serde_json::to_value(options),
            Operation::Verify(options) => serde_json::to_value(options),
            Operation::Prune(options) => serde_json::to_value(options),
            Operation::Mirror(options) => serde_json::to_value(options),
        };
        match options {
            Ok(Value::Object(options)) => options,
            // Options are structs of plain data: writing them does not fail.
            _ => Map::new(),
        }
    }

    /// The same operation with other options. Unknown ones are refused.
    fn with(&self, options: Map<String, Value>) -> serde_json::Result<Operation> {
        Ok(match self {
            Operation::Index(_) => Operation::Index(request::strict(options)?),
            Operation::Plan(_) => Operation::Plan(request::strict(options)?),
            Operation::Gc(_) => Operation::Gc(request::strict(options)?),
            Operation::Verify(_) => Operation::Verify(request::strict(options)?),
            Operation::Prune(_) => Operation::Prune(request::strict(options)?),
            Operation::Mirror(_) => Operation::Mirror(request::strict(options)?),
        })
    }

    fn options_schema(&self) -> RefOr<Schema> {
        match self {
            Operation::Index(_) => IndexOptions::schema(),
            Operation::Plan(_) | Operation::Gc(_) => GcOptions::schema(),
            Operation::Verify(_) => VerifyOptions::schema(),
            Operation::Prune(_) => PruneOptions::schema(),
            Operation::Mirror(_) => MirrorOptions::schema(),
        }
    }

    /// Refuses values that no client means: numbers that JavaScript can't count, and what
    /// [`GcOptions::check`] and [`MirrorOptions::check`] refuse.
    ///
    /// # Errors
    /// [`Error::Usage`] with the option, and what is expected.
    pub fn check(&self) -> Result<()> {
        match self {
            Operation::Plan(options) | Operation::Gc(options) => options.check()?,
            Operation::Mirror(options) => options.check()?,
            Operation::Index(_) | Operation::Verify(_) | Operation::Prune(_) => {}
        }
        let too_large = |value: &Value| value.as_u64().is_some_and(|n| n > MAX_SAFE_INTEGER);
        match self.options().into_iter().find(|(_, value)| too_large(value)) {
            Some((name, value)) => {
                Err(Error::Usage(format!("{name} is {value}: expected at most {MAX_SAFE_INTEGER}")))
            }
            None => Ok(()),
        }
    }

    /// Whether one operation does all that another one would. One that drops something consolidates
    /// as well, and one of all packs that of the smallest.
    pub fn covers(&self, other: &Operation) -> bool {
        match (self, other) {
            (Operation::Gc(one), Operation::Gc(other)) if one.consolidates_all() => {
                other.expire_unreachable.is_none()
                    || other.expire_unreachable == one.expire_unreachable
            }
            _ => self == other,
        }
    }

    /// Of two operations the one that does what both would; none where neither does.
    pub fn wider<'a>(&'a self, other: &'a Operation) -> Option<&'a Operation> {
        match () {
            () if self.covers(other) => Some(self),
            () if other.covers(self) => Some(other),
            () => None,
        }
    }

    /// What a job of this operation does: the same, with times in whole seconds.
    ///
    /// # Errors
    /// [`Error::Usage`] for what can't be a job, or has an option that jobs don't have.
    pub fn as_job(&self) -> Result<Operation> {
        let refused = |why: &str| Error::Usage(format!("{} can't be queued: {why}", self.kind()));
        self.check()?;
        if matches!(self, Operation::Index(_) | Operation::Plan(_)) {
            return Err(refused("it is a part of another operation"));
        }
        let options = self.options();
        if let Some(option) = NOT_IN_JOBS.into_iter().find(|name| options.contains_key(*name)) {
            return Err(refused(&format!("jobs don't have the option {option}")));
        }
        self.with(options).map_err(|error| refused(&error.to_string()))
    }

    /// Refuses what needs the machine of the store.
    ///
    /// # Errors
    /// [`Error::Usage`].
    pub fn check_remote(&self) -> Result<()> {
        match self {
            Operation::Prune(PruneOptions { newer: true, .. }) => Err(Error::Usage(
                "--delete-newer-than-catalog needs access to the catalog and the packs; run it on the store's machine, without --remote".into(),
            )),
            _ => Ok(()),
        }
    }
}
