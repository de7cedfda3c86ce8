//! A repo of the demo store, its pushes and consolidations.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_host::sample::Random;
use packhouse_host::{
    Cause, GcCost, GcDone, GcPlanReport, GcPlanned, GcProof, GcRecord, GcReport, Moment, MpackKey,
    PackReport, Problem, RepoId, RepoName, RepoReport, RepoSummary, Visibility,
};

/// Bytes that a consolidation writes per millisecond.
const PACE: u64 = 120_000;

/// Bytes of a record in a directory.
const DIRECTORY_ROW: u64 = 48;

/// Branches of pushes, the default branch first.
const BRANCHES: [&str; 6] =
    ["main", "draft", "mastering", "remix", "review/levels", "tape-transfer"];

/// A repo of the demo store.
#[derive(Clone, Debug)]
pub(in crate::console) struct Repo {
    pub(in crate::console) name: RepoName,
    id: RepoId,
    pub(in crate::console) visibility: Visibility,
    created_at: Timestamp,
    /// Packs, oldest first.
    pub(in crate::console) packs: Vec<PackReport>,
    /// Packs pending deletion.
    pub(in crate::console) waiting: Vec<PackReport>,
    /// Branch name to commit id.
    pub(in crate::console) heads: BTreeMap<String, String>,
    pub(super) commits: u64,
    pub(super) tags: u64,
    pub(in crate::console) timeline: Vec<Moment>,
    pub(in crate::console) last_gc: Option<GcRecord>,
    /// Problems that verification finds.
    pub(in crate::console) problems: Vec<Problem>,
    /// Grows with each change, to detect outdated plans.
    pub(in crate::console) generation: u64,
    random: Random,
}

/// The size and duplicates of pushes.
#[derive(Clone, Copy, Debug)]
pub(super) struct PushProfile {
    /// Bytes of a typical pack.
    pub(super) bytes: u64,
    /// Percent of its records that the repo has already.
    pub(super) repeats: u64,
}

impl Repo {
    /// An empty repo.
    pub(super) fn new(name: RepoName, created_at: Timestamp, mut random: Random) -> Repo {
        Repo {
            name,
            id: RepoId(format!("{:016x}{:016x}", random.next(), random.next())),
            visibility: Visibility::Public,
            created_at,
            packs: Vec::new(),
            waiting: Vec::new(),
            heads: BTreeMap::new(),
            commits: 0,
            tags: 0,
            timeline: Vec::new(),
            last_gc: None,
            problems: Vec::new(),
            generation: 0,
            random,
        }
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.random.below(usize::try_from(end).unwrap_or(usize::MAX)) as u64
    }

    /// A new, unique key.
    pub(super) fn key(&mut self) -> MpackKey {
        let mut digest = [0; 32];
        self.random.fill(&mut digest);
        MpackKey::new(digest)
    }

    /// Pushes a pack.
    pub(super) fn push(&mut self, profile: PushProfile, at: Timestamp) {
        let bytes = (profile.bytes * (30 + self.below(220)) / 100).max(900);
        let commits = 1 + self.below(4);
        let records = (bytes / 9000).max(1) + 2 * commits;
        let repeats = if self.packs.is_empty() {
            0
        } else {
            (profile.repeats + self.below(11)).saturating_sub(5)
        };
        // At least its commits are new.
        let repeated_records = (records * repeats / 100).min(records - 2 * commits);
        let repeated_bytes = bytes * repeated_records / records;
        let key = self.key();
        self.packs.push(PackReport {
            key,
            bytes,
            records,
            stored_at: at,
            consolidated: false,
            needed_records: records - repeated_records,
            needed_bytes: bytes - repeated_bytes,
            retired_at: None,
        });
        self.commits += commits;
        self.tags += u64::from(self.below(12) == 0 && records > repeated_records + 2 * commits);
        let branch = if self.heads.is_empty() || self.below(3) > 0 {
            0
        } else {
            self.random.below(BRANCHES.len())
        };
        let head = self.key();
        self.heads.insert(BRANCHES[branch].to_owned(), head.to_string());
        self.changed(at, Cause::Push);
    }

    /// The profile of the last push, as far as it is known.
    pub(super) fn profile(&self) -> PushProfile {
        match self.packs.last().filter(|pack| !pack.consolidated) {
            Some(last) => PushProfile {
                bytes: last.bytes,
                repeats: (last.bytes - last.needed_bytes) * 100 / last.bytes.max(1),
            },
            None => PushProfile { bytes: 3 << 20, repeats: 20 },
        }
    }

    fn changed(&mut self, at: Timestamp, cause: Cause) {
        self.generation += 1;
        self.timeline.push(Moment {
            at,
            cause,
            packs: self.packs.len() as u64,
            bytes: self.bytes(),
        });
    }

    pub(super) fn bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.bytes).sum()
    }

    /// The number of distinct records.
    fn entities(&self) -> u64 {
        self.packs.iter().map(|pack| pack.needed_records).sum()
    }

    fn objects(&self) -> u64 {
        self.entities().saturating_sub(2 * self.commits + self.tags)
    }

    /// Plans a consolidation.
    pub(super) fn plan(&self, component: &str) -> GcPlanReport {
        let skipped = self.packs.len() < 2;
        let (bytes, needed) = (self.bytes(), self.packs.iter().map(|pack| pack.needed_bytes).sum());
        let cost = GcCost {
            bytes_to_read: needed + self.repeating().map(|pack| pack.bytes).sum::<u64>() + needed,
            bytes_to_download: 0,
            bytes_to_write: needed,
            peak_disk: needed + self.entities() * DIRECTORY_ROW,
            expected_ms: Some(Repo::estimate(needed)),
        };
        let mut digest = [0; 32];
        Random::stream(self.generation, bytes).fill(&mut digest);
        GcPlanReport {
            repo: self.name.clone(),
            packs_before: self.packs.len() as u64,
            packs_after: self.packs.len().min(1) as u64,
            consolidated_key: self.packs.first().filter(|_| skipped).map(|pack| pack.key),
            skipped,
            objects: self.objects(),
            commits: self.commits,
            snapshots: self.commits,
            tags: self.tags,
            bytes_before: bytes,
            bytes_after: if skipped { bytes } else { needed },
            duplicates_dropped: self
                .packs
                .iter()
                .map(|pack| pack.records - pack.needed_records)
                .sum(),
            elapsed_ms: 40 + self.entities() / 2000,
            component: component.to_owned(),
            rows_changed: 0,
            phase: GcPlanned {
                dry_run: true,
                plan_digest: (!skipped).then(|| MpackKey::new(digest).to_string()),
                cost: (!skipped).then_some(cost),
            },
            dropped: None,
        }
    }

    fn repeating(&self) -> impl Iterator<Item = &PackReport> {
        self.packs.iter().filter(|pack| pack.needed_records < pack.records)
    }

    /// Runs a plan: one pack replaces the others, which are pending deletion.
    pub(super) fn consolidate(
        &mut self,
        plan: GcPlanReport,
        took_ms: u64,
        at: Timestamp,
    ) -> GcReport {
        let mut report = plan.with_phase(GcDone::default());
        report.elapsed_ms += took_ms;
        if report.skipped {
            return report;
        }
        let (entities, key) = (self.entities(), self.key());
        report.consolidated_key = Some(key);
        report.rows_changed = report.packs_before + 3;
        report.phase.proven = Some(GcProof {
            entities,
            records: entities,
            objects_hashed: report.objects,
            bytes_read_back: report.bytes_after,
            sources_hashed: self.repeating().count() as u64,
        });
        let retired = self.packs.drain(..).map(|pack| PackReport {
            needed_records: 0,
            needed_bytes: 0,
            retired_at: Some(at),
            ..pack
        });
        self.waiting.splice(..0, retired);
        self.packs.push(PackReport {
            key,
            bytes: report.bytes_after,
            records: entities,
            stored_at: at,
            consolidated: true,
            needed_records: entities,
            needed_bytes: report.bytes_after,
            retired_at: None,
        });
        self.changed(at, Cause::Consolidation);
        report
    }

    /// Milliseconds for a consolidation that writes `bytes` bytes.
    pub(super) fn estimate(bytes: u64) -> u64 {
        200 + bytes / PACE
    }

    /// Its row in the list.
    pub(super) fn summary(&self) -> RepoSummary {
        let (bytes, waiting) =
            (self.bytes(), self.waiting.iter().map(|pack| pack.bytes).sum::<u64>());
        let needed: u64 = self.packs.iter().map(|pack| pack.needed_bytes).sum();
        RepoSummary {
            repo: self.name.clone(),
            packs: self.packs.len() as u64,
            objects: self.objects(),
            commits: self.commits,
            snapshots: self.commits,
            tags: self.tags,
            bytes,
            stored_bytes: bytes + waiting,
            duplicate_bytes: if self.packs.len() > 1 { bytes - needed } else { 0 },
            superseded_bytes: waiting,
            last_gc: self.last_gc.clone(),
            damaged: 0,
            created_at: self.created_at,
        }
    }

    /// Its full report.
    pub(super) fn report(&self) -> RepoReport {
        let summary = self.summary();
        let mut pack_keys: Vec<MpackKey> = self.packs.iter().map(|pack| pack.key).collect();
        pack_keys.sort_unstable();
        RepoReport {
            repo: summary.repo,
            repo_id: self.id.clone(),
            visibility: self.visibility,
            default_branch: BRANCHES[0].to_owned(),
            packs: summary.packs,
            pack_keys,
            objects: summary.objects,
            commits: summary.commits,
            snapshots: summary.snapshots,
            tags: summary.tags,
            bytes: summary.bytes,
            stored_bytes: summary.stored_bytes,
            branch_heads: self.heads.clone(),
            last_gc: summary.last_gc,
            damaged: Vec::new(),
            created_at: summary.created_at,
        }
    }
}
