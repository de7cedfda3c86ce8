//! What needs attention in a store, in numbers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What needs attention in a store, in numbers. Reads no pack, and costs the same however many
/// repos there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Repos with known damage: a missing or damaged pack, or a damaged index.
    pub damaged_repos: u64,
    /// Jobs that wait for a worker, or for their next attempt.
    pub jobs_queued: u64,
    /// Jobs that a worker has.
    pub jobs_running: u64,
    /// Jobs that failed for good, and were not retried.
    pub jobs_failed: u64,
    /// Packs that `prune` with its default grace period would delete now. It keeps those that may be
    /// the last good copy of something.
    pub prunable_packs: u64,
    /// Their size in bytes.
    pub prunable_bytes: u64,
    /// When the pack that was read longest ago was last found intact, or stored. None: there are no
    /// packs.
    pub oldest_check: Option<Timestamp>,
    /// Packs that were not read within the scrub age. 0 if packs are not scrubbed.
    pub unchecked_packs: u64,
    /// The disk that the store's host writes to, if it is known.
    pub disk: Option<DiskSpace>,
}

/// The space of a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DiskSpace {
    /// Used by anything.
    pub used_bytes: u64,
    /// Free for the user of the process. What is reserved for root is neither.
    pub free_bytes: u64,
}

impl DiskSpace {
    /// How much is used, in percent, rounded up: 100 if nothing is free. The number of `df`.
    pub fn percent_used(self) -> u64 {
        let all = u128::from(self.used_bytes) + u128::from(self.free_bytes);
        match all {
            0 => 100,
            all => (u128::from(self.used_bytes) * 100).div_ceil(all) as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_when_nothing_is_free() {
        let percent = |used_bytes, free_bytes| DiskSpace { used_bytes, free_bytes }.percent_used();
        assert_eq!([percent(0, 0), percent(0, 9), percent(9, 0)], [100, 0, 100]);
        assert_eq!([percent(90, 10), percent(901, 99), percent(u64::MAX, 1)], [90, 91, 100]);
    }
}
