//! By what the list of repos can be sorted.

use std::cmp::Reverse;

use packhouse_host::RepoSummary;

/// What the list can be sorted by, in the order of its columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) enum Column {
    #[default]
    Name,
    Packs,
    Reclaimable,
    Size,
    LastGc,
    Objects,
    Waiting,
    Commits,
    Snapshots,
    Tags,
}

impl Column {
    pub(super) const ALL: [Column; 10] = [
        Column::Name,
        Column::Packs,
        Column::Reclaimable,
        Column::Size,
        Column::LastGc,
        Column::Objects,
        Column::Waiting,
        Column::Commits,
        Column::Snapshots,
        Column::Tags,
    ];

    /// In words, for the header.
    pub(in crate::console) const fn words(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::Packs => "packs",
            Column::Objects => "objects",
            Column::Size => "size",
            Column::Reclaimable => "reclaimable bytes",
            Column::LastGc => "last consolidation",
            Column::Waiting => "bytes to delete",
            Column::Commits => "commits",
            Column::Snapshots => "snapshots",
            Column::Tags => "tags",
        }
    }

    /// The column so many further on; behind the last comes the first.
    pub(super) fn step(self, by: usize) -> Column {
        let at = Column::ALL.iter().position(|column| *column == self).unwrap_or_default();
        Column::ALL[(at + by) % Column::ALL.len()]
    }

    /// Sorts positions of repos that come by name, the smallest first or (not `up`) the greatest. A
    /// stable sort keeps names in their order where the numbers are the same.
    pub(super) fn sort<'a>(
        self,
        shown: &mut [u32],
        up: bool,
        repo: impl Fn(&u32) -> &'a RepoSummary,
    ) {
        match self {
            Column::Name if up => {}
            Column::Name => shown.reverse(),
            Column::LastGc => {
                order(shown, up, |at| repo(at).last_gc.as_ref().map(|last| last.finished_at))
            }
            _ => order(shown, up, |at| self.number(repo(at))),
        }
    }

    fn number(self, repo: &RepoSummary) -> u64 {
        match self {
            Column::Packs => repo.packs,
            Column::Reclaimable => repo.reclaimable(),
            Column::Size => repo.bytes,
            Column::Objects => repo.objects,
            Column::Waiting => repo.superseded_bytes,
            Column::Commits => repo.commits,
            Column::Snapshots => repo.snapshots,
            Column::Tags => repo.tags,
            Column::Name | Column::LastGc => 0,
        }
    }
}

/// Sorts, and keeps the order of what is the same.
fn order<K: Ord>(shown: &mut [u32], up: bool, key: impl Fn(&u32) -> K) {
    if up { shown.sort_by_key(key) } else { shown.sort_by_key(|at| Reverse(key(at))) }
}
