//! The report of `prune`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::KeptPack;
use crate::names::{MpackKey, RepoName};

/// `prune`. In a dry run, `deleted` is what would be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PruneReport {
    /// Deleted packs: replaced by a consolidation longer than the grace ago.
    pub packs_deleted: u64,
    /// Their size in bytes.
    pub bytes_deleted: u64,
    /// Packs that were replaced later than that.
    pub packs_waiting: u64,
    /// Their size in bytes.
    pub bytes_waiting: u64,
    /// When the first of them is due.
    pub next_due: Option<Timestamp>,
    /// Expired answers to fetches that were deleted.
    pub answers_deleted: u64,
    /// Packs in storage that no repo knows.
    pub orphans: u64,
    /// Their size in bytes.
    pub orphan_bytes: u64,
    /// Orphans older than a day that were deleted.
    pub orphans_deleted: u64,
    /// Packs that were due but kept, because they may be the last good copy of something: replaced
    /// packs, expired answers, orphans.
    #[serde(default)]
    pub packs_kept: u64,
    /// The kept packs, once for each repo that may need one, with the reason.
    #[serde(default)]
    pub kept: Vec<KeptPack>,
    /// Present for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// In a dry run, the packs that were replaced: first those that would be deleted, then those that
    /// are kept, then those that wait; the earliest first. At most [`PruneReport::MAX_LISTED`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packs: Vec<ReplacedPack>,
}

/// A pack that no repo needs any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplacedPack {
    /// Its key.
    pub pack: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// The repos that had it until a consolidation replaced it, in order. Empty: those repos were
    /// deleted.
    pub repos: Vec<RepoName>,
    /// When the last repo replaced it, or was deleted.
    pub replaced_at: Timestamp,
    /// When its grace period ends.
    pub due_at: Timestamp,
    /// What `prune` does with it.
    pub fate: PackFate,
}

/// What `prune` does with a replaced pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PackFate {
    /// It is deleted.
    Due,
    /// It is due but kept, because it may be the last good copy of something.
    Kept,
    /// Its grace period is not over.
    Waiting,
}

impl PruneReport {
    /// Most packs of a dry run that are listed one by one.
    pub const MAX_LISTED: usize = 10_000;

    /// Whether something was deleted.
    pub const fn has_deleted(&self) -> bool {
        self.dry_run.is_none()
            && self.packs_deleted + self.answers_deleted + self.orphans_deleted > 0
    }

    /// What was deleted, as part of a sentence.
    pub fn deleted(&self) -> String {
        let count = |count: u64, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{count} {what}s")),
        };
        let packs = count(self.packs_deleted, "pack")
            .map(|packs| format!("{packs} ({} bytes)", self.bytes_deleted));
        [
            packs,
            count(self.answers_deleted, "expired fetch result"),
            count(self.orphans_deleted, "orphan"),
        ]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
    }
}
