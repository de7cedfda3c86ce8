//! The part of the catalog port for releases: commits with a tag and a description by clients.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A release is stored with the bytes that the client sent. In a repo, tags and release ids are
//!   unique.
//! - Its commit is in the repo's index when it is published, and a consolidation that was planned
//!   before drops nothing: it finds that the repo has changed. [`super::Snapshot::released`]
//!   returns the commits that releases retain.
//! - A deleted repo has no releases.

use async_trait::async_trait;
use packhouse_core::EntityId;
use packhouse_model::error::Result;

/// A release, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its tag.
    pub tag: String,
    /// The id that the client chose.
    pub release_id: String,
    /// Its channel; empty: none.
    pub channel: String,
    /// Whether it is a draft, which lists omit.
    pub is_draft: bool,
    /// The commit that it retains.
    pub commit: EntityId,
    /// The JSON object that the client sent, unchanged.
    pub body: String,
}

/// The outcome of publishing a release.
#[must_use = "nothing may have been published"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutRelease {
    /// It was published.
    Published,
    /// Another release has its tag or its id.
    Taken(Box<ReleaseRow>),
    /// The index of the repo does not have its commit.
    UnknownCommit,
    /// With it, the releases of the repo would exceed the limit.
    TooMuch,
    /// The repo was deleted.
    NoRepo,
}

/// Releases of repos.
#[async_trait]
pub trait Releases: Send + Sync + std::fmt::Debug {
    /// Publishes a release, if the bodies of the repo's releases then have at most `most` bytes.
    async fn put_release(&self, repo: i64, release: &ReleaseRow, most: u64) -> Result<PutRelease>;

    /// The releases of a repo, newest first.
    async fn releases(&self, repo: i64) -> Result<Vec<ReleaseRow>>;

    /// Retracts the release of a tag. Whether there was one.
    async fn delete_release(&self, repo: i64, tag: &str) -> Result<bool>;
}
