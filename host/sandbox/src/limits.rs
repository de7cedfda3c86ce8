//! Enforces the limits of a run, and measures its time.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use packhouse_run::SandboxLimits;
use wasmtime::{Engine, StoreLimits, StoreLimitsBuilder};

/// Handles of resources that a component may hold. Our interfaces have none; a component may define
/// its own.
pub(super) const HANDLES: usize = 1000;

/// The limits of an instance's memory and tables.
pub(super) fn store_limits(limits: &SandboxLimits, records: u64) -> StoreLimits {
    StoreLimitsBuilder::new()
        .memory_size(limits.memory_for(records))
        .table_elements(10_000)
        .instances(16)
        .tables(16)
        .memories(1)
        .trap_on_grow_failure(true)
        .build()
}

/// The time of a run, in ticks.
pub(super) fn ticks(limits: &SandboxLimits) -> u64 {
    u64::try_from(limits.time.as_millis() / TICK.as_millis())
        .unwrap_or(u64::MAX >> 1)
        .clamp(1, u64::MAX >> 1)
}

/// The length of a tick.
const TICK: Duration = Duration::from_millis(50);

/// Advances an engine's epoch while components run, so that one that loops is stopped. One thread
/// serves all runs of an engine, so that their ticks have the same length.
#[derive(Debug)]
pub(super) struct EpochTicker {
    shared: Arc<(Mutex<Ticking>, Condvar)>,
}

#[derive(Debug, Default)]
struct Ticking {
    runs: usize,
    closed: bool,
}

impl EpochTicker {
    pub(super) fn new(engine: &Engine) -> EpochTicker {
        let shared: Arc<(Mutex<Ticking>, Condvar)> = Arc::default();
        let (engine, theirs) = (engine.clone(), shared.clone());
        std::thread::spawn(move || {
            let (state, changed) = &*theirs;
            let mut ticking = state.lock().unwrap_or_else(PoisonError::into_inner);
            while !ticking.closed {
                if ticking.runs == 0 {
                    ticking = changed.wait(ticking).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
                // Runs that start and end in the meantime don't make a tick longer.
                let (guard, timeout) = changed
                    .wait_timeout_while(ticking, TICK, |t| t.runs > 0 && !t.closed)
                    .unwrap_or_else(PoisonError::into_inner);
                ticking = guard;
                if timeout.timed_out() {
                    engine.increment_epoch();
                }
            }
        });
        EpochTicker { shared }
    }

    fn change(&self, change: impl FnOnce(&mut Ticking)) {
        change(&mut self.shared.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.1.notify_all();
    }

    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Decrements the count of runs, also after a panic.
        struct Out<'a>(&'a EpochTicker);
        impl Drop for Out<'_> {
            fn drop(&mut self) {
                self.0.change(|t| t.runs -= 1);
            }
        }
        self.change(|t| t.runs += 1);
        let _out = Out(self);
        work()
    }
}

impl Drop for EpochTicker {
    fn drop(&mut self) {
        self.change(|t| t.closed = true);
    }
}
