//! The commit graph: numbers for walks, and the tags of commits.

use std::collections::HashSet;

use async_trait::async_trait;
use packhouse_core::{Ancestor, EntityId};
use packhouse_model::error::Result;

use super::publications::{AwaitedParent, PublishOutcome};
use super::rows::RepoRow;

/// Work on the commit graph of a repo that is not part of a push.
#[async_trait]
pub trait CommitGraph: Send + Sync {
    /// Raises the generations of commits; those that are higher stay, as do commits that the repo
    /// does not have. Changes nothing, and returns [`PublishOutcome::Changed`], if something was
    /// dropped since `repo` was read.
    ///
    /// Children go before their parents, over all calls: then every state in between is as right as
    /// the one before.
    async fn renumber(
        &self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> Result<PublishOutcome>;

    /// Ends a renumbering of all commits: replaces the walk floor and the awaited parents by those of
    /// the new numbers. Changes nothing, and returns [`PublishOutcome::Changed`], if anything was
    /// pushed or dropped since `repo` was read.
    async fn end_renumbering(
        &self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> Result<PublishOutcome>;

    /// Records the commits of tags that have none recorded: pairs of a tag and its commit.
    async fn tell_tags(&self, repo: i64, tags: &[(EntityId, EntityId)]) -> Result<()>;
}

/// What commits reach, breadth first, each once, at most `limit`: the order of
/// [`super::Snapshot::history`]. Commits that are not known are left out, with what only they reach.
pub fn breadth_first(
    commits: &[EntityId],
    limit: u32,
    known: impl Fn(&EntityId) -> Option<Ancestor>,
) -> Vec<Ancestor> {
    let mut met = HashSet::new();
    let mut meet = |id: &EntityId| known(id).filter(|_| met.insert(*id));
    let mut found: Vec<Ancestor> = commits.iter().filter_map(&mut meet).collect();
    let mut next = 0;
    while next < found.len() && found.len() < limit as usize {
        let edges = found[next].edges;
        found.extend(edges.parents().filter_map(|parent| meet(&parent)));
        next += 1;
    }
    found.truncate(limit as usize);
    found
}
