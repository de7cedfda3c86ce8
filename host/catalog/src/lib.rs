//! The catalog port: what a store knows about its repos, their packs and what is in them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A [`Snapshot`] sees one state, whatever is published at the same time.
//! - [`Catalog::publish_push`] and [`Catalog::publish_consolidation`] are atomic and durable: all
//!   or nothing, and when they return it survives a crash. They compare the state that the caller
//!   planned on with the current one, and answer [`PublishOutcome::Changed`] when they differ.
//! - Publishing a consolidation changes rows of packs and shelves only, never of entities (law 6).
//! - A repo's [`Sums`] are those of its shelves.
//! - Entities that a client was told to be in the repo ([`Catalog::freshen`], [`Push::known`]) are
//!   as recent as a push at that time: a consolidation that was planned before drops none of them.
//! - Lists are sorted as each method says.

mod access;
pub mod answers;
mod jobs;
mod releases;
mod rows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use packhouse_core::row::Fingerprint;
use packhouse_core::{Edges, EntityId, Head};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use packhouse_model::report::{Damage, DeletedRepo, GcEntry, GcRecord, GcReport, RepoSummary};

pub use access::{Access, TokenRow};
pub use answers::{AnswerBudget, Answers, NewAnswer};
pub use jobs::{JobEnd, JobQuery, Jobs, NewJob, Pressure};
pub use releases::{PutRelease, ReleaseRow, Releases};
pub use rows::{
    BranchDeletion, Consolidation, DamageFindings, DeletionSummary, DroppedEntity, ENTITY_BYTES,
    EntityKey, Fence, Freshened, GcLogQuery, IndexRow, LockGuard, LockMode, MovedEntity, NewEntity,
    PackChange, PackRow, PublishOutcome, Push, PushedPack, RepoRestoration, RepoRow,
    RestoreOutcome, RetiredPack, Shelf, Sums, Totals, UnneededPack, entity_key, entity_of,
};

/// For so long an entity that was made recent is not written again. So the time that is kept may be
/// that much too early.
pub const FRESH_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Repos, packs, shelves and the index, on some database.
#[async_trait]
pub trait Catalog: Jobs + Access + Releases + Answers {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Which catalog it is, whatever names or links lead to it: two never have one. For a file,
    /// where it is.
    fn identity(&self) -> String;

    /// The time by the clock of where it is: the database's, or that of the file system. None where
    /// that is the caller's own.
    async fn clock(&self) -> Result<Option<Timestamp>>;

    /// Sets times in the future to `now`: a clock that was ahead wrote them. With a repo: the times
    /// of its recent entities; without: the times from which packs and repos wait for deletion.
    /// Returns how many were set.
    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64>;

    /// Makes a repo. `None` when the name is taken.
    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>>;

    /// Deletes a repo: its packs wait for deletion, its jobs are cancelled, and its name is free.
    /// None when it is deleted already. A push that was being prepared gets `Changed`. The repo can
    /// be restored until it is forgotten.
    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>>;

    /// Restores a deleted repo, exactly as it was; its jobs stay cancelled. All that it has is
    /// recent from now on. `lock` is [`LockMode::Publishing`].
    async fn restore_repo(
        &self,
        restoration: &RepoRestoration,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome>;

    /// Deleted repos of a name that can be restored, the one that was deleted last first.
    async fn restorable_repos(&self, name: &RepoName) -> Result<Vec<DeletedRepo>>;

    /// Repos that were deleted no later than a time and of which something is left, in the order in
    /// which they were made.
    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>>;

    /// Forgets a deleted repo, which can't be restored then. What is left of it are its retired
    /// packs; those that no other repo has are forgotten on their own ([`Catalog::forget_packs`]),
    /// and the last one takes the rest with it; what keeps a number from being given again goes
    /// later, when this is asked again. False where the repo is not deleted. `lock` is
    /// [`LockMode::Deleting`].
    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool>;

    /// Marks entities as recent, because a client is about to be told that the repo has them. `at`
    /// is now. `repo` is the row in which they were looked up. False when something was dropped
    /// since, or the repo was deleted: then nothing is changed, and they have to be looked up
    /// again.
    ///
    /// Entities that were marked less than [`FRESH_FOR`] ago are not written again.
    async fn freshen(&self, repo: &RepoRow, entities: &[EntityKey], at: Timestamp) -> Result<bool>;

    /// A repo by its name.
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>>;

    /// Repos by name (owner, then slug), after one, at most `limit`.
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>>;

    /// Summaries of repos by name (owner, then slug), after one, at most `limit`. One state of them
    /// all.
    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>>;

    /// The summary of a repo.
    async fn summary(&self, name: &RepoName) -> Result<Option<RepoSummary>>;

    /// Finds out whether something can be written now: writes a row, deletes it, and waits for the
    /// disk. Leaves nothing.
    async fn probe_writing(&self) -> Result<()>;

    /// The sums of all repos. Repos with an uncounted shelf add nothing to the duplicates. One
    /// statement, whatever the number of repos.
    async fn totals(&self) -> Result<Totals>;

    /// A number that is another one when anything may have been published or recorded since the
    /// last call, by whomever. Numbers of two catalogs don't compare.
    async fn change_stamp(&self) -> Result<u64>;

    /// One state of a repo; an error when it was deleted.
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>>;

    /// Makes a push visible. `lock` is [`LockMode::Publishing`]; where it was lost, nothing is
    /// published.
    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome>;

    /// Deletes a branch, and records its head in [`Snapshot::left_heads`].
    /// [`PublishOutcome::Changed`] when the repo has changed since, or has no such branch. A push
    /// that was being prepared gets `Changed`, too.
    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome>;

    /// Puts the new pack on all shelves of the plan, and retires packs that are on no shelf of the
    /// repo any more. Shelves of later pushes stay as they are.
    async fn publish_consolidation(
        &self,
        consolidation: &Consolidation,
        lock: &LockGuard,
    ) -> Result<PublishOutcome>;

    /// Remembers a consolidation that ended, with all that it reported if it published something.
    /// One that did nothing where the last did nothing, with the same pack, is no news: it takes
    /// the place of that one.
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

    /// Size in bytes of what the last consolidations of all repos made, and how long each took in
    /// milliseconds; newest first, at most `limit`. Those that did nothing or failed don't count.
    async fn gc_paces(&self, limit: u32) -> Result<Vec<(u64, u64)>>;

    /// Waits for a lock. A pack is stored in the vault before a shelf names it: between the two, no
    /// pack may be deleted. A waiting `Deleting` comes before later `Publishing` locks, so that it
    /// is not starved; a caller that stops waiting blocks nothing.
    async fn lock(&self, mode: LockMode) -> Result<LockGuard>;

    /// Packs that repos have retired and that neither a shelf of any repo holds nor a job waits
    /// with, by key; with the last time that one retired it.
    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>>;

    /// Those of some packs that [`Catalog::forget_packs`] would forget, by key. The holder of the
    /// lock removes their files, then forgets them. Only reads: it works on a full disk. An error
    /// when the lock was lost.
    async fn deletable_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<UnneededPack>>;

    /// Forgets packs, except those that a shelf holds by now, that a job waits with, or that a repo
    /// has retired later than `until`. Gives those that are forgotten.
    async fn forget_packs(
        &self,
        packs: &[MpackKey],
        until: Timestamp,
        lock: &LockGuard,
    ) -> Result<Vec<MpackKey>>;

    /// All packs that are on shelves, each once, in no order.
    async fn held_packs(&self) -> Result<Vec<MpackKey>>;

    /// For each key, whether any repo knows that pack: on a shelf, or retired and not forgotten; or
    /// a job waits with it.
    async fn knows_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// Records damage, until the packs are found intact, and when packs were last found intact. Known
    /// damage keeps the time of its discovery. Unknown packs and deleted repos are left out.
    /// Published packs are intact and need not be recorded.
    async fn note_findings(&self, findings: &DamageFindings) -> Result<()>;

    /// All packs that are known to be damaged, by key.
    async fn damaged_packs(&self) -> Result<Vec<MpackKey>>;

    /// When the newest pack that any repo knows was stored; none when no repo knows one.
    async fn last_stored(&self) -> Result<Option<Timestamp>>;

    /// Moves commits from the log beside the catalog's file into the file, so that a copy of the
    /// file is complete. Does not wait long: false when other connections were in the way and the
    /// log is not empty.
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
        Err(Error::Unsupported(format!(
            "the catalog {} is not a file and can't be copied",
            self.place()
        )))
    }

    /// Opens a copy that was made in a file, and migrates it.
    async fn open_copy(&self, _file: &Path) -> Result<Arc<dyn Catalog>> {
        Err(Error::Unsupported(format!(
            "the catalog {} is not a file and has no copies",
            self.place()
        )))
    }

    /// Makes a copy that is not open a single file without a log, durably.
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
    /// dropped since: whether all that it holds is in the index.
    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// For each key, the pack, if a shelf of the repo holds it.
    async fn shelved(&mut self, keys: &[MpackKey]) -> Result<Vec<Option<PackRow>>>;

    /// Damage that is remembered of the repo: of all of it, then of the packs on its shelves, by
    /// key.
    async fn damage(&mut self) -> Result<Vec<Damage>>;

    /// Packs that only wait for deletion, by key.
    async fn retired(&mut self) -> Result<Vec<RetiredPack>>;

    /// What was published to it, newest first, at most `limit`.
    async fn changes(&mut self, limit: u32) -> Result<Vec<PackChange>>;

    /// Its heads, by branch name.
    async fn heads(&mut self) -> Result<Vec<Head>>;

    /// Entities that were made recent later than a time; see [`Catalog::freshen`].
    async fn freshened(&mut self, since: Timestamp) -> Result<Freshened>;

    /// Heads that branches left later than a time, without leading to them.
    async fn left_heads(&mut self, since: Timestamp) -> Result<Vec<EntityId>>;

    /// The commits that its releases pin, in no order.
    async fn released(&mut self) -> Result<Vec<EntityId>>;

    /// Parents and snapshots of commits, as `database.history` in the WIT: those of `commits` that
    /// have edges, in that order, then their ancestors breadth first; each once, at most `limit`.
    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Edges>>;

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

    /// The text of a tag's id.
    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>>;

    /// How many commits have edges.
    async fn edge_count(&mut self) -> Result<u64>;
}
