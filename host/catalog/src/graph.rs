//! The commit graph: numbers for walks, and the tags of commits.

use async_trait::async_trait;
use packhouse_core::EntityId;
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
