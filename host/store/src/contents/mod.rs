//! What is inside a repo: commits, files and records, found through the index and read from packs.
//!
//! Records are read by ranges: what is shown costs what it shows, whatever the size of the repo.

mod compare;
mod files;
mod find;
mod log;
mod object;
mod records;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use packhouse_catalog::{RepoRow, Snapshot};
use packhouse_core::{EntityId, Kind};
use packhouse_model::contents::{Content, Contents};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{
    FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison, PackComparisonQuery,
    PackRecordsPage, PackRecordsQuery, RecordReport,
};
use packhouse_run::{DirectoryHeads, LocatedRow, Locator, damaged_pack, read_ranges};
use packhouse_vault::Vault;

use self::value::fields_of;
use super::Store;
use super::repo::mapped_packs;

/// What has found damage, in its record.
const FOUND_BY: &str = "read";

#[async_trait]
impl Contents for Store {
    async fn log(&self, repo: &RepoName, query: &LogQuery) -> Result<LogPage> {
        self.look(repo, |mut inside| async move { inside.log(query).await }.boxed()).await
    }

    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage> {
        self.look(repo, |mut inside| async move { inside.files(query).await }.boxed()).await
    }

    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport> {
        self.look(repo, |mut inside| async move { inside.record(id).await }.boxed()).await
    }

    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content> {
        self.look(repo, |mut inside| async move { inside.content(self.clone(), id).await }.boxed())
            .await
    }

    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>> {
        self.look(repo, |mut inside| async move { inside.find(id).await }.boxed()).await
    }

    async fn pack_records(
        &self,
        repo: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        self.look(repo, |mut inside| async move { inside.pack_records(query).await }.boxed()).await
    }

    async fn compare_packs(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        self.comparison(repo, query).await
    }
}

impl Store {
    /// Looks inside a repo; again, if it was consolidated and pruned meanwhile. Damage is recorded.
    async fn look<'a, T: Send>(
        &'a self,
        repo: &RepoName,
        see: impl Fn(Inside) -> BoxFuture<'a, Result<T>> + Send + Sync + 'a,
    ) -> Result<T> {
        let row = self.known_repo(repo).await?;
        let (id, see) = (row.id, &see);
        let attempt = || async move { see(self.inside(id).await?).await }.boxed();
        let seen = self.until_current(id, attempt).await;
        self.remembering(id, FOUND_BY, seen).await
    }

    async fn inside(&self, repo: i64) -> Result<Inside> {
        let mut snapshot = self.catalog.snapshot(repo).await?;
        let packs = mapped_packs(&snapshot.shelves().await?);
        let repo = snapshot.repo().clone();
        let locator = self.locator(&repo.name, packs);
        let (heads, vault) = (self.directory_heads.clone(), self.vault.clone());
        Ok(Inside { repo, snapshot, locator, heads, vault })
    }
}

/// A repo, as of one snapshot of the catalog, to look inside.
struct Inside {
    repo: RepoRow,
    snapshot: Box<dyn Snapshot>,
    locator: Locator,
    /// Shared by all runs of the process.
    heads: Arc<DirectoryHeads>,
    vault: Vault,
}

impl Inside {
    /// The records of one kind with these IDs; none for one that the repo does not have.
    async fn read(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<Bytes>>> {
        let located = self.locator.locate(self.snapshot.as_mut(), kind, ids).await?;
        let mut by_pack: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (number, found) in located.iter().enumerate() {
            if let Some(found) = found {
                by_pack.entry(found.pack).or_default().push(number);
            }
        }
        let mut read = vec![None; ids.len()];
        for (pack, numbers) in by_pack {
            let spans: Vec<_> = numbers
                .iter()
                .filter_map(|number| located[*number])
                .map(|found| found.row.offset..found.row.offset + found.row.length)
                .collect();
            let key = self.locator.packs()[pack as usize].key;
            let bytes = read_ranges(&self.vault, &self.repo.name, &key, &spans).await?;
            for (number, bytes) in numbers.into_iter().zip(bytes) {
                read[number] = Some(bytes);
            }
        }
        Ok(read)
    }

    /// A record that was found in the index: its place and its bytes.
    async fn read_one(&mut self, kind: Kind, id: EntityId) -> Result<Bytes> {
        self.read(kind, &[id]).await?.pop().flatten().ok_or_else(|| self.lost(kind, id))
    }

    async fn locate_one(&mut self, kind: Kind, id: EntityId) -> Result<LocatedRow> {
        let located = self.locator.locate(self.snapshot.as_mut(), kind, &[id]).await?;
        located.into_iter().next().flatten().ok_or_else(|| self.lost(kind, id))
    }

    fn lost(&self, kind: Kind, id: EntityId) -> Error {
        DamageError::Lost { repo: self.repo.name.clone(), kind, id, wanted_by: "the index".into() }
            .into()
    }

    /// The error for a record that can't be parsed: its bytes are not those that were pushed.
    fn unreadable(&self, found: &LocatedRow, reason: impl std::fmt::Display) -> Error {
        let key = self.locator.packs()[found.pack as usize].key;
        let detail =
            format!("the {} at byte {} can't be read: {reason}", found.row.kind, found.row.offset);
        damaged_pack(&self.vault, &self.repo.name, &key, detail)
    }

    /// The ID as clients wrote it: of a tag, its text.
    async fn text_of(&mut self, kind: Kind, id: EntityId) -> Result<String> {
        match kind {
            Kind::Tag => Ok(self.snapshot.tag_id(id).await?.unwrap_or_else(|| id.to_string())),
            _ => Ok(id.to_string()),
        }
    }

    async fn found(&mut self, kind: Kind, id: EntityId) -> Result<(FoundRecord, LocatedRow)> {
        let located = self.locate_one(kind, id).await?;
        let found = FoundRecord {
            repo: self.repo.name.clone(),
            kind,
            id: self.text_of(kind, id).await?,
            mpack_key: self.locator.packs()[located.pack as usize].key,
            offset: located.row.offset,
            length: located.row.length,
        };
        Ok((found, located))
    }

    async fn record(&mut self, id: &str) -> Result<RecordReport> {
        let (kind, id) = self.only(id, &Kind::ALL, "record").await?;
        let (place, located) = self.found(kind, id).await?;
        if kind == Kind::Object {
            let content = self.content_range(&located).await?;
            let content_bytes = Some(content.end - content.start);
            return Ok(RecordReport { place, content_bytes, fields: None });
        }
        let bytes = self.read_one(kind, id).await?;
        let fields = fields_of(&bytes).map_err(|reason| self.unreadable(&located, reason))?;
        Ok(RecordReport { place, content_bytes: None, fields: Some(fields) })
    }
}
