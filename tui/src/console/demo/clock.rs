//! The clock of the demo store: set to the times of its past, then that of the system.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::sample::Random;

/// A reading of a set clock takes up to so many milliseconds, so that work has a duration.
const READING: usize = 60;

/// A clock that is set. Its ids are always the same.
#[derive(Debug)]
pub(in crate::console) struct DemoClock(Mutex<State>);

#[derive(Debug)]
struct State {
    /// The time; none: that of the system.
    now: Option<Timestamp>,
    /// Whether it is later after each reading.
    runs: bool,
    random: Random,
}

impl DemoClock {
    /// A clock that is later after each reading.
    pub(super) fn starting_at(now: Timestamp, seed: u64) -> DemoClock {
        DemoClock(Mutex::new(State { now: Some(now), runs: true, random: Random::new(seed) }))
    }

    /// A clock that stands still.
    #[cfg(test)]
    pub(in crate::console) fn standing_at(now: Timestamp) -> DemoClock {
        let clock = DemoClock::starting_at(now, 1);
        clock.stand_at(now);
        clock
    }

    /// Moves it to a time, unless it is later already.
    pub(super) fn move_to(&self, at: Timestamp) {
        let mut state = self.state();
        state.now = state.now.map(|now| now.max(at));
    }

    /// From now on it shows this time.
    pub(in crate::console) fn stand_at(&self, now: Timestamp) {
        let mut state = self.state();
        (state.now, state.runs) = (Some(now), false);
    }

    /// Moves it forward.
    #[cfg(test)]
    pub(in crate::console) fn advance(&self, seconds: i64) {
        let mut state = self.state();
        state.now = state.now.map(|now| now + SignedDuration::from_secs(seconds));
    }

    /// From now on it is the clock of the system.
    pub(super) fn follow_system(&self) {
        self.state().now = None;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        let mut state = self.state();
        let Some(now) = state.now else { return SystemClock.now() };
        if state.runs {
            let reading = 1 + state.random.below(READING) as i64;
            state.now = Some(now + SignedDuration::from_millis(reading));
        }
        now
    }

    fn external(&self, shown: Timestamp) -> Timestamp {
        self.state().now.unwrap_or(shown)
    }

    fn random_id(&self) -> [u8; 16] {
        let mut id = [0; 16];
        self.state().random.fill(&mut id);
        id
    }
}
