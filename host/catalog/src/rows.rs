//! What crosses the catalog port.

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

/// The index's name for an entity.
pub fn entity_key(kind: Kind, id: EntityId) -> EntityKey {
    let mut key = [0; ENTITY_BYTES];
    key[0] = kind as u8;
    key[1..].copy_from_slice(&id.to_bytes());
    key
}

/// The entity of an index's name; `None` for bytes that [`entity_key`] never makes.
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
    /// The first branch ever pushed.
    pub default_branch: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Counts pushes.
    pub revision: i64,
    /// Counts the consolidations that dropped something.
    pub drops: i64,
    /// How often clients were told that it has something; see [`super::Catalog::freshen`].
    pub freshenings: i64,
    /// Its shelves, added up.
    pub sums: Sums,
}

/// A repo's shelves, added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Packs that the index maps at least one entity to.
    pub packs: u64,
    /// Entities of the index.
    pub mapped: Counts,
    /// Size of `packs`, in bytes.
    pub bytes: u64,
    /// Size of the records that the index maps, in bytes; none when a shelf is not counted.
    pub needed_bytes: Option<u64>,
    /// Size of the packs on shelves and of those that only wait for deletion, in bytes.
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
    /// Records, those that it repeats included.
    pub records: u64,
    /// Whether packhouse made it.
    pub consolidated: bool,
    /// When a repo first stored it.
    pub stored_at: Timestamp,
    /// When it was last read and hashed whole; none where nothing wrote it down.
    pub verified_at: Option<Timestamp>,
}

/// A pack that a repo's shelves held once, and that only waits for deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetiredPack {
    /// The pack.
    pub pack: PackRow,
    /// When a consolidation replaced it.
    pub at: Timestamp,
}

/// A pack that no shelf of any repo holds and no job waits with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnneededPack {
    /// The pack.
    pub pack: PackRow,
    /// When the last repo retired it.
    pub at: Timestamp,
    /// The repos that have retired it and were not deleted: they need what replaces it. In order.
    pub repos: Vec<i64>,
}

/// What reading packs has shown.
#[derive(Clone, Debug)]
pub struct DamageFindings {
    /// When.
    pub at: Timestamp,
    /// Packs that were read whole and are what their keys name.
    pub sound: Vec<MpackKey>,
    /// What is damaged, in packs.
    pub damaged: Vec<Damage>,
    /// A repo of which all was compared with its packs, or which was found to have lost something:
    /// with what does not agree, if something does not.
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
    /// Counts the packs that it has held.
    pub generation: i64,
    /// The pack.
    pub pack: PackRow,
    /// How many entities the index maps to it.
    pub mapped: Counts,
    /// Size of their records in bytes; none when not counted.
    pub mapped_bytes: Option<u64>,
    /// When the push that created it was published; none when not recorded.
    pub made_at: Option<Timestamp>,
}

impl Shelf {
    /// Size in bytes of the records that the index maps to it. When not counted, its share of the
    /// pack by records.
    pub fn needed_bytes(&self) -> u64 {
        let by_records = || {
            self.pack.bytes as f64 * self.mapped.total() as f64 / self.pack.records.max(1) as f64
        };
        self.mapped_bytes.unwrap_or_else(|| by_records() as u64)
    }
}

/// A row of the index, without its shelf.
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
    /// Entities of the push that the repo had, in order, each once: they are recent from now on,
    /// like new ones.
    pub known: Vec<EntityKey>,
    /// What its commits reach.
    pub edges: Vec<Edges>,
    /// The branch heads afterwards.
    pub heads: Vec<Head>,
    /// Shelves whose packs are missing or damaged. If nothing is mapped to them afterwards, they
    /// are removed, and their packs retired.
    pub broken: Vec<ShelfId>,
    /// Whether branches may have been moved away from what they led to.
    pub forced: bool,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
}

/// An entity that the index forgets, because nothing reaches it. Never a tag: what tags lead to is
/// kept.
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
    /// The repo, as it was when that was decided.
    pub repo: RepoRow,
    /// Its name.
    pub branch: String,
    /// The default branch afterwards.
    pub default_branch: Option<String>,
    /// When.
    pub now: Timestamp,
}

/// What a repo leaves behind when it is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionSummary {
    /// Packs that only wait for deletion now.
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
    /// Which of the repos that had this name; none: the one that was deleted last.
    pub id: Option<RepoId>,
    /// The name that it gets.
    pub new_name: RepoName,
}

impl RepoRestoration {
    /// The repo of a name that was deleted last, under its name.
    pub fn latest(name: &RepoName) -> RepoRestoration {
        RepoRestoration { name: name.clone(), id: None, new_name: name.clone() }
    }
}

/// What became of a deleted repo that was to be restored.
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
        /// One of its packs that no other repo had; none when there was none.
        pack: Option<MpackKey>,
    },
}

/// What clients were told to be in a repo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshened {
    /// All that it had then.
    pub everything: bool,
    /// These, in order.
    pub entities: Vec<EntityKey>,
}

/// A consolidation, ready to be published.
#[derive(Debug)]
pub struct Consolidation {
    /// The repo.
    pub repo: RepoRow,
    /// The shelves that it was planned from: all the repo had then.
    pub planned: Vec<(ShelfId, i64)>,
    /// The new pack's key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
    /// Entities to drop from the index. If there are any, there must have been no push since the
    /// plan was made (it may reach them), and no client may have been told since that the repo has
    /// one of them.
    pub dropped: Vec<DroppedEntity>,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
}

/// By how much a publication changed the packs that the index of a repo maps something to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackChange {
    /// When.
    pub at: Timestamp,
    /// What was published.
    pub cause: Cause,
    /// Packs more; negative: fewer.
    pub packs: i64,
    /// Bytes more; negative: fewer.
    pub bytes: i64,
}

/// What a lock is for. The two exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// Makes packs visible: puts them into the vault, then on shelves. Many at once.
    Publishing,
    /// Deletes packs that no shelf holds. One alone.
    Deleting,
}

impl LockMode {
    /// What it is the right to do.
    pub fn own(self) -> &'static str {
        match self {
            LockMode::Publishing => "publish packs",
            LockMode::Deleting => "delete packs",
        }
    }

    /// What those do who are waited for.
    pub fn other(self) -> &'static str {
        match self {
            LockMode::Publishing => "deletes packs",
            LockMode::Deleting => "publishes packs",
        }
    }
}

/// What a worker has of a job that it took: the right to publish for it, until another worker takes
/// the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The job.
    pub job: i64,
    /// How many had taken it, this one included.
    pub number: i64,
}

/// The right to do it, until it is dropped. It ends with the process, too.
#[must_use = "it ends when it is dropped"]
#[derive(Debug)]
pub struct LockGuard(Vec<Box<dyn std::any::Any + Send + Sync>>);

impl LockGuard {
    /// Holds for as long as `of` lives.
    pub fn new(of: impl Send + Sync + 'static) -> LockGuard {
        LockGuard(vec![Box::new(of)])
    }

    /// The same, with something that is dropped after it.
    pub fn along(mut self, with: impl Send + Sync + 'static) -> LockGuard {
        self.0.push(Box::new(with));
        self
    }

    /// What it holds by, for the catalog that gave it.
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
    /// At most so many.
    pub limit: u32,
}

/// Whether something was published.
#[must_use = "nothing may have been published"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishOutcome {
    /// It was; with the rows that it changed.
    Done {
        /// Rows inserted, updated or deleted.
        rows: u64,
    },
    /// What it was prepared on has changed. Nothing was done.
    Changed,
    /// Another worker has taken the job, or it has ended. Nothing was done. Checked before
    /// [`PublishOutcome::Changed`].
    LeaseLost,
}

/// What all repos of a catalog hold, deleted ones left out: the sums of their summaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Repos.
    pub repos: u64,
    /// Packs of the repo that has most.
    pub most_packs: u64,
    /// Packs that indexes map something to, counted for each repo.
    pub packs: u64,
    /// Their size.
    pub bytes: u64,
    /// What consolidating would save, in repos whose shelves are all counted.
    pub duplicate_bytes: u64,
    /// What only waits for deletion.
    pub superseded_bytes: u64,
    /// Objects, counted for each repo.
    pub objects: u64,
    /// What is known to be damaged, counted for each repo.
    pub damaged: u64,
}
