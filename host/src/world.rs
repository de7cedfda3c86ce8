//! Law 11: clock and randomness enter here, and nowhere else. Tests fix both.

use std::fmt;
use std::sync::Mutex;

use jiff::Timestamp;

/// Where time and fresh ids come from.
pub trait World: Send + Sync + fmt::Debug {
    /// The time of day.
    fn now(&self) -> Timestamp;
    /// Sixteen bytes that nobody else has drawn.
    fn draw(&self) -> [u8; 16];
    /// What another clock tells (a database's, a file system's): where time is made up, so is that
    /// of others.
    fn other(&self, told: Timestamp) -> Timestamp {
        told
    }
}

/// The real one.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemWorld;

// The one place: clippy.toml forbids these methods everywhere else.
#[expect(clippy::disallowed_methods)]
impl World for SystemWorld {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn draw(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)
            .expect("the system has randomness: nothing that opens files runs without it");
        bytes
    }
}

/// One that tests can foresee: time moves by a second at each look, ids count up.
#[derive(Debug)]
pub struct FixedWorld {
    state: Mutex<(Timestamp, u128)>,
}

impl FixedWorld {
    /// A world that begins at a time.
    pub const fn starting_at(now: Timestamp) -> Self {
        FixedWorld { state: Mutex::new((now, 0)) }
    }
}

impl World for FixedWorld {
    fn now(&self) -> Timestamp {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.0 += jiff::SignedDuration::from_secs(1);
        state.0
    }

    fn other(&self, _: Timestamp) -> Timestamp {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0
    }

    fn draw(&self) -> [u8; 16] {
        let mut state = self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.1 += 1;
        state.1.to_be_bytes()
    }
}
