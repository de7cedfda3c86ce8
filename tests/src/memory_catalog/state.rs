//! What a catalog knows, in maps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use packhouse_core::row::Print;
use packhouse_core::{Counts, Edges, EntityId, Kind};
use packhouse_host::catalog::{
    Change, EntityKey, Findings, Leftovers, PackRow, ReleaseRow, RepoRow, Retired, Shelf, Sums, TokenRow, Unneeded, entity_of,
};
use packhouse_host::{
    Damage, GcEntry, GcRecord, GcReport, JobStatus, MpackKey, Policy, RepoId, RepoName, RepoSummary, ShelfId, Visibility,
};

use super::jobs::Job;

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Counts changes.
    pub(super) stamp: u64,
    /// By number. Those that were deleted stay, and are not listed.
    pub(super) repos: BTreeMap<i64, Repo>,
    pub(super) packs: BTreeMap<MpackKey, PackRow>,
    pub(super) damaged_packs: BTreeMap<MpackKey, Damage>,
    pub(super) damaged_repos: BTreeMap<i64, Damage>,
    /// Packs that were ever stored.
    pub(super) stored: i64,
    /// Shelves that were ever made.
    pub(super) shelved: i64,
    /// In order.
    pub(super) runs: Vec<Run>,
    pub(super) jobs: BTreeMap<i64, Job>,
    pub(super) policies: BTreeMap<i64, Policy>,
    /// By id.
    pub(super) tokens: BTreeMap<String, TokenRow>,
    /// By name.
    pub(super) secrets: BTreeMap<String, [u8; 32]>,
}

/// A repo.
#[derive(Clone, Debug)]
pub(super) struct Repo {
    /// Its sums are not kept: see [`State::row`].
    pub(super) row: RepoRow,
    pub(super) is_deleted: bool,
    pub(super) shelves: BTreeMap<ShelfId, OneShelf>,
    pub(super) entities: BTreeMap<EntityKey, Mapped>,
    pub(super) edges: BTreeMap<EntityId, Edges>,
    pub(super) tag_ids: BTreeMap<EntityId, String>,
    pub(super) retired: BTreeMap<MpackKey, Timestamp>,
    /// Retired packs of whose content something may have been dropped.
    pub(super) partial: BTreeSet<MpackKey>,
    pub(super) heads: BTreeMap<String, EntityId>,
    pub(super) left_heads: Vec<(EntityId, Timestamp)>,
    /// In order.
    pub(super) releases: Vec<ReleaseRow>,
    pub(super) changes: Vec<Change>,
    pub(super) answers: BTreeMap<MpackKey, KeptAnswer>,
}

/// An answer that is kept, or being made: then it has no plan yet.
#[derive(Clone, Debug)]
pub(super) struct KeptAnswer {
    pub(super) plan: Option<String>,
    pub(super) bytes: u64,
    pub(super) caller: String,
    pub(super) until: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct OneShelf {
    pub(super) generation: i64,
    pub(super) pack: MpackKey,
    pub(super) made_at: Timestamp,
}

/// Where the index maps an entity to, and which encoding of what length is there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapped {
    pub(super) shelf: ShelfId,
    pub(super) print: Print,
    pub(super) bytes: u64,
}

/// A consolidation that ended.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) id: i64,
    pub(super) repo: i64,
    pub(super) record: GcRecord,
    pub(super) report: Option<GcReport>,
}

impl Repo {
    pub(super) fn new(id: i64, name: RepoName, repo_id: RepoId, visibility: Visibility, created_at: Timestamp) -> Repo {
        let sums = Sums::of(&[], &[]);
        let row = RepoRow { id, repo_id, name, visibility, default_branch: None, created_at, revision: 0, sums };
        Repo {
            row,
            is_deleted: false,
            shelves: BTreeMap::new(),
            entities: BTreeMap::new(),
            edges: BTreeMap::new(),
            tag_ids: BTreeMap::new(),
            retired: BTreeMap::new(),
            partial: BTreeSet::new(),
            heads: BTreeMap::new(),
            left_heads: Vec::new(),
            releases: Vec::new(),
            changes: Vec::new(),
            answers: BTreeMap::new(),
        }
    }

    /// Its shelves, each with what the index maps to it.
    pub(super) fn shelves(&self, packs: &BTreeMap<MpackKey, PackRow>) -> Vec<Shelf> {
        let mut mapped: BTreeMap<ShelfId, (Counts, u64)> = BTreeMap::new();
        for (entity, place) in &self.entities {
            let (counts, bytes) = mapped.entry(place.shelf).or_default();
            *counts.of(kind_of(entity)) += 1;
            *bytes += place.bytes;
        }
        let shelf = |(id, shelf): (&ShelfId, &OneShelf)| {
            let (counts, bytes) = mapped.get(id).copied().unwrap_or_default();
            Shelf {
                id: *id,
                generation: shelf.generation,
                pack: packs[&shelf.pack].clone(),
                mapped: counts,
                mapped_bytes: Some(bytes),
                made_at: Some(shelf.made_at),
            }
        };
        self.shelves.iter().map(shelf).collect()
    }

    pub(super) fn retired(&self, packs: &BTreeMap<MpackKey, PackRow>) -> Vec<Retired> {
        self.retired.iter().map(|(key, at)| Retired { pack: packs[key].clone(), at: *at }).collect()
    }
}

pub(super) fn kind_of(entity: &EntityKey) -> Kind {
    entity_of(entity).expect("an entity that was pushed is one").0
}

impl State {
    /// A repo that there is or was, to change.
    pub(super) fn of(&mut self, repo: i64) -> &mut Repo {
        self.repos.get_mut(&repo).expect("the catalog gave that number")
    }

    pub(super) fn named(&self, name: &RepoName) -> Option<i64> {
        self.repos.values().find(|repo| !repo.is_deleted && repo.row.name == *name).map(|repo| repo.row.id)
    }

    /// The numbers of repos by name, after one, at most `limit`.
    pub(super) fn page(&self, after: Option<&RepoName>, limit: u32) -> Vec<i64> {
        let there = self.repos.values().filter(|repo| !repo.is_deleted);
        let by_name: BTreeMap<(&str, &str), i64> =
            there.map(|repo| ((repo.row.name.owner(), repo.row.name.slug()), repo.row.id)).collect();
        let after = after.map(|name| (name.owner(), name.slug()));
        let later = by_name.into_iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        later.map(|(_, repo)| repo).take(limit as usize).collect()
    }

    pub(super) fn row(&self, repo: i64) -> RepoRow {
        let repo = &self.repos[&repo];
        RepoRow { sums: Sums::of(&repo.shelves(&self.packs), &repo.retired(&self.packs)), ..repo.row.clone() }
    }

    pub(super) fn summary(&self, repo: i64) -> RepoSummary {
        let RepoRow { name, sums, created_at, .. } = self.row(repo);
        let needed = sums.needed_bytes.expect("here everything is counted");
        RepoSummary {
            repo: name,
            packs: sums.packs,
            objects: sums.mapped.objects,
            commits: sums.mapped.commits,
            snapshots: sums.mapped.snapshots,
            tags: sums.mapped.tags,
            bytes: sums.bytes,
            stored_bytes: sums.stored_bytes,
            duplicate_bytes: if sums.packs > 1 { sums.bytes.saturating_sub(needed) } else { 0 },
            superseded_bytes: sums.stored_bytes - sums.bytes,
            last_gc: self.runs.iter().rfind(|run| run.repo == repo).map(|run| run.record.clone()),
            damaged: self.damage(repo).len() as u64,
            created_at,
        }
    }

    /// What is damaged of a repo: all of it, then packs on its shelves.
    pub(super) fn damage(&self, repo: i64) -> Vec<Damage> {
        let on_a_shelf = |key: &MpackKey| self.repos[&repo].shelves.values().any(|shelf| shelf.pack == *key);
        let packs = self.damaged_packs.iter().filter(|(key, _)| on_a_shelf(key)).map(|(_, damage)| damage);
        self.damaged_repos.get(&repo).into_iter().chain(packs).cloned().collect()
    }

    pub(super) fn note_findings(&mut self, findings: &Findings) {
        for key in &findings.sound {
            self.damaged_packs.remove(key);
            self.packs.entry(*key).and_modify(|pack| pack.verified_at = Some(findings.at));
        }
        for damage in &findings.damaged {
            if let Some(key) = damage.mpack_key.filter(|key| self.packs.contains_key(key)) {
                self.damaged_packs.entry(key).or_insert_with(|| damage.clone());
            }
        }
        match &findings.repo {
            None => {}
            Some((repo, None)) => {
                self.damaged_repos.remove(repo);
            }
            Some((repo, Some(_))) if self.repos[repo].is_deleted => {}
            Some((repo, Some(damage))) => {
                self.damaged_repos.entry(*repo).or_insert_with(|| damage.clone());
            }
        }
    }

    /// A run, unless its repo was deleted.
    pub(super) fn entry(&self, run: &Run) -> Option<GcEntry> {
        let repo = &self.repos[&run.repo];
        let entry = GcEntry { id: run.id, repo: repo.row.name.clone(), record: run.record.clone(), report: run.report.clone() };
        (!repo.is_deleted).then_some(entry)
    }

    /// Whether a pack is on a shelf.
    pub(super) fn is_held(&self, key: &MpackKey) -> bool {
        self.repos.values().any(|repo| repo.shelves.values().any(|shelf| shelf.pack == *key))
    }

    pub(super) fn unneeded_packs(&self) -> Vec<Unneeded> {
        let mut unneeded: BTreeMap<MpackKey, Unneeded> = BTreeMap::new();
        for (repo, (key, at)) in self.repos.values().flat_map(|repo| repo.retired.iter().map(move |retired| (repo, retired))) {
            let pack = || Unneeded { pack: self.packs[key].clone(), at: *at, repos: Vec::new() };
            let one = unneeded.entry(*key).or_insert_with(pack);
            one.at = one.at.max(*at);
            one.repos.extend((!repo.is_deleted).then_some(repo.row.id));
        }
        unneeded.retain(|key, _| !self.is_held(key) && !self.is_waited_for(key));
        unneeded.into_values().collect()
    }

    /// Forgets a pack; false where it is needed, or not known.
    pub(super) fn forget_pack(&mut self, key: &MpackKey, until: Timestamp) -> bool {
        let retired_later = self.repos.values().any(|repo| repo.retired.get(key).is_some_and(|at| *at > until));
        if self.is_held(key) || self.is_waited_for(key) || retired_later || self.packs.remove(key).is_none() {
            return false;
        }
        self.damaged_packs.remove(key);
        for repo in self.repos.values_mut() {
            repo.retired.remove(key);
        }
        true
    }

    pub(super) fn delete_repo(&mut self, number: i64, now: Timestamp) -> Option<Leftovers> {
        let repo = self.repos.get_mut(&number).filter(|repo| !repo.is_deleted)?;
        let empty = Repo::new(number, repo.row.name.clone(), repo.row.repo_id.clone(), repo.row.visibility, now);
        let before = std::mem::replace(repo, Repo { is_deleted: true, ..empty });
        repo.row.revision = before.row.revision + 1;
        (repo.retired, repo.changes, repo.answers) = (before.retired, before.changes, before.answers);
        repo.retired.extend(before.shelves.values().map(|shelf| (shelf.pack, now)));
        let bytes = repo.retired.keys().map(|key| self.packs[key].bytes).sum();
        let packs = repo.retired.len() as u64;
        let open = |job: &&mut Job| job.repo == Some(number) && job.is_open();
        let mut jobs = 0;
        for job in self.jobs.values_mut().filter(open) {
            job.stop(JobStatus::Cancelled, "its repo was deleted", now);
            jobs += 1;
        }
        self.policies.remove(&number);
        self.damaged_repos.remove(&number);
        Some(Leftovers { packs, bytes, jobs })
    }
}
