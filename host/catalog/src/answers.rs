//! The part of the catalog port for fetch results (`answers`), the packs that were assembled for
//! fetches: their expiry, and the disk space that they use.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - Space is reserved atomically before an answer is written: concurrent callers, also in several
//!   processes, stay within the budget.
//! - An answer expires at the latest time that was recorded for it.
//! - An expired answer counts until it is forgotten: its file may still exist.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{ExhaustedBudget, Result};
use packhouse_model::names::{MpackKey, RepoId};

/// An answer to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnswer {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// Digest of its plan.
    pub plan: String,
    /// Its size.
    pub bytes: u64,
    /// The caller: see [`STRANGERS`]; empty for the operator.
    pub caller: String,
    /// When it expires, to the second.
    pub expires_at: Timestamp,
}

/// The prefix of callers without a token: their budget is smaller.
pub const STRANGERS: &str = "address:";

/// Maximum disk space of answers, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerBudget {
    /// All together.
    pub all: u64,
    /// Those of callers without a token.
    pub strangers: u64,
    /// Those of the caller; or one answer, if that is larger.
    pub caller: u64,
}

impl AnswerBudget {
    /// The budget that an answer of `bytes` would exceed: that of all callers, of callers without a
    /// token, or of the caller.
    pub fn lacks(&self, kept: AnswerUsage, bytes: u64, caller: &str) -> Option<ExhaustedBudget> {
        let beyond = |kept: u64, budget: u64| kept.saturating_add(bytes) > budget;
        // One answer is always allowed, regardless of its size; otherwise a large repo could not be
        // cloned.
        if kept.caller > 0 && beyond(kept.caller, self.caller) {
            Some(ExhaustedBudget::Caller)
        } else if caller.starts_with(STRANGERS) && beyond(kept.strangers, self.strangers) {
            Some(ExhaustedBudget::Strangers)
        } else if beyond(kept.all, self.all) {
            Some(ExhaustedBudget::All)
        } else {
            None
        }
    }
}

/// Bytes of answers that are stored or being written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerUsage {
    /// All together.
    pub all: u64,
    /// Those of callers without a token.
    pub strangers: u64,
    /// Those of one caller.
    pub caller: u64,
}

/// Answers to fetches.
#[async_trait]
pub trait Answers: Send + Sync + std::fmt::Debug {
    /// Reserves space for an answer, under a unique name, until [`NewAnswer::expires_at`]. If the
    /// budget does not allow it, nothing is reserved.
    async fn take_room(
        &self,
        name: &MpackKey,
        answer: &NewAnswer,
        budget: Option<AnswerBudget>,
    ) -> Result<Option<ExhaustedBudget>>;

    /// Releases that reservation.
    async fn give_room_back(&self, repo: i64, name: &MpackKey) -> Result<()>;

    /// The stored answer of a plan; its expiry is extended to `expires_at`, if that is later.
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>>;

    /// Records an answer and its expiry, and releases the reservation `name`. If the answer is
    /// already recorded, the later expiry applies.
    async fn note_answer(&self, name: &MpackKey, key: &MpackKey, answer: &NewAnswer) -> Result<()>;

    /// The expired answers of a repo. They are forgotten after their files were deleted.
    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>>;

    /// Repos with answers that have expired, deleted repos included.
    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>>;

    /// Forgets the answers of a repo that have expired.
    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()>;
}
