//! `fetch`: a pack with everything that `want` reaches and `have` does not.
//!
//! ```text
//! request ─▶ plan, proven on one state ─┬─▶ a stored pack that is exactly the answer: its own URL
//!            (shared by equal requests) ├─▶ written to the user's file while it is hashed
//!                                       ├─▶ kept in `answers` until it expires (a local store)
//!                                       └─▶ streamed to a client of a server; nothing is written
//! ```
//!
//! A clone of a repo whose only pack is complete is that pack: one look into the catalog
//! ([`super::complete`]). What is sent is checked on the way, record by record ([`stream`]). A stored
//! pack of which only the URL is given out was proven when it was written, and is not read: the
//! client can compare it with its key.

mod cache;
mod content;
mod file;
mod kept_request;
mod plan;
mod planned;
mod request;
mod stream;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::RepoRow;
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::progress::Progress;
use packhouse_model::report::FetchReport;

pub use self::content::Content;
pub use self::kept_request::RequestQuota;
pub use self::planned::PlannedAnswer;
pub use self::request::RequestedCommits;
pub use self::stream::ContentStream;

pub(super) use self::content::AnswerPlan;
pub(super) use self::plan::FetchState;
pub(super) type Plans = cache::Plans<PlannedAnswer>;

use self::content::ContentOf;
use super::Store;

impl Store {
    /// Answers a fetch with the URL of a pack, or writes the pack to the user's file.
    ///
    /// # Errors
    /// [`Error::UnknownWant`]; [`packhouse_model::error::DamageError::Lost`] and other damage,
    /// where something that should be in the answer can't be read.
    pub async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        let row = self.known_repo(repo).await?;
        let requested = RequestedCommits::of(repo, request)?;
        let attempt = || self.fetch_once(&row, request, &requested, progress);
        let done = self.until_current(row.id, || Box::pin(attempt())).await;
        self.remembering(row.id, "fetch", done).await
    }

    /// Answers on one state of the repo.
    async fn fetch_once(
        &self,
        row: &RepoRow,
        request: &FetchRequest,
        requested: &RequestedCommits,
        progress: &Progress,
    ) -> Result<FetchReport> {
        let now = self.time().await?;
        let expires_at = self.expiry(request.ttl, now)?;
        // Where nothing can be written, nothing is tidied up either.
        let tidied = self.expire_answers(row.id, &row.repo_id, now, "fetch").await;
        tidied.or_else(|error| if error.is_read_only() { Ok(0) } else { Err(error) })?;

        let planned = self.plan_answer(row, requested, progress).await?;
        let (key, url) = match (&request.output, &planned.content.of) {
            (Some(output), _) => self.write_output(&planned.content, output, progress).await?,
            (None, ContentOf::Stored(pack)) => {
                (pack.key, self.vault.url_of(&pack.key, request.ttl).await?)
            }
            (None, ContentOf::Planned(plan)) => {
                let kept_until = (request.ttl, expires_at);
                self.assemble(row, plan, kept_until, progress).await?
            }
        };
        Ok(self.fetch_report(&planned, Some(key), url, expires_at))
    }

    /// When a URL that is valid for so long from now on expires.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that is too long.
    pub async fn url_expiry(&self, ttl: Duration) -> Result<Timestamp> {
        self.expiry(ttl, self.time().await?)
    }

    fn expiry(&self, ttl: Duration, now: Timestamp) -> Result<Timestamp> {
        let too_long = || Error::Usage("the ttl is too long".into());
        let span = SignedDuration::try_from(ttl).map_err(|_| too_long())?;
        let expires_at = now.checked_add(span).map_err(|_| too_long())?;
        match self.vault.longest_url().filter(|longest| ttl > *longest) {
            None => Ok(expires_at),
            Some(longest) => Err(Error::Usage(format!(
                "a URL of {} is valid for at most {} seconds (7 days); use a shorter ttl",
                self.vault.place(),
                longest.as_secs()
            ))),
        }
    }
}
