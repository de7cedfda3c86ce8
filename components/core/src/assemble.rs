//! The plan of the pack that answers a fetch: reach(want) minus reach(have).

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{EntityId, Kind};
use crate::order::{Links, SnapshotWalk, order_commits, read_tags};
use crate::plan::{Plan, Sequence};
use crate::plan_error::PlanError;
use crate::ports::{AccessError, Ancestor, Database, Edges, Storage, all_heads};
use crate::row::{ROW_BYTES, Row};
use crate::table::{Number, Table};

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

/// Plans the answer to a fetch.
///
/// # Errors
/// [`PlanError::UnknownWant`] for a `want` that the repo lacks; [`PlanError::Lost`] when something
/// that the index knows is in no pack: an answer never leaves out silently what should be there.
pub fn assemble<H: Storage + Database + ?Sized>(
    host: &mut H,
    request: &Request,
) -> Result<Answer, PlanError> {
    let table = Table::read(host)?;
    let heads = all_heads(host)?;

    // A have that the repo does not know says nothing about what the client has.
    let had = Reached::walk(host, &request.have, None)?;
    let mut wants = request.want.clone();
    wants.extend(&request.want_if_known);
    let reached = Reached::walk(host, &wants, Some(&had))?;
    let unknown: Vec<EntityId> = request
        .want
        .iter()
        .filter(|id| !reached.edges.contains_key(id) && !had.edges.contains_key(id))
        .copied()
        .collect();
    if !unknown.is_empty() {
        return Err(PlanError::UnknownWant(unknown));
    }

    // Commits, by number, with their links inside the answer.
    let mut links = vec![Links::default(); table.of_kind(Kind::Commit).len()];
    let mut chosen = Vec::with_capacity(reached.edges.len());
    let mut missing = reached.unknown;
    for (id, edges) in &reached.edges {
        let number =
            table.find(Kind::Commit, *id).ok_or_else(|| lost(Kind::Commit, *id, "the request"))?;
        let snapshot = edges.snapshot.and_then(|snapshot| {
            let found = table.find(Kind::Snapshot, snapshot);
            if found.is_none() {
                missing.entry((Kind::Snapshot, snapshot)).or_insert(*id);
            }
            found
        });
        let parents = edges.parents.map(|p| p.and_then(|id| table.find(Kind::Commit, id)));
        links[number as usize] = Links { parents, snapshot };
        chosen.push(number);
    }
    chosen.sort_unstable();
    let commits = order_commits(&links, &chosen);

    let mut walk = SnapshotWalk::new(&table);
    let mut had_snapshots = Vec::new();
    let mut not_wanted = had.unknown;
    for (id, edges) in &had.edges {
        match edges.snapshot.map(|s| (s, table.find(Kind::Snapshot, s))) {
            Some((_, Some(number))) => had_snapshots.push(number),
            Some((snapshot, None)) => {
                not_wanted.entry((Kind::Snapshot, snapshot)).or_insert(*id);
            }
            None => {}
        }
    }
    walk.exclude(host, had_snapshots.into_iter())?;
    not_wanted.append(&mut walk.unknown);
    let roots: Vec<Number> = commits.iter().filter_map(|c| links[*c as usize].snapshot).collect();
    walk.place(host, &roots)?;
    missing.append(&mut walk.unknown);

    missing.retain(|entity, _| !not_wanted.contains_key(entity));
    refuse_lost(host, &missing)?;

    let sent: BTreeSet<EntityId> = commits.iter().map(|c| table.entry(*c).row.id).collect();
    let tags = read_tags(host, &table)?
        .into_iter()
        .filter(|(_, _, commit)| sent.contains(commit))
        .map(|(_, n, _)| n)
        .collect();

    let sequence = Sequence { commits, snapshots: walk.snapshots, objects: walk.objects, tags };
    let reuse = find_reuse(host, &table, &sequence)?;
    Ok(Answer { plan: sequence.plan(&table, &heads), missing: missing.len() as u64, reuse })
}

/// Commits reached from some, and what their records refer to that the index does not know.
#[derive(Default)]
struct Reached {
    edges: BTreeMap<EntityId, Edges>,
    unknown: BTreeMap<(Kind, EntityId), EntityId>,
}

impl Reached {
    /// Walks the index from `roots`, not into what `beyond` has reached. Unknown roots are noted
    /// when there is something to be beyond of: they are wanted then; without it they are had, and
    /// ignored.
    fn walk<H: Storage + Database + ?Sized>(
        host: &mut H,
        roots: &[EntityId],
        beyond: Option<&Reached>,
    ) -> Result<Reached, AccessError> {
        let at_once = host.limits().items.max(1) as usize;
        let note_roots = beyond.is_some();
        let beyond = |id: &EntityId| beyond.is_some_and(|b| b.edges.contains_key(id));
        let mut reached = Reached::default();
        // Answers hold ancestors that were not asked for yet: kept until the walk comes by.
        let mut ahead: BTreeMap<EntityId, Edges> = BTreeMap::new();
        let mut frontier: Vec<(EntityId, EntityId)> = roots.iter().map(|id| (*id, *id)).collect();
        while !frontier.is_empty() {
            // Of several that refer to an id, one that is not the id itself: a root refers to
            // itself.
            frontier.sort_unstable_by_key(|(id, by)| (*id, id == by, *by));
            frontier.dedup_by_key(|(id, _)| *id);
            frontier.retain(|(id, _)| !reached.edges.contains_key(id) && !beyond(id));
            let ask: Vec<EntityId> = frontier
                .iter()
                .map(|(id, _)| *id)
                .filter(|id| !ahead.contains_key(id))
                .take(at_once)
                .collect();
            let known_here = frontier.iter().any(|(id, _)| ahead.contains_key(id));
            if !ask.is_empty() && !known_here {
                for Ancestor { edges, .. } in host.history(&ask, 0)?.items {
                    ahead.insert(edges.commit, edges);
                }
            }
            let mut next = Vec::new();
            for (id, by) in std::mem::take(&mut frontier) {
                if let Some(edges) = ahead.remove(&id) {
                    next.extend(edges.parents().map(|parent| (parent, id)));
                    reached.edges.insert(id, edges);
                } else if !known_here && ask.binary_search(&id).is_ok() {
                    if note_roots || by != id {
                        reached.unknown.entry((Kind::Commit, id)).or_insert(by);
                    }
                } else {
                    next.push((id, by));
                }
            }
            next.retain(|(id, _)| !reached.unknown.contains_key(&(Kind::Commit, *id)));
            frontier = next;
        }
        Ok(reached)
    }
}

fn lost(kind: Kind, id: EntityId, by: &str) -> PlanError {
    PlanError::Lost { kind, id, wanted_by: by.to_owned() }
}

/// Law 12: what no pack gives must be unknown to the index as well.
fn refuse_lost<H: Storage + Database + ?Sized>(
    host: &mut H,
    missing: &BTreeMap<(Kind, EntityId), EntityId>,
) -> Result<(), PlanError> {
    let at_once = host.limits().ids.max(1) as usize;
    for kind in [Kind::Commit, Kind::Snapshot, Kind::Object] {
        let ids: Vec<(EntityId, EntityId)> = missing
            .iter()
            .filter(|((k, _), _)| *k == kind)
            .map(|((_, id), by)| (*id, *by))
            .collect();
        for page in ids.chunks(at_once) {
            let known = host.known(kind, &page.iter().map(|(id, _)| *id).collect::<Vec<_>>())?;
            if let Some(((id, by), _)) = page.iter().zip(known).find(|(_, known)| *known) {
                return Err(lost(kind, *id, &by.to_string()));
            }
        }
    }
    Ok(())
}

/// A pack whose rows are exactly the records of the answer, in the encodings that the answer has.
fn find_reuse<H: Storage + ?Sized>(
    host: &mut H,
    table: &Table,
    sequence: &Sequence,
) -> Result<Option<u32>, AccessError> {
    let total = sequence.counts().total();
    let candidates: Vec<u32> =
        (0..table.packs.len() as u32).filter(|p| table.packs[*p as usize].rows == total).collect();
    if total == 0 || candidates.is_empty() {
        return Ok(None);
    }
    let mut chosen = vec![false; table.len()];
    for number in sequence.iter() {
        chosen[number as usize] = true;
    }
    'packs: for pack in candidates {
        let mut first = 0;
        // Each entity once: a pack that repeats a record has fewer entities than rows.
        let mut left = chosen.clone();
        while first < total {
            let page = host.pack_index(pack, first, 0)?.items;
            if page.len() < ROW_BYTES {
                continue 'packs;
            }
            for bytes in page.chunks_exact(ROW_BYTES) {
                let same = Row::decode(bytes).is_some_and(|row| {
                    table.find(row.kind, row.id).is_some_and(|number| {
                        let best = &table.entry(number).row;
                        std::mem::take(&mut left[number as usize])
                            && (best.length, best.fingerprint) == (row.length, row.fingerprint)
                    })
                });
                if !same {
                    continue 'packs;
                }
            }
            first += (page.len() / ROW_BYTES) as u64;
        }
        return Ok(Some(pack));
    }
    Ok(None)
}
