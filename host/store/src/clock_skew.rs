//! The time, in case this machine's clock is wrong.
//!
//! Published times decide later what is dropped or deleted, perhaps by another machine. Therefore
//! this machine's clock is compared with that of the catalog: the database's, or that of the file
//! system with the catalog's file. If they differ too much, the catalog's clock is used for
//! publications and expiry, and nothing is deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::{ClockDifference, DeletionError, Result};

use super::Store;

/// Tolerated difference of two clocks. Signed requests of S3 allow a quarter of an hour; grace
/// periods and tokens last for days.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// The interval at which the clocks are compared.
const RECHECK_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// The last comparison with the catalog's clock.
#[derive(Debug)]
pub(super) struct ClockSkew {
    /// This machine's time when the two were compared, in milliseconds since 1970.
    compared_at: AtomicI64,
    /// Milliseconds to add to this machine's time: 0 within the tolerance.
    offset: AtomicI64,
    /// Whether the difference was logged.
    warned: AtomicBool,
}

impl Default for ClockSkew {
    fn default() -> ClockSkew {
        ClockSkew {
            compared_at: AtomicI64::new(i64::MIN),
            offset: AtomicI64::new(0),
            warned: AtomicBool::new(false),
        }
    }
}

pub(super) type SharedSkew = Arc<ClockSkew>;

impl Store {
    /// The time by the last comparison, without a query of the catalog.
    pub fn now(&self) -> Timestamp {
        self.corrected(self.clock.now())
    }

    /// The time, for publications, expiry and checks.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        let here = self.clock.now();
        let last = self.skew.compared_at.load(Ordering::Relaxed);
        // If the clock was set, in either direction, it is compared at once.
        let age = i128::from(here.as_millisecond()) - i128::from(last);
        if !(0..RECHECK_INTERVAL.as_millis()).contains(&age) {
            self.compare(here).await?;
        }
        Ok(self.corrected(here))
    }

    /// The time, for deleting or dropping: not allowed when the clocks differ.
    ///
    /// # Errors
    /// [`DeletionError::ClockSkew`] when this machine's clock and the catalog's differ by much.
    pub(super) async fn agreed_time(&self) -> Result<Timestamp> {
        let here = self.clock.now();
        self.compare(here).await?;
        match self.skew.offset.load(Ordering::Relaxed) {
            0 => Ok(here),
            offset => Err(DeletionError::ClockSkew(self.difference(offset)).into()),
        }
    }

    async fn compare(&self, here: Timestamp) -> Result<()> {
        let there = self.catalog.clock().await?.map(|there| self.clock.external(there));
        let ahead = there.map_or(SignedDuration::ZERO, |there| there.duration_since(here));
        let offset =
            if ahead.abs() <= MAX_SKEW { 0 } else { i64::try_from(ahead.as_millis()).unwrap_or(0) };
        self.skew.offset.store(offset, Ordering::Relaxed);
        self.skew.compared_at.store(here.as_millisecond(), Ordering::Relaxed);
        if offset != 0 && !self.skew.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!("{}; the catalog's clock is used", self.difference(offset));
        }
        Ok(())
    }

    fn difference(&self, offset: i64) -> ClockDifference {
        ClockDifference {
            behind: SignedDuration::from_millis(offset),
            catalog: self.catalog.place(),
        }
    }

    fn corrected(&self, here: Timestamp) -> Timestamp {
        match self.skew.offset.load(Ordering::Relaxed) {
            0 => here,
            offset => here.checked_add(SignedDuration::from_millis(offset)).unwrap_or(here),
        }
    }
}
