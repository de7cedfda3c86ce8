//! The bytes of an answer, checked while they are read. What is found damaged is remembered.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{BoxStream, once};
use packhouse_catalog::PackRow;
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_vault::StoredPack;

use super::super::Store;
use super::content::Content;
use super::planned::PlannedAnswer;

/// Bytes of an answer in order. An error ends it: the bytes before are right, and are not all.
pub type ContentStream = BoxStream<'static, Result<Bytes>>;

impl Store {
    /// Opens some bytes of an answer for reading. None: packs that it was planned on were deleted
    /// since, and it is to be planned again.
    ///
    /// # Errors
    /// When the first of the bytes can't be read, or are damaged.
    pub async fn open_answer(
        &self,
        planned: &Arc<PlannedAnswer>,
        range: Range<u64>,
    ) -> Result<Option<ContentStream>> {
        let opened = self.open_content(&planned.content, range).await;
        if !matches!(opened, Ok(Some(_))) {
            self.plans.forget(planned);
        }
        let Some(stream) = opened? else { return Ok(None) };
        let (plans, planned) = (self.plans.clone(), planned.clone());
        // The next request must not meet the same damage: it may have been repaired.
        let stream = stream.inspect(move |chunk| {
            if chunk.is_err() {
                plans.forget(&planned);
            }
        });
        Ok(Some(stream.boxed()))
    }

    /// The same for bytes that no plan is kept of.
    ///
    /// # Errors
    /// As for [`Store::open_answer`].
    pub async fn open_content(
        &self,
        content: &Content,
        range: Range<u64>,
    ) -> Result<Option<ContentStream>> {
        let (store, repo) = (self.clone(), content.repo);
        let mut stream = content.source.stream(range).boxed();
        let first = match stream.next().await {
            None => return Ok(Some(stream)),
            Some(Ok(first)) => first,
            Some(Err(error)) if self.is_stale(repo, &error).await? => return Ok(None),
            Some(Err(error)) => return self.remembering(repo, "serve", Err(error)).await,
        };
        let rest = stream.then(move |chunk| {
            let store = store.clone();
            async move {
                match chunk {
                    Err(error) if !store.is_stale(repo, &error).await? => {
                        store.remembering(repo, "serve", Err(error)).await
                    }
                    chunk => chunk,
                }
            }
        });
        Ok(Some(once(async { Ok(first) }).chain(rest).boxed()))
    }

    /// The bytes of a pack of a repo; none where it is not a pack of that repo (law 10), or is
    /// missing.
    ///
    /// # Errors
    /// When the catalog or the pack can't be read.
    pub async fn pack_content(&self, repo: &RepoName, key: &MpackKey) -> Result<Option<Content>> {
        let Some(row) = self.catalog.repo(repo).await?.filter(|row| self.means(row)) else {
            return Ok(None);
        };
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let shelved = snapshot.shelved(&[*key]).await?.into_iter().flatten().next();
        // A consolidation may have replaced it since, and dropped some of what it holds: it stays
        // readable until it is deleted.
        let pack: Option<PackRow> = match shelved {
            Some(pack) => Some(pack),
            None => {
                let mut retired = snapshot.retired().await?.into_iter().map(|one| one.pack);
                retired.find(|pack| pack.key == *key)
            }
        };
        drop(snapshot);
        let Some(pack) = pack else { return Ok(None) };
        if self.vault.size_of(key).await?.is_none() {
            // Where a shelf holds it, that is damage; else it was replaced and deleted.
            let missing = self.missing(repo, key);
            if !self.is_stale(row.id, &missing).await? {
                let _ = self.remembering::<()>(row.id, "serve", Err(missing)).await;
            }
            return Ok(None);
        }
        Ok(Some(self.stored_content(&row, pack)))
    }

    /// A fetch result that an earlier version of the server has kept, until its URL expires.
    ///
    /// # Errors
    /// When the catalog or the pack can't be read.
    pub async fn kept_answer(&self, repo: &RepoName, key: &MpackKey) -> Result<Option<StoredPack>> {
        match self.catalog.repo(repo).await?.filter(|row| self.means(row)) {
            Some(row) => self.vault.open_answer(&row.repo_id, key).await,
            None => Ok(None),
        }
    }
}
