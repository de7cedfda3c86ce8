//! The part of the catalog port for fetch results (`answers`): the packs that a local store has
//! assembled for fetches, and when they expire.
//!
//! **Law**, which every adapter keeps and the conformance suite checks: an answer expires at the
//! latest time that was recorded for it.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoId};

/// An answer to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnswer {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// Digest of its plan.
    pub plan: String,
    /// When it expires, to the second.
    pub expires_at: Timestamp,
}

/// Answers to fetches.
#[async_trait]
pub trait Answers: Send + Sync + std::fmt::Debug {
    /// The stored answer of a plan; its expiry is extended to `expires_at`, if that is later.
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>>;

    /// Records an answer and its expiry. If it is already recorded, the later expiry applies.
    async fn note_answer(&self, key: &MpackKey, answer: &NewAnswer) -> Result<()>;

    /// The expired answers of a repo. They are forgotten after their files were deleted.
    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>>;

    /// Repos with answers that have expired, deleted repos included.
    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>>;

    /// Forgets the answers of a repo that have expired.
    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()>;
}
