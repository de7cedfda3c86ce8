//! The catalog port: metadata of repos and their packs, and the index of what the packs contain.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A [`Snapshot`] sees one state, regardless of concurrent publications.
//! - [`Catalog::publish_push`] and [`Catalog::publish_consolidation`] are atomic and durable: all
//!   or nothing, and when they return it survives a crash. They compare the state on which the
//!   caller planned with the current one, and return [`PublishOutcome::Changed`] if they differ.
//! - Publishing a consolidation changes rows of packs and shelves only, never of entities (law 6).
//! - A repo's [`Sums`] are those of its shelves.
//! - Entities that were reported to a client as present ([`Catalog::freshen`], [`Push::known`]) are
//!   as recent as if they had been pushed at that time: a consolidation that was planned before
//!   does not drop them.
//! - Lists are sorted as documented for each method.

mod access;
mod answers;
mod complete;
pub mod convert_index;
mod deletions;
pub mod fetch_requests;
pub mod generations;
mod graph;
mod jobs;
mod locks;
pub mod memory;
pub mod merge_index;
mod publications;
mod releases;
mod rows;
mod scrubs;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, EntityId, Head};
use packhouse_model::client::RepoSettings;
use packhouse_model::error::{BackupError, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use packhouse_model::report::{Damage, DeletedRepo, GcEntry, GcRecord, GcReport, RepoSummary};

pub use access::{Access, TokenRow};
pub use answers::{Answers, NewAnswer};
pub use complete::{CompletePack, CompletePackRow};
pub use deletions::{DeletionSummary, RepoRestoration, RestoreOutcome};
pub use fetch_requests::{FetchRequests, NewFetchRequest, RequestBudget};
pub use graph::{CommitGraph, breadth_first};
pub use jobs::{
    Again, ChangedRepos, Failure, JobEnd, JobQuery, Jobs, NewJob, Pressure, why_cancelled,
};
pub use locks::{LockGuard, LockMode};
pub use merge_index::RunsToMerge;
pub use publications::{
    AwaitedParent, BranchDeletion, Consolidation, DroppedEntity, Fence, IndexedEntity, MovedEntity,
    NewEntity, PublishOutcome, Push, PushedPack, RebuiltIndex, TagRow,
};
pub use releases::{PutRelease, ReleaseRow, Releases};
pub use rows::{
    Alerts, DamageFindings, ENTITY_BYTES, EntityKey, Freshened, GcLogQuery, IndexRow, ListedRepo,
    PackChange, PackRow, RepoRow, RetiredPack, Shelf, StoredPacks, Sums, Totals, UnneededPack,
    entity_key, entity_of,
};
pub use scrubs::{ScrubTask, Scrubs};

/// For this long, an entity that was marked as recent is not written again. The recorded time may
/// therefore be too early by this much.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Repos, packs, shelves and the index, in some database.
#[async_trait]
pub trait Catalog:
    Jobs + Access + Releases + Answers + FetchRequests + CommitGraph + Scrubs
{
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Identifies the catalog, independent of names and links that lead to it: no two catalogs have
    /// the same identity. For a file, its location.
    fn identity(&self) -> String;

    /// The time of the catalog's own clock: that of the database, or of the file system. None if
    /// that is the caller's own clock.
    async fn clock(&self) -> Result<Option<Timestamp>>;

    /// Sets times in the future to `now`: a clock that was ahead wrote them. With a repo: the times
    /// of its recent entities; without: the times since which packs and repos are pending deletion.
    /// Returns how many were set.
    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64>;

    /// Creates a repo. `None` if the name is taken.
    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>>;

    /// Changes settings of a repo. Gives it as it is then; none if it was deleted.
    async fn set_repo(&self, repo: i64, settings: &RepoSettings) -> Result<Option<RepoRow>>;

    /// Deletes a repo: its packs are pending deletion, its jobs are cancelled, and its name is
    /// free. None if it is already deleted. A push in preparation gets `Changed`. The repo can be
    /// restored until it is forgotten.
    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>>;

    /// Restores a deleted repo, exactly as it was; its jobs stay cancelled. All of its entities are
    /// recent from now on. `lock` is [`LockMode::Publishing`].
    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome>;

    /// Deleted repos of a name that can be restored, the one that was deleted last first.
    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>>;

    /// Repos that were deleted no later than a time and are not completely forgotten, in the order
    /// of creation.
    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>>;

    /// Forgets a deleted repo, which then can't be restored any more. Only its retired packs are
    /// left. Those that no other repo has are forgotten separately ([`Catalog::forget_packs`]), and
    /// with the last one the rest is forgotten. The row that prevents a number from being reused
    /// goes later, in another call of this method. False if the repo is not deleted. `lock` is
    /// [`LockMode::Deleting`].
    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool>;

    /// Marks entities as recent, before a response reports them as present. `at` is now. `repo` is
    /// the row with which they were looked up. False if something was dropped since then, or the
    /// repo was deleted: then nothing is changed, and they have to be looked up again.
    ///
    /// Entities that were marked less than [`FRESH_FOR`] ago are not written again.
    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool>;

    /// A repo by its name.
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>>;

    /// Repos by name (owner, then slug), after one, at most `limit`.
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>>;

    /// Repos with what their reports say, by name (owner, then slug), after one, at most `limit`, all
    /// of one state. One statement.
    async fn listed(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<ListedRepo>>;

    /// Summaries of repos by name (owner, then slug), after one, at most `limit`, all of one state.
    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>>;

    /// The summary of a repo.
    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>>;

    /// Tests whether the catalog is writable: writes a row, deletes it, and waits for the disk.
    async fn probe_writing(&self) -> Result<()>;

    /// The totals of all repos. Repos with an uncounted shelf add nothing to the duplicates. One
    /// statement, regardless of the number of repos.
    async fn totals(&self) -> Result<Totals>;

    /// What needs attention; packs that were retired later than `retired_until` do not. One
    /// statement, which reads what is damaged and what is retired, and of jobs those that are due
    /// at `now` and those that run; nothing of repos.
    async fn alerts(&self, retired_until: Timestamp, now: Timestamp) -> Result<Alerts>;

    /// All packs. Reads a row for each.
    async fn stored_packs(&self) -> Result<StoredPacks>;

    /// A number that changes if anything may have been published or recorded since the last call,
    /// by any process. Numbers of two catalogs are not comparable.
    async fn change_stamp(&self) -> Result<u64>;

    /// One state of a repo; an error if it was deleted.
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>>;

    /// Makes a push visible. `lock` is [`LockMode::Publishing`]; if it was lost, nothing is
    /// published.
    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome>;

    /// Deletes a branch, and records its head in [`Snapshot::left_heads`].
    /// [`PublishOutcome::Changed`] if the repo has changed since, or has no such branch. A push in
    /// preparation gets `Changed`, too.
    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome>;

    /// Puts the new pack on the shelves of the plan, and retires packs that are on no shelf of the
    /// repo any more. Other shelves, those of later pushes too, stay as they are.
    /// [`PublishOutcome::Changed`] if a planned shelf holds another pack by now, or is gone.
    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        lock: &LockGuard,
    ) -> Result<PublishOutcome>;

    /// Replaces the whole index of a repo, and counts again what it maps to each shelf.
    /// [`PublishOutcome::Changed`] if anything was published to the repo since `index.repo` was read.
    async fn rebuild_index(&self, index: &RebuiltIndex, lock: &LockGuard)
    -> Result<PublishOutcome>;

    /// Numbers of repos with parts of an index that an older version wrote, after one, at most
    /// `limit`.
    async fn old_indexes(&self, after: i64, limit: u32) -> Result<Vec<i64>>;

    /// Converts the next rows of an index that an older version wrote, as far as one transaction
    /// should. Returns how many; 0 if there are none left. What the index says does not change.
    async fn convert_index(&self, repo: i64) -> Result<u64>;

    /// Numbers of repos whose indexes may need a merge, after one, at most `limit`. Reads a row of
    /// the catalog for every run of every repo.
    async fn indexes_to_merge(&self, after: i64, limit: u32) -> Result<Vec<i64>>;

    /// Merges runs of an index into one, in small transactions; pushes continue meanwhile. Lookups
    /// return the same before and after. Returns how many runs were replaced; 0 if no merge is due,
    /// or another process is merging them. A merge that has written nothing for five minutes, by
    /// the clock `now`, is abandoned, and the next call starts again.
    async fn merge_index(
        &self,
        repo: i64,
        runs: RunsToMerge,
        now: &(dyn Fn() -> Timestamp + Send + Sync),
    ) -> Result<u64>;

    /// Records that a pack on a shelf of the repo was found to be complete; it replaces the repo's
    /// complete pack. [`PublishOutcome::Changed`] if anything was pushed or dropped since `repo` was
    /// read, or no shelf holds the pack any more: nothing is changed.
    async fn note_complete_pack(
        &self,
        repo: &RepoRow,
        pack: &MpackKey,
        complete: &CompletePack,
    ) -> Result<PublishOutcome>;

    /// Records a finished consolidation, with its report if it published something, or had a budget
    /// that allowed nothing. If it did nothing and has no report, and the same holds for the previous
    /// one and the same pack, it replaces that one.
    async fn record_gc(
        &self,
        repo: i64,
        record: &GcRecord,
        report: Option<&GcReport>,
    ) -> Result<()>;

    /// Consolidations of a repo, newest first, at most `limit`.
    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>>;

    /// Consolidations of all repos or one, newest first.
    async fn gc_log(&self, query: GcLogQuery<'_>) -> Result<Vec<GcEntry>>;

    /// Size in bytes of the packs that the last consolidations of all repos created
    /// ([`GcReport::bytes_written`]), and the duration of each in milliseconds; newest first, at
    /// most `limit`. Those that did nothing or failed are not counted.
    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>>;

    /// Waits for a lock. A pack is stored in the vault before a shelf names it: between the two, no
    /// pack may be deleted. A waiting `Deleting` comes before later `Publishing` locks, so that it
    /// is not starved. A caller that stops waiting blocks nothing.
    async fn lock(&self, mode: LockMode) -> Result<LockGuard>;

    /// Packs that repos have retired and that neither a shelf of any repo nor a queued job needs,
    /// by key; with the time when the last repo retired them.
    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>>;

    /// Those of the given packs that [`Catalog::forget_packs`] would forget, by key. The holder of
    /// the lock removes their files, then forgets them. Only reads, so it works on a full disk. An
    /// error if the lock was lost.
    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<UnneededPack>>;

    /// Forgets packs, except those that a shelf holds by now, that a queued job needs, or that a
    /// repo has retired later than `until`. Returns the forgotten ones.
    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<MpackKey>>;

    /// All packs that are on shelves, each once, in no order.
    async fn held_packs(&self) -> Result<Vec<MpackKey>>;

    /// For each key, whether any repo has that pack on a shelf, or retired and not forgotten, or a
    /// queued job needs it.
    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// Records damage until the packs are found intact, and the time when packs were last found
    /// intact. Known damage keeps the time of its discovery. Unknown packs and deleted repos are
    /// ignored. Published packs are intact and need not be recorded.
    async fn note_findings(&self, findings: &DamageFindings) -> Result<()>;

    /// All packs with known damage, by key.
    async fn damaged_packs(&self) -> Result<Vec<MpackKey>>;

    /// When the newest pack of any repo was stored; none if there are no packs.
    async fn last_stored(&self) -> Result<Option<Timestamp>>;

    /// Moves commits from the log next to the catalog's file into the file, so that a copy of the
    /// file is complete. Does not wait long: false if other connections prevented it and the log is
    /// not empty.
    async fn checkpoint(&self) -> Result<bool> {
        Ok(true)
    }

    /// Whether the catalog can be copied to a file.
    fn is_file(&self) -> bool {
        false
    }

    /// Copies the catalog, as of one moment, to a file that does not exist or is empty. Blocks no
    /// one.
    async fn copy_to(&self, _file: &Path) -> Result<()> {
        Err(BackupError::CatalogNotAFile(self.place()).into())
    }

    /// Opens a copy that was made in a file, and migrates it.
    async fn open_copy(&self, _file: &Path) -> Result<Arc<dyn Catalog>> {
        Err(BackupError::CatalogNotAFile(self.place()).into())
    }

    /// Turns a copy that is not open into a single file without a log, durably.
    async fn settle_copy(&self, _file: &Path) -> Result<()> {
        Ok(())
    }

    /// Closes all connections: the catalog can't be used any more.
    async fn close(&self) {}
}

/// One state of a repo, read only.
#[async_trait]
pub trait Snapshot: Send {
    /// The repo.
    fn repo(&self) -> &RepoRow;

    /// Its shelves, by number.
    async fn shelves(&mut self) -> Result<Vec<Shelf>>;

    /// The packs that some of its shelves hold.
    async fn packs_on(&mut self, shelves: &[ShelfId]) -> Result<BTreeMap<ShelfId, PackRow>>;

    /// For each key, whether a shelf of the repo holds that pack, or once did and nothing has been
    /// dropped since; that is, whether the index has everything that the pack contains.
    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// For each key, the pack, if a shelf of the repo holds it.
    async fn shelved(&mut self, keys: &[MpackKey]) -> Result<Vec<Option<PackRow>>>;

    /// Known damage of the repo: of the repo itself, then of the packs on its shelves, by key.
    async fn damage(&mut self) -> Result<Vec<Damage>>;

    /// Packs pending deletion, by key.
    async fn retired(&mut self) -> Result<Vec<RetiredPack>>;

    /// The publications to it, newest first, at most `limit`.
    async fn changes(&mut self, limit: u32) -> Result<Vec<PackChange>>;

    /// Its heads, by branch name.
    async fn heads(&mut self) -> Result<Vec<Head>>;

    /// Entities that were marked as recent after a time; see [`Catalog::freshen`].
    async fn freshened(&mut self, since: Timestamp) -> Result<Freshened>;

    /// Heads that branches abandoned after a time: the new head does not descend from them.
    async fn left_heads(&mut self, since: Timestamp) -> Result<Vec<EntityId>>;

    /// The commits that its releases retain, in no order.
    async fn released(&mut self) -> Result<Vec<EntityId>>;

    /// Parents, snapshots and generations of commits, as for `database.history` in the WIT: those of
    /// `commits` that have edges, in that order, then their ancestors, breadth first; each once, at
    /// most `limit`.
    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>>;

    /// All commits that have edges, by id, after one, at most `limit`.
    async fn commits(&mut self, after: Option<EntityId>, limit: u32) -> Result<Vec<Ancestor>>;

    /// The generation from which on a commit may have a parent with no lower generation: a walk from
    /// high to low may end only below it. None: every known parent has a lower generation.
    async fn walk_floor(&mut self) -> Result<Option<u64>>;

    /// The complete pack that was recorded last. One statement.
    async fn complete_pack(&mut self) -> Result<Option<CompletePackRow>>;

    /// The shelf and the encoding of each entity, in the order of `entities`.
    async fn lookup(
        &mut self,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<(ShelfId, Fingerprint)>>>;

    /// Index rows with their shelves, in order, after an entity, at most `limit`. A page may be
    /// shorter; one without rows is the end.
    async fn index_page(
        &mut self,
        after: Option<&EntityKey>,
        limit: u32,
    ) -> Result<Vec<(IndexRow, ShelfId)>>;

    /// The tags of commits, by text. Those without a recorded commit are left out.
    async fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<TagRow>>;

    /// Tags without a recorded commit, which an older packhouse stored, in no order, at most
    /// `limit`: see [`CommitGraph::tell_tags`].
    async fn tags_without_commit(&mut self, limit: u32) -> Result<Vec<EntityId>>;

    /// The text of a tag's id.
    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>>;

    /// How many commits have edges.
    async fn edge_count(&mut self) -> Result<u64>;
}
