//! Runs components in wasmtime. Only this crate depends on wasmtime.
//!
//! Components are not trusted (law 4): a component has no capabilities but the imports, a fresh
//! store per run, and limits on memory, time and the data that it passes to the host. Its plans are
//! verified elsewhere, before anything is published.

mod bindings;
mod imports;
mod limits;

use std::path::Path;
use std::sync::{Arc, OnceLock};

use bindings::exports::packhouse::engine::assembly;
use bindings::packhouse::engine::types;
use limits::{EpochTicker, HANDLES};
use packhouse_core::{Answer, EntityId, Plan, Request};
use packhouse_model::error::{Error, Result, SetupError};
use packhouse_run::{Host, Indexed, Planner, RunError, SandboxLimits};
use ring::digest::{SHA256, digest};
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Cache, CacheConfig, Config, Engine, Store, StoreLimits};

/// The runtime, as recorded on tapes.
const RUNTIME: &str = "wasmtime 48";

/// Steps for which memory is allocated in advance.
const RESERVED: usize = 1 << 16;

/// Bytes of literals that a plan may contain: headers and the heads of all branches.
const LITERALS: usize = 64 << 20;

/// A compiled component, and its limits. Cheap to clone.
#[derive(Clone)]
pub struct Sandbox {
    engine: Engine,
    /// Linked, and with its exports found: a run only makes an instance of it.
    linked: bindings::EnginePre<State>,
    ticker: Arc<EpochTicker>,
    digest: Arc<str>,
    world: Arc<str>,
    limits: SandboxLimits,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("digest", &self.digest)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The data of a wasmtime store.
struct State {
    host: Box<dyn Host>,
    limits: StoreLimits,
    /// The limit of calls of imports, and how many of them are left.
    calls: (u64, u64),
}

/// The only engine configuration: nothing in it depends on the machine, and unused proposals are
/// disabled.
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
        // A separate folder, because wasmtime removes unknown files from it.
        let folder = folder.join("compiled");
        files.with_directory(&folder);
        match Cache::new(files) {
            Ok(cache) => drop(config.cache(Some(cache))),
            // The cache only saves time: without it the component is compiled each time.
            Err(error) => tracing::warn!(
                "compiled components can't be cached in {}: {error:#}",
                folder.display()
            ),
        }
    }
    Engine::new(&config).map_err(|error| SetupError::NoWebAssembly(error.into()).into())
}

impl Sandbox {
    /// The built-in component. Compiled once per process.
    ///
    /// # Errors
    /// If WebAssembly can't run on this machine.
    pub fn reference(cache: Option<&Path>) -> Result<Sandbox> {
        static REFERENCE: OnceLock<Sandbox> = OnceLock::new();
        if let Some(sandbox) = REFERENCE.get() {
            return Ok(sandbox.clone());
        }
        let sandbox =
            Sandbox::load(packhouse_artifact::COMPONENT, cache, SandboxLimits::default())?;
        Ok(REFERENCE.get_or_init(|| sandbox).clone())
    }

    /// A component in a file.
    ///
    /// # Errors
    /// [`Error::Io`], or as [`Sandbox::load`].
    pub fn open(file: &Path, cache: Option<&Path>) -> Result<Sandbox> {
        let bytes = std::fs::read(file).map_err(Error::io("reading the component", file))?;
        Sandbox::load(&bytes, cache, SandboxLimits::default()).map_err(|error| match error {
            Error::Component { reason, .. } => {
                // The location is in further lines.
                let reason = reason.lines().next().unwrap_or_default().to_owned();
                SetupError::NotAComponent { file: file.to_owned(), reason }.into()
            }
            error => error,
        })
    }

    /// Any component of our world.
    ///
    /// # Errors
    /// [`Error::Component`] if the bytes are not a component, or it has unknown imports.
    pub fn load(bytes: &[u8], cache: Option<&Path>, limits: SandboxLimits) -> Result<Sandbox> {
        let engine = engine(cache)?;
        let digest = format!("sha256:{}", hex::encode(digest(&SHA256, bytes)));
        let refused = |doing| {
            let digest = digest.clone();
            move |e: wasmtime::Error| Error::Component { digest, doing, reason: format!("{e:#}") }
        };
        let component = Component::new(&engine, bytes).map_err(refused("being compiled"))?;
        let world = world_of(&component, &engine).map_err(refused("being linked"))?;
        let mut linker = Linker::new(&engine);
        bindings::Engine::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .map_err(refused("being linked"))?;
        // All imports and exports exist, with the right types.
        let linked = linker.instantiate_pre(&component).and_then(bindings::EnginePre::new);
        let linked = linked.map_err(refused("being linked"))?;
        let ticker = Arc::new(EpochTicker::new(&engine));
        Ok(Sandbox { engine, linked, ticker, digest: digest.into(), world: world.into(), limits })
    }

    /// One run in a fresh store, with the limits.
    fn run<T>(
        &self,
        doing: &'static str,
        host: Box<dyn Host>,
        records: u64,
        call: impl FnOnce(
            &bindings::Engine,
            &mut Store<State>,
        ) -> wasmtime::Result<Result<T, types::PlanError>>,
    ) -> Result<T, RunError> {
        let calls = self.limits.calls_for(records);
        let limits = limits::store_limits(&self.limits, records);
        let mut store = Store::new(&self.engine, State { host, limits, calls: (calls, calls) });
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(self.limits.handed_over);
        store.set_max_component_handles(HANDLES);
        store.set_epoch_deadline(limits::ticks(&self.limits));

        let outcome = self.ticker.during(|| {
            let instance = self.linked.instantiate(&mut store)?;
            call(&instance, &mut store)
        });
        if let Some(fault) = store.data_mut().host.take_fault() {
            return Err(RunError::Host(fault));
        }
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(RunError::NoPlan(imports::plan_error(error))),
            Err(error) => Err(RunError::Host(Error::Component {
                digest: self.digest.to_string(),
                doing,
                reason: reason(&error, &self.limits, records),
            })),
        }
    }
}

impl Planner for Sandbox {
    fn digest(&self) -> &str {
        &self.digest
    }

    fn world(&self) -> &str {
        &self.world
    }

    fn runtime(&self) -> &str {
        RUNTIME
    }

    fn limits(&self) -> &SandboxLimits {
        &self.limits
    }

    fn with_limits(&self, limits: SandboxLimits) -> Arc<dyn Planner> {
        Arc::new(Sandbox { limits, ..self.clone() })
    }

    fn consolidate(&self, host: Box<dyn Host>, records: u64) -> Result<Plan, RunError> {
        self.run("planning a consolidation", host, records, |instance, store| {
            let consolidation = instance.packhouse_engine_consolidation();
            let summary = match consolidation.call_plan(&mut *store)? {
                Ok(summary) => summary,
                Err(error) => return Ok(Err(error)),
            };
            let plan = read_plan(&summary, records, |first, limit| {
                consolidation.call_steps(&mut *store, first, limit)
            })?;
            Ok(Ok(plan))
        })
    }

    fn assemble(
        &self,
        host: Box<dyn Host>,
        records: u64,
        request: &Request,
    ) -> Result<Answer, RunError> {
        let words = |ids: &[EntityId]| ids.iter().map(EntityId::to_string).collect();
        let request = assembly::Request {
            want: words(&request.want),
            want_if_known: words(&request.want_if_known),
            have: words(&request.have),
        };
        self.run("planning a fetch", host, records, |instance, store| {
            let assembly = instance.packhouse_engine_assembly();
            let answer = match assembly.call_plan(&mut *store, &request)? {
                Ok(answer) => answer,
                Err(error) => return Ok(Err(error)),
            };
            let plan = read_plan(&answer.plan, records, |first, limit| {
                assembly.call_steps(&mut *store, first, limit)
            })?;
            Ok(Ok(Answer { plan, missing: answer.missing, reuse: answer.reuse }))
        })
    }

    fn index(
        &self,
        host: Box<dyn Host>,
        records: u64,
        pushed: u32,
        force: bool,
    ) -> Result<Indexed, RunError> {
        self.run("indexing a push", host, records, |instance, store| {
            let indexing = instance.packhouse_engine_indexing();
            let summary = match indexing.call_index(&mut *store, pushed, force)? {
                Ok(summary) => summary,
                Err(error) => return Ok(Err(error)),
            };
            wasmtime::ensure!(
                summary.commits <= records,
                "it claims {} commits, but there are {records} records",
                summary.commits
            );
            let mut edges = Vec::new();
            while (edges.len() as u64) < summary.commits {
                let page = indexing.call_edges(&mut *store, edges.len() as u64, 0)?;
                wasmtime::ensure!(
                    !page.items.is_empty(),
                    "it claims {} commits and returns {}",
                    summary.commits,
                    edges.len()
                );
                for commit in page.items {
                    edges.push(imports::edges(&commit)?);
                }
            }
            let heads = summary.heads.iter().map(imports::head).collect::<wasmtime::Result<_>>()?;
            Ok(Ok(Indexed { heads, preferred: summary.preferred, edges }))
        })
    }
}

/// The world of a component, with the version that its exports have. Refuses a component of
/// another WIT with a clear message: linking would only name a missing function.
fn world_of(component: &Component, engine: &Engine) -> wasmtime::Result<String> {
    const PACKAGE: &str = "packhouse:engine/";
    let of_type = component.component_type();
    let ours = |name: &&str| name.starts_with(PACKAGE);
    let exports = || of_type.exports(engine).map(|(name, _)| name).filter(ours);
    for name in of_type.imports(engine).map(|(name, _)| name).filter(ours).chain(exports()) {
        wasmtime::ensure!(
            runs(version_of(packhouse_artifact::WORLD), version_of(name)),
            "it implements {name}; this packhouse runs {}",
            packhouse_artifact::WORLD
        );
    }
    let export = exports().next().ok_or_else(|| {
        wasmtime::format_err!(
            "it is not a component of packhouse: it exports nothing of packhouse:engine"
        )
    })?;
    Ok(format!("{PACKAGE}engine@{}", version_of(export)))
}

/// Whether a host of one version of the WIT runs a component of another: the same major version, or
/// the same minor version before 1.0. A later one has to link as well.
fn runs(host: &str, component: &str) -> bool {
    let first_two = |version: &str| {
        let mut numbers = version.split('.').map(str::to_owned);
        (numbers.next(), numbers.next())
    };
    let ((major, minor), (their_major, their_minor)) = (first_two(host), first_two(component));
    major == their_major && (major.as_deref() != Some("0") || minor == their_minor)
}

/// The version after `@` in a WIT name.
fn version_of(name: &str) -> &str {
    name.rsplit_once('@').map_or("", |(_, version)| version)
}

/// The message for a trap.
fn reason(error: &wasmtime::Error, limits: &SandboxLimits, records: u64) -> String {
    match error.downcast_ref::<wasmtime::Trap>() {
        Some(wasmtime::Trap::Interrupt) => {
            format!("it took longer than {} s", limits.time.as_secs_f32())
        }
        Some(wasmtime::Trap::StackOverflow) => "its call stack overflowed".into(),
        Some(trap) => format!("it trapped ({trap})"),
        None => {
            // wasmtime's context contains addresses in the component.
            let text = error.root_cause().to_string();
            if text.contains("growth failure") || text.contains("grow") && text.contains("memory") {
                format!("it exceeded {} MiB of memory", limits.memory_for(records) >> 20)
            } else {
                text.lines().next().unwrap_or("it failed").to_owned()
            }
        }
    }
}

/// Reads a plan page by page, without trusting its claims.
fn read_plan(
    summary: &types::PlanSummary,
    records: u64,
    mut page: impl FnMut(u64, u32) -> wasmtime::Result<types::StepsPage>,
) -> wasmtime::Result<Plan> {
    // A record is copied at most once, and a plan has one literal per section.
    let most = records.saturating_add(8);
    wasmtime::ensure!(
        summary.steps <= most,
        "its plan claims {} steps, but there are {records} records",
        summary.steps
    );
    let mut plan = Plan {
        records: imports::counts(&summary.records),
        bytes: summary.bytes,
        duplicates: summary.duplicates,
        steps: Vec::new(),
    };
    let mut literal = 0;
    while (plan.steps.len() as u64) < summary.steps {
        let steps = page(plan.steps.len() as u64, 0)?.items;
        wasmtime::ensure!(
            !steps.is_empty(),
            "its plan claims {} steps and returns {}",
            summary.steps,
            plan.steps.len()
        );
        // No memory is allocated for claims, and little beyond the steps that were returned.
        if plan.steps.capacity() - plan.steps.len() < steps.len() {
            let left = (summary.steps - plan.steps.len() as u64) as usize;
            let most = steps.len().max(plan.steps.len() / 8).max(RESERVED);
            plan.steps.reserve_exact(steps.len().max(left.min(most)));
        }
        for step in steps.into_iter().map(imports::step) {
            if let packhouse_core::Step::Literal(bytes) = &step {
                literal += bytes.len();
            }
            plan.steps.push(step);
        }
        wasmtime::ensure!(
            literal <= LITERALS,
            "its plan has more than {LITERALS} bytes of literals"
        );
        wasmtime::ensure!(
            plan.steps.len() as u64 <= summary.steps,
            "its plan returns more steps than it claims"
        );
    }
    Ok(plan)
}
