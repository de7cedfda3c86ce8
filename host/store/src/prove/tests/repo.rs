//! A repo in memory, and a model of what its records reach.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use packhouse_core::ports::Ancestor;
use packhouse_core::{Edges, EntityId, Kind, Row};
use packhouse_model::error::Result;
use packhouse_run::LocatedRow;

use crate::prove::ProofError;
use crate::prove::view::RepoView;

pub(in crate::prove) type Entity = (Kind, EntityId);

/// What a snapshot lists.
#[derive(Clone, Debug, Default)]
pub(super) struct Listing {
    /// The parent of a delta.
    pub(super) parent: Option<EntityId>,
    pub(super) objects: Vec<EntityId>,
}

/// What a repo has, and the generations of its commits.
#[derive(Clone, Debug, Default)]
pub(in crate::prove) struct MemoryRepo {
    pub(super) commits: BTreeMap<EntityId, Edges>,
    pub(super) generations: BTreeMap<EntityId, u64>,
    pub(super) floor: Option<u64>,
    pub(super) snapshots: BTreeMap<EntityId, Listing>,
    pub(super) objects: BTreeSet<EntityId>,
    /// Tags, with their commits.
    pub(super) tags: BTreeMap<EntityId, EntityId>,
    /// What is in the pack with number 1; all else is in pack 0.
    pub(super) based: BTreeSet<Entity>,
    /// Commits whose edges were read, repeats included.
    pub(super) rows_read: u64,
    /// Snapshots that were read.
    pub(super) snapshots_read: u64,
    /// Calls that read some.
    pub(super) reads: u64,
}

impl MemoryRepo {
    pub(super) fn has(&self, (kind, id): Entity) -> bool {
        match kind {
            Kind::Commit => self.commits.contains_key(&id),
            Kind::Snapshot => self.snapshots.contains_key(&id),
            Kind::Object => self.objects.contains(&id),
            Kind::Tag => self.tags.contains_key(&id),
        }
    }

    pub(super) fn all(&self) -> Vec<Entity> {
        let commits = self.commits.keys().map(|id| (Kind::Commit, *id));
        let snapshots = self.snapshots.keys().map(|id| (Kind::Snapshot, *id));
        let objects = self.objects.iter().map(|id| (Kind::Object, *id));
        let tags = self.tags.keys().map(|id| (Kind::Tag, *id));
        commits.chain(snapshots).chain(objects).chain(tags).collect()
    }

    pub(super) fn located(&self, (kind, id): Entity) -> LocatedRow {
        let length = match self.snapshots.get(&id) {
            Some(listing) if kind == Kind::Snapshot => 60 + 40 * listing.objects.len() as u64,
            _ => 100,
        };
        LocatedRow {
            pack: 0,
            number: 0,
            row: Row { kind, id, offset: 0, length, fingerprint: [0; 16] },
        }
    }

    /// What a record lists.
    pub(super) fn lists(&self, (kind, id): Entity) -> Vec<Entity> {
        match kind {
            Kind::Commit => self.commits.get(&id).map_or(Vec::new(), |commit| {
                let parents = commit.parents().map(|id| (Kind::Commit, id));
                parents.chain(commit.snapshot.map(|id| (Kind::Snapshot, id))).collect()
            }),
            Kind::Snapshot => self.snapshots.get(&id).map_or(Vec::new(), |snapshot| {
                let objects = snapshot.objects.iter().map(|id| (Kind::Object, *id));
                objects.chain(snapshot.parent.map(|id| (Kind::Snapshot, id))).collect()
            }),
            Kind::Object | Kind::Tag => Vec::new(),
        }
    }

    /// All that commits reach, also what the repo does not have; without tags.
    pub(super) fn reach(&self, commits: &[EntityId]) -> BTreeSet<Entity> {
        let mut next: Vec<Entity> = commits.iter().map(|id| (Kind::Commit, *id)).collect();
        let mut reached = BTreeSet::new();
        while let Some(entity) = next.pop() {
            if reached.insert(entity) {
                next.extend(self.lists(entity));
            }
        }
        reached
    }

    /// The commits of `have` and the parents of `sent` that it reaches: by id, then in the order of
    /// the request.
    pub(super) fn boundary(&self, sent: &BTreeSet<EntityId>, have: &[EntityId]) -> Vec<EntityId> {
        let had = self.reach(have);
        let parents: BTreeSet<EntityId> = sent
            .iter()
            .flat_map(|id| self.commits[id].parents())
            .filter(|id| had.contains(&(Kind::Commit, *id)) && self.commits.contains_key(id))
            .collect();
        let mut boundary: Vec<EntityId> = parents.into_iter().collect();
        for id in have {
            if self.commits.contains_key(id) && !boundary.contains(id) {
                boundary.push(*id);
            }
        }
        boundary
    }

    /// What the snapshots of commits hold: themselves, what they list, and their parents.
    pub(super) fn held(&self, commits: &[EntityId]) -> BTreeSet<Entity> {
        let snapshots = commits.iter().filter_map(|id| self.commits.get(id)?.snapshot);
        snapshots
            .flat_map(|id| {
                let own = (Kind::Snapshot, id);
                self.lists(own).into_iter().chain([own])
            })
            .collect()
    }

    pub(super) fn tags_of_commits(&self, commits: &BTreeSet<EntityId>) -> Vec<Entity> {
        let tags = self.tags.iter().filter(|(_, commit)| commits.contains(*commit));
        tags.map(|(tag, _)| (Kind::Tag, *tag)).collect()
    }
}

impl RepoView for MemoryRepo {
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        assert!(commits.len() <= limit as usize, "a page has more commits than its limit");
        let mut queue: VecDeque<EntityId> = commits.iter().copied().collect();
        let mut met: BTreeSet<EntityId> = commits.iter().copied().collect();
        let mut found = Vec::new();
        while found.len() < limit as usize
            && let Some(id) = queue.pop_front()
        {
            let Some(edges) = self.commits.get(&id) else { continue };
            queue.extend(edges.parents().filter(|parent| met.insert(*parent)));
            found.push(Ancestor { edges: *edges, generation: self.generations[&id] });
        }
        self.rows_read += found.len() as u64;
        Ok(found)
    }

    fn walk_floor(&mut self) -> Result<Option<u64>> {
        Ok(self.floor)
    }

    fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<EntityId>> {
        let tags = self.tags_of_commits(&commits.iter().copied().collect());
        Ok(tags.into_iter().map(|(_, id)| id).collect())
    }

    fn knows(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>> {
        Ok(ids.iter().map(|id| self.has((kind, *id))).collect())
    }

    fn packs_of(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<u32>>> {
        let pack = |id: &EntityId| {
            let entity = (kind, *id);
            self.has(entity).then(|| u32::from(self.based.contains(&entity)))
        };
        Ok(ids.iter().map(pack).collect())
    }

    fn tags_outside(&mut self, pack: u32) -> Result<Vec<(EntityId, EntityId)>, ProofError> {
        let is_in = |tag: &EntityId| u32::from(self.based.contains(&(Kind::Tag, *tag))) == pack;
        let tags = self.tags.iter().filter(|(tag, _)| !is_in(tag));
        Ok(tags.map(|(tag, commit)| (*tag, *commit)).collect())
    }

    fn locate(&mut self, snapshots: &[EntityId]) -> Result<Vec<Option<LocatedRow>>> {
        let located = |id: &EntityId| {
            let entity = (Kind::Snapshot, *id);
            self.has(entity).then(|| self.located(entity))
        };
        Ok(snapshots.iter().map(located).collect())
    }

    fn read(
        &mut self,
        snapshots: &[LocatedRow],
        each: &mut dyn FnMut(&LocatedRow, Kind, EntityId) -> Result<(), ProofError>,
    ) -> Result<(), ProofError> {
        self.snapshots_read += snapshots.len() as u64;
        self.reads += 1;
        for snapshot in snapshots {
            for (kind, id) in self.lists((Kind::Snapshot, snapshot.row.id)) {
                each(snapshot, kind, id)?;
            }
        }
        Ok(())
    }
}
