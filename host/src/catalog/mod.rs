//! The catalog port: what a store knows about its repos, their packs and what is in them.
//!
//! **Laws**, which every adapter keeps and the conformance suite checks:
//! - A [`Snapshot`] sees one state, whatever is published meanwhile.
//! - [`Catalog::publish_push`] and [`Catalog::publish_consolidation`] are atomic and durable: all of it or none, and when they return it
//!   survives a crash. They compare what the caller planned from with what is there, and answer
//!   [`Published::Changed`] instead of publishing on something else.
//! - Publishing a consolidation touches rows for packs and shelves only, never for entities (law 6).
//! - Lists come in the order that each method names.

pub mod sqlite;

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::row::Print;
use packhouse_core::{Counts, Edges, EntityId, Head, Kind};

use crate::error::Result;
use crate::names::{MpackKey, RepoId, RepoName, ShelfId, Visibility};
use crate::report::GcRecord;

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
    /// When it was made.
    pub created_at: Timestamp,
    /// Counts pushes.
    pub revision: i64,
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
}

/// A row of the index, without its shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IndexRow {
    /// The entity.
    pub entity: EntityKey,
    /// Which encoding.
    pub print: Print,
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
    pub fresh: Vec<IndexRow>,
    /// Entities that move here from another shelf, with that shelf.
    pub moved: Vec<(IndexRow, ShelfId)>,
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
    /// What its commits reach.
    pub edges: Vec<Edges>,
    /// Where branches stand afterwards.
    pub heads: Vec<Head>,
    /// When.
    pub now: Timestamp,
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
    /// When.
    pub now: Timestamp,
}

/// Whether something was published.
#[must_use = "nothing may have been published"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// It was; with the rows that it changed.
    Done {
        /// Rows inserted, updated or deleted.
        rows: u64,
    },
    /// What it was prepared on has changed. Nothing was done.
    Changed,
}

/// Repos, packs, shelves and the index, on some database.
#[async_trait]
pub trait Catalog: Send + Sync + std::fmt::Debug {
    /// Where it is, for messages.
    fn place(&self) -> String;

    /// Makes a repo. `None` when the name is taken.
    async fn create_repo(&self, name: &RepoName, id: RepoId, visibility: Visibility, now: Timestamp) -> Result<Option<RepoRow>>;

    /// A repo by its name.
    async fn repo(&self, name: &RepoName) -> Result<Option<RepoRow>>;

    /// Repos by name (owner, then slug), after one, at most `limit`.
    async fn repos(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoRow>>;

    /// One state of a repo.
    async fn snapshot(&self, repo: i64) -> Result<Box<dyn Snapshot>>;

    /// Makes a push visible.
    async fn publish_push(&self, push: &Push) -> Result<Published>;

    /// Puts the new pack on all shelves that it was planned from, and retires packs that no shelf of the repo holds any more.
    async fn publish_consolidation(&self, consolidation: &Consolidation) -> Result<Published>;

    /// Remembers a consolidation that ended.
    async fn record_gc(&self, repo: i64, record: &GcRecord) -> Result<()>;

    /// Consolidations of a repo, newest first, at most `limit`.
    async fn gc_history(&self, repo: i64, limit: u32) -> Result<Vec<GcRecord>>;

    /// Remembers that an assembled pack is good until a time; a later time wins.
    async fn note_answer(&self, repo: i64, key: &MpackKey, expires_at: Timestamp) -> Result<()>;

    /// Forgets the answers that have expired, and names them.
    async fn expire_answers(&self, repo: i64, now: Timestamp) -> Result<Vec<MpackKey>>;
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

    /// For each key, whether a shelf of the repo holds that pack or once did.
    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>>;

    /// Packs that only wait for deletion, by key.
    async fn retired(&mut self) -> Result<Vec<PackRow>>;

    /// Its heads, by branch name.
    async fn heads(&mut self) -> Result<Vec<Head>>;

    /// See `database.history` in the WIT.
    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Edges>>;

    /// The shelf and the encoding of each entity, in the order asked for.
    async fn lookup(&mut self, entities: &[EntityKey]) -> Result<Vec<Option<(ShelfId, Print)>>>;

    /// Index rows with their shelves, in order, after an entity, at most `limit`.
    async fn index_page(&mut self, after: Option<&EntityKey>, limit: u32) -> Result<Vec<(IndexRow, ShelfId)>>;

    /// The text of a tag's id.
    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>>;

    /// How many commits have edges.
    async fn edge_count(&mut self) -> Result<u64>;
}
