//! The index as of the start of a run, for the calls of a component.

use std::collections::HashMap;

use packhouse_catalog::{Snapshot, breadth_first, entity_key};
use packhouse_core::ports::{MAX_ITEMS, page_size};
use packhouse_core::{Ancestor, CommitTag, EntityId, Kind, Page};
use packhouse_model::error::{Error, Result};
use tokio::runtime::Handle;

/// The index of a repo, if the run has one. It blocks: not for async threads.
pub(crate) struct Index {
    pub(crate) snapshot: Option<Box<dyn Snapshot>>,
    pub(crate) runtime: Handle,
    /// What the component has read of the history, if a proof will read it again.
    pub(crate) seen: Option<SeenHistory>,
}

/// Commits that are kept: about 10 MB.
const MAX_SEEN: usize = 1 << 16;

/// Commits of a repo that were read from its index.
#[derive(Debug, Default)]
pub struct SeenHistory(HashMap<EntityId, Ancestor>);

impl SeenHistory {
    fn add(&mut self, commits: &[Ancestor]) {
        if self.0.len() + commits.len() <= MAX_SEEN {
            self.0.extend(commits.iter().map(|commit| (commit.edges.commit, *commit)));
        }
    }

    /// As [`Snapshot::history`]; `None` if it is not known of a commit whether the index has it. It
    /// may have fewer ancestors than the index.
    pub fn history(&self, commits: &[EntityId], limit: u32) -> Option<Vec<Ancestor>> {
        let is_known = commits.iter().all(|commit| self.0.contains_key(commit));
        is_known.then(|| breadth_first(commits, limit, |id| self.0.get(id).copied()))
    }
}

impl Index {
    fn snapshot(&mut self) -> Result<&mut Box<dyn Snapshot>> {
        self.snapshot.as_mut().ok_or_else(|| Error::Usage("this run has no index".into()))
    }

    /// What commits of the repo reach. `most` is the size of the page.
    pub(crate) fn history(&mut self, commits: &[EntityId], most: u32) -> Result<Page<Ancestor>> {
        let runtime = self.runtime.clone();
        // One more than the page holds says whether something follows.
        let found = self.snapshot()?.history(commits, most.saturating_add(1));
        let mut items = runtime.block_on(found)?;
        let done = items.len() <= most as usize;
        items.truncate(most as usize);
        if let Some(seen) = &mut self.seen {
            seen.add(&items);
        }
        Ok(Page { items, done })
    }

    pub(crate) fn walk_floor(&mut self) -> Result<Option<u64>> {
        let runtime = self.runtime.clone();
        runtime.block_on(self.snapshot()?.walk_floor())
    }

    /// Which entities the index has.
    pub(crate) fn known(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>> {
        let keys: Vec<_> = ids.iter().map(|id| entity_key(kind, *id)).collect();
        let runtime = self.runtime.clone();
        let found = runtime.block_on(self.snapshot()?.lookup(&keys))?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    /// The tags of commits after a tag, by text.
    pub(crate) fn tags(
        &mut self,
        commits: &[EntityId],
        after: Option<&str>,
        limit: u32,
    ) -> Result<Page<CommitTag>> {
        let runtime = self.runtime.clone();
        let mut tags = runtime.block_on(self.snapshot()?.tags_of(commits))?;
        tags.retain(|tag| after.is_none_or(|after| tag.text.as_str() > after));
        let most = page_size(limit, MAX_ITEMS);
        let done = tags.len() <= most;
        let items = tags
            .into_iter()
            .take(most)
            .map(|tag| CommitTag { tag: tag.text, commit: tag.commit })
            .collect();
        Ok(Page { items, done })
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::Edges;

    use super::*;

    fn id(number: u8) -> EntityId {
        EntityId::parse(format!("{number:064x}").as_bytes()).unwrap()
    }

    fn commit(number: u8, parents: [Option<u8>; 2]) -> Ancestor {
        let edges =
            Edges { commit: id(number), parents: parents.map(|p| p.map(id)), snapshot: None };
        Ancestor { edges, generation: u64::from(number) }
    }

    fn numbers(seen: &SeenHistory, commits: &[u8], limit: u32) -> Option<Vec<u64>> {
        let commits: Vec<EntityId> = commits.iter().map(|number| id(*number)).collect();
        let found = seen.history(&commits, limit)?;
        Some(found.iter().map(|found| found.generation).collect())
    }

    #[test]
    fn what_was_seen_is_given_breadth_first_and_nothing_is_said_of_what_was_not() {
        let mut seen = SeenHistory::default();
        // 9 merges 8 and 7; 1 was not seen.
        seen.add(&[
            commit(9, [Some(8), Some(7)]),
            commit(8, [Some(5), None]),
            commit(7, [Some(6), Some(5)]),
            commit(6, [Some(1), None]),
            commit(5, [Some(1), None]),
        ]);
        assert_eq!(numbers(&seen, &[9], 99), Some(vec![9, 8, 7, 5, 6]));
        assert_eq!(numbers(&seen, &[9], 2), Some(vec![9, 8]));
        assert_eq!(numbers(&seen, &[6, 8, 6], 99), Some(vec![6, 8, 5]));
        assert_eq!(numbers(&seen, &[1], 99), None, "it may be in the index");
        assert_eq!(numbers(&seen, &[9, 1], 99), None);
    }

    #[test]
    fn what_is_kept_of_a_history_is_bounded() {
        let mut seen = SeenHistory::default();
        let many = vec![commit(1, [None, None]); MAX_SEEN];
        seen.add(&many);
        seen.add(&many);
        assert_eq!(numbers(&seen, &[1], 9), Some(vec![1]));
        seen.add(&[commit(2, [None, None])]);
        seen.add(&many);
        assert_eq!(numbers(&seen, &[2], 9), Some(vec![2]), "there was room");
    }
}
