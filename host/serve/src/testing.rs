//! What the tests of this crate serve.

use std::sync::{Arc, Condvar, Mutex};

use packhouse_catalog::memory::MemoryCatalog;
use packhouse_core::{Answer, Plan, Request};
use packhouse_model::clock::SystemClock;
use packhouse_model::error::Error;
use packhouse_model::names::Visibility;
use packhouse_run::{Host, Indexed, Planner, RunError, SandboxLimits};
use packhouse_store::Store;
use packhouse_vault::Vault;
use packhouse_vault::memory::MemoryPacks;
use tokio::sync::mpsc;

/// A store in memory with the empty repo `a/b`, for tests that plan nothing: so this crate's tests
/// link neither databases nor wasmtime.
pub(crate) async fn store(visibility: Visibility) -> Store {
    store_with(visibility, NoPlanner::default()).await
}

/// The same, for tests that plan.
pub(crate) async fn store_with(visibility: Visibility, planner: NoPlanner) -> Store {
    let vault = Vault::in_memory(Arc::new(MemoryPacks::default())).unwrap();
    let catalog = Arc::new(MemoryCatalog::default());
    let clock = Arc::new(SystemClock);
    let store = Store::with_parts(catalog, vault, Arc::new(planner), clock).await.unwrap();
    store.create_repo(&"a/b".parse().unwrap(), visibility).await.unwrap();
    store
}

/// A planner that makes no plans.
#[derive(Debug, Default)]
pub(crate) struct NoPlanner {
    limits: SandboxLimits,
    held: Option<HeldPlans>,
}

/// Answers whose planning begins, and ends without a plan when the test says so.
#[derive(Clone, Debug)]
pub(crate) struct HeldPlans {
    begun: mpsc::UnboundedSender<()>,
    ends: Arc<(Mutex<bool>, Condvar)>,
}

impl NoPlanner {
    /// A planner whose answers are held; and what has begun.
    pub(crate) fn holding() -> (NoPlanner, HeldPlans, mpsc::UnboundedReceiver<()>) {
        let (begun, begins) = mpsc::unbounded_channel();
        let held = HeldPlans { begun, ends: Arc::default() };
        (NoPlanner { held: Some(held.clone()), ..NoPlanner::default() }, held, begins)
    }
}

impl HeldPlans {
    /// Ends all planning.
    pub(crate) fn end(&self) {
        *self.ends.0.lock().unwrap() = true;
        self.ends.1.notify_all();
    }

    fn wait(&self) {
        self.begun.send(()).unwrap();
        let ended = self.ends.0.lock().unwrap();
        drop(self.ends.1.wait_while(ended, |ended| !*ended).unwrap());
    }
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
        Arc::new(NoPlanner { limits, held: self.held.clone() })
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
        match &self.held {
            None => unimplemented(),
            Some(held) => {
                held.wait();
                Err(RunError::Host(Error::Cancelled))
            }
        }
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
