//! What makes something visible: pushes, consolidations, deleted branches.

use jiff::Timestamp;
use packhouse_core::{Edges, EntityId, Head};
use packhouse_model::names::{MpackKey, ShelfId};

use super::complete::CompletePack;
use super::rows::{EntityKey, IndexRow, RepoRow};

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
    /// The tags in it.
    pub tags: Vec<TagRow>,
}

/// A tag: its text and its commit. The index contains only its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRow {
    /// The tag.
    pub entity: EntityId,
    /// Its id, as text.
    pub text: String,
    /// The commit that it names.
    pub commit: EntityId,
}

/// A parent that commits name, but the repo does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AwaitedParent {
    /// The parent.
    pub parent: EntityId,
    /// The least generation of the commits that name it.
    pub generation: u64,
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
    /// What was found out about its only pack, if that is complete. A push without it leaves the
    /// repo's complete pack as it is.
    pub complete: Option<CompletePack>,
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

/// A consolidation, ready to be published.
#[derive(Debug)]
pub struct Consolidation {
    /// The repo.
    pub repo: RepoRow,
    /// The shelves of the plan, ascending: all that the repo had then, or some of them. The new pack
    /// has everything that the index mapped to them.
    pub planned: Vec<(ShelfId, i64)>,
    /// The new pack's key.
    pub key: MpackKey,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its records.
    pub records: u64,
    /// Entities to drop from the index. If there are any, all shelves are planned, and there must
    /// have been no push since the plan was created (it may reach them), and none of them may have
    /// been reported to a client as present since then.
    pub dropped: Vec<DroppedEntity>,
    /// What was found out about the new pack, if it is complete. It replaces the repo's complete
    /// pack; without it, the repo keeps that only while it is on a shelf.
    pub complete: Option<CompletePack>,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
}

/// An entity of an index that is rebuilt.
#[derive(Clone, Copy, Debug)]
pub struct IndexedEntity {
    /// Its row of the index.
    pub row: IndexRow,
    /// The shelf that it is mapped to.
    pub shelf: ShelfId,
    /// Length of its record there, in bytes.
    pub bytes: u64,
}

/// A whole index, made from the packs of a repo.
#[derive(Debug)]
pub struct RebuiltIndex {
    /// The repo, as it was when the packs were read.
    pub repo: RepoRow,
    /// All its shelves then, ascending.
    pub shelves: Vec<(ShelfId, i64)>,
    /// All its entities, in order, each once.
    pub entities: Vec<IndexedEntity>,
    /// The job that it is done for.
    pub fence: Option<Fence>,
    /// When.
    pub now: Timestamp,
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

/// The fencing token of a worker for a job: the right to publish for it, until another worker takes
/// the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The job.
    pub job: i64,
    /// How many times it was taken, including this one.
    pub number: i64,
}
