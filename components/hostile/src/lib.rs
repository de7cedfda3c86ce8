//! A component that does what a component must not. Hosts are tested with it: each misdeed must end
//! in an error that names the component, within the limits, and with the store as it was.
//!
//! It is the honest component but for one misdeed, and which one the repo says: a branch called
//! `hostile-MISDEED` (they stand in `misdeed.rs`). Without such a branch it plans like the
//! reference artifact.

// The bindings are generated: they call across the wall, which Rust calls unsafe, and document
// themselves in the WIT.
#![allow(unsafe_code, missing_docs, unreachable_pub)]
#![cfg_attr(not(target_arch = "wasm32"), allow(dead_code))]

#[allow(dead_code)]
#[path = "../../guest/src/convert.rs"]
mod convert;
#[path = "../../guest/src/imports.rs"]
mod imports;
mod misdeed;
mod pull;
mod spoil;

use std::cell::RefCell;

use packhouse_core as core;
use packhouse_core::{Database, EntityId, Page, Plan};

use convert::ids;
use imports::Imports;
use misdeed::Misdeed;

wit_bindgen::generate!({
    path: ["../../wit", "wit"],
    world: "packhouse:hostile/hostile",
    generate_all,
});

use exports::packhouse::engine::{assembly, consolidation, indexing};
use exports::packhouse::hostile::hoard;
use packhouse::engine::types;

/// What is paged out, and how.
#[derive(Default)]
struct Run {
    plan: Plan,
    edges: Vec<core::Edges>,
    misdeed: Option<Misdeed>,
}

thread_local! {
    static RUN: RefCell<Run> = RefCell::default();
}

/// The misdeed that a branch of the repo names.
fn asked() -> Option<Misdeed> {
    let heads = Imports.heads(None, 0).ok()?.items;
    heads.iter().find_map(|head| Misdeed::named(head.branch.strip_prefix("hostile-")?))
}

fn keep(mut plan: Plan, misdeed: Option<Misdeed>) -> types::PlanSummary {
    let mut summary = types::PlanSummary {
        records: plan.records.into(),
        bytes: plan.bytes,
        steps: plan.steps.len() as u64,
        duplicates: plan.duplicates,
    };
    if let Some(misdeed) = misdeed {
        spoil::summary(misdeed, &mut summary);
        if misdeed == Misdeed::PagesBackwards {
            plan.steps.reverse();
        }
    }
    RUN.with_borrow_mut(|run| (run.plan, run.misdeed) = (plan, misdeed));
    summary
}

fn steps(first: u64, limit: u32) -> types::StepsPage {
    RUN.with_borrow(|run| {
        if let Some(items) = run.misdeed.and_then(|misdeed| spoil::page(misdeed, &run.plan.steps)) {
            return types::StepsPage { items, done: false };
        }
        let page = Page::of(&run.plan.steps, first, limit, core::ports::MAX_ROWS);
        types::StepsPage { items: page.items.iter().map(Into::into).collect(), done: page.done }
    })
}

struct Hostile;

impl consolidation::Guest for Hostile {
    fn plan() -> Result<types::PlanSummary, types::PlanError> {
        let misdeed = asked();
        if let Some(misdeed) = misdeed {
            misdeed::before_planning(misdeed)?;
        }
        let mut host =
            spoil::Hiding { hides: misdeed == Some(Misdeed::DropsAnObject), hidden: None };
        let mut plan = core::consolidate(&mut host)?;
        if let Some(misdeed) = misdeed {
            spoil::plan(misdeed, &mut plan);
        }
        Ok(keep(plan, misdeed))
    }

    fn steps(first: u64, limit: u32) -> types::StepsPage {
        steps(first, limit)
    }
}

impl assembly::Guest for Hostile {
    fn plan(request: assembly::Request) -> Result<assembly::Answer, types::PlanError> {
        let misdeed = asked();
        let mut request = core::Request {
            want: ids(&request.want)?,
            want_if_known: ids(&request.want_if_known)?,
            have: request
                .have
                .iter()
                .filter_map(|id| EntityId::parse(id.as_bytes()).ok())
                .collect(),
        };
        if let Some(misdeed) = misdeed {
            request = pull::request(misdeed, request)?;
        }
        let mut answer = core::assemble(&mut Imports, &request)?;
        if let Some(misdeed) = misdeed {
            pull::plan(misdeed, &request, &mut answer.plan)?;
        }
        let reuse = if misdeed == Some(Misdeed::ReusesAnyPack) { Some(0) } else { answer.reuse };
        Ok(assembly::Answer { plan: keep(answer.plan, misdeed), missing: answer.missing, reuse })
    }

    fn steps(first: u64, limit: u32) -> types::StepsPage {
        steps(first, limit)
    }
}

impl indexing::Guest for Hostile {
    fn index(pushed: u32, force: bool) -> Result<indexing::IndexSummary, types::PlanError> {
        let misdeed = asked();
        let mut index = core::index(&mut Imports, pushed, force)?;
        if let Some(misdeed) = misdeed {
            spoil::index(misdeed, &mut index);
        }
        let summary = indexing::IndexSummary {
            heads: index.heads.iter().map(Into::into).collect(),
            preferred: index.preferred,
            commits: index.edges.len() as u64,
        };
        RUN.with_borrow_mut(|run| run.edges = index.edges);
        Ok(summary)
    }

    fn edges(first: u64, limit: u32) -> indexing::EdgesPage {
        let page =
            RUN.with_borrow(|run| Page::of(&run.edges, first, limit, core::ports::MAX_ITEMS));
        indexing::EdgesPage { items: page.items.iter().map(Into::into).collect(), done: page.done }
    }
}

/// One of the things that it hoards.
pub(crate) struct Thing;

impl hoard::GuestThing for Thing {}

impl hoard::Guest for Hostile {
    type Thing = Thing;
}

#[cfg(target_arch = "wasm32")]
export!(Hostile);
