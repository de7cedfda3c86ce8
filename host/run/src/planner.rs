//! The port for runtimes of components.

use std::sync::Arc;
use std::time::Duration;

use packhouse_core::{Answer, Edges, Head, Plan, PlanError, Request};
use packhouse_model::error::Error;

use crate::Host;

/// Runs a component: a fresh instance for each call, with limits. Its results are not verified yet.
pub trait Planner: Send + Sync + std::fmt::Debug {
    /// The component's digest: `sha256:` and hex.
    fn digest(&self) -> &str;

    /// The world that the component exports, with its WIT version, as recorded on tapes.
    fn world(&self) -> &str;

    /// The runtime and its version, as recorded on tapes.
    fn runtime(&self) -> &str;

    /// Its limits.
    fn limits(&self) -> &SandboxLimits;

    /// The same component with other limits.
    fn with_limits(&self, limits: SandboxLimits) -> Arc<dyn Planner>;

    /// Plans a consolidation of the packs of `host`, whose directories have `records` rows.
    ///
    /// # Errors
    /// A fault of the host, of the records, or [`Error::Component`].
    fn consolidate(&self, host: Box<dyn Host>, records: u64) -> Result<Plan, RunError>;

    /// Plans the pack for a fetch.
    ///
    /// # Errors
    /// As [`Planner::consolidate`].
    fn assemble(
        &self,
        host: Box<dyn Host>,
        records: u64,
        request: &Request,
    ) -> Result<Answer, RunError>;

    /// Reads a push: the first `pushed` of the packs that `host` shows.
    ///
    /// # Errors
    /// As [`Planner::consolidate`].
    fn index(
        &self,
        host: Box<dyn Host>,
        records: u64,
        pushed: u32,
        force: bool,
    ) -> Result<Indexed, RunError>;
}

/// The result of indexing a push.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Indexed {
    /// The new heads of the branches in the push, by name.
    pub heads: Vec<Head>,
    /// Numbers of the conflicts whose pushed encoding is preferred.
    pub preferred: Vec<u64>,
    /// What the pushed commits reach.
    pub edges: Vec<Edges>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The component returned no plan.
    #[error("there is no plan: {0}")]
    NoPlan(PlanError),
    /// The host failed, or the component was stopped.
    #[error("{0}")]
    Host(Error),
}

/// The limits of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Memory, independent of the repo's size, in bytes.
    pub memory: usize,
    /// Additional memory per record of the run, in bytes: law 9.
    pub memory_per_record: usize,
    /// Records of a consolidation. A component addresses 4 GiB, and no vector in it has more than 2
    /// GiB: one of the rows of all records ends at 33 million.
    pub records: u64,
    /// Time per run, including the work of the host.
    pub time: Duration,
    /// Bytes that it may pass to the host in one call.
    pub handed_over: usize,
    /// Calls of imports, independent of the repo's size.
    pub calls: u64,
    /// Additional calls of imports per record of the run. Calls are batched: a planner that uses
    /// batches needs one per thousand records.
    pub calls_per_record: u64,
}

impl Default for SandboxLimits {
    fn default() -> Self {
        SandboxLimits {
            memory: 512 << 20,
            memory_per_record: 150,
            records: 32_000_000,
            time: Duration::from_secs(600),
            handed_over: 64 << 20,
            calls: 1_000_000,
            calls_per_record: 4,
        }
    }
}

impl SandboxLimits {
    /// Bytes of memory for a run with this many records.
    pub fn memory_for(&self, records: u64) -> usize {
        let records = usize::try_from(records).unwrap_or(usize::MAX);
        self.memory
            .saturating_add(self.memory_per_record.saturating_mul(records))
            .min(u32::MAX as usize)
    }

    /// Calls of imports for a run with this many records.
    pub fn calls_for(&self, records: u64) -> u64 {
        self.calls.saturating_add(self.calls_per_record.saturating_mul(records))
    }
}
