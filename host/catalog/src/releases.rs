//! The part of the catalog port that keeps releases: commits under a tag, as clients describe them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A release is kept with the bytes that the client sent. In a repo, a tag and a release id are
//!   given once.
//! - Its commit is in the repo's index when it is published, and a consolidation that was planned
//!   before drops nothing: it finds that the repo has changed. [`super::Snapshot::released`] names
//!   the commits that releases pin.
//! - A deleted repo has none.

use async_trait::async_trait;
use packhouse_core::EntityId;
use packhouse_model::error::Result;

/// A release, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRow {
    /// Its tag.
    pub tag: String,
    /// The client's id of it.
    pub release_id: String,
    /// Its channel; empty: none.
    pub channel: String,
    /// Whether it is a draft, which lists leave out.
    pub is_draft: bool,
    /// The commit that it pins.
    pub commit: EntityId,
    /// The JSON object that the client sent, as it was sent.
    pub body: String,
}

/// What became of a release.
#[must_use = "nothing may have been published"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutRelease {
    /// It was published.
    Published,
    /// Its tag or its id is that of another one.
    Taken(Box<ReleaseRow>),
    /// The index of the repo does not have its commit.
    UnknownCommit,
    /// With it, the releases of the repo would be longer than the limit.
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
