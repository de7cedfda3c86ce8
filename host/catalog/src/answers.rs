//! The part of the catalog port for packs that were assembled to answer fetches: when they expire,
//! and the disk space that they take.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - Space is reserved before an answer is written, atomically: concurrent callers in any processes
//!   stay within the budget.
//! - An answer expires at the latest time that was recorded for it.
//! - An expired answer counts until it is forgotten: its file may still exist.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{ExhaustedBudget, Result};
use packhouse_model::names::{MpackKey, RepoId};

/// An answer that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAnswer {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// Digest of the plan that it is made by.
    pub plan: String,
    /// Its size.
    pub bytes: u64,
    /// The caller: see [`STRANGERS`]; empty for the operator.
    pub caller: String,
    /// Until when it is good, to the second.
    pub expires_at: Timestamp,
}

/// The prefix of callers without a token: their budget is smaller.
pub const STRANGERS: &str = "address:";

/// What answers may take of the disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerBudget {
    /// All together.
    pub all: u64,
    /// Those of callers without a token.
    pub strangers: u64,
    /// Those of the caller; or one answer, where that is larger.
    pub caller: u64,
}

impl AnswerBudget {
    /// The budget that an answer of `bytes` would exceed: that of all, of strangers, or of the
    /// caller.
    pub fn lacks(&self, kept: AnswerUsage, bytes: u64, caller: &str) -> Option<ExhaustedBudget> {
        let beyond = |kept: u64, budget: u64| kept.saturating_add(bytes) > budget;
        // One answer there may be, whatever its size: else a large repo could not be cloned at all.
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

/// Bytes of answers that are kept, or being made.
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
    /// Takes room for an answer that is to be made, under a name that nothing else has, until
    /// [`NewAnswer::expires_at`]. Where the budget does not allow it, nothing is taken.
    async fn take_room(
        &self,
        name: &MpackKey,
        answer: &NewAnswer,
        budget: Option<AnswerBudget>,
    ) -> Result<Option<ExhaustedBudget>>;

    /// Gives that back.
    async fn give_room_back(&self, repo: i64, name: &MpackKey) -> Result<()>;

    /// The answer that is kept under a plan; its time is moved to `expires_at`, if that is later.
    async fn answer_of(
        &self,
        repo: i64,
        plan: &str,
        expires_at: Timestamp,
    ) -> Result<Option<MpackKey>>;

    /// Remembers that an answer is good until a time, and gives the room back that was taken under
    /// `name`. Where the answer is kept already, the later time wins.
    async fn note_answer(&self, name: &MpackKey, key: &MpackKey, answer: &NewAnswer) -> Result<()>;

    /// The answers of a repo that have expired. They are forgotten when they are gone.
    async fn expired_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>>;

    /// Repos with answers that have expired, deleted repos included.
    async fn repos_with_expired_answers(&self, now: Timestamp) -> Result<BTreeMap<i64, RepoId>>;

    /// Forgets the answers of a repo that have expired.
    async fn forget_answers(&self, repo: i64, now: Timestamp) -> Result<()>;
}
