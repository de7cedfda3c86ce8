//! Pauses the thread that reads keys: while a command has the terminal, its keys are not for the
//! console.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{QueueSelector, tcflush};

/// Time after which the thread is woken again. Only a wake-up before its first read is lost.
const WAKE_EVERY: Duration = Duration::from_millis(20);

/// The state of the thread, which both sides change.
#[derive(Clone, Debug, Default)]
pub(in crate::console) struct KeyReader(Arc<(Mutex<State>, Condvar)>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Reading,
    /// It is to pause, but may still be reading.
    Pausing,
    Paused,
    /// The thread has ended.
    Ended,
}

impl KeyReader {
    /// Pauses the thread, and returns when it does not read any more.
    pub(in crate::console) fn pause(&self) -> io::Result<()> {
        let mut state = self.locked();
        if *state == State::Reading {
            *state = State::Pausing;
        }
        while *state == State::Pausing {
            // It waits for keys without an end, and a change of the size is an input, too.
            kill_process(getpid(), Signal::WINCH)?;
            let waited = self.0.1.wait_timeout(state, WAKE_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Drops the keys that were not read, and continues.
    pub(in crate::console) fn resume(&self) {
        let mut state = self.locked();
        if matches!(*state, State::Pausing | State::Paused) {
            // Without a terminal there are none.
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
            *state = State::Reading;
            self.0.1.notify_all();
        }
    }

    /// Waits while the thread, which calls this, is to pause.
    pub(super) fn wait_while_paused(&self) {
        let mut state = self.locked();
        while matches!(*state, State::Pausing | State::Paused) {
            *state = State::Paused;
            self.0.1.notify_all();
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The thread ends.
    pub(super) fn end(&self) {
        *self.locked() = State::Ended;
        self.0.1.notify_all();
    }

    /// The state is consistent between any two statements.
    fn locked(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
