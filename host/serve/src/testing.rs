//! What the tests of this crate serve.

use std::sync::Arc;

use packhouse_catalog::memory::MemoryCatalog;
use packhouse_core::{Answer, Plan, Request};
use packhouse_model::clock::SystemClock;
use packhouse_model::names::Visibility;
use packhouse_run::{Host, Indexed, Planner, RunError, SandboxLimits};
use packhouse_store::Store;
use packhouse_vault::Vault;
use packhouse_vault::memory::MemoryPacks;

/// A store in memory with the empty repo `a/b`, for tests that plan nothing: so this crate's tests
/// link neither databases nor wasmtime.
pub(crate) async fn store(visibility: Visibility) -> Store {
    let vault = Vault::in_memory(Arc::new(MemoryPacks::default())).unwrap();
    let catalog = Arc::new(MemoryCatalog::default());
    let clock = Arc::new(SystemClock);
    let planner = Arc::new(NoPlanner::default());
    let store = Store::with_parts(catalog, vault, planner, clock).await.unwrap();
    store.create_repo(&"a/b".parse().unwrap(), visibility).await.unwrap();
    store
}

/// A planner for tests that never reach it.
#[derive(Debug, Default)]
struct NoPlanner {
    limits: SandboxLimits,
}

impl Planner for NoPlanner {
    fn digest(&self) -> &str {
        "sha256:none"
    }

    fn world(&self) -> &str {
        "none"
    }

    fn runtime(&self) -> &str {
        "none"
    }

    fn limits(&self) -> &SandboxLimits {
        &self.limits
    }

    fn with_limits(&self, limits: SandboxLimits) -> Arc<dyn Planner> {
        Arc::new(NoPlanner { limits })
    }

    fn consolidate(&self, _host: Box<dyn Host>, _records: u64) -> Result<Plan, RunError> {
        unimplemented()
    }

    fn assemble(
        &self,
        _host: Box<dyn Host>,
        _records: u64,
        _request: &Request,
    ) -> Result<Answer, RunError> {
        unimplemented()
    }

    fn index(
        &self,
        _host: Box<dyn Host>,
        _records: u64,
        _pushed: u32,
        _force: bool,
    ) -> Result<Indexed, RunError> {
        unimplemented()
    }
}

fn unimplemented<T>() -> T {
    panic!("a test of the server planned something: move it to tests/tests/stores")
}
