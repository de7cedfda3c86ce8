//! The base of a clone, as plainly as it goes: for the host in memory.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::{Base, Counts, Entity, EntityId, Kind};

use crate::memory::{entity_id, kind};
use crate::model;

/// What a host says of a base: the base, its heads, and its spine.
pub type SaidOfBase = (Base, Vec<EntityId>, Vec<u32>);

/// The base that a pack is, whose number is `pack`. `None` unless it is exactly what `heads` reach, in
/// an order in which no commit and no snapshot precedes its parent.
pub fn base_of(pack: u32, bytes: &[u8], heads: &[String]) -> Option<SaidOfBase> {
    let records = model::read(bytes).records;
    let packs = [bytes];
    let reached = model::reach(&packs, heads, &[]).ok()?;
    let own: BTreeSet<model::Entity> = records.iter().map(|r| (r.kind, r.id.clone())).collect();
    if !own.iter().eq(reached.records.keys()) || own.len() != records.len() {
        return None;
    }
    let mut place_of: BTreeMap<model::Entity, u32> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for record in &records {
        let count = counts.entry(record.kind).or_insert(0);
        place_of.insert((record.kind, record.id.clone()), *count);
        *count += 1;
    }
    let mut missing = BTreeSet::new();
    let mut spine = Vec::new();
    for of in [model::Kind::Commit, model::Kind::Snapshot] {
        let mut behind = 0;
        for record in records.iter().filter(|record| record.kind == of) {
            spine.push(behind);
            for next in record.reaches() {
                match place_of.get(&next) {
                    Some(place) if next.0 == of => {
                        if *place >= place_of[&(of, record.id.clone())] {
                            return None;
                        }
                    }
                    Some(place) => behind = behind.max(place + 1),
                    None => drop(missing.insert(next)),
                }
            }
        }
    }
    missing.extend(
        heads.iter().map(|id| (model::Kind::Commit, id.clone())).filter(|e| !own.contains(e)),
    );
    let entity =
        |(of, id): &model::Entity| Entity { kind: kind(*of), id: entity_id(kind(*of), id) };
    let mut missing: Vec<Entity> = missing.iter().map(entity).collect();
    missing.sort_unstable();
    let count = |of| u64::from(counts.get(&of).copied().unwrap_or(0u32));
    let records = Counts {
        commits: count(model::Kind::Commit),
        snapshots: count(model::Kind::Snapshot),
        objects: count(model::Kind::Object),
        tags: count(model::Kind::Tag),
    };
    let heads: BTreeSet<EntityId> = heads.iter().map(|id| entity_id(Kind::Commit, id)).collect();
    Some((Base { pack, records, missing }, heads.into_iter().collect(), spine))
}
