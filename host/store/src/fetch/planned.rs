//! Answers as values: planned and proven, and not written anywhere.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use packhouse_catalog::RepoRow;
use packhouse_core::Counts;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::Progress;
use packhouse_model::report::FetchReport;
use tokio::sync::OnceCell;
use tracing::Instrument;

use super::super::{Store, joined};
use super::cache::{Found, Held, Making, PlanKey};
use super::content::Content;
use super::request::RequestedCommits;

/// Largest answer whose key is found before it is sent, in bytes: it is read once more for that.
const HASHED_BYTES: u64 = 4 << 20;

/// An answer to a fetch, planned and proven on one state of the repo. Nothing of it is written.
#[derive(Debug)]
pub struct PlannedAnswer {
    /// How many records it has.
    pub counts: Counts,
    /// IDs that are reached and that the repo never had.
    pub missing: u64,
    /// Its bytes.
    pub content: Content,
    /// The key of one that is assembled, once it is known.
    key: OnceCell<MpackKey>,
}

impl PlannedAnswer {
    pub(super) fn new(counts: Counts, missing: u64, content: Content) -> PlannedAnswer {
        PlannedAnswer { counts, missing, content, key: OnceCell::new() }
    }
}

impl Held for PlannedAnswer {
    fn held_bytes(&self) -> u64 {
        self.content.held_bytes()
    }
}

impl Store {
    /// Plans the answer to a fetch, or takes the plan of an equal request on the same state of the
    /// repo. `permit` is awaited before a plan is made, and what it gives is dropped when that ends;
    /// a plan that is begun is made, whether or not its client waits for it.
    ///
    /// # Errors
    /// [`Error::UnknownWant`]; damage, where something that should be in the answer can't be read;
    /// the error of the permit.
    pub async fn plan_fetch<G: Send + 'static>(
        &self,
        repo: &RepoName,
        requested: &RequestedCommits,
        permit: impl Future<Output = Result<G>>,
    ) -> Result<Arc<PlannedAnswer>> {
        let digest = requested.digest();
        loop {
            let row = self.known_repo(repo).await?;
            match self.plans.find(&PlanKey::new(&row, digest)) {
                Found::Ready(planned) if self.looks_sound(&row, &planned).await? => {
                    return Ok(planned);
                }
                Found::Ready(planned) => self.plans.forget(&planned),
                // It ends with a plan, or with the error of its client.
                Found::InProgress(mut end) => while end.changed().await.is_ok() {},
                Found::Nothing(making) => {
                    let permit = permit.await?;
                    let (store, requested) = (self.clone(), requested.clone());
                    let making = async move {
                        let made = store.make_plan(&row, &requested, making).await;
                        drop(permit);
                        made
                    };
                    return joined(tokio::spawn(making.in_current_span())).await?;
                }
            }
        }
    }

    /// The plan of an answer that was given out with an ETag, if it is still kept: then its URL leads
    /// to the same bytes also when the repo has changed since.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn plan_given_out(
        &self,
        repo: &RepoName,
        requested: &RequestedCommits,
        etag: &str,
    ) -> Result<Option<Arc<PlannedAnswer>>> {
        let row = self.known_repo(repo).await?;
        let is_it = |planned: &PlannedAnswer| planned.content.etag() == etag;
        Ok(self.plans.find_any(row.id, &requested.digest(), is_it))
    }

    /// Whether the pack of an answer is there as far as this is known without reading it. Records of
    /// an assembled one are checked when they are sent.
    async fn looks_sound(&self, row: &RepoRow, planned: &PlannedAnswer) -> Result<bool> {
        let Some(pack) = planned.content.stored_pack() else { return Ok(true) };
        let damage = self.catalog.snapshot(row.id).await?.damage().await?;
        match self.must_be_there(&row.name, pack, &damage).await {
            Ok(()) => Ok(true),
            Err(Error::Damage(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn make_plan(
        &self,
        row: &RepoRow,
        requested: &RequestedCommits,
        making: Making<PlannedAnswer>,
    ) -> Result<Arc<PlannedAnswer>> {
        let progress = Progress::silent();
        let attempt = || self.plan_answer(row, requested, &progress);
        let planned = self.until_current(row.id, || Box::pin(attempt())).await;
        let planned = self.remembering(row.id, "fetch", planned).await?;
        let content = self.to_be_kept(planned.content);
        Ok(making.made(PlannedAnswer { content, ..planned }))
    }

    /// The key of an answer, if it is a stored pack, or small enough to be hashed at once.
    ///
    /// # Errors
    /// When it can't be read, or is damaged.
    pub async fn key_of_answer(&self, planned: &PlannedAnswer) -> Result<Option<MpackKey>> {
        if let Some(key) = planned.content.stored_key() {
            return Ok(Some(key));
        }
        if planned.content.bytes() > HASHED_BYTES {
            return Ok(None);
        }
        let hash = || self.hash_content(&planned.content);
        Ok(Some(*planned.key.get_or_try_init(hash).await?))
    }

    /// The URL of the stored pack that an answer is; none for one that is assembled.
    ///
    /// # Errors
    /// When there are no credentials to sign a URL.
    pub async fn stored_url(&self, content: &Content, ttl: Duration) -> Result<Option<String>> {
        match content.stored_key() {
            Some(key) => Ok(Some(self.vault.url_of(&key, ttl).await?)),
            None => Ok(None),
        }
    }

    /// What is reported of an answer that can be got from a URL.
    pub fn fetch_report(
        &self,
        planned: &PlannedAnswer,
        key: Option<MpackKey>,
        url: String,
        expires_at: Timestamp,
    ) -> FetchReport {
        let counts = planned.counts;
        FetchReport {
            mpack_key: key,
            mpack_url: url,
            object_count: counts.objects,
            commit_count: counts.commits,
            snapshot_count: counts.snapshots,
            tag_count: counts.tags,
            missing: planned.missing,
            bytes: planned.content.bytes(),
            expires_at,
            reused: planned.content.stored_key().is_some(),
            component: self.planner.digest().to_owned(),
        }
    }
}
