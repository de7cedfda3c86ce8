//! Merges the runs of indexes in the background. Lookups return the same before and after.

use jiff::Timestamp;
use packhouse_model::error::Result;

use super::Catalog;

/// Which runs of an index are merged. A run is what one push wrote, or what was made of several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunsToMerge {
    /// Those of which there are many of one size.
    Due,
    /// All into one, unless the largest has nearly all rows already. Then those that are due.
    All,
}

/// Merges what is due of the index of a repo, and removes what earlier merges left. Returns how
/// many runs were replaced. `now` tells other processes that this one is alive.
///
/// # Errors
/// When the catalog can't be read or written. The index is as it was, and the next merge begins
/// anew.
pub async fn merge_index(
    catalog: &dyn Catalog,
    repo: i64,
    runs: RunsToMerge,
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> Result<u64> {
    let mut merged = 0;
    loop {
        match catalog.merge_index(repo, runs, now).await? {
            0 => return Ok(merged),
            more => merged += more,
        }
    }
}
