//! The part of the catalog port for fetch requests that are too long for a URL (`fetch_requests`).
//! The URL names such a request by its digest; every server of the store finds it here.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A request is found until it expires, and is the one that was recorded under its digest.
//! - Space is reserved atomically: concurrent callers, also in several processes, stay within the
//!   budget. A request that is recorded again takes no more space.
//! - Expired requests take no space, and all go when their repo is forgotten.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{ExhaustedBudget, Result};

/// The prefix of callers without a token: their budget is smaller.
pub const STRANGERS: &str = "address:";

/// Maximum space of recorded requests, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestBudget {
    /// All together.
    pub all: u64,
    /// Those of callers without a token.
    pub strangers: u64,
    /// Those of the caller; or one request, if that is larger.
    pub caller: u64,
}

impl RequestBudget {
    /// The budget that a request of `bytes` would exceed: that of all callers, of callers without a
    /// token, or of the caller.
    pub fn lacks(&self, kept: RequestUsage, bytes: u64, caller: &str) -> Option<ExhaustedBudget> {
        let beyond = |kept: u64, budget: u64| kept.saturating_add(bytes) > budget;
        // One request is always allowed, regardless of its size.
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

/// Bytes of requests that are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestUsage {
    /// All together.
    pub all: u64,
    /// Those of callers without a token.
    pub strangers: u64,
    /// Those of one caller.
    pub caller: u64,
}

/// A request to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewFetchRequest {
    /// The catalog's number of the repo.
    pub repo: i64,
    /// SHA-256 of `request`.
    pub digest: [u8; 32],
    /// The request, in the server's own form.
    pub request: Vec<u8>,
    /// The caller: see [`STRANGERS`]; empty for the operator.
    pub caller: String,
    /// When it expires, to the second.
    pub expires_at: Timestamp,
}

/// Fetch requests that are too long for a URL.
#[async_trait]
pub trait FetchRequests: Send + Sync + std::fmt::Debug {
    /// Records a request, after removing all that expired before `now`. If the repo has the same
    /// request, the later expiry applies. If the bytes of all requests would exceed the budget,
    /// nothing is recorded. An error if the repo was deleted.
    async fn note_fetch_request(
        &self,
        request: &NewFetchRequest,
        now: Timestamp,
        budget: Option<RequestBudget>,
    ) -> Result<Option<ExhaustedBudget>>;

    /// The request of a digest, if it has not expired before `now`.
    async fn fetch_request(
        &self,
        repo: i64,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>>;

    /// Removes the requests of all repos that expired before `now`; returns how many. Writes
    /// nothing if there are none.
    async fn expire_fetch_requests(&self, now: Timestamp) -> Result<u64>;
}
