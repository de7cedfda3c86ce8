//! A component that may lie.

use std::sync::Arc;

use packhouse_core::{Answer, Plan, Request};
use packhouse_run::{Host, Indexed, Planner, RunError, SandboxLimits};
use packhouse_sandbox::Sandbox;

/// Answers a fetch: the reference component is there to be asked.
type Assemble =
    dyn Fn(&Sandbox, Box<dyn Host>, u64, &Request) -> Result<Answer, RunError> + Send + Sync;

/// The reference component, but for how it answers fetches.
pub(super) struct Liar {
    honest: Sandbox,
    assemble: Box<Assemble>,
}

impl Liar {
    pub(super) fn new(
        assemble: impl Fn(&Sandbox, Box<dyn Host>, u64, &Request) -> Result<Answer, RunError>
        + Send
        + Sync
        + 'static,
    ) -> Arc<Liar> {
        let honest = Sandbox::reference(None).unwrap();
        Arc::new(Liar { honest, assemble: Box::new(assemble) })
    }
}

impl std::fmt::Debug for Liar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Liar").finish_non_exhaustive()
    }
}

impl Planner for Liar {
    fn digest(&self) -> &str {
        self.honest.digest()
    }

    fn world(&self) -> &str {
        self.honest.world()
    }

    fn runtime(&self) -> &str {
        self.honest.runtime()
    }

    fn limits(&self) -> &SandboxLimits {
        self.honest.limits()
    }

    fn with_limits(&self, limits: SandboxLimits) -> Arc<dyn Planner> {
        self.honest.with_limits(limits)
    }

    fn consolidate(&self, host: Box<dyn Host>, records: u64) -> Result<Plan, RunError> {
        self.honest.consolidate(host, records)
    }

    fn assemble(
        &self,
        host: Box<dyn Host>,
        records: u64,
        request: &Request,
    ) -> Result<Answer, RunError> {
        (self.assemble)(&self.honest, host, records, request)
    }

    fn index(
        &self,
        host: Box<dyn Host>,
        records: u64,
        pushed: u32,
        force: bool,
    ) -> Result<Indexed, RunError> {
        self.honest.index(host, records, pushed, force)
    }
}
