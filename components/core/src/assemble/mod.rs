//! The plan of the pack that answers a fetch: what is wanted, without what is had.
//!
//! Nothing here is in proportion to the repo. `walk` finds the commits that are sent, and where they
//! meet what the client has. `collect` reads their snapshots; `boundary` and `older` those that the
//! client has, near where they meet, and a few beyond. What both list is not sent. The rest is
//! located by `places`, and planned.
//!
//! A clone of a repo with a base is planned by `insert`: what the base has is copied in long spans, and
//! what is new is inserted.

mod boundary;
mod bounds;
mod collect;
mod entities;
mod graph;
mod insert;
mod older;
mod places;
mod walk;

pub use bounds::Bounds;

use boundary::{Left, Near};
use collect::Collection;
use graph::{Graph, State};
use older::Older;
use places::{Places, lost};
use walk::Between;

use crate::id::{EntityId, Kind};
use crate::order::{Links, order_commits};
use crate::plan::{Layout, Plan, Step};
use crate::plan_error::PlanError;
use crate::ports::{AccessError, CommitTag, Database, Limits, Span, Storage, all_heads, read_all};

/// What a client asks for, and what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case")
)]
pub struct Request {
    /// Commits that must be known.
    pub want: Vec<EntityId>,
    /// Commits that are counted as missing where they are unknown.
    pub want_if_known: Vec<EntityId>,
    /// Commits that are ignored where they are unknown.
    pub have: Vec<EntityId>,
}

/// The answer's plan, and what it could not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// How to write the pack.
    pub plan: Plan,
    /// Distinct ids that are reached and that the index never knew.
    pub missing: u64,
    /// A stored pack that holds exactly these records.
    pub reuse: Option<u32>,
}

/// Plans the answer to a fetch, within the usual bounds.
///
/// # Errors
/// As [`assemble_within`].
pub fn assemble<H: Storage + Database + ?Sized>(
    host: &mut H,
    request: &Request,
) -> Result<Answer, PlanError> {
    assemble_within(host, request, &Bounds::default())
}

/// Plans the answer to a fetch: the commits that the wants reach and the haves do not, exactly;
/// their snapshots, objects and tags, without what is known to be had. Within narrow bounds less is
/// known, and more is sent again.
///
/// # Errors
/// [`PlanError::UnknownWant`] for a `want` that the repo lacks; the host's error when something that
/// the index knows is in no pack: an answer never leaves out silently what should be there.
pub fn assemble_within<H: Storage + Database + ?Sized>(
    host: &mut H,
    request: &Request,
    bounds: &Bounds,
) -> Result<Answer, PlanError> {
    if let Some(answer) = insert::insert(host, request, bounds)? {
        return Ok(answer);
    }
    let limits = host.limits();
    let heads = all_heads(host)?;
    let mut graph = Graph::new(limits);
    let (want, have) = read_request(host, &mut graph, request)?;
    let between = walk::walk(host, &mut graph, &want, &have)?;
    let missing = missing_commits(&mut graph, &want, &between);
    let mut collection = Collection::new(limits, bounds);
    refuse_lost(host, &mut collection.places, &graph, &missing)?;
    let commits = in_order(&graph, &between.sent);
    let commit_spans = locate_commits(host, &mut collection.places, &graph, &commits)?;

    let own: Vec<u32> = commits
        .iter()
        .filter_map(|commit| graph.node(*commit).snapshot)
        .map(|id| collection.snapshots.number(id))
        .collect();
    let near_commits: Vec<u32> = between.boundary.iter().chain(&have).copied().collect();
    let near_snapshots = near_commits.iter().filter_map(|commit| graph.node(*commit).snapshot);
    let mut near = Near::read(host, &mut collection, near_snapshots, &own, bounds)?;
    collection.place(host, &own)?;
    near.mark(host, &mut collection)?;
    collection.locate_objects(host)?;
    let left = Left::count(&collection, missing.len() as u64);
    let mut older = Older::new(&mut collection, &mut graph, near, left);
    older.search(host, near_commits.into_iter(), bounds)?;
    if older.cut {
        collection.place(host, &own)?;
    }

    let missing = missing.iter().filter(|commit| !graph.node(**commit).met).count() as u64;
    let missing = missing + collection.missing();
    let tag_spans = locate_tags(host, &limits, &graph, &between)?;
    let snapshots = collection.placed.iter().filter_map(|n| collection.snapshots.span(*n));
    let mut layout = Layout::new(!tag_spans.is_empty());
    layout.section(Kind::Commit, commit_spans.iter().copied());
    layout.section(Kind::Snapshot, snapshots);
    layout.section(Kind::Object, collection.sent_objects());
    layout.section(Kind::Tag, tag_spans.iter().copied());
    let plan = layout.end(&heads);
    let reuse = find_reuse(host, &plan)?;
    Ok(Answer { plan, missing, reuse })
}

/// Reads the wants and the haves: the numbers of all wants, and of the haves that are known. A have
/// that the repo does not know says nothing about what the client has.
fn read_request<H: Database + ?Sized>(
    host: &mut H,
    graph: &mut Graph,
    request: &Request,
) -> Result<(Vec<u32>, Vec<u32>), PlanError> {
    let mut numbers = |ids: &[EntityId]| -> Vec<u32> {
        let mut numbers: Vec<u32> = ids.iter().map(|id| graph.number(*id)).collect();
        let mut seen = std::collections::BTreeSet::new();
        numbers.retain(|number| seen.insert(*number));
        numbers
    };
    let mut want = numbers(&request.want);
    let must = want.len();
    want.extend(numbers(&request.want_if_known));
    let mut have = numbers(&request.have);
    graph.read(host, &want.iter().chain(&have).copied().collect::<Vec<_>>())?;

    let is_known = |commit: &u32| graph.node(*commit).state == State::Known;
    let unknown: Vec<EntityId> =
        want[..must].iter().filter(|c| !is_known(c)).map(|c| graph.id(*c)).collect();
    if !unknown.is_empty() {
        return Err(PlanError::UnknownWant(unknown));
    }
    have.retain(is_known);
    Ok((want, have))
}

/// Commits that are wanted, or that sent commits name as parents, and that the index does not know.
fn missing_commits(graph: &mut Graph, want: &[u32], between: &Between) -> Vec<u32> {
    let parents = between.sent.iter().flat_map(|commit| graph.parents(*commit));
    let mut missing: Vec<u32> = want
        .iter()
        .copied()
        .chain(parents)
        .filter(|commit| graph.node(*commit).state == State::Unknown)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for commit in &missing {
        graph.node_mut(*commit).missing = true;
    }
    missing
}

/// Law 12: a commit that the index has is not missing. Without its edges, its ancestors are lost.
fn refuse_lost<H: Storage + Database + ?Sized>(
    host: &mut H,
    places: &mut Places,
    graph: &Graph,
    missing: &[u32],
) -> Result<(), PlanError> {
    let ids: Vec<EntityId> = missing.iter().map(|commit| graph.id(*commit)).collect();
    let spans = places.locate(host, Kind::Commit, &ids)?;
    match ids.iter().zip(spans).find(|(_, span)| span.is_some()) {
        Some((id, _)) => Err(lost(Kind::Commit, *id)),
        None => Ok(()),
    }
}

/// The sent commits in canonical order.
fn in_order(graph: &Graph, sent: &[u32]) -> Vec<u32> {
    let mut places = vec![None; graph.len()];
    for (place, commit) in sent.iter().enumerate() {
        places[*commit as usize] = Some(place as u32);
    }
    let links: Vec<Links> = sent
        .iter()
        .map(|commit| {
            let mut parents = graph.parents(*commit).map(|parent| places[parent as usize]);
            let parents = [parents.next().flatten(), parents.next().flatten()];
            Links { parents, snapshot: None }
        })
        .collect();
    let all: Vec<u32> = (0..sent.len() as u32).collect();
    order_commits(&links, &all).into_iter().map(|place| sent[place as usize]).collect()
}

fn locate_commits<H: Storage + Database + ?Sized>(
    host: &mut H,
    places: &mut Places,
    graph: &Graph,
    commits: &[u32],
) -> Result<Vec<Span>, PlanError> {
    let ids: Vec<EntityId> = commits.iter().map(|commit| graph.id(*commit)).collect();
    let spans = places.locate(host, Kind::Commit, &ids)?;
    let located = ids.iter().zip(spans);
    located.map(|(id, span)| span.ok_or_else(|| lost(Kind::Commit, *id))).collect()
}

/// The tags of the sent commits, by text.
fn locate_tags<H: Database + ?Sized>(
    host: &mut H,
    limits: &Limits,
    graph: &Graph,
    between: &Between,
) -> Result<Vec<Span>, PlanError> {
    let at_once = limits.ids.max(1) as usize;
    let mut tags: Vec<String> = Vec::new();
    for page in between.sent.chunks(at_once) {
        let commits: Vec<EntityId> = page.iter().map(|commit| graph.id(*commit)).collect();
        let found = read_all(|tags: &[CommitTag]| {
            host.tags(&commits, tags.last().map(|last| last.tag.as_str()), 0)
        })?;
        tags.extend(found.into_iter().map(|tag| tag.tag));
    }
    tags.sort_unstable();
    let mut spans = Vec::with_capacity(tags.len());
    for page in tags.chunks(at_once) {
        let texts: Vec<&str> = page.iter().map(String::as_str).collect();
        for (tag, location) in page.iter().zip(host.locate_tags(&texts)?) {
            let unlocated = || AccessError::Other(format!("the host has no place for tag `{tag}`"));
            spans.push(location.ok_or_else(unlocated)?.at);
        }
    }
    Ok(spans)
}

/// A pack that the plan copies whole: it copies from no other, and as many records as that has.
fn find_reuse<H: Database + ?Sized>(host: &mut H, plan: &Plan) -> Result<Option<u32>, AccessError> {
    let mut packs = plan.steps.iter().filter_map(|step| match step {
        Step::Copy(span) => Some(span.pack),
        Step::Literal(_) => None,
    });
    let Some(first) = packs.next() else { return Ok(None) };
    if packs.any(|pack| pack != first) {
        return Ok(None);
    }
    let rows = host.packs(first, 1)?.items.first().map(|pack| pack.rows);
    Ok((rows == Some(plan.records.total())).then_some(first))
}
