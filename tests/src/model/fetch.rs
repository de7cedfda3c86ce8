//! What a fetch answers, and what it may answer.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entity, Kind, Record, union};

/// What a fetch answers.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its records.
    pub records: BTreeMap<Entity, Record>,
    /// Distinct ids that are reached and that no pack ever gave.
    pub missing: u64,
}

/// reach(want) minus reach(have), with the tags of the commits sent.
///
/// # Errors
/// The wants that are no commits of the packs.
pub fn reach(
    packs: &[impl AsRef<[u8]>],
    want: &[String],
    have: &[String],
) -> Result<Answer, Vec<String>> {
    let all = union(packs);
    let known = |id: &&String| all.contains_key(&(Kind::Commit, (*id).clone()));
    let unknown: Vec<String> = want.iter().filter(|id| !known(id)).cloned().collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    let wanted = closure(&all, want);
    let had = closure(&all, &have.iter().filter(known).cloned().collect::<Vec<_>>());
    let sent: BTreeSet<Entity> = wanted.difference(&had).cloned().collect();
    let missing = sent.iter().filter(|entity| !all.contains_key(entity)).count() as u64;
    let tags = all.values().filter(|r| {
        r.kind == Kind::Tag && r.tagged().is_some_and(|c| sent.contains(&(Kind::Commit, c)))
    });
    let mut records: BTreeMap<Entity, Record> =
        tags.map(|r| ((Kind::Tag, r.id.clone()), r.clone())).collect();
    records.extend(
        all.iter()
            .filter(|(entity, _)| sent.contains(entity))
            .map(|(entity, r)| (entity.clone(), r.clone())),
    );
    // A commit that is only known as a parent is missing, and has no tags to send.
    records.retain(|_, r| {
        r.kind != Kind::Tag || r.tagged().is_some_and(|c| all.contains_key(&(Kind::Commit, c)))
    });
    Ok(Answer { records, missing })
}

pub(super) fn closure(all: &BTreeMap<Entity, Record>, commits: &[String]) -> BTreeSet<Entity> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<Entity> = commits.iter().map(|id| (Kind::Commit, id.clone())).collect();
    while let Some(entity) = next.pop() {
        if reached.insert(entity.clone())
            && let Some(record) = all.get(&entity)
        {
            next.extend(record.reaches());
        }
    }
    reached
}

/// What an answer may hold beyond what it must: what both sides reach, except for what the
/// snapshots of the haves, and of the boundary, list.
///
/// The boundary is every commit that the haves reach and a sent commit names as its parent. A
/// snapshot lists its objects and, if it is a delta, its parent.
///
/// # Errors
/// As [`reach`].
pub fn may_repeat(
    packs: &[impl AsRef<[u8]>],
    want: &[String],
    have: &[String],
) -> Result<BTreeSet<Entity>, Vec<String>> {
    let sent = reach(packs, want, have)?.records;
    let all = union(packs);
    let wanted = closure(&all, want);
    let haves: Vec<Entity> =
        have.iter().map(|id| (Kind::Commit, id.clone())).filter(|e| all.contains_key(e)).collect();
    let had = closure(&all, &haves.iter().map(|(_, id)| id.clone()).collect::<Vec<_>>());

    let parents = sent.values().filter(|r| r.kind == Kind::Commit).flat_map(Record::reaches);
    let boundary = parents.filter(|e| e.0 == Kind::Commit && had.contains(e)).chain(haves);
    let snapshots: BTreeSet<Entity> = boundary
        .filter_map(|commit| all.get(&commit))
        .flat_map(Record::reaches)
        .filter(|(kind, _)| *kind == Kind::Snapshot)
        .collect();
    let listed = snapshots.iter().filter_map(|s| all.get(s)).flat_map(Record::reaches);
    let never: BTreeSet<Entity> = listed.chain(snapshots.iter().cloned()).collect();
    Ok(wanted
        .intersection(&had)
        .filter(|e| e.0 != Kind::Commit && all.contains_key(e) && !never.contains(e))
        .cloned()
        .collect())
}

/// What some commits reach, as far as the packs have it, except for commits.
pub fn reached_by(packs: &[impl AsRef<[u8]>], want: &[String]) -> BTreeSet<Entity> {
    let all = union(packs);
    let mut reached = closure(&all, want);
    reached.retain(|entity| entity.0 != Kind::Commit && all.contains_key(entity));
    reached
}

/// Checks the answer to a fetch: it holds everything that it must and nothing beyond that but what
/// it may repeat, each record once and in its preferred encoding.
///
/// # Errors
/// What is wrong with it.
pub fn check_answer(
    packs: &[impl AsRef<[u8]>],
    want: &[String],
    have: &[String],
    records: &[Record],
    missing: u64,
    repeats: &BTreeSet<Entity>,
) -> Result<(), String> {
    let least = reach(packs, want, have).map_err(|ids| format!("unknown wants: {ids:?}"))?;
    let all = union(packs);
    let mut given = BTreeSet::new();
    for record in records {
        let entity = (record.kind, record.id.clone());
        if !least.records.contains_key(&entity) && !repeats.contains(&entity) {
            return Err(format!("it holds {entity:?}, which it may not"));
        }
        if all[&entity].bytes != record.bytes {
            return Err(format!("it holds another encoding of {entity:?}"));
        }
        if !given.insert(entity.clone()) {
            return Err(format!("it holds {entity:?} twice"));
        }
    }
    if let Some(entity) = least.records.keys().find(|entity| !given.contains(*entity)) {
        return Err(format!("it leaves out {entity:?}"));
    }
    let reached = closure(&all, want).iter().filter(|e| !all.contains_key(e)).count() as u64;
    if missing < least.missing || missing > reached {
        return Err(format!("{missing} are missing; it may be {} to {reached}", least.missing));
    }
    Ok(())
}
