//! What a catalog knows, in maps.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, Counts, EntityId, Head, Kind};
use packhouse_model::client::RepoSettings;
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use packhouse_model::report::{
    Damage, DeletedRepo, GcEntry, GcRecord, GcReport, JobStatus, Policy, RepoSummary,
};

use super::jobs::Job;
use crate::{
    CompletePack, DamageFindings, DeletionSummary, EntityKey, FRESH_FOR, ListedRepo,
    NewFetchRequest, PackChange, PackRow, ReleaseRow, RepoRestoration, RepoRow, RestoreOutcome,
    RetiredPack, Shelf, Sums, TagRow, TokenRow, UnneededPack, entity_of,
};

/// Everything.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// Counts changes.
    pub(super) stamp: u64,
    /// By number. Those that were deleted stay until they are forgotten, and are not listed.
    pub(super) repos: BTreeMap<i64, Repo>,
    /// Repos that were ever made.
    pub(super) made: i64,
    /// Deleted repos that were forgotten, the last of each name: when, and a pack that no other
    /// repo held.
    pub(super) pruned: BTreeMap<RepoName, (Timestamp, Option<MpackKey>)>,
    pub(super) packs: BTreeMap<MpackKey, PackRow>,
    /// Until when someone reads a pack to check it.
    pub(super) scrubs: BTreeMap<MpackKey, Timestamp>,
    pub(super) damaged_packs: BTreeMap<MpackKey, Damage>,
    pub(super) damaged_repos: BTreeMap<i64, Damage>,
    /// The repo of each change of packs, in order.
    pub(super) changed: Vec<i64>,
    /// Packs that were ever stored.
    pub(super) stored: i64,
    /// Shelves that were ever made.
    pub(super) shelved: i64,
    /// In order.
    pub(super) runs: Vec<GcRun>,
    pub(super) jobs: BTreeMap<i64, Job>,
    /// Number of jobs ever queued.
    pub(super) asked: i64,
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
    pub(super) deleted_at: Option<Timestamp>,
    /// Whether its data is gone, but for retired packs.
    pub(super) is_pruned: bool,
    pub(super) shelves: BTreeMap<ShelfId, OneShelf>,
    pub(super) entities: BTreeMap<EntityKey, Mapped>,
    pub(super) commits: BTreeMap<EntityId, Ancestor>,
    /// Parents that it does not have, with the least generation of the commits that name them.
    pub(super) awaited_parents: BTreeMap<EntityId, u64>,
    pub(super) walk_floor: Option<u64>,
    pub(super) tags: BTreeMap<EntityId, TagRow>,
    pub(super) complete: Option<(MpackKey, CompletePack)>,
    pub(super) retired: BTreeMap<MpackKey, Timestamp>,
    /// Retired packs with content that may have been dropped.
    pub(super) partial: BTreeSet<MpackKey>,
    pub(super) heads: BTreeMap<String, EntityId>,
    pub(super) left_heads: Vec<(EntityId, Timestamp)>,
    /// In order.
    pub(super) releases: Vec<ReleaseRow>,
    /// When they were made recent, and the number of that.
    pub(super) freshened: BTreeMap<EntityKey, (Timestamp, i64)>,
    /// When all of it was made recent.
    pub(super) all_freshened: Option<Timestamp>,
    pub(super) changes: Vec<PackChange>,
    pub(super) answers: BTreeMap<MpackKey, KeptAnswer>,
    /// By digest.
    pub(super) fetch_requests: BTreeMap<[u8; 32], NewFetchRequest>,
}

/// An answer that is kept.
#[derive(Clone, Debug)]
pub(super) struct KeptAnswer {
    pub(super) plan: String,
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
    pub(super) fingerprint: Fingerprint,
    pub(super) bytes: u64,
}

/// A consolidation that ended.
#[derive(Clone, Debug)]
pub(super) struct GcRun {
    pub(super) id: i64,
    pub(super) repo: i64,
    pub(super) record: GcRecord,
    pub(super) report: Option<GcReport>,
}

impl Repo {
    /// Its heads, by branch name.
    pub(super) fn heads(&self) -> Vec<Head> {
        let head = |(branch, commit): (&String, &EntityId)| Head {
            branch: branch.clone(),
            commit: *commit,
        };
        self.heads.iter().map(head).collect()
    }

    pub(super) fn new(
        id: i64,
        name: RepoName,
        repo_id: RepoId,
        visibility: Visibility,
        created_at: Timestamp,
    ) -> Repo {
        let sums = Sums::of(&[], &[]);
        let row = RepoRow {
            id,
            repo_id,
            name,
            visibility,
            accepts_shallow: false,
            default_branch: None,
            created_at,
            revision: 0,
            drops: 0,
            freshenings: 0,
            sums,
        };
        Repo {
            row,
            deleted_at: None,
            is_pruned: false,
            shelves: BTreeMap::new(),
            entities: BTreeMap::new(),
            commits: BTreeMap::new(),
            awaited_parents: BTreeMap::new(),
            walk_floor: None,
            tags: BTreeMap::new(),
            complete: None,
            retired: BTreeMap::new(),
            partial: BTreeSet::new(),
            heads: BTreeMap::new(),
            left_heads: Vec::new(),
            releases: Vec::new(),
            freshened: BTreeMap::new(),
            all_freshened: None,
            changes: Vec::new(),
            answers: BTreeMap::new(),
            fetch_requests: BTreeMap::new(),
        }
    }

    pub(super) fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }

    /// Whether one of its shelves holds a pack.
    pub(super) fn is_on_shelf(&self, pack: &MpackKey) -> bool {
        self.shelves.values().any(|shelf| shelf.pack == *pack)
    }

    /// Makes entities recent, where they were not of late.
    pub(super) fn freshen(&mut self, entities: &[EntityKey], at: Timestamp) {
        let number = self.row.freshenings;
        // Kept to the millisecond.
        let at = Timestamp::from_millisecond(at.as_millisecond()).expect("a time cut short is one");
        for entity in entities {
            let last = self.freshened.entry(*entity).or_insert((at, number));
            if last.0 < at - FRESH_FOR {
                *last = (at, number);
            }
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

    pub(super) fn retired(&self, packs: &BTreeMap<MpackKey, PackRow>) -> Vec<RetiredPack> {
        self.retired
            .iter()
            .map(|(key, at)| RetiredPack { pack: packs[key].clone(), at: *at })
            .collect()
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
        self.repos
            .values()
            .find(|repo| !repo.is_deleted() && repo.row.name == *name)
            .map(|repo| repo.row.id)
    }

    /// The numbers of repos by name, after one, at most `limit`.
    pub(super) fn page(&self, after: Option<&RepoName>, limit: u32) -> Vec<i64> {
        let there = self.repos.values().filter(|repo| !repo.is_deleted());
        let by_name: BTreeMap<(&str, &str), i64> = there
            .map(|repo| ((repo.row.name.owner(), repo.row.name.slug()), repo.row.id))
            .collect();
        let after = after.map(|name| (name.owner(), name.slug()));
        let later = by_name.into_iter().filter(|(name, _)| after.is_none_or(|after| *name > after));
        later.map(|(_, repo)| repo).take(limit as usize).collect()
    }

    pub(super) fn row(&self, repo: i64) -> RepoRow {
        let repo = &self.repos[&repo];
        RepoRow {
            sums: Sums::of(&repo.shelves(&self.packs), &repo.retired(&self.packs)),
            ..repo.row.clone()
        }
    }

    /// The last run of each repo.
    pub(super) fn last_runs(&self) -> BTreeMap<i64, &GcRecord> {
        self.runs.iter().map(|run| (run.repo, &run.record)).collect()
    }

    pub(super) fn listed(&self, repo: i64, last_gc: Option<&GcRecord>) -> ListedRepo {
        let there = &self.repos[&repo];
        let shelves = there.shelves(&self.packs);
        let mapped = shelves.iter().filter(|shelf| shelf.mapped.total() > 0);
        let pack_keys: BTreeSet<MpackKey> = mapped.map(|shelf| shelf.pack.key).collect();
        ListedRepo {
            row: self.row(repo),
            pack_keys: pack_keys.into_iter().collect(),
            heads: there.heads(),
            oldest_check: shelves.iter().map(|shelf| shelf.pack.last_check()).min(),
            last_gc: last_gc.cloned(),
            damaged: self.damage(repo).len() as u64,
        }
    }

    pub(super) fn summary(&self, repo: i64, last_gc: Option<&GcRecord>) -> RepoSummary {
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
            last_gc: last_gc.cloned(),
            damaged: self.damage(repo).len() as u64,
            created_at,
        }
    }

    /// What is damaged of a repo: all of it, then packs on its shelves.
    pub(super) fn damage(&self, repo: i64) -> Vec<Damage> {
        let on_a_shelf = |key: &MpackKey| self.repos[&repo].is_on_shelf(key);
        let packs =
            self.damaged_packs.iter().filter(|(key, _)| on_a_shelf(key)).map(|(_, damage)| damage);
        self.damaged_repos.get(&repo).into_iter().chain(packs).cloned().collect()
    }

    pub(super) fn note_findings(&mut self, findings: &DamageFindings) {
        for key in &findings.sound {
            self.damaged_packs.remove(key);
            self.scrubs.remove(key);
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
            Some((repo, Some(_))) if self.repos.get(repo).is_none_or(Repo::is_deleted) => {}
            Some((repo, Some(damage))) => {
                self.damaged_repos.entry(*repo).or_insert_with(|| damage.clone());
            }
        }
    }

    /// A run, unless its repo was deleted.
    pub(super) fn entry(&self, run: &GcRun) -> Option<GcEntry> {
        let repo = self.repos.get(&run.repo)?;
        let entry = GcEntry {
            id: run.id,
            repo: repo.row.name.clone(),
            record: run.record.clone(),
            report: run.report.clone(),
        };
        (!repo.is_deleted()).then_some(entry)
    }

    /// Whether a pack is on a shelf of a repo that is not deleted.
    pub(super) fn is_held(&self, key: &MpackKey) -> bool {
        self.repos.values().any(|repo| !repo.is_deleted() && repo.is_on_shelf(key))
    }

    /// Whether a pack is on a shelf of a repo that can be restored.
    pub(super) fn is_kept(&self, key: &MpackKey) -> bool {
        self.repos.values().any(|repo| repo.is_on_shelf(key))
    }

    pub(super) fn unneeded_packs(&self) -> Vec<UnneededPack> {
        let mut unneeded: BTreeMap<MpackKey, UnneededPack> = BTreeMap::new();
        for (repo, (key, at)) in self
            .repos
            .values()
            .flat_map(|repo| repo.retired.iter().map(move |retired| (repo, retired)))
        {
            let pack =
                || UnneededPack { pack: self.packs[key].clone(), at: *at, repos: Vec::new() };
            let one = unneeded.entry(*key).or_insert_with(pack);
            one.at = one.at.max(*at);
            one.repos.extend((!repo.is_deleted()).then_some(repo.row.id));
        }
        unneeded.retain(|key, _| !self.is_held(key) && !self.is_waited_for(key));
        unneeded.into_values().collect()
    }

    /// Forgets a pack; false where it is needed, or not known.
    pub(super) fn forget_pack(&mut self, key: &MpackKey, until: Timestamp) -> bool {
        let retired_later =
            self.repos.values().any(|repo| repo.retired.get(key).is_some_and(|at| *at > until));
        if self.is_kept(key)
            || self.is_waited_for(key)
            || retired_later
            || self.packs.remove(key).is_none()
        {
            return false;
        }
        self.damaged_packs.remove(key);
        self.scrubs.remove(key);
        for repo in self.repos.values_mut() {
            repo.retired.remove(key);
            repo.complete.take_if(|(pack, _)| pack == key);
        }
        self.remove_pruned();
        true
    }

    pub(super) fn set_repo(&mut self, number: i64, settings: &RepoSettings) -> Option<RepoRow> {
        let repo = self.repos.get_mut(&number).filter(|repo| !repo.is_deleted())?;
        let RepoSettings { visibility, accepts_shallow } = *settings;
        repo.row.visibility = visibility.unwrap_or(repo.row.visibility);
        repo.row.accepts_shallow = accepts_shallow.unwrap_or(repo.row.accepts_shallow);
        Some(self.row(number))
    }

    pub(super) fn delete_repo(&mut self, number: i64, now: Timestamp) -> Option<DeletionSummary> {
        let repo = self.repos.get_mut(&number).filter(|repo| !repo.is_deleted())?;
        repo.deleted_at = Some(now);
        repo.row.revision += 1;
        let held: Vec<MpackKey> = repo.shelves.values().map(|shelf| shelf.pack).collect();
        repo.retired.extend(held.into_iter().map(|pack| (pack, now)));
        let bytes = repo.retired.keys().map(|key| self.packs[key].bytes).sum();
        let packs = repo.retired.len() as u64;
        let open = |job: &&mut Job| job.repo == Some(number) && job.is_open();
        let mut jobs = 0;
        for job in self.jobs.values_mut().filter(open) {
            job.stop(JobStatus::Cancelled, "its repo was deleted", now);
            jobs += 1;
        }
        Some(DeletionSummary { packs, bytes, jobs })
    }

    pub(super) fn restorable_repos(&self, name: &RepoName) -> Vec<DeletedRepo> {
        let deleted = self.repos.values().filter(|repo| repo.row.name == *name && !repo.is_pruned);
        let mut found: Vec<_> = deleted
            .filter_map(|repo| {
                let (repo_id, packs) = (repo.row.repo_id.clone(), self.row(repo.row.id).sums.packs);
                let deleted_at = repo.deleted_at?;
                Some((deleted_at, repo.row.id, DeletedRepo { repo_id, deleted_at, packs }))
            })
            .collect();
        found.sort_by_key(|(at, number, _)| std::cmp::Reverse((*at, *number)));
        found.into_iter().map(|(_, _, repo)| repo).collect()
    }

    pub(super) fn restore_repo(
        &mut self,
        restoration: &RepoRestoration,
        now: Timestamp,
    ) -> RestoreOutcome {
        let RepoRestoration { name, id, new_name } = restoration;
        if self.named(new_name).is_some() {
            return RestoreOutcome::Taken;
        }
        let deleted = self.repos.values_mut().filter(|repo| {
            repo.row.name == *name
                && repo.is_deleted()
                && !repo.is_pruned
                && id.as_ref().is_none_or(|id| repo.row.repo_id == *id)
        });
        let Some(repo) = deleted.max_by_key(|repo| (repo.deleted_at, repo.row.id)) else {
            let pruned = self.pruned.get(name);
            return pruned.map_or(RestoreOutcome::Unknown, |(at, pack)| RestoreOutcome::Pruned {
                at: *at,
                pack: *pack,
            });
        };
        repo.deleted_at = None;
        repo.row.name = new_name.clone();
        repo.row.revision += 1;
        repo.row.freshenings += 1;
        repo.all_freshened = Some(now);
        for shelf in repo.shelves.values() {
            repo.retired.remove(&shelf.pack);
        }
        RestoreOutcome::Done
    }

    pub(super) fn settle_times(&mut self, now: Timestamp, only: Option<i64>) -> u64 {
        let mut times: Vec<&mut Timestamp> = Vec::new();
        for (number, repo) in &mut self.repos {
            match only {
                None => times.extend(repo.retired.values_mut().chain(&mut repo.deleted_at)),
                Some(only) if only == *number => {
                    times.extend(
                        repo.freshened
                            .values_mut()
                            .map(|(at, _)| at)
                            .chain(&mut repo.all_freshened),
                    );
                    times.extend(repo.shelves.values_mut().map(|shelf| &mut shelf.made_at));
                    times.extend(repo.left_heads.iter_mut().map(|(_, at)| at));
                }
                Some(_) => {}
            }
        }
        let mut settled = 0;
        for at in times.into_iter().filter(|at| **at > now) {
            *at = now;
            settled += 1;
        }
        settled
    }

    pub(super) fn forget_repo(&mut self, number: i64, now: Timestamp) -> bool {
        let Some(repo) = self.repos.get(&number).filter(|repo| repo.is_deleted()).cloned() else {
            return false;
        };
        if !repo.is_pruned {
            let packs: BTreeSet<MpackKey> = repo.shelves.values().map(|shelf| shelf.pack).collect();
            let own = packs.into_iter().find(|key| !self.is_held(key));
            self.pruned.insert(repo.row.name.clone(), (now, own));
            let RepoRow { name, repo_id, visibility, created_at, .. } = repo.row;
            let empty = Repo::new(number, name, repo_id, visibility, created_at);
            let (retired, deleted_at) = (repo.retired, repo.deleted_at);
            self.repos.insert(number, Repo { retired, deleted_at, is_pruned: true, ..empty });
            self.jobs.retain(|_, job| job.repo != Some(number));
            self.policies.remove(&number);
            self.damaged_repos.remove(&number);
        }
        let held: Vec<MpackKey> =
            self.packs.keys().filter(|key| self.is_held(key)).copied().collect();
        let repo = self.of(number);
        repo.retired.retain(|key, _| !held.contains(key));
        let newest = self.runs.last().map(|run| run.id);
        self.runs.retain(|run| run.repo != number || Some(run.id) == newest);
        self.remove_pruned();
        true
    }

    /// Numbers are not given twice: the repo that was made last stays, and the run that was
    /// remembered last.
    fn remove_pruned(&mut self) {
        let (newest, runs) = (self.made, &self.runs);
        let is_left = |repo: &Repo| {
            !repo.retired.is_empty() || runs.iter().any(|run| run.repo == repo.row.id)
        };
        self.repos.retain(|number, repo| !repo.is_pruned || *number == newest || is_left(repo));
    }
}
