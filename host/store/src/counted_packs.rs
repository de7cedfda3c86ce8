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
    use super::*;

    #[tokio::test]
    async fn what_took_long_to_count_is_not_counted_again_at_once() {
        let counted = CountedPacks::default();
        let slow = async |packs| {
            let count = async {
                tokio::time::sleep(FAST).await;
                Ok(StoredPacks { packs, bytes: 0 })
            };
            counted.get(count).await.unwrap().packs
        };
        assert_eq!((slow(1).await, slow(2).await), (1, 1));
        // As if its time were over.
        counted.0.lock().await.as_mut().unwrap().1 = Instant::now();
        assert_eq!(slow(3).await, 3);
    }

    #[test]
    fn what_is_counted_fast_is_never_old() {
        assert_eq!(kept_for(FAST - Duration::from_nanos(1)), Duration::ZERO);
        assert_eq!(kept_for(Duration::from_millis(100)), Duration::from_secs(5));
    }
}
