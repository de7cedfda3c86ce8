//! What a catalog knows: repos, packs, shelves and the index.

use std::collections::BTreeMap;

use jiff::Timestamp;
use packhouse_core::row::Fingerprint;
use packhouse_core::{Counts, EntityId, Head, Kind, Row};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use packhouse_model::report::{Cause, Damage, GcRecord};

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
    /// Whether clients may push a history with holes.
    pub accepts_shallow: bool,
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

/// A repo in a list, with what a report of it says.
#[derive(Clone, Debug)]
pub struct ListedRepo {
    /// The repo.
    pub row: RepoRow,
    /// The packs that the index maps at least one entity to, by key.
    pub pack_keys: Vec<MpackKey>,
    /// Its heads, by branch name.
    pub heads: Vec<Head>,
    /// When the pack on its shelves that was read longest ago was read, or stored.
    pub oldest_check: Option<Timestamp>,
    /// Its last consolidation.
    pub last_gc: Option<GcRecord>,
    /// How many findings of damage are known.
    pub damaged: u64,
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

impl PackRow {
    /// When it was last read and hashed, or stored.
    pub fn last_check(&self) -> Timestamp {
        self.verified_at.unwrap_or(self.stored_at)
    }
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

impl IndexRow {
    /// The index row of a record, by its row in a directory.
    pub fn of(row: &Row) -> IndexRow {
        IndexRow { entity: entity_key(row.kind, row.id), fingerprint: row.fingerprint }
    }
}

/// Entities of a repo that were reported to clients as present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Freshened {
    /// All entities that it had then.
    pub everything: bool,
    /// These, in order.
    pub entities: Vec<EntityKey>,
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

/// What needs attention in a catalog, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Repos with known damage, without deleted ones.
    pub damaged_repos: u64,
    /// Packs of [`crate::Catalog::unneeded_packs`] that were retired no later than the time in
    /// question.
    pub prunable_packs: u64,
    /// Their size.
    pub prunable_bytes: u64,
    /// Packs of [`crate::Catalog::unneeded_packs`], each once, whenever they were retired.
    pub unneeded_packs: u64,
    /// Their size.
    pub unneeded_bytes: u64,
    /// Queued jobs that are due.
    pub jobs_due: u64,
    /// When the queued job that is due first is due, or was.
    pub next_job_at: Option<Timestamp>,
    /// Until when the last lease of a running job is valid, or was.
    pub leased_until: Option<Timestamp>,
}

/// The packs of a catalog, each counted once, however many repos share it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredPacks {
    /// How many.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
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
