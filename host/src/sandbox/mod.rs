//! Where components run. Only this folder names wasmtime.
//!
//! Nothing that a component does is trusted (law 4): it has no authority but the imports, a fresh store a
//! run, and limits on memory, time and what it hands over. What it plans is proven elsewhere, before
//! anything is published.

mod bindings;
mod imports;

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use packhouse_core::{Answer, Edges, EntityId, Head, Plan, Request};
use ring::digest::{SHA256, digest};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, Store, StoreLimits, StoreLimitsBuilder};

use crate::error::{Error, Result};
use crate::run::Run;
use bindings::exports::packhouse::engine::assembly;
use bindings::packhouse::engine::types;

/// What a component may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Memory whatever the repo's size, in bytes.
    pub memory: usize,
    /// Memory a record of the run, in bytes.
    pub memory_per_record: usize,
    /// Time a run, what the host does for it included.
    pub time: Duration,
    /// Bytes that it may hand to the host in one call.
    pub handed_over: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { memory: 512 << 20, memory_per_record: 400, time: Duration::from_secs(600), handed_over: 64 << 20 }
    }
}

/// Bytes that a plan may write of its own: headers and the heads of all branches.
const LITERALS: usize = 64 << 20;

/// How often time is looked at.
const TICK: Duration = Duration::from_millis(50);

/// A component, compiled, and the rules under which it runs. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    component: Component,
    linker: Arc<Linker<State>>,
    ticker: Arc<Ticker>,
    digest: Arc<str>,
    limits: Limits,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("digest", &self.digest).field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// What a store of wasmtime holds.
struct State {
    run: Run,
    limits: StoreLimits,
}

/// What indexing a push answers.
#[derive(Clone, Debug, Default)]
pub struct Indexed {
    /// For every branch that the push names, by name.
    pub heads: Vec<Head>,
    /// Numbers of rivals whose pushed encoding is preferred.
    pub preferred: Vec<u64>,
    /// What the pushed commits reach.
    pub edges: Vec<Edges>,
}

/// The one engine configuration: nothing in it depends on the machine, and proposals that we don't
/// use are off.
fn engine(cache: Option<&Path>) -> Result<Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.relaxed_simd_deterministic(true);
    config.wasm_relaxed_simd(false);
    config.wasm_threads(false);
    config.wasm_memory64(false);
    config.wasm_multi_memory(false);
    config.wasm_tail_call(false);
    config.wasm_gc(false);
    config.wasm_function_references(false);
    config.max_wasm_stack(1 << 20);
    config.concurrency_support(false);
    if let Some(folder) = cache {
        let mut files = CacheConfig::new();
        files.with_directory(folder);
        match Cache::new(files) {
            Ok(cache) => drop(config.cache(Some(cache))),
            // A cache saves time and nothing else: without it the component is compiled each time.
            Err(error) => tracing::warn!("no cache for compiled components in {}: {error:#}", folder.display()),
        }
    }
    Engine::new(&config).map_err(|e| Error::Unsupported(format!("WebAssembly can't run here: {e:#}")))
}

impl Sandbox {
    /// The reference artifact. Compiled once a process.
    ///
    /// # Errors
    /// When WebAssembly can't run on this machine.
    pub fn reference(cache: Option<&Path>) -> Result<Sandbox> {
        static REFERENCE: OnceLock<Sandbox> = OnceLock::new();
        if let Some(sandbox) = REFERENCE.get() {
            return Ok(sandbox.clone());
        }
        let sandbox = Sandbox::load(packhouse_artifact::COMPONENT, cache, Limits::default())?;
        Ok(REFERENCE.get_or_init(|| sandbox).clone())
    }

    /// Any component of our world.
    ///
    /// # Errors
    /// [`Error::Component`] when the bytes are no component, or it imports what we don't give.
    pub fn load(bytes: &[u8], cache: Option<&Path>, limits: Limits) -> Result<Sandbox> {
        let engine = engine(cache)?;
        let digest = format!("sha256:{}", hex::encode(digest(&SHA256, bytes)));
        let refused = |doing| {
            let digest = digest.clone();
            move |e: wasmtime::Error| Error::Component { digest, doing, reason: format!("{e:#}") }
        };
        let component = Component::new(&engine, bytes).map_err(refused("being compiled"))?;
        let mut linker = Linker::new(&engine);
        bindings::Engine::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).map_err(refused("being linked"))?;
        linker.instantiate_pre(&component).map_err(refused("being linked"))?;
        let ticker = Arc::new(Ticker::new(&engine));
        Ok(Sandbox { engine, component, linker: Arc::new(linker), ticker, digest: digest.into(), limits })
    }

    /// The component's digest: `sha256:` and hex.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Plans a consolidation of the run's packs; nothing of the plan is proven yet. Gives the run back for what comes next.
    ///
    /// # Errors
    /// A fault of the host, of the records, or [`Error::Component`].
    pub fn consolidate(&self, run: Run, records: u64) -> Result<(Plan, Run), RunError> {
        self.run("planning a consolidation", run, records, |instance, store| {
            let consolidation = instance.packhouse_engine_consolidation();
            let summary = match consolidation.call_plan(&mut *store)? {
                Ok(summary) => summary,
                Err(fault) => return Ok(Err(fault)),
            };
            let plan = read_plan(&summary, records, |first, limit| consolidation.call_steps(&mut *store, first, limit))?;
            Ok(Ok(plan))
        })
    }

    /// Plans the answer to a fetch.
    ///
    /// # Errors
    /// As [`Sandbox::consolidate`].
    pub fn assemble(&self, run: Run, records: u64, request: &Request) -> Result<(Answer, Run), RunError> {
        let words = |ids: &[EntityId]| ids.iter().map(EntityId::to_string).collect();
        let request = assembly::Request {
            want: words(&request.want),
            want_if_known: words(&request.want_if_known),
            have: words(&request.have),
        };
        self.run("planning a fetch", run, records, |instance, store| {
            let assembly = instance.packhouse_engine_assembly();
            let answer = match assembly.call_plan(&mut *store, &request)? {
                Ok(answer) => answer,
                Err(fault) => return Ok(Err(fault)),
            };
            let plan = read_plan(&answer.plan, records, |first, limit| assembly.call_steps(&mut *store, first, limit))?;
            Ok(Ok(Answer { plan, missing: answer.missing, reuse: answer.reuse }))
        })
    }

    /// Reads a push: the first `pushed` packs of the run.
    ///
    /// # Errors
    /// As [`Sandbox::consolidate`].
    pub fn index(&self, run: Run, records: u64, pushed: u32, force: bool) -> Result<(Indexed, Run), RunError> {
        self.run("indexing a push", run, records, |instance, store| {
            let indexing = instance.packhouse_engine_indexing();
            let summary = match indexing.call_index(&mut *store, pushed, force)? {
                Ok(summary) => summary,
                Err(fault) => return Ok(Err(fault)),
            };
            wasmtime::ensure!(
                summary.commits <= records,
                "it claims {} commits where there are {records} records",
                summary.commits
            );
            let mut edges = Vec::new();
            while (edges.len() as u64) < summary.commits {
                let page = indexing.call_edges(&mut *store, edges.len() as u64, packhouse_core::ports::MAX_ITEMS)?;
                wasmtime::ensure!(!page.is_empty(), "it claims {} commits and gives {}", summary.commits, edges.len());
                for commit in page {
                    edges.push(imports::edges(&commit)?);
                }
            }
            let heads = summary.heads.iter().map(imports::head).collect::<wasmtime::Result<_>>()?;
            Ok(Ok(Indexed { heads, preferred: summary.preferred, edges }))
        })
    }

    /// One run in a fresh store, under the limits.
    fn run<T>(
        &self,
        doing: &'static str,
        run: Run,
        records: u64,
        call: impl FnOnce(&bindings::Engine, &mut Store<State>) -> wasmtime::Result<Result<T, types::Fault>>,
    ) -> Result<(T, Run), RunError> {
        let memory = self.limits.memory.saturating_add(self.limits.memory_per_record.saturating_mul(records as usize));
        let limits = StoreLimitsBuilder::new()
            .memory_size(memory.min(u32::MAX as usize))
            .table_elements(10_000)
            .instances(16)
            .tables(16)
            .memories(1)
            .trap_on_grow_failure(true)
            .build();
        let mut store = Store::new(&self.engine, State { run, limits });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(self.limits.handed_over);
        store.set_epoch_deadline((self.limits.time.as_millis() / TICK.as_millis()).max(1) as u64);

        let outcome = self.ticker.during(|| {
            let instance = bindings::Engine::instantiate(&mut store, &self.component, &self.linker)?;
            call(&instance, &mut store)
        });
        let mut run = store.into_data().run;
        if let Some(fault) = run.take_fault() {
            return Err(RunError::Host(fault));
        }
        match outcome {
            Ok(Ok(answer)) => Ok((answer, run)),
            Ok(Err(fault)) => Err(RunError::Fault(imports::fault(fault))),
            Err(error) => Err(RunError::Host(Error::Component {
                digest: self.digest.to_string(),
                doing,
                reason: reason(&error, memory, self.limits.time),
            })),
        }
    }
}

/// Why a run gave nothing.
#[derive(Debug)]
pub enum RunError {
    /// The component says why there is no plan.
    Fault(packhouse_core::Fault),
    /// The host failed, or the component was stopped.
    Host(Error),
}

/// What a trap means, in words.
fn reason(error: &wasmtime::Error, memory: usize, time: Duration) -> String {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => format!("it took longer than {} s", time.as_secs_f32()),
        Some(wasmtime::Trap::StackOverflow) => "it called itself too deeply".into(),
        Some(trap) => format!("it trapped ({trap})"),
        None => {
            let text = format!("{error:#}");
            if text.contains("growth failure") || text.contains("grow") && text.contains("memory") {
                format!("it wanted more than {} MiB of memory", memory >> 20)
            } else {
                text.lines().next().unwrap_or("it failed").to_owned()
            }
        }
    }
}

/// Pages a plan in, believing none of its claims.
fn read_plan(
    summary: &types::PlanSummary,
    records: u64,
    mut page: impl FnMut(u64, u32) -> wasmtime::Result<Vec<types::Step>>,
) -> wasmtime::Result<Plan> {
    // A record is copied at most once, and a plan has a literal a section.
    let most = records + 8;
    wasmtime::ensure!(summary.steps <= most, "its plan claims {} steps where there are {records} records", summary.steps);
    let mut plan = Plan {
        records: imports::counts(&summary.records),
        bytes: summary.bytes,
        duplicates: summary.duplicates,
        steps: Vec::with_capacity(summary.steps as usize),
    };
    let mut literal = 0;
    while (plan.steps.len() as u64) < summary.steps {
        let steps = page(plan.steps.len() as u64, packhouse_core::ports::MAX_ROWS)?;
        wasmtime::ensure!(!steps.is_empty(), "its plan claims {} steps and gives {}", summary.steps, plan.steps.len());
        for step in steps.into_iter().map(imports::step) {
            if let packhouse_core::Step::Literal(bytes) = &step {
                literal += bytes.len();
            }
            plan.steps.push(step);
        }
        wasmtime::ensure!(literal <= LITERALS, "its plan writes more than {LITERALS} bytes of its own");
        wasmtime::ensure!(plan.steps.len() as u64 <= summary.steps, "its plan gives more steps than it claims");
    }
    Ok(plan)
}

/// Moves an engine's epoch on while components run, so that one that loops is stopped. One thread for all runs of
/// an engine: time passes at one speed.
#[derive(Debug)]
struct Ticker {
    shared: Arc<(Mutex<Ticking>, Condvar)>,
}

#[derive(Debug, Default)]
struct Ticking {
    runs: usize,
    closed: bool,
}

impl Ticker {
    fn new(engine: &Engine) -> Ticker {
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
                // Runs that come and go meanwhile don't make a tick longer.
                let (guard, timeout) = changed
                    .wait_timeout_while(ticking, TICK, |t| t.runs > 0 && !t.closed)
                    .unwrap_or_else(PoisonError::into_inner);
                ticking = guard;
                if timeout.timed_out() {
                    engine.increment_epoch();
                }
            }
        });
        Ticker { shared }
    }

    fn change(&self, change: impl FnOnce(&mut Ticking)) {
        change(&mut self.shared.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.1.notify_all();
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        /// Counts the run out, also when it panics.
        struct Out<'a>(&'a Ticker);
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

impl Drop for Ticker {
    fn drop(&mut self) {
        self.change(|t| t.closed = true);
    }
}
