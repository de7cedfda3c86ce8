//! The speed of a run.

use std::collections::VecDeque;

use jiff::Timestamp;
use packhouse_host::{Event, Phase};

/// The speed of a phase in bytes per second, sampled at most twice per second.
#[derive(Debug, Default)]
pub(in crate::console) struct Speed {
    /// Samples in bytes per second, oldest first.
    samples: VecDeque<u64>,
    /// Time, phase and position of the last sample.
    at: Option<(Timestamp, Phase, u64)>,
}

impl Speed {
    const SAMPLES: usize = 60;
    const EVERY_MS: i128 = 500;

    /// Takes progress, if the last sample is old enough.
    pub(super) fn take(&mut self, step: &Event, now: Timestamp) {
        let Some((then, phase, done)) =
            self.at.filter(|(_, phase, done)| *phase == step.phase && *done <= step.done)
        else {
            self.at = Some((now, step.phase, step.done));
            return;
        };
        let took = now.duration_since(then).as_millis();
        if took < Self::EVERY_MS {
            return;
        }
        let rate = u128::from(step.done - done) * 1000 / took.unsigned_abs();
        self.samples.push_back(u64::try_from(rate).unwrap_or(u64::MAX));
        if self.samples.len() > Self::SAMPLES {
            self.samples.pop_front();
        }
        self.at = Some((now, phase, step.done));
    }

    /// Samples in bytes per second, oldest first.
    pub(in crate::console) fn samples(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.samples.iter().copied()
    }

    /// Average of the latest samples; `None` before the first.
    pub(in crate::console) fn rate(&self) -> Option<u64> {
        let last = self.samples.iter().rev().take(6);
        let many = last.len() as u64;
        (many > 0).then(|| last.sum::<u64>() / many)
    }

    /// Estimated seconds until the end of the phase; `None` if unknown.
    pub(in crate::console) fn left(&self, step: &Event) -> Option<u64> {
        let rate = self.rate().filter(|rate| *rate > 0 && step.total > 0)?;
        Some(step.total.saturating_sub(step.done).div_ceil(rate))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::tests::fake::now;
    use jiff::SignedDuration;

    #[test]
    fn speed_is_per_phase_and_gives_the_time_left() {
        let mut speed = Speed::default();
        let step = |phase, done| Event { repo: "a/b".to_owned(), phase, done, total: 10_000 };
        let at = |ms| now() + SignedDuration::from_millis(ms);
        speed.take(&step(Phase::Splice, 0), at(0));
        assert_eq!((speed.rate(), speed.left(&step(Phase::Splice, 0))), (None, None));
        speed.take(&step(Phase::Splice, 100), at(100));
        speed.take(&step(Phase::Splice, 1000), at(500));
        speed.take(&step(Phase::Splice, 3000), at(1500));
        assert_eq!(speed.samples().collect::<Vec<_>>(), [2000, 2000]);
        assert_eq!(speed.left(&step(Phase::Splice, 3000)), Some(4));
        // A new phase counts from its own beginning.
        speed.take(&step(Phase::Prove, 0), at(3000));
        assert_eq!(speed.samples().len(), 2);
        // Clocks may stand still or go back.
        speed.take(&step(Phase::Prove, 10), at(0));
        assert_eq!(speed.samples().len(), 2);
    }
}
