//! Requests that are too long for a URL: they are kept in the catalog until their URLs expire, under
//! the caller's quota.

use jiff::Timestamp;
use packhouse_catalog::{NewFetchRequest, RequestBudget};
use packhouse_model::error::{Error, ExhaustedBudget, Result};
use packhouse_model::names::RepoName;

use super::super::Store;
use super::request::RequestedCommits;

/// A caller whose requests are kept, and their quota.
#[derive(Clone, Debug)]
pub struct RequestQuota {
    /// What their requests are counted by.
    pub caller: String,
    /// What they may take.
    pub budget: RequestBudget,
    /// Bytes of the disk that no request takes: they are for pushes.
    pub keep_free: u64,
}

impl Store {
    /// Keeps a request until its URL expires. It is found by its digest. None: without a quota.
    ///
    /// # Errors
    /// [`Error::RequestsFull`] where the quota is used up.
    pub async fn keep_request(
        &self,
        repo: &RepoName,
        requested: &RequestedCommits,
        expires_at: Timestamp,
        quota: Option<&RequestQuota>,
    ) -> Result<[u8; 32]> {
        let row = self.known_repo(repo).await?;
        let (digest, request) = (requested.digest(), requested.to_bytes());
        let bytes = request.len() as u64;
        if let Some(quota) = quota
            && self.vault.free_bytes()?.saturating_sub(bytes) < quota.keep_free
        {
            return Err(Error::RequestsFull { used_up: ExhaustedBudget::Disk, bytes });
        }
        let caller = quota.map_or_else(String::new, |quota| quota.caller.clone());
        let kept = NewFetchRequest { repo: row.id, digest, request, caller, expires_at };
        let budget = quota.map(|quota| quota.budget);
        match self.catalog.note_fetch_request(&kept, self.time().await?, budget).await? {
            None => Ok(digest),
            Some(used_up) => Err(Error::RequestsFull { used_up, bytes }),
        }
    }

    /// The request of a digest, if it is still kept.
    ///
    /// # Errors
    /// When the catalog can't be read.
    pub async fn kept_request(
        &self,
        repo: &RepoName,
        digest: &[u8; 32],
    ) -> Result<Option<RequestedCommits>> {
        let row = self.known_repo(repo).await?;
        let request = self.catalog.fetch_request(row.id, digest, self.time().await?).await?;
        Ok(request.and_then(|bytes| RequestedCommits::from_bytes(&bytes)))
    }
}
