//! What needs attention in a store, in numbers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What needs attention in a store, in numbers. Reads no pack and no repo. What takes long to
/// count is a little old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// Repos with known damage: a missing or damaged pack, or a damaged index.
    pub damaged_repos: u64,
    /// Jobs that wait for a worker, or for their next attempt.
    pub jobs_queued: u64,
    /// Jobs that a worker has.
    pub jobs_running: u64,
    /// Jobs that failed for good, and were not retried. Those that failed because of damage that was
    /// repaired since are not counted.
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
    /// The packs of the whole store. None: a server that is older does not say.
    #[serde(default)]
    pub packs: Option<PackTotals>,
    /// When this was read, by the clock of the store. None: an older server does not say.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// When the queued job that is due first is due, or was.
    #[serde(default)]
    pub next_job_at: Option<Timestamp>,
    /// Queued jobs that were due when this was read.
    #[serde(default)]
    pub jobs_due: u64,
    /// Until when the last lease of a worker is valid, or was. None: no worker has a job.
    #[serde(default)]
    pub leased_until: Option<Timestamp>,
}

impl Health {
    /// How long a job may wait for a worker before that is worth a word, in seconds: longer than
    /// workers pause between two looks at the queue.
    pub const JOB_PATIENCE_SECONDS: i64 = 60;

    /// Due jobs that wait although one has been due for a minute, and no worker has a job: none runs. A
    /// worker in the process of `serve` is one as well. `now` is a time of the clock of the store.
    pub fn jobs_without_worker(&self, now: Timestamp) -> u64 {
        let is_past = |at: Timestamp, seconds| now.duration_since(at).as_secs() >= seconds;
        let waits = self.next_job_at.is_some_and(|at| is_past(at, Health::JOB_PATIENCE_SECONDS));
        // A worker renews its lease; these numbers may be from before it did.
        let works =
            self.leased_until.is_some_and(|until| !is_past(until, Health::JOB_PATIENCE_SECONDS));
        if waits && !works { self.jobs_due.max(1) } else { 0 }
    }
}

/// The packs of a store, each counted once, however many repos share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PackTotals {
    /// Packs that a repo needs.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Packs pending deletion: no repo needs them, whether their grace period is over or not.
    pub pending_packs: u64,
    /// Their size in bytes.
    pub pending_bytes: u64,
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

    #[test]
    fn jobs_that_wait_for_a_minute_without_a_lease_have_no_worker() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let of = |next: Option<i64>, leased: Option<i64>| Health {
            jobs_queued: 5,
            jobs_due: 2,
            next_job_at: next.map(at),
            leased_until: leased.map(at),
            ..Health::default()
        };
        let waits = |health: Health| health.jobs_without_worker(at(1000));
        assert_eq!(waits(of(Some(940), None)), 2);
        assert_eq!(waits(of(Some(941), None)), 0, "a worker may come");
        assert_eq!(waits(of(Some(2000), None)), 0, "a job that is not due waits for its time");
        assert_eq!(waits(of(None, None)), 0);
        assert_eq!(waits(of(Some(0), Some(941))), 0, "a worker is busy");
        assert_eq!(waits(of(Some(0), Some(940))), 2, "a worker that has died is none");
    }
}
