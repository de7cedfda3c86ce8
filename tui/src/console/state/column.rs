//! The columns by which the list of repos can be sorted.

use std::cmp::Reverse;

use packhouse_host::RepoSummary;

use super::condition::Condition;

/// A column for sorting, in display order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) enum Column {
    #[default]
    Name,
    State,
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
    pub(in crate::console) const ALL: [Column; 11] = [
        Column::Name,
        Column::State,
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

    /// The name of the column in the header.
    pub(in crate::console) const fn label(self) -> &'static str {
        match self {
            Column::Name => "name",
            Column::State => "state",
            Column::Packs => "packs",
            Column::Objects => "objects",
            Column::Size => "size",
            Column::Reclaimable => "reclaimable bytes",
            Column::LastGc => "last consolidation",
            Column::Waiting => "bytes pending deletion",
            Column::Commits => "commits",
            Column::Snapshots => "snapshots",
            Column::Tags => "tags",
        }
    }

    /// Its head, if there is room.
    pub(in crate::console) const fn head(self) -> &'static str {
        match self {
            Column::Name => "NAME",
            Column::State => "STATE",
            Column::Packs => "PACKS",
            Column::Objects => "OBJECTS",
            Column::Size => "SIZE",
            Column::Reclaimable => "RECLAIMABLE",
            Column::LastGc => "LAST CONSOLIDATION",
            Column::Waiting => "TO DELETE",
            Column::Commits => "COMMITS",
            Column::Snapshots => "SNAPSHOTS",
            Column::Tags => "TAGS",
        }
    }

    /// Sorts positions of repos that are sorted by name: ascending if `up`, else descending. The
    /// sort is stable, so repos with equal numbers stay sorted by name.
    pub(super) fn sort<'a>(
        self,
        shown: &mut [u32],
        up: bool,
        repo: impl Fn(&u32) -> &'a RepoSummary,
    ) {
        match self {
            Column::Name if up => {}
            Column::Name => shown.reverse(),
            Column::State => order(shown, up, |at| Condition::of(repo(at))),
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
            Column::Name | Column::State | Column::LastGc => 0,
        }
    }
}

/// The columns that the list can be sorted by: those that it displays, in their order.
#[derive(Debug)]
pub(super) struct SortColumns(Vec<Column>);

impl Default for SortColumns {
    fn default() -> Self {
        SortColumns(Column::ALL.into())
    }
}

impl SortColumns {
    /// The name, and the columns with these heads.
    pub(super) fn of(heads: &[&str]) -> SortColumns {
        let named = |head: &&str| Column::ALL.into_iter().find(|column| column.head() == *head);
        let others = heads.iter().filter_map(named);
        SortColumns(std::iter::once(Column::Name).chain(others).collect())
    }

    /// The column `by` steps after another; the first follows the last.
    pub(super) fn step(&self, from: Column, by: isize) -> Column {
        let at = self.0.iter().position(|column| *column == from).unwrap_or_default() as isize;
        self.0[(at + by).rem_euclid(self.0.len() as isize) as usize]
    }

    pub(super) fn contains(&self, column: Column) -> bool {
        self.0.contains(&column)
    }
}

/// A stable sort.
fn order<K: Ord>(shown: &mut [u32], up: bool, key: impl Fn(&u32) -> K) {
    if up { shown.sort_by_key(key) } else { shown.sort_by_key(|at| Reverse(key(at))) }
}
