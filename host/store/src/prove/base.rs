//! The proof of a clone on a base: a pack that is exactly what its heads reach.
//!
//! - The plan copies all records of the base, each once ([`covers`]).
//! - The request reaches all heads of the base. So the answer is what the base has, and what a client
//!   with the heads of the base lacks.
//! - The rest is that: as for any answer, but what is had is looked up. The base has what the index
//!   maps to it, and nothing else, so no snapshot of it is read.
//!
//! Nothing here is in proportion to the base.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

use packhouse_core::ports::{Ancestor, MAX_ITEMS};
use packhouse_core::{Counts, EntityId, Kind, Plan, Request, Span, Step};
use packhouse_run::{BasePack, LocatedRow, RunPack};

use super::answer::{AnswerProof, Claim, Sent, between_wants_and, wants};
use super::between::Between;
use super::view::RepoView;
use super::{ProofError, wrong};

/// Whether a plan copies records that its run did not look at: then it is one on a base.
pub(crate) fn copies_unread_rows(plan: &Plan, packs: &[RunPack]) -> bool {
    copies(plan).any(|span| {
        let pack = packs.get(span.pack as usize).filter(|pack| !pack.has_all_rows());
        pack.is_some_and(|pack| pack.directory.whole_rows(span.offset, span.length).is_none())
    })
}

fn copies(plan: &Plan) -> impl Iterator<Item = Span> {
    plan.steps.iter().filter_map(|step| match step {
        Step::Copy(span) => Some(*span),
        Step::Literal(_) => None,
    })
}

/// Checks that a plan copies all records of the base, each once: its spans are all sections of it, and
/// it is cut only where a record ends or begins that the run has looked at.
pub(crate) fn covers(plan: &Plan, packs: &[RunPack], base: &BasePack) -> Result<(), ProofError> {
    let Some(pack) = packs.get(base.pack as usize) else {
        return wrong("it copies from a base that its run does not have");
    };
    let mut spans: Vec<Span> = copies(plan).filter(|span| span.pack == base.pack).collect();
    spans.sort_unstable();
    let mut spans = spans.into_iter().peekable();
    for section in &base.sections {
        let mut at = section.start;
        while at < section.end {
            let Some(span) = spans.next_if(|span| span.offset == at && span.length > 0) else {
                return wrong(format!("it does not copy byte {at} of its base once"));
            };
            at = span.offset.saturating_add(span.length);
            if at < section.end && !is_between_records(pack, at) {
                return wrong(format!(
                    "it cuts its base at byte {at}, where no record is known to end"
                ));
            }
        }
        if at != section.end {
            return wrong(format!("it copies what follows byte {} of its base", section.end));
        }
    }
    match spans.next() {
        Some(span) => wrong(format!("it copies byte {} of its base twice", span.offset)),
        None => Ok(()),
    }
}

/// Whether a record that is known begins or ends at an offset.
fn is_between_records(pack: &RunPack, offset: u64) -> bool {
    let directory = &pack.directory;
    let ends = |byte| {
        let row = directory.containing(byte).and_then(|number| directory.row(number));
        row.is_some_and(|row| row.offset + row.length == offset)
    };
    directory.at(offset).is_some() || offset.checked_sub(1).is_some_and(ends)
}

/// Proves an answer that consists of the records of a base, which [`covers`] has checked, and of
/// `records`, in the order in which they are sent.
pub(crate) fn prove(
    view: &mut dyn RepoView,
    ask: &Request,
    base: &BasePack,
    records: impl IntoIterator<Item = LocatedRow>,
    claim: Claim,
) -> Result<AnswerProof, ProofError> {
    let between = between_wants_and(view, ask, &base.heads)?;
    reaches_all(view, &wants(ask), &between, base)?;
    let new = without(claim.records, base.records);
    let Some(new) = new else {
        return wrong(format!("it claims {:?}, less than its base has", claim.records));
    };
    let sent = Sent::of(records, new)?;
    sent.has_the_commits(&between)?;
    are_not_in(view, &sent, base)?;
    has_the_tags(view, &sent, &between, base)?;
    let open = sent.follow(view, &between)?;

    let mut unknown: BTreeSet<(Kind, EntityId)> =
        base.missing.iter().map(|entity| (entity.kind, entity.id)).collect();
    unknown.extend(between.unknown.keys().map(|id| (Kind::Commit, *id)));
    for kind in [Kind::Snapshot, Kind::Object] {
        let mut ids: Vec<EntityId> =
            open.keys().filter(|(of, _)| *of == kind).map(|(_, id)| *id).collect();
        ids.sort_unstable();
        for (id, pack) in packs_of(view, kind, &ids)? {
            match pack {
                None => drop(unknown.insert((kind, id))),
                Some(pack) if pack == base.pack => {}
                Some(_) => {
                    let (by, by_id) = open[&(kind, id)];
                    return wrong(format!(
                        "its answer leaves out {kind} {id}, wanted by {by} {by_id}"
                    ));
                }
            }
        }
    }
    let unknown = unknown.len() as u64;
    if claim.missing != unknown {
        return wrong(format!("it counts {} missing IDs, but there are {unknown}", claim.missing));
    }
    Ok(AnswerProof {
        records: claim.records,
        references: open.len() as u64,
        unknown,
        ..AnswerProof::default()
    })
}

fn without(all: Counts, base: Counts) -> Option<Counts> {
    Some(Counts {
        commits: all.commits.checked_sub(base.commits)?,
        snapshots: all.snapshots.checked_sub(base.snapshots)?,
        objects: all.objects.checked_sub(base.objects)?,
        tags: all.tags.checked_sub(base.tags)?,
    })
}

/// Fails unless the request reaches all heads of the base. Most are wanted, or parents of new
/// commits. Others are looked for behind those, highest generation first, until one can't be there.
fn reaches_all(
    view: &mut dyn RepoView,
    wants: &[EntityId],
    between: &Between,
    base: &BasePack,
) -> Result<(), ProofError> {
    let parents = between.sent.values().flat_map(|commit| commit.parents());
    let mut met: BTreeSet<EntityId> =
        wants.iter().copied().chain(parents).filter(|id| !between.sent.contains_key(id)).collect();
    let mut open: BTreeMap<EntityId, u64> =
        base.heads.iter().filter(|head| !met.contains(head)).map(|head| (*head, 0)).collect();
    let unreached = |open: &BTreeMap<EntityId, u64>| match open.keys().next() {
        None => Ok(()),
        Some(head) => wrong(format!(
            "it answers with commit {head} of a base, which the request does not reach"
        )),
    };
    if open.is_empty() || view.walk_floor()?.is_some() {
        return unreached(&open);
    }
    let heads: Vec<EntityId> = open.keys().copied().collect();
    for head in read(view, &heads)? {
        open.insert(head.edges.commit, head.generation);
    }
    let mut queue: BinaryHeap<(u64, EntityId)> = BinaryHeap::new();
    let mut parents: BTreeMap<EntityId, Vec<EntityId>> = BTreeMap::new();
    let mut next: Vec<EntityId> = met.iter().copied().collect();
    loop {
        for found in read(view, &next)? {
            queue.push((found.generation, found.edges.commit));
            parents.insert(found.edges.commit, found.edges.parents().collect());
        }
        let Some((generation, commit)) = queue.pop() else { return unreached(&open) };
        open.remove(&commit);
        if open.values().max().is_none_or(|highest| generation < *highest) {
            return unreached(&open);
        }
        next = parents.remove(&commit).unwrap_or_default();
        next.retain(|parent| met.insert(*parent));
    }
}

/// The edges of commits that the repo has.
fn read(view: &mut dyn RepoView, commits: &[EntityId]) -> Result<Vec<Ancestor>, ProofError> {
    let mut found = Vec::new();
    for page in commits.chunks(MAX_ITEMS as usize) {
        found.extend(view.history(page, page.len() as u32)?);
    }
    Ok(found)
}

/// Which pack the index maps each entity to.
fn packs_of(
    view: &mut dyn RepoView,
    kind: Kind,
    ids: &[EntityId],
) -> Result<Vec<(EntityId, Option<u32>)>, ProofError> {
    let mut packs = Vec::with_capacity(ids.len());
    for page in ids.chunks(MAX_ITEMS as usize) {
        packs.extend(page.iter().copied().zip(view.packs_of(kind, page)?));
    }
    Ok(packs)
}

/// Fails if a record is sent that the base has, too.
fn are_not_in(view: &mut dyn RepoView, sent: &Sent, base: &BasePack) -> Result<(), ProofError> {
    for kind in Kind::ALL {
        for (id, pack) in packs_of(view, kind, &sent.ids(kind))? {
            if pack == Some(base.pack) {
                return wrong(format!("its answer has {kind} {id} twice"));
            }
        }
    }
    Ok(())
}

/// Fails unless exactly the tags are sent that the base does not have, and whose commits are sent
/// or in the base: a tag may come long after its commit.
fn has_the_tags(
    view: &mut dyn RepoView,
    sent: &Sent,
    between: &Between,
    base: &BasePack,
) -> Result<(), ProofError> {
    let mut others = view.tags_outside(base.pack)?;
    others.sort_unstable();
    others.dedup();
    let ids: Vec<EntityId> = others.iter().map(|(tag, _)| *tag).collect();
    let commits: Vec<EntityId> = others.iter().map(|(_, commit)| *commit).collect();
    let tags = packs_of(view, Kind::Tag, &ids)?;
    let commits = packs_of(view, Kind::Commit, &commits)?;
    let mut wanted = HashSet::new();
    for ((tag, pack), (commit, of_commit)) in tags.into_iter().zip(commits) {
        let is_reached = between.sent.contains_key(&commit) || of_commit == Some(base.pack);
        let is_new = pack.is_some_and(|pack| pack != base.pack);
        if is_reached && is_new {
            wanted.insert(tag);
        }
    }
    sent.has_just_the_tags(&wanted)
}
