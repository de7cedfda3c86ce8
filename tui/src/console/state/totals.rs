//! Sums over repos.

use packhouse_host::RepoSummary;

/// Sums over repos.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::console) struct Totals {
    pub(in crate::console) packs: u64,
    pub(in crate::console) bytes: u64,
    pub(in crate::console) reclaimable: u64,
    /// Bytes pending deletion.
    pub(in crate::console) waiting: u64,
}

impl Totals {
    /// Adds up repos.
    pub(in crate::console) fn of<'a>(repos: impl IntoIterator<Item = &'a RepoSummary>) -> Totals {
        repos.into_iter().fold(Totals::default(), |sum, repo| Totals {
            packs: sum.packs.saturating_add(repo.packs),
            bytes: sum.bytes.saturating_add(repo.bytes),
            reclaimable: sum.reclaimable.saturating_add(repo.reclaimable()),
            waiting: sum.waiting.saturating_add(repo.superseded_bytes),
        })
    }
}
