//! How full a disk is: the one rule of the console and of `doctor`.

use packhouse_host::DiskSpace;

/// From so many percent on, a full disk is near.
const NEARLY_FULL: u64 = 90;
/// From so many percent on, and with few bytes, a push or a consolidation may fail. Of a large disk,
/// the rest is still much.
const FULL: u64 = 98;
/// With less free bytes, a push of ordinary packs may not fit, however large the disk is.
const FEW_BYTES: u64 = 1 << 30;
/// With less, not even the catalog can be written.
const TOO_FEW_BYTES: u64 = 16 << 20;

/// How full a disk is; the worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Disk {
    /// There is room.
    Free,
    NearlyFull,
    Full,
}

impl Disk {
    /// A disk with this space.
    pub(crate) fn of(space: DiskSpace) -> Disk {
        let used = match space.percent_used() {
            FULL.. if space.free_bytes < FEW_BYTES => Disk::Full,
            NEARLY_FULL.. => Disk::NearlyFull,
            _ => Disk::Free,
        };
        used.max(Disk::of_free(space.free_bytes))
    }

    /// A disk of which only the free bytes are known.
    pub(crate) const fn of_free(bytes: u64) -> Disk {
        match bytes {
            ..TOO_FEW_BYTES => Disk::Full,
            TOO_FEW_BYTES..FEW_BYTES => Disk::NearlyFull,
            FEW_BYTES.. => Disk::Free,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_full_by_its_share_or_by_its_bytes() {
        let of = |used: u64, free: u64, unit: u64| {
            Disk::of(DiskSpace { used_bytes: used * unit, free_bytes: free * unit })
        };
        let (mib, gib) = (1 << 20, 1 << 30);
        assert_eq!([of(89, 11, gib), of(90, 10, gib)], [Disk::Free, Disk::NearlyFull]);
        assert_eq!([of(98, 2, gib), of(9_800, 200, mib)], [Disk::NearlyFull, Disk::Full]);
        // Little is free of a small disk, although most of it is.
        assert_eq!([of(1, 999, mib), of(1, 15, mib)], [Disk::NearlyFull, Disk::Full]);
        assert_eq!([Disk::of_free(FEW_BYTES), Disk::of_free(0)], [Disk::Free, Disk::Full]);
    }
}
