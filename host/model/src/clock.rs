//! Law 11: clock and randomness enter here, and nowhere else. Tests fix both.

use std::fmt;
use std::sync::Mutex;

use jiff::Timestamp;

/// The time, and random ids.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Sixteen random bytes: unique.
    fn random_id(&self) -> [u8; 16];
    /// The time of another clock (a database's, a file system's). A fixed clock returns its own
    /// time.
    fn external(&self, shown: Timestamp) -> Timestamp {
        shown
    }
}

/// The clock and the randomness of the system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

// The one place: clippy.toml forbids these methods everywhere else.
#[expect(clippy::disallowed_methods)]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn random_id(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .expect("the system has randomness: nothing that opens files runs without it");
        bytes
    }
}

/// For tests: each call advances the time by a second, and ids count up.
#[derive(Debug)]
pub struct FixedClock {
    state: Mutex<(Timestamp, u128)>,
}

impl FixedClock {
    /// A clock that starts at `now`.
    pub const fn starting_at(now: Timestamp) -> Self {
        FixedClock { state: Mutex::new((now, 0)) }
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += jiff::SignedDuration::from_secs(1);
        state.0
    }

    fn external(&self, _: Timestamp) -> Timestamp {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn random_id(&self) -> [u8; 16] {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.1 += 1;
        state.1.to_be_bytes()
    }
}
