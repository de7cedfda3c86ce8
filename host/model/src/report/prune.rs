//! The report of `prune`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::KeptPack;

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
}

impl PruneReport {
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
