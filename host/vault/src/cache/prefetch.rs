//! How packs are prefetched for a run: whole, as cached copies; or, of large packs, the parts that
//! are read.

use std::ops::Range;

use packhouse_model::error::Result;
use packhouse_model::names::MpackKey;

use super::spool::Spool;
use crate::ranges::runs;

/// Gaps between parts are downloaded, too, up to this part of all that is read: a second request
/// takes longer.
const PART_OF_READ: u64 = 64;
/// The least and the greatest such gap in bytes.
const MIN_GAP: u64 = 16 << 10;
const MAX_GAP: u64 = 512 << 10;
/// A pack up to here is got whole: that is one request.
const SMALL_PACK: u64 = 4 << 20;
/// Packs of which only parts are held: each is an open file until the run ends.
const MAX_PARTIAL: usize = 64;

/// A pack that a run will read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefetchRequest {
    /// The pack.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// The only bytes of it that will be read, in order and apart; none: all of it may be.
    pub parts: Option<Vec<Range<u64>>>,
}

impl PrefetchRequest {
    /// Bytes of it that will be read.
    pub fn to_read(&self) -> u64 {
        self.parts
            .as_ref()
            .map_or(self.bytes, |parts| parts.iter().map(|part| part.end - part.start).sum())
    }
}

/// How a pack is prefetched.
pub(super) enum Extent {
    Whole,
    Parts(Vec<Range<u64>>),
}

/// How each is prefetched, by its index. Whole packs that the spool could not hold together are
/// left to be got when they are read.
pub(super) fn extents(wanted: &[PrefetchRequest], spool: &Spool) -> Result<Vec<(usize, Extent)>> {
    let (mut extents, mut partly, mut whole) = (Vec::new(), 0, 0);
    for (n, pack) in wanted.iter().enumerate() {
        let parts = pack.parts.as_deref().map(joined);
        match parts {
            Some(parts)
                if partly < MAX_PARTIAL && pays(&parts, pack.bytes) && !spool.has(&pack.key)? =>
            {
                partly += 1;
                extents.push((n, Extent::Parts(parts)));
            }
            _ => {
                whole += pack.bytes;
                if whole <= spool.budget() {
                    extents.push((n, Extent::Whole));
                }
            }
        }
    }
    Ok(extents)
}

/// Whether getting parts is so much less than the pack that the pack need not be kept.
fn pays(parts: &[Range<u64>], bytes: u64) -> bool {
    bytes > SMALL_PACK && parts.iter().map(|part| part.end - part.start).sum::<u64>() < bytes / 2
}

/// Ranges, near ones joined.
fn joined(parts: &[Range<u64>]) -> Vec<Range<u64>> {
    let read: u64 = parts.iter().map(|part| part.end - part.start).sum();
    let gap = (read / PART_OF_READ).clamp(MIN_GAP, MAX_GAP);
    runs(parts, gap).into_iter().map(|run| run.range).collect()
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "one range is a list of ranges here")]
mod tests {
    use super::*;

    #[test]
    fn parts_are_got_only_where_they_are_little_of_a_large_pack() {
        assert!(pays(&[0..10], SMALL_PACK + 1));
        assert!(!pays(&[0..10], SMALL_PACK));
        assert!(!pays(&[0..SMALL_PACK], 2 * SMALL_PACK));
    }
}
