//! The packhouse component: a thin shell that maps the WIT in `wit/` to [`packhouse_core`].
//!
//! Nothing is decided here. An instance serves one run: it keeps the last plan, and its steps are
//! paged out of it.

// The bindings are generated: they call across the wall, which Rust calls unsafe, and document
// themselves in the WIT.
#![allow(unsafe_code, missing_docs, unreachable_pub)]
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

mod convert;
mod imports;

use std::cell::RefCell;

use packhouse_core as core;
use packhouse_core::{Edges, EntityId, Page, Plan};

use convert::ids;
use imports::Imports;

wit_bindgen::generate!({
    path: "../../wit",
    world: "engine",
    generate_all,
});

use exports::packhouse::engine::{assembly, consolidation, indexing};
use packhouse::engine::types;

/// What the last call of this instance planned, to be paged out.
#[derive(Default)]
struct Run {
    plan: Plan,
    edges: Vec<Edges>,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::default();
}

/// Steps, and what commits reach, on a page.
const MAX_STEPS: u32 = core::ports::MAX_ROWS;
const MAX_EDGES: u32 = core::ports::MAX_ITEMS;

fn keep(plan: Plan) -> types::PlanSummary {
    let summary = types::PlanSummary {
        records: plan.records.into(),
        bytes: plan.bytes,
        steps: plan.steps.len() as u64,
        duplicates: plan.duplicates,
    };
    RUN.with_borrow_mut(|run| run.plan = plan);
    summary
}

fn steps(first: u64, limit: u32) -> types::StepsPage {
    let page = RUN.with_borrow(|run| Page::of(&run.plan.steps, first, limit, MAX_STEPS));
    types::StepsPage { items: page.items.iter().map(Into::into).collect(), done: page.done }
}

struct Engine;

impl consolidation::Guest for Engine {
    fn plan() -> Result<types::PlanSummary, types::PlanError> {
        Ok(keep(core::consolidate(&mut Imports)?))
    }

    fn steps(first: u64, limit: u32) -> types::StepsPage {
        steps(first, limit)
    }
}

impl assembly::Guest for Engine {
    fn plan(request: assembly::Request) -> Result<assembly::Answer, types::PlanError> {
        // A want that is no id can't be known; a have that is none is ignored like any unknown one.
        let request = core::Request {
            want: ids(&request.want)?,
            want_if_known: ids(&request.want_if_known)?,
            have: request
                .have
                .iter()
                .filter_map(|id| EntityId::parse(id.as_bytes()).ok())
                .collect(),
        };
        let answer = core::assemble(&mut Imports, &request)?;
        Ok(assembly::Answer {
            plan: keep(answer.plan),
            missing: answer.missing,
            reuse: answer.reuse,
        })
    }

    fn steps(first: u64, limit: u32) -> types::StepsPage {
        steps(first, limit)
    }
}

impl indexing::Guest for Engine {
    fn index(pushed: u32, force: bool) -> Result<indexing::IndexSummary, types::PlanError> {
        let index = core::index(&mut Imports, pushed, force)?;
        let summary = indexing::IndexSummary {
            heads: index.heads.iter().map(Into::into).collect(),
            preferred: index.preferred,
            commits: index.edges.len() as u64,
        };
        RUN.with_borrow_mut(|run| run.edges = index.edges);
        Ok(summary)
    }

    fn edges(first: u64, limit: u32) -> indexing::EdgesPage {
        let page = RUN.with_borrow(|run| Page::of(&run.edges, first, limit, MAX_EDGES));
        indexing::EdgesPage { items: page.items.iter().map(Into::into).collect(), done: page.done }
    }
}

// The names of the exports are for WebAssembly; a native linker would not take them. A native build
// checks and lints the shell all the same.
#[cfg(target_arch = "wasm32")]
export!(Engine);
