//! The types of the catalog port.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_core::row::Fingerprint;
use packhouse_core::{Counts, Edges, EntityId, Head, Kind};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use packhouse_model::report::{Cause, Damage};

/// Width of an [`EntityKey`].
pub const ENTITY_BYTES: usize = 1 + EntityId::BYTES;

/// Kind, form of the id and digest, as the index stores them. Orders by kind, then by id.
pub type EntityKey = [u8; ENTITY_BYTES];

/// The index key of an entity.
pub fn entity_key(kind: Kind, id: EntityId) -> EntityKey {
    let mut key = [0; ENTITY_BYTES];
    key[0] = kind as u8;
    key[1..].copy_from_slice(&id.to_bytes());
    key
}

/// The entity of an index key; `None` for bytes that [`entity_key`] never returns.
pub fn entity_of(key: &EntityKey) -> Option<(Kind, EntityId)> {
    Some((Kind::from_byte(key[0])?, EntityId::from_bytes(&key[1..])?))
}

/// A repo.
#[derive(Clone, Debug)]
pub struct RepoRow {
    /// The catalog's number for it.
    pub id: i64,
    /// Its public id.
    pub repo_id: RepoId,
    /// `OWNER/SLUG`.
    pub name: RepoName,
    /// Who may read it.
    pub visibility: Visibility,
    /// The first branch that was pushed.
    pub default_branch: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts pushes.
    pub revision: i64,
    /// Counts the consolidations that dropped something.
    pub drops: i64,
    /// Counts calls of [`super::Catalog::freshen`].
    pub freshenings: i64,
    /// Its shelves, added up.
    pub sums: Sums,
}

/// Totals of a repo's shelves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Packs that the index maps at least one entity to.
    pub packs: u64,
    /// Entities of the index.
    pub mapped: Counts,
    /// Size of `packs`, in bytes.
    pub bytes: u64,
    /// Size of the records that the index maps, in bytes; none if a shelf is not counted.
    pub needed_bytes: Option<u64>,
    /// Size of the packs on shelves and of those pending deletion, in bytes.
    pub stored_bytes: u64,
}

impl Sums {
    /// Adds up.
    pub fn of(shelves: &[Shelf], retired: &[RetiredPack]) -> Sums {
        // Each pack once, with whether something is mapped to it.
        let mut packs: BTreeMap<i64, (u64, bool)> =
            retired.iter().map(|r| (r.pack.id, (r.pack.bytes, false))).collect();
        let mut mapped = Counts::default();
        for shelf in shelves {
            let pack = packs.entry(shelf.pack.id).or_insert((shelf.pack.bytes, false));
            pack.1 |= shelf.mapped.total() > 0;
            mapped.commits += shelf.mapped.commits;
            mapped.snapshots += shelf.mapped.snapshots;
            mapped.objects += shelf.mapped.objects;
            mapped.tags += shelf.mapped.tags;
        }
        Sums {
            packs: packs.values().filter(|(_, mapped)| *mapped).count() as u64,
            mapped,
            bytes: packs.values().filter(|(_, mapped)| *mapped).map(|(bytes, _)| bytes).sum(),
            needed_bytes: shelves.iter().map(|s| s.mapped_bytes).sum(),
            stored_bytes: packs.values().map(|(bytes, _)| bytes).sum(),
        }
    }
}

/// A stored pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackRow {
    /// The catalog's number for it.
    pub id: i64,
    /// Its key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Records, including duplicates.
    pub records: u64,
    /// Whether a consolidation created it.
    pub consolidated: bool,
    /// When a repo first stored it.
    pub stored_at: Timestamp,
    /// When the whole pack was last read and hashed; none if that was not recorded.
    pub verified_at: Option<Timestamp>,
}

/// A pack that was on a shelf of a repo, and is pending deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredPack {
    /// The pack.
    pub pack: PackRow,
    /// When a consolidation replaced it.
    pub at: Timestamp,
}

/// A pack that neither a shelf of any repo nor a queued job needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnneededPack {
    /// The pack.
    pub pack: PackRow,
    /// When the last repo retired it.
    pub at: Timestamp,
    /// The repos that have retired it and were not deleted: they need the packs that replace it. In
    /// order.
    pub repos: Vec<i64>,
}

/// The findings of reading packs.
#[derive(Clone, Debug)]
pub struct DamageFindings {
    /// When.
    pub at: Timestamp,
    /// Packs that were completely read and match their keys.
    pub sound: Vec<MpackKey>,
    /// Damage of packs.
    pub damaged: Vec<Damage>,
    /// A repo that was completely compared with its packs, or was found to have lost data: with the
    /// mismatch, if there is one.
    pub repo: Option<(i64, Option<Damage>)>,
}

impl DamageFindings {
    /// Nothing yet.
    pub fn at(at: Timestamp) -> DamageFindings {
        DamageFindings { at, sound: Vec::new(), damaged: Vec::new(), repo: None }
    }
}

/// A shelf and the pack that it holds.
#[derive(Clone, Debug)]
pub struct Shelf {
    /// Its number.
    pub id: ShelfId,
    /// Counts the packs that it has held so far.
    pub generation: i64,
    /// The pack.
    pub pack: PackRow,
    /// How many entities the index maps to it.
    pub mapped: Counts,
    /// Size of their records in bytes; none if not counted.
    pub mapped_bytes: Option<u64>,
    /// When the push that created it was published; none if not recorded.
    pub made_at: Option<Timestamp>,
}

impl Shelf {
    /// Size in bytes of the records that the index maps to it. If not counted, estimated from the
    /// share of its records in the pack.
    pub fn needed_bytes(&self) -> u64 {
        let by_records = || {
            self.pack.bytes as f64 * self.mapped.total() as f64 / self.pack.records.max(1) as f64
        };
        self.mapped_bytes.unwrap_or_else(|| by_records() as u64)
    }
}

/// An index row, without its shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexRow {
    /// The entity.
    pub entity: EntityKey,
    /// Which encoding.
    pub fingerprint: Fingerprint,
}

/// An entity that the repo did not have.
#[derive(Clone, Copy, Debug)]
pub struct NewEntity {
    /// Its row of the index.
    pub row: IndexRow,
    /// Length of its record in bytes.
    pub bytes: u64,
}

/// An entity that moves from one shelf to another.
#[derive(Clone, Copy, Debug)]
pub struct MovedEntity {
    /// Its new row of the index.
    pub row: IndexRow,
    /// Length of its record in bytes, in the pack that it moves to.
    pub bytes: u64,
    /// The shelf that it leaves.
    pub from: ShelfId,
    /// Length of its record there.
    pub bytes_there: u64,
}

/// A pack of a push, and what it changes in the index.
#[derive(Debug)]
pub struct PushedPack {
    /// Its key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
    /// Entities that the repo did not have, in order.
    pub fresh: Vec<NewEntity>,
    /// Entities that move here from another shelf.
    pub moved: Vec<MovedEntity>,
    /// Texts of the tags in it.
    pub tag_ids: Vec<(EntityId, String)>,
}

/// A push, ready to be published.
#[derive(Debug)]
pub struct Push {
    /// The repo, as it was when the push was prepared.
    pub repo: RepoRow,
    /// Its packs, each on a shelf of its own.
    pub packs: Vec<PushedPack>,
    /// Entities of the push that the repo already had, in order, each once: they are recent from
    /// now on, like new ones.
    pub known: Vec<EntityKey>,
    /// What its commits reach.
    pub edges: Vec<Edges>,
    /// The branch heads afterwards.
    pub heads: Vec<Head>,
    /// Shelves whose packs are missing or damaged. If nothing is mapped to them afterwards, they
    /// are removed, and their packs retired.
    pub broken: Vec<ShelfId>,
    /// Whether branches may have been moved to commits that don't descend from their old heads.
    pub forced: bool,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
}

/// An unreachable entity that is removed from the index. Never a tag: what tags reach is kept.
#[derive(Clone, Copy, Debug)]
pub struct DroppedEntity {
    /// The entity.
    pub entity: EntityKey,
    /// The shelf that it is mapped to.
    pub shelf: ShelfId,
    /// Length of its record there, in bytes.
    pub bytes: u64,
}

/// A branch to be deleted.
#[derive(Clone, Debug)]
pub struct BranchDeletion {
    /// The repo, as it was at the time of that decision.
    pub repo: RepoRow,
    /// Its name.
    pub branch: String,
    /// The default branch afterwards.
    pub default_branch: Option<String>,
    /// When.
    pub now: Timestamp,
}

/// What remains of a repo after its deletion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionSummary {
    /// Packs that are pending deletion now.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Cancelled jobs.
    pub jobs: u64,
}

/// Which deleted repo to restore, and under which name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoRestoration {
    /// The name that it had.
    pub name: RepoName,
    /// Which of the repos that had this name; none for the one that was deleted last.
    pub id: Option<RepoId>,
    /// The name to restore it under.
    pub new_name: RepoName,
}

impl RepoRestoration {
    /// The repo of a name that was deleted last, under its name.
    pub fn latest(name: &RepoName) -> RepoRestoration {
        RepoRestoration { name: name.clone(), id: None, new_name: name.clone() }
    }
}

/// The outcome of restoring a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreOutcome {
    /// The repo is restored, as it was.
    Done,
    /// Another repo has the name that it would get.
    Taken,
    /// No repo of that name, or of that id, was deleted.
    Unknown,
    /// Prune has removed it.
    Pruned {
        /// When.
        at: Timestamp,
        /// One of its packs that no other repo had; none if there was none.
        pack: Option<MpackKey>,
    },
}

/// Entities of a repo that were reported to clients as present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshened {
    /// All entities that it had then.
    pub everything: bool,
    /// These, in order.
    pub entities: Vec<EntityKey>,
}

/// A consolidation, ready to be published.
#[derive(Debug)]
pub struct Consolidation {
    /// The repo.
    pub repo: RepoRow,
    /// The shelves of the plan: all that the repo had then.
    pub planned: Vec<(ShelfId, i64)>,
    /// The new pack's key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
    /// Entities to drop from the index. If there are any, there must have been no push since the
    /// plan was created (it may reach them), and none of them may have been reported to a client as
    /// present since then.
    pub dropped: Vec<DroppedEntity>,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
}

/// The change of a repo's packs (those to which the index maps something) by a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackChange {
    /// When.
    pub at: Timestamp,
    /// What was published.
    pub cause: Cause,
    /// Change of the number of packs.
    pub packs: i64,
    /// Change of their size in bytes.
    pub bytes: i64,
}

/// The purpose of a lock. The two exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Makes packs visible: stores them in the vault, then puts them on shelves. Shared.
    Publishing,
    /// Deletes packs that no shelf holds. Exclusive.
    Deleting,
}

impl LockMode {
    /// What its holder does, for messages.
    pub fn own(self) -> &'static str {
        match self {
            LockMode::Publishing => "publish packs",
            LockMode::Deleting => "delete packs",
        }
    }

    /// What the holders of the other mode do, for messages.
    pub fn other(self) -> &'static str {
        match self {
            LockMode::Publishing => "deletes packs",
            LockMode::Deleting => "publishes packs",
        }
    }
}

/// The fencing token of a worker for a job: the right to publish for it, until another worker takes
/// the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The job.
    pub job: i64,
    /// How many times it was taken, including this one.
    pub number: i64,
}

/// A held lock, until it is dropped or the process exits.
#[must_use = "it ends when it is dropped"]
#[derive(Debug)]
pub struct LockGuard(Vec<Box<dyn std::any::Any + Send + Sync>>);

impl LockGuard {
    /// A guard that holds the lock as long as `of` lives.
    pub fn new(of: impl Send + Sync + 'static) -> LockGuard {
        LockGuard(vec![Box::new(of)])
    }

    /// The same, with something that is dropped after it.
    pub fn along(mut self, with: impl Send + Sync + 'static) -> LockGuard {
        self.0.push(Box::new(with));
        self
    }

    /// The value that holds the lock, for the catalog that returned it.
    pub fn get<T: 'static>(&self) -> Option<&T> {
        self.0.first()?.downcast_ref()
    }
}

/// Which consolidations to list; see [`packhouse_model::report::GcQuery`].
#[derive(Clone, Copy, Debug)]
pub struct GcLogQuery<'a> {
    /// Of one repo.
    pub repo: Option<i64>,
    /// A text that they contain literally; ASCII case is ignored.
    pub text: &'a str,
    /// Before the one with this number.
    pub before: Option<i64>,
    /// Maximum number of entries.
    pub limit: u32,
}

/// Whether something was published.
#[must_use = "nothing may have been published"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It was published; with the number of rows that changed.
    Done {
        /// Rows inserted, updated or deleted.
        rows: u64,
    },
    /// The state on which it was prepared has changed. Nothing was done.
    Changed,
    /// Another worker has taken the job, or it is finished. Nothing was done. Checked before
    /// [`PublishOutcome::Changed`].
    LeaseLost,
}

/// Totals of all repos of a catalog, without deleted ones: the sums of their summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repos.
    pub repos: u64,
    /// Packs of the repo with the most packs.
    pub most_packs: u64,
    /// Packs to which indexes map something, counted per repo.
    pub packs: u64,
    /// Their size.
    pub bytes: u64,
    /// Bytes that consolidation would save, in repos whose shelves are all counted.
    pub duplicate_bytes: u64,
    /// Bytes pending deletion.
    pub superseded_bytes: u64,
    /// Objects, counted for each repo.
    pub objects: u64,
    /// Known damage, counted per repo.
    pub damaged: u64,
}
