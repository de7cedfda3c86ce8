//! The time, when this machine's clock may be wrong.
//!
//! Times that are published decide later what is dropped or deleted, perhaps by another machine. So
//! this machine's clock is compared with that of the catalog: the database's, or that of the file
//! system with the catalog's file. If they differ by much, the catalog's clock is used for all that
//! is published, promised or expires; and nothing is deleted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::{Error, Result};

use super::Store;

/// Tolerated difference of two clocks. Signed requests of S3 allow a quarter of an hour; grace and
/// tokens count in days.
const MAX_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// After so long the clocks are compared again.
const RECHECK_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// What is known of the catalog's clock.
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
    /// The time, as far as it is known without asking the catalog.
    pub fn now(&self) -> Timestamp {
        self.corrected(self.clock.now())
    }

    /// The time, for what is published, promised or judged.
    pub(crate) async fn time(&self) -> Result<Timestamp> {
        let here = self.clock.now();
        let last = self.skew.compared_at.load(Ordering::Relaxed);
        // A clock that is set, in either direction, is compared at once.
        let age = i128::from(here.as_millisecond()) - i128::from(last);
        if !(0..RECHECK_INTERVAL.as_millis()).contains(&age) {
            self.compare(here).await?;
        }
        Ok(self.corrected(here))
    }

    /// The time, for deleting or dropping: not allowed when the clocks differ.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when this machine's clock and the catalog's differ by much.
    pub(super) async fn agreed_time(&self) -> Result<Timestamp> {
        let here = self.clock.now();
        self.compare(here).await?;
        match self.skew.offset.load(Ordering::Relaxed) {
            0 => Ok(here),
            offset => Err(Error::Unsupported(format!(
                "{}. Nothing was deleted; correct this machine's clock (or that of the catalog's machine), and run it again",
                self.apart(offset)
            ))),
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
            tracing::warn!("{}; the catalog's clock is used", self.apart(offset));
        }
        Ok(())
    }

    fn apart(&self, offset: i64) -> String {
        let by = SignedDuration::from_millis(offset).abs();
        let by = SignedDuration::from_secs(by.as_secs());
        let way = if offset < 0 { "ahead of" } else { "behind" };
        format!(
            "the clock of this machine is {by:#} {way} that of the catalog {}",
            self.catalog.place()
        )
    }

    fn corrected(&self, here: Timestamp) -> Timestamp {
        match self.skew.offset.load(Ordering::Relaxed) {
            0 => here,
            offset => here.checked_add(SignedDuration::from_millis(offset)).unwrap_or(here),
        }
    }
}
