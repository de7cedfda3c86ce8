//! What one run may use up: bytes that it writes, and time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::Result;
use packhouse_model::progress::Progress;

use crate::Store;
use crate::cost::{PACES, expected_ms};

/// The limits of a run.
pub(super) struct Budget {
    /// Most bytes of packs that it may write.
    max_bytes: Option<u64>,
    /// When it must have ended.
    deadline: Option<Timestamp>,
    /// Bytes and milliseconds of earlier runs; read only where the time is limited.
    paces: Vec<(u64, u64)>,
}

impl Store {
    /// The limits of a run that began at a time.
    pub(super) async fn budget(
        &self,
        max_bytes: Option<u64>,
        max_time: Option<Duration>,
        started: Timestamp,
    ) -> Result<Budget> {
        // A time that does not end in the years that there are is no limit.
        let deadline = max_time
            .and_then(|time| started.checked_add(SignedDuration::try_from(time).ok()?).ok());
        let paces = match deadline {
            Some(_) => self.catalog.gc_paces(PACES).await?,
            None => Vec::new(),
        };
        Ok(Budget { max_bytes, deadline, paces })
    }

    /// Whether a pack of so many bytes can be written. Without an earlier run, the time that it
    /// takes is unknown: then it is begun, and stopped when the time is up.
    pub(super) fn allows(&self, budget: &Budget, bytes: u64) -> bool {
        let expected =
            || SignedDuration::from_millis(expected_ms(bytes, &budget.paces).unwrap_or(0) as i64);
        budget.max_bytes.is_none_or(|most| bytes <= most)
            && budget
                .deadline
                .is_none_or(|deadline| deadline.duration_since(self.clock.now()) >= expected())
    }

    /// Stops work when the time is up, with [`packhouse_model::error::Error::OutOfTime`].
    pub(super) fn limited(&self, progress: &Progress, budget: &Budget) -> Progress {
        match budget.deadline {
            None => progress.clone(),
            Some(deadline) => progress.until(self.clock.clone(), deadline),
        }
    }
}
