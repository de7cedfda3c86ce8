//! A snapshot that counts what is read of the commit graph and of the index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_core::row::Fingerprint;
use packhouse_core::{Ancestor, EntityId, Head};
use packhouse_host::catalog::{
    CompletePackRow, EntityKey, Freshened, IndexRow, PackChange, PackRow, RepoRow, RetiredPack,
    Shelf, Snapshot, TagRow,
};
use packhouse_host::{Damage, MpackKey, Result, ShelfId};

/// Calls of [`Snapshot::history`], and the rows that they gave; and the rows of the index that were
/// looked up or listed. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Walked(Arc<(AtomicU64, AtomicU64, AtomicU64)>);

impl Walked {
    /// How many calls, and how many rows, since this was asked last.
    pub fn take(&self) -> (u64, u64) {
        (self.0.0.swap(0, Ordering::SeqCst), self.0.1.swap(0, Ordering::SeqCst))
    }

    /// How many rows of the index, since this was asked last.
    pub fn take_index(&self) -> u64 {
        self.0.2.swap(0, Ordering::SeqCst)
    }

    fn count_index(&self, rows: usize) {
        self.0.2.fetch_add(rows as u64, Ordering::SeqCst);
    }

    fn count(&self, rows: usize) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        self.0.1.fetch_add(rows as u64, Ordering::SeqCst);
    }
}

/// A snapshot with counted walks.
pub struct CountedSnapshot {
    /// The snapshot.
    pub inner: Box<dyn Snapshot>,
    /// The counts.
    pub walked: Walked,
}

#[async_trait]
impl Snapshot for CountedSnapshot {
    fn repo(&self) -> &RepoRow {
        self.inner.repo()
    }
    async fn shelves(&mut self) -> Result<Vec<Shelf>> {
        self.inner.shelves().await
    }
    async fn packs_on(&mut self, shelves: &[ShelfId]) -> Result<BTreeMap<ShelfId, PackRow>> {
        self.inner.packs_on(shelves).await
    }
    async fn holds(&mut self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        self.inner.holds(keys).await
    }
    async fn shelved(&mut self, keys: &[MpackKey]) -> Result<Vec<Option<PackRow>>> {
        self.inner.shelved(keys).await
    }
    async fn damage(&mut self) -> Result<Vec<Damage>> {
        self.inner.damage().await
    }
    async fn retired(&mut self) -> Result<Vec<RetiredPack>> {
        self.inner.retired().await
    }
    async fn changes(&mut self, limit: u32) -> Result<Vec<PackChange>> {
        self.inner.changes(limit).await
    }
    async fn heads(&mut self) -> Result<Vec<Head>> {
        self.inner.heads().await
    }
    async fn freshened(&mut self, since: Timestamp) -> Result<Freshened> {
        self.inner.freshened(since).await
    }
    async fn left_heads(&mut self, since: Timestamp) -> Result<Vec<EntityId>> {
        self.inner.left_heads(since).await
    }
    async fn released(&mut self) -> Result<Vec<EntityId>> {
        self.inner.released().await
    }
    async fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        let found = self.inner.history(commits, limit).await?;
        self.walked.count(found.len());
        Ok(found)
    }
    async fn commits(&mut self, after: Option<EntityId>, limit: u32) -> Result<Vec<Ancestor>> {
        self.inner.commits(after, limit).await
    }
    async fn walk_floor(&mut self) -> Result<Option<u64>> {
        self.inner.walk_floor().await
    }
    async fn complete_pack(&mut self) -> Result<Option<CompletePackRow>> {
        self.inner.complete_pack().await
    }
    async fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<TagRow>> {
        self.inner.tags_of(commits).await
    }
    async fn tags_without_commit(&mut self, limit: u32) -> Result<Vec<EntityId>> {
        self.inner.tags_without_commit(limit).await
    }
    async fn lookup(
        &mut self,
        entities: &[EntityKey],
    ) -> Result<Vec<Option<(ShelfId, Fingerprint)>>> {
        self.walked.count_index(entities.len());
        self.inner.lookup(entities).await
    }
    async fn index_page(
        &mut self,
        after: Option<&EntityKey>,
        limit: u32,
    ) -> Result<Vec<(IndexRow, ShelfId)>> {
        let page = self.inner.index_page(after, limit).await?;
        self.walked.count_index(page.len());
        Ok(page)
    }
    async fn tag_id(&mut self, id: EntityId) -> Result<Option<String>> {
        self.inner.tag_id(id).await
    }
    async fn edge_count(&mut self) -> Result<u64> {
        self.inner.edge_count().await
    }
}
