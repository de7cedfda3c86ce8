//! What a component may use, and how its time is measured.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use wasmtime::{Engine, StoreLimits, StoreLimitsBuilder};

/// What a component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Memory whatever the repo's size, in bytes.
    pub memory: usize,
    /// Memory a record of the run, in bytes.
    pub memory_per_record: usize,
    /// Time a run, what the host does for it included.
    pub time: Duration,
    /// Bytes that it may hand to the host in one call.
    pub handed_over: usize,
    /// Calls of imports whatever the repo's size.
    pub calls: u64,
    /// Calls of imports a record of the run. Calls are batched: a planner that keeps to that needs
    /// one for a thousand records.
    pub calls_per_record: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        SandboxLimits {
            memory: 512 << 20,
            memory_per_record: 400,
            time: Duration::from_secs(600),
            handed_over: 64 << 20,
            calls: 1_000_000,
            calls_per_record: 4,
        }
    }
}

/// Handles of resources that a component may hold. Our interfaces have none; one could have some of
/// its own.
pub(super) const HANDLES: usize = 1000;

impl SandboxLimits {
    /// Bytes of memory for a run over so many records.
    pub fn memory_for(&self, records: u64) -> usize {
        let records = usize::try_from(records).unwrap_or(usize::MAX);
        self.memory
            .saturating_add(self.memory_per_record.saturating_mul(records))
            .min(u32::MAX as usize)
    }

    /// Calls of imports for a run over so many records.
    pub fn calls_for(&self, records: u64) -> u64 {
        self.calls.saturating_add(self.calls_per_record.saturating_mul(records))
    }

    pub(super) fn store_limits(&self, records: u64) -> StoreLimits {
        StoreLimitsBuilder::new()
            .memory_size(self.memory_for(records))
            .table_elements(10_000)
            .instances(16)
            .tables(16)
            .memories(1)
            .trap_on_grow_failure(true)
            .build()
    }

    /// The time in ticks.
    pub(super) fn ticks(&self) -> u64 {
        u64::try_from(self.time.as_millis() / TICK.as_millis())
            .unwrap_or(u64::MAX >> 1)
            .clamp(1, u64::MAX >> 1)
    }
}

/// The length of a tick.
const TICK: Duration = Duration::from_millis(50);

/// Moves an engine's epoch on while components run, so that one that loops is stopped. One thread
/// for all runs of an engine: time passes at one speed.
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
        /// Counts the run out, also when it panics.
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
