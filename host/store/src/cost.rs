//! Estimates the cost of a consolidation before it starts.

use packhouse_core::{Plan, Step};
use packhouse_model::error::Result;
use packhouse_model::report::GcCost;
use packhouse_pack::Directory;
use packhouse_pack::directory::Spine;

use super::Store;

/// Number of consolidations from which the store's pace is computed.
pub(super) const PACES: u32 = 20;

/// Bytes of disk that a plan needs until the replaced packs are deleted: the new pack and its
/// directory with its spine.
pub(super) fn peak_disk(plan: &Plan) -> u64 {
    let spine = Spine::size(plan.records.commits.saturating_add(plan.records.snapshots));
    plan.bytes.saturating_add(Directory::size(plan.records.total())).saturating_add(spine)
}

/// Bytes that executing a plan reads: the spans that it copies, the packs that are hashed
/// completely, and the new pack once more.
fn bytes_to_read(plan: &Plan, hashed: u64) -> u64 {
    let copied: u64 =
        plan.steps.iter().filter(|step| matches!(step, Step::Copy(_))).map(Step::bytes).sum();
    copied + hashed + plan.bytes
}

/// How long it takes to write this many bytes, in milliseconds, at the median pace of earlier runs
/// (bytes and milliseconds each).
pub(super) fn expected_ms(bytes: u64, runs: &[(u64, u64)]) -> Option<u64> {
    // Bytes a millisecond; a clock that saw no time pass says no more than "fast".
    let mut paces: Vec<f64> =
        runs.iter().map(|(bytes, millis)| *bytes as f64 / (*millis).max(1) as f64).collect();
    paces.sort_by(f64::total_cmp);
    let middle = paces.len().checked_sub(1)? / 2;
    let median = (paces[middle] + paces[paces.len() / 2]) / 2.0;
    (median > 0.0).then(|| (bytes as f64 / median).ceil() as u64)
}

impl Store {
    /// The cost of executing a plan. The plan has been admitted; `hashed` bytes of packs are hashed
    /// whole, and `to_download` bytes were not on the local disk.
    pub(super) async fn cost(&self, plan: &Plan, hashed: u64, to_download: u64) -> Result<GcCost> {
        let runs = self.catalog.gc_paces(PACES).await?;
        Ok(GcCost {
            bytes_to_read: bytes_to_read(plan, hashed),
            bytes_to_download: to_download,
            bytes_to_write: plan.bytes,
            peak_disk: peak_disk(plan).saturating_add(to_download),
            expected_ms: expected_ms(plan.bytes, &runs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_median_of_the_last_runs() {
        assert_eq!(expected_ms(1000, &[]), None, "nothing was measured");
        assert_eq!(expected_ms(1000, &[(500, 5)]), Some(10));
        assert_eq!(expected_ms(1000, &[(500, 5), (300, 1)]), Some(5), "the mean of the middle two");
        assert_eq!(
            expected_ms(1000, &[(1, 1000), (500, 5), (1_000_000, 1)]),
            Some(10),
            "one outlier on either side"
        );
        assert_eq!(
            expected_ms(1001, &[(100, 0)]),
            Some(11),
            "no time is a millisecond, and a part of one is one"
        );
        assert_eq!(expected_ms(1000, &[(0, 7)]), None);
    }
}
