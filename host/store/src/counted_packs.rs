//! How many packs are stored. The catalog counts a row for each: a tenth of a second for a million of
//! them. Whoever watches a large store asks after every change, so a number that took long to count is
//! kept for a while.

use std::time::Duration;

use packhouse_catalog::StoredPacks;
use packhouse_model::error::Result;
use tokio::sync::Mutex;
use tokio::time::Instant;

/// What is counted in this time is counted again for every caller.
const FAST: Duration = Duration::from_millis(20);
/// For how many times as long as it took to count is a number kept.
const KEPT: u32 = 50;

/// The last count, for all clones of a store.
#[derive(Debug, Default)]
pub(super) struct CountedPacks(Mutex<Option<(StoredPacks, Instant)>>);

impl CountedPacks {
    /// The last number while it is kept, and else a new one, by `count`.
    pub(super) async fn get(
        &self,
        count: impl Future<Output = Result<StoredPacks>>,
    ) -> Result<StoredPacks> {
        let mut last = self.0.lock().await;
        let begun = Instant::now();
        if let Some((packs, until)) = *last
            && begun < until
        {
            return Ok(packs);
        }
        let packs = count.await?;
        *last = Some((packs, Instant::now() + kept_for(begun.elapsed())));
        Ok(packs)
    }
}

/// For how long a number is kept that took so long to count.
fn kept_for(took: Duration) -> Duration {
    if took < FAST { Duration::ZERO } else { took * KEPT }
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, sleep};

    use super::*;

    async fn count(counted: &CountedPacks, packs: u64, takes: Duration) -> u64 {
        let count = async {
            sleep(takes).await;
            Ok(StoredPacks { packs, bytes: 0 })
        };
        counted.get(count).await.unwrap().packs
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_long_to_count_is_counted_again_after_a_while() {
        let (counted, slow) = (CountedPacks::default(), Duration::from_millis(100));
        assert_eq!(count(&counted, 1, slow).await, 1);
        advance(Duration::from_millis(4_900)).await;
        assert_eq!(count(&counted, 2, slow).await, 1);
        advance(Duration::from_millis(200)).await;
        assert_eq!(count(&counted, 3, slow).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_counted_at_once_is_never_old() {
        let (counted, fast) = (CountedPacks::default(), Duration::from_millis(10));
        for packs in [1, 2, 3] {
            assert_eq!(count(&counted, packs, fast).await, packs);
        }
    }
}
