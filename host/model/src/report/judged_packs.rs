//! Packs, as policies judge them.

use jiff::{SignedDuration, Timestamp};

use super::{Policy, PolicyCheck};
use crate::text::{size, span};

/// The packs of a repo, as policies judge them.
#[derive(Clone, Copy, Debug, Default)]
pub struct JudgedPacks {
    /// How many.
    pub count: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Bytes of packs from consolidations.
    pub consolidated_bytes: u64,
    /// When the oldest other pack was stored.
    pub oldest_unconsolidated: Option<Timestamp>,
}

impl JudgedPacks {
    /// Why they are to be consolidated; nothing: they are not.
    pub fn reasons(&self, policy: &Policy, now: Timestamp) -> Vec<String> {
        let JudgedPacks { count, bytes, consolidated_bytes, oldest_unconsolidated } = *self;
        let mut reasons = Vec::new();
        if count <= 1 {
            return reasons;
        }
        if let Some(max) = policy.max_packs.filter(|max| count > *max) {
            reasons.push(format!("it has {count} packs, more than {max}"));
        }
        let pushed = bytes.saturating_sub(consolidated_bytes);
        // Before the first consolidation there is nothing to grow from: the number of packs speaks.
        if let Some(growth) = policy.growth.filter(|growth| {
            consolidated_bytes > 0 && pushed as f64 > growth * consolidated_bytes as f64
        }) {
            let (pushed, left) = (size(pushed), size(consolidated_bytes));
            reasons.push(format!(
                "{pushed} were pushed since a consolidation left {left}: more than {growth} × as many"
            ));
        }
        let age = |max: u64| {
            oldest_unconsolidated.is_some_and(|oldest| {
                now.duration_since(oldest) > SignedDuration::from_secs(max as i64)
            })
        };
        if let (Some(max), Some(oldest)) =
            (policy.max_age_seconds.filter(|max| age(*max)), oldest_unconsolidated)
        {
            reasons.push(format!(
                "its oldest unconsolidated pack is from {oldest}: more than {} ago",
                span(max)
            ));
        }
        reasons
    }
}

impl PolicyCheck {
    /// Why the repo would be due under another policy; nothing: it would not be.
    pub fn reasons_under(&self, policy: &Policy, now: Timestamp) -> Vec<String> {
        let packs = JudgedPacks {
            count: self.packs,
            bytes: self.bytes,
            consolidated_bytes: self.consolidated_bytes,
            oldest_unconsolidated: self.oldest_unconsolidated,
        };
        packs.reasons(policy, now)
    }
}
