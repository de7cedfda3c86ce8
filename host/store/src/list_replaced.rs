//! The packs of a dry run of `prune`, one by one: who had each, since when it is replaced, and what
//! would be done with it.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_catalog::UnneededPack;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::report::{PackFate, PruneReport, ReplacedPack};

use super::Store;
use super::prune::Pruning;

/// Repos that one page of the catalog lists.
const PAGE: u32 = 1000;

impl Store {
    /// Adds the packs that no repo needs to the report of a dry run.
    pub(super) async fn list_replaced(
        &self,
        pruning: &mut Pruning<'_>,
        unneeded: Vec<UnneededPack>,
    ) -> Result<()> {
        let kept: BTreeSet<MpackKey> = pruning.report.kept.iter().map(|kept| kept.pack).collect();
        let mut packs = Vec::with_capacity(unneeded.len());
        for retired in unneeded {
            let due_at = pruning.due_at(&retired)?;
            let fate = match due_at <= pruning.now {
                true if kept.contains(&retired.pack.key) => PackFate::Kept,
                true => PackFate::Due,
                false => PackFate::Waiting,
            };
            packs.push((fate, due_at, retired));
        }
        packs.sort_by_key(|(fate, due_at, retired)| (*fate, *due_at, retired.pack.key));
        packs.truncate(PruneReport::MAX_LISTED);
        let repos = packs.iter().flat_map(|(.., retired)| retired.repos.iter().copied()).collect();
        let names = self.names_of(repos).await?;
        let listed = packs.into_iter().map(|(fate, due_at, retired)| ReplacedPack {
            pack: retired.pack.key,
            bytes: retired.pack.bytes,
            repos: retired.repos.iter().filter_map(|repo| names.get(repo).cloned()).collect(),
            replaced_at: retired.at,
            due_at,
            fate,
        });
        pruning.report.packs = listed.collect();
        Ok(())
    }

    /// The names of repos that were not deleted.
    async fn names_of(&self, mut repos: BTreeSet<i64>) -> Result<BTreeMap<i64, RepoName>> {
        let (mut names, mut after) = (BTreeMap::new(), None);
        while !repos.is_empty() {
            let page = self.catalog.repos(after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            let found = page.into_iter().filter(|row| repos.remove(&row.id));
            names.extend(found.map(|row| (row.id, row.name)));
        }
        Ok(names)
    }
}
