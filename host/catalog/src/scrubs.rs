//! Scrubbing: which pack to read next, to check its bytes.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::Result;
use packhouse_model::report::ScrubState;

use super::rows::PackRow;

/// A pack that a worker reads to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScrubTask {
    /// The pack.
    pub pack: PackRow,
    /// Until then, no other worker gets it. Milliseconds count.
    pub lease_until: Timestamp,
}

/// Leases of packs to those who read them. A scrub ends with [`super::Catalog::note_findings`].
#[async_trait]
pub trait Scrubs: Send + Sync {
    /// Leases, until a time, the pack that was read longest ago, if that was before
    /// `verified_before`. A pack that was never read counts from when it was stored. Only packs on
    /// shelves, without known damage, that no one else has a lease of.
    async fn take_scrub(
        &self,
        now: Timestamp,
        verified_before: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ScrubTask>>;

    /// Extends a lease. None if the pack is on no shelf any more, or someone else has it.
    async fn renew_scrub(&self, task: &ScrubTask, until: Timestamp) -> Result<Option<ScrubTask>>;

    /// How long packs on shelves have not been read; `due` counts those read before
    /// `verified_before`, with those of known damage.
    async fn scrub_state(&self, verified_before: Timestamp) -> Result<ScrubState>;
}
