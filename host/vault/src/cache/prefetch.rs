//! Prefetching the packs of a run, many at once: whole, as cached copies; or, of large packs, the
//! parts that are read.

use std::ops::Range;
use std::path::Path;

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;
use packhouse_vault::{PrefetchRequest, StoredPack};

use super::S3Vault;

/// Packs that are downloaded at once. The number of bytes is bounded elsewhere.
const PACKS_AT_ONCE: usize = 16;
/// Bytes between two parts that are rather got than left out: asking twice takes longer.
const MAX_GAP: u64 = 512 << 10;
/// A pack up to here is got whole: that is one request.
const SMALL_PACK: u64 = 4 << 20;
/// Packs of which only parts are held: each is an open file until the run ends.
const MAX_PARTIAL: usize = 64;

/// How a pack is prefetched.
enum Extent {
    Whole,
    Parts(Vec<Range<u64>>),
}

impl S3Vault {
    /// Prefetches packs; returns those of which it downloaded only parts.
    pub(super) async fn prefetch_all(
        &self,
        wanted: &[PrefetchRequest],
    ) -> Result<Vec<(usize, StoredPack)>> {
        let jobs = self.jobs(wanted)?;
        let brought = stream::iter(jobs).map(|(n, extent)| async move {
            let partly = self.prefetch_one(&wanted[n], extent).await?;
            Ok(partly.map(|stored| (n, stored)))
        });
        brought
            .buffer_unordered(PACKS_AT_ONCE)
            .try_filter_map(|partly| std::future::ready(Ok(partly)))
            .try_collect()
            .await
    }

    /// What to do for each. Whole packs that the spool could not hold together are left to be got
    /// when they are read.
    fn jobs(&self, wanted: &[PrefetchRequest]) -> Result<Vec<(usize, Extent)>> {
        let (mut jobs, mut partly, mut whole) = (Vec::new(), 0, 0);
        for (n, pack) in wanted.iter().enumerate() {
            let parts = pack.parts.as_deref().map(|parts| joined(parts, MAX_GAP));
            match parts {
                Some(parts)
                    if partly < MAX_PARTIAL
                        && pays(&parts, pack.bytes)
                        && !self.spool.has(&pack.key)? =>
                {
                    partly += 1;
                    jobs.push((n, Extent::Parts(parts)));
                }
                _ => {
                    whole += pack.bytes;
                    if whole <= self.spool.budget() {
                        jobs.push((n, Extent::Whole));
                    }
                }
            }
        }
        Ok(jobs)
    }

    async fn prefetch_one(
        &self,
        pack: &PrefetchRequest,
        extent: Extent,
    ) -> Result<Option<StoredPack>> {
        let object = self.object(&pack.key, "mpack");
        match extent {
            Extent::Parts(parts) => {
                self.download_parts(&object, &parts, Path::new(&self.place.object(&object))).await
            }
            Extent::Whole => self.cache_whole(&pack.key, pack.bytes).await.map(|()| None),
        }
    }

    /// Makes sure that there is a copy of a pack, and that the pack exists.
    async fn cache_whole(&self, key: &MpackKey, bytes: u64) -> Result<()> {
        let object = self.object(key, "mpack");
        if self.spool.has(key)? {
            // The copy of a deleted or rewritten object stays: it may be the last intact one.
            let Some(now) = self.head(&object).await? else { return Ok(()) };
            if self.spool.of_object(key, now.e_tag.as_deref(), now.size)?.is_none() {
                self.download_again(&object, key, Some(bytes)).await?;
            }
            return Ok(());
        }
        self.cached(&object, key, Some(bytes)).await.map(|_| ())
    }
}

/// Whether getting parts is so much less than the pack that the pack need not be kept.
fn pays(parts: &[Range<u64>], bytes: u64) -> bool {
    bytes > SMALL_PACK && parts.iter().map(|part| part.end - part.start).sum::<u64>() < bytes / 2
}

/// Ranges, in order, adjacent ones joined.
fn joined(parts: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        match joined.last_mut() {
            Some(last) if part.start <= last.end.saturating_add(gap) => {
                last.end = last.end.max(part.end)
            }
            _ => joined.push(part.clone()),
        }
    }
    joined
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is a list of ranges here")]
mod tests {
    use super::*;

    #[test]
    fn near_neighbours_are_one_request() {
        assert_eq!(joined(&[0..10, 15..20, 20..30, 41..50, 45..48], 5), [0..30, 41..50]);
        assert_eq!(joined(&[3..3], 5), []);
    }

    #[test]
    fn parts_are_got_only_where_they_are_little_of_a_large_pack() {
        assert!(pays(&[0..10], SMALL_PACK + 1));
        assert!(!pays(&[0..10], SMALL_PACK));
        assert!(!pays(&[0..SMALL_PACK], 2 * SMALL_PACK));
    }
}
