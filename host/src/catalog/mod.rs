//! The catalog port: what a store knows about its repos, their packs and what is in them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A [`Snapshot`] sees one state, whatever is published meanwhile.
//! - [`Catalog::publish_push`] and [`Catalog::publish_consolidation`] are atomic and durable: all
//!   of it or none, and when they return it survives a crash. They compare what the caller planned
//!   from with what is there, and answer [`PublishOutcome::Changed`] instead of publishing on something
//!   else.
//! - Publishing a consolidation touches rows for packs and shelves only, never for entities (law
//!   6).
//! - A repo's [`Sums`] are those of its shelves.
//! - What a client was told that a repo has ([`Catalog::freshen`], [`Push::known`]) is as recent as
//!   what was pushed then, and a consolidation that was planned before drops none of it.
//! - Lists come in the order that each method names.

mod access;
pub mod answers;
mod jobs;
mod place;
mod releases;
mod rows;
pub mod sql;

use std::collections::BTreeMap;
use std::path::Path;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use packhouse_core::row::Print as Fingerprint;
use packhouse_core::{Edges, EntityId, Head};

use crate::error::{Error, Result};
use crate::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use crate::report::{Damage, GcEntry, GcRecord, GcReport, RepoSummary};

pub use access::{Access, TokenRow};
pub use answers::{AnswerBudget, Answers, ExhaustedBudget, NewAnswer};
pub use jobs::{JobEnd, JobQuery, Jobs, NewJob, Pressure};
pub use place::CatalogPlace;
pub(crate) use place::MissingCatalog;
pub use releases::{PutRelease, ReleaseRow, Releases};
pub use rows::{
    BranchDeletion, Consolidation, DamageFindings, DeletionSummary, DroppedEntity, ENTITY_BYTES,
    EntityKey, Fence, Freshened, GcLogQuery, IndexRow, LockGuard, LockMode, MovedEntity, NewEntity,
    PackChange, PackRow, PublishOutcome, Push, PushedPack, RepoRow, RestoreOutcome, RetiredPack,
    Shelf, Sums, Totals, UnneededPack, entity_key, entity_of,
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

    /// Gives times that lie in the future the time `now`: a clock that was ahead wrote them, and
    /// they count from when that is seen. With a repo, those that say what of it is recent;
    /// without, those since when packs and repos wait for deletion. Gives how many there were.
    async fn settle_times(&self, now: Timestamp, repo: Option<i64>) -> Result<u64>;

    /// Makes a repo. `None` when the name is taken.
    async fn create_repo(
        &self,
        name: &RepoName,
        id: RepoId,
        visibility: Visibility,
        now: Timestamp,
    ) -> Result<Option<RepoRow>>;

    /// Deletes a repo: its packs only wait for deletion then, its jobs are cancelled, and its name
    /// is free. None when it is gone already. Whoever prepares something for it meanwhile is told
    /// that it has changed. It can be restored until it is forgotten.
    async fn delete_repo(&self, repo: i64, now: Timestamp) -> Result<Option<DeletionSummary>>;

    /// Restores the repo of a name that was deleted last, exactly as it was; its jobs stay
    /// cancelled. All that it has is recent from now on. `lock` is [`LockMode::Publishing`].
    async fn restore_repo(
        &self,
        name: &RepoName,
        now: Timestamp,
        lock: &LockGuard,
    ) -> Result<RestoreOutcome>;

    /// Repos that were deleted no later than a time and of which something is left, in the order in
    /// which they were made.
    async fn deleted_repos(&self, until: Timestamp) -> Result<Vec<RepoRow>>;

    /// Forgets a deleted repo, which can't be restored then. What is left of it are its retired
    /// packs; those that no other repo has are forgotten on their own ([`Catalog::forget_packs`]),
    /// and the last one takes the rest with it; what keeps a number from being given again goes
    /// later, when this is asked again. False where the repo is not deleted. `lock` is
    /// [`LockMode::Deleting`].
    async fn forget_repo(&self, repo: i64, now: Timestamp, lock: &LockGuard) -> Result<bool>;

    /// Makes entities recent: a client is about to be told that the repo has them. `at` is now.
    /// `repo` is what the entities were looked up in. False when something was dropped since, or
    /// the repo was deleted: then nothing is changed, and they have to be looked up again.
    ///
    /// Entities that were made recent less than [`FRESH_FOR`] ago are not written again.
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

    /// What all repos hold together: the sums of their summaries, except that of repos with a shelf
    /// that nobody has counted nothing counts as duplicate. One statement, whatever they hold.
    async fn totals(&self) -> Result<Totals>;

    /// A number that is another one when anything may have been published or recorded since the
    /// last call, by whomever. Numbers of two catalogs don't compare.
    async fn change_stamp(&self) -> Result<u64>;

    /// One state of a repo; an error when it was deleted.
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>>;

    /// Makes a push visible. `lock` is [`LockMode::Publishing`]; where it was lost, nothing is
    /// published.
    async fn publish_push(&self, push: &Push, lock: &LockGuard) -> Result<PublishOutcome>;

    /// Deletes a branch, and remembers where it stood among the [`Snapshot::left_heads`].
    /// [`PublishOutcome::Changed`] when the repo is not as it was when that was decided, or has no such
    /// branch. Whoever prepares a push for it meanwhile is told that it has changed.
    async fn delete_branch(&self, deletion: &BranchDeletion) -> Result<PublishOutcome>;

    /// Puts the new pack on all shelves that it was planned from, and retires packs that no shelf
    /// of the repo holds any more. Shelves that pushes have made since stay as they are.
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

    /// Waits for the right to publish or to delete. A pack goes into the vault before a shelf holds
    /// it: while somebody is between the two, nobody deletes. Who waits to delete comes before
    /// those who come to publish later, so that it is its turn some time; whoever stops waiting is
    /// in nobody's way.
    async fn lock(&self, mode: LockMode) -> Result<LockGuard>;

    /// Packs that repos have retired and that neither a shelf of any repo holds nor a job waits
    /// with, by key; with the last time that one retired it.
    async fn unneeded_packs(&self) -> Result<Vec<UnneededPack>>;

    /// Of some packs, those that [`Catalog::forget_packs`] would forget, by key: whoever holds the
    /// right to delete removes their files, then forgets them.
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

    /// Remembers what reading packs has shown: damage, until they are found sound; and when they
    /// were last found so. Damage that is known keeps the time at which it was first found. Packs
    /// that the catalog does not know are left out, and so is a repo that was deleted. What is
    /// published is sound, and need not be told.
    async fn note_findings(&self, findings: &DamageFindings) -> Result<()>;

    /// When the newest pack that any repo knows was stored; none when no repo knows one.
    async fn last_stored(&self) -> Result<Option<Timestamp>>;

    /// Moves what was committed into the catalog's one file, where it has a log beside it, so that
    /// a copy of that file lacks nothing. Waits for nobody long: false when somebody was in the
    /// way, and some of it still stands in the log.
    async fn checkpoint(&self) -> Result<bool> {
        Ok(true)
    }

    /// Whether the catalog can be copied to a file.
    fn is_file(&self) -> bool {
        false
    }

    /// Copies the catalog, as it is at one moment, to a file that is not there or empty. Nobody
    /// waits for it.
    async fn copy_to(&self, _file: &Path) -> Result<()> {
        Err(Error::Unsupported(format!(
            "the catalog {} is not a file and can't be copied",
            self.place()
        )))
    }

    /// Ends all connections: nothing can be asked of it any more.
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

    /// What commits reach, as `database.history` in the WIT tells it: those of `commits` that have
    /// edges, in that order, then their ancestors breadth first; each once, at most `limit`.
    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Edges>>;

    /// The shelf and the encoding of each entity, in the order asked for.
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
