//! The plan of a clone of a repo that has a base: a consolidated pack that is exactly what its heads
//! reach.
//!
//! Descendants never change the order of what the base has: canonical order takes the same old
//! records in the same order, with new ones in between. So the base is copied in long spans, and what
//! is new is inserted, at the places that the spine gives. A record of the base moves only if
//! something new refers to it earlier. The bytes are those of a plan without a base; the work is in
//! proportion to what is new.

mod edits;
mod order;
mod rows;
mod tags;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::ops::Range;

use self::edits::Edits;
use self::rows::{BaseRows, Turn};
use super::bounds::Bounds;
use super::collect::Collection;
use super::entities::HAD;
use super::graph::{Graph, HAD as IN_BASE, State};
use super::walk::{Between, walk};
use super::{
    Answer, Request, find_reuse, locate_commits, missing_commits, read_request, refuse_lost,
};
use crate::id::{EntityId, Kind};
use crate::plan::Layout;
use crate::plan_error::PlanError;
use crate::ports::{
    AccessError, Base, Database, PackInfo, Span, Storage, all_heads, all_packs, read_all,
};

/// Of so many rows of the base one may be looked at, or moved. If there is more to do, a plan without
/// a base costs little more.
const ROWS_PER_EDIT: u64 = 10;

/// Why there is no plan on a base.
#[derive(Debug)]
enum Stop {
    /// The base is not fit for the request: it is planned without.
    Unfit,
    Failed(PlanError),
}

impl<E: Into<PlanError>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Failed(error.into())
    }
}

/// Plans a clone on the base of the repo. `None` where there is none, or it is not fit: then the plan
/// is made without.
///
/// # Errors
/// As [`super::assemble_within`].
pub(super) fn insert<H: Storage + Database + ?Sized>(
    host: &mut H,
    request: &Request,
    bounds: &Bounds,
) -> Result<Option<Answer>, PlanError> {
    if !request.have.is_empty() {
        return Ok(None);
    }
    let Some(base) = host.base()? else { return Ok(None) };
    match insert_into(host, request, bounds, base) {
        Ok(answer) => Ok(Some(answer)),
        Err(Stop::Unfit) => Ok(None),
        Err(Stop::Failed(error)) => Err(error),
    }
}

fn insert_into<H: Storage + Database + ?Sized>(
    host: &mut H,
    request: &Request,
    bounds: &Bounds,
    base: Base,
) -> Result<Answer, Stop> {
    let packs = all_packs(host)?;
    let few = rows_to_look_at(&packs, &base, bounds)?;
    let limits = host.limits();
    let mut graph = Graph::new(limits);
    let (want, _) = read_request(host, &mut graph, request)?;
    let heads = read_all(|heads: &[EntityId]| host.base_heads(heads.len() as u64, 0))?;
    let heads: Vec<u32> = heads.into_iter().map(|head| graph.number(head)).collect();
    let between = walk(host, &mut graph, &want, &heads)?;
    if !reaches_all(host, &mut graph, &want, &between, &heads)? {
        return Err(Stop::Unfit);
    }

    let mut collection = Collection::new(limits, &Bounds { located: u64::MAX, ..*bounds });
    let missing = new_missing_commits(&mut graph, &want, &between, &base);
    refuse_lost(host, &mut collection.places, &graph, &missing)?;
    let missing = (base.missing.len() + missing.len()) as u64;
    let mut rows = BaseRows::new(base, few);
    let commits = order::places(host, &graph, &between.sent, &mut rows)?;
    let numbers: Vec<u32> = commits.iter().map(|(_, commit)| *commit).collect();
    let commit_spans = locate_commits(host, &mut collection.places, &graph, &numbers)?;

    let groups = place(host, &mut collection, &graph, &commits, &mut rows)?;
    let missing = missing + collection.missing();
    let mut edits: [Edits; 4] = Default::default();
    for ((place, _), span) in commits.iter().zip(commit_spans) {
        let turn = rows.turn(host, *place)?;
        edits[Kind::Commit as usize].insert(turn.commits, span);
    }
    for Group { turn, snapshots, objects } in groups {
        let placed = &collection.placed[snapshots];
        for span in placed.iter().filter_map(|number| collection.snapshots.span(*number)) {
            edits[Kind::Snapshot as usize].insert(turn.snapshots, span);
        }
        let listed = collection.listed[objects].iter();
        let open = listed.filter(|number| !collection.objects.has(**number, HAD));
        for span in open.filter_map(|number| collection.objects.span(*number)) {
            let is_passed = span.pack == rows.base.pack && span.offset < turn.objects;
            if !is_passed {
                edits[Kind::Object as usize].insert(turn.objects, span);
            }
        }
    }
    for (text, span) in tags::new_tags(host, &graph, &between, rows.base.pack, &packs)? {
        let place = tags::place(host, &mut rows, &text)?;
        edits[Kind::Tag as usize].insert(place, span);
    }
    let plan = lay_out(host, &mut rows, &edits)?;
    let reuse = find_reuse(host, &plan)?;
    Ok(Answer { plan, missing, reuse })
}

/// How many rows of the base may be looked at. A base that is smaller than what came after it is
/// none.
fn rows_to_look_at(packs: &[PackInfo], base: &Base, bounds: &Bounds) -> Result<u64, Stop> {
    let rows = packs.get(base.pack as usize).ok_or(AccessError::NoSuchPack(base.pack))?.rows;
    let all: u64 = packs.iter().map(|pack| pack.rows).sum();
    match rows == base.records.total() && all - rows <= rows.max(bounds.located) {
        true => Ok(bounds.located.max(rows / ROWS_PER_EDIT)),
        false => Err(Stop::Unfit),
    }
}

/// Whether what is wanted reaches all heads of the base.
///
/// Most are wanted, or parents of new commits. Others are looked for among the ancestors of those,
/// highest generation first, until one can't be there any more.
fn reaches_all<H: Database + ?Sized>(
    host: &mut H,
    graph: &mut Graph,
    want: &[u32],
    between: &Between,
    heads: &[u32],
) -> Result<bool, AccessError> {
    let in_base = |commit: &u32| graph.node(*commit).colour & IN_BASE != 0;
    let mut met: BTreeSet<u32> = want.iter().copied().filter(in_base).collect();
    met.extend(&between.boundary);
    let mut open: BTreeSet<u32> =
        heads.iter().copied().filter(|head| !met.contains(head)).collect();
    if open.is_empty() {
        return Ok(true);
    }
    let is_known = |commit: &u32| graph.node(*commit).state == State::Known;
    if host.walk_floor()?.is_some() || !open.iter().all(is_known) {
        return Ok(false);
    }
    let highest = |graph: &Graph, open: &BTreeSet<u32>| {
        open.iter().map(|head| graph.node(*head).generation).max()
    };
    let mut queue: BinaryHeap<(u64, u32)> = met
        .iter()
        .filter(|commit| graph.node(**commit).state == State::Known)
        .map(|commit| (graph.node(*commit).generation, *commit))
        .collect();
    while let Some((generation, commit)) = queue.pop() {
        open.remove(&commit);
        match highest(graph, &open) {
            None => return Ok(true),
            Some(highest) if generation < highest => return Ok(false),
            Some(_) => {}
        }
        let parents: Vec<u32> =
            graph.parents(commit).filter(|parent| met.insert(*parent)).collect();
        graph.read(host, &parents)?;
        let known = parents.into_iter().filter(|p| graph.node(*p).state == State::Known);
        queue.extend(known.map(|parent| (graph.node(parent).generation, parent)));
    }
    Ok(false)
}

/// Commits that are missing, without those that the base is known to miss.
fn new_missing_commits(
    graph: &mut Graph,
    want: &[u32],
    between: &Between,
    base: &Base,
) -> Vec<u32> {
    let mut missing = missing_commits(graph, want, between);
    let known = base.missing.iter().filter(|entity| entity.kind == Kind::Commit);
    let known: BTreeSet<u32> = known.filter_map(|entity| graph.find(&entity.id)).collect();
    missing.retain(|commit| !known.contains(commit));
    missing
}

/// What the new commits at one place of the base bring, as ranges of a [`Collection`].
struct Group {
    turn: Turn,
    snapshots: Range<usize>,
    objects: Range<usize>,
}

/// Places the snapshots of the new commits, and what they list, among those of the base.
fn place<H: Storage + Database + ?Sized>(
    host: &mut H,
    collection: &mut Collection,
    graph: &Graph,
    commits: &[(u64, u32)],
    rows: &mut BaseRows,
) -> Result<Vec<Group>, Stop> {
    for entity in &rows.base.missing {
        // Counted already. It needs no place.
        match entity.kind {
            Kind::Snapshot => {
                let number = collection.snapshots.number(entity.id);
                collection.snapshots.set(number, HAD);
            }
            Kind::Object => {
                let number = collection.objects.number(entity.id);
                collection.objects.set(number, HAD);
            }
            Kind::Commit | Kind::Tag => {}
        }
    }
    let mut roots: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for (place, commit) in commits {
        if let Some(id) = graph.node(*commit).snapshot {
            roots.entry(*place).or_default().push(collection.snapshots.number(id));
        }
    }
    let all = roots.values().flatten().copied().collect::<Vec<u32>>();
    collection.snapshots.locate(host, &mut collection.places, all.into_iter())?;
    let mut groups: Vec<Group> = Vec::new();
    for (place, roots) in roots {
        let turn = rows.turn(host, place)?;
        if groups.last().is_some_and(|last| !turn.follows(&last.turn)) {
            return Err(Stop::Unfit);
        }
        collection.passed = Some((rows.base.pack, turn.snapshots));
        let (snapshots, objects) = (collection.placed.len(), collection.listed.len());
        collection.place_next(host, &roots)?;
        groups.push(Group {
            turn,
            snapshots: snapshots..collection.placed.len(),
            objects: objects..collection.listed.len(),
        });
    }
    collection.locate_objects(host)?;
    Ok(groups)
}

/// Lays out the base with what is inserted.
fn lay_out<H: Storage + Database + ?Sized>(
    host: &mut H,
    rows: &mut BaseRows,
    edits: &[Edits; 4],
) -> Result<crate::plan::Plan, Stop> {
    let pack = rows.base.pack;
    let mut records = rows.base.records;
    let mut sections: Vec<(Kind, u64, Vec<Span>)> = Vec::new();
    for (kind, edits) in Kind::ALL.into_iter().zip(edits) {
        if edits.moved(pack) > rows.few {
            return Err(Stop::Unfit);
        }
        let count = *records.of(kind) + edits.added(pack);
        sections.push((kind, count, edits.apply(pack, rows.section(host, kind)?)));
    }
    let mut layout =
        Layout::new(sections.iter().any(|(kind, count, _)| *kind == Kind::Tag && *count > 0));
    for (kind, count, spans) in sections {
        layout.section_of(kind, count, spans.into_iter());
    }
    Ok(layout.end(&all_heads(host)?))
}
