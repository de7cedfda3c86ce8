//! Fetch requests that are too long for a URL.

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_model::error::{Error, ExhaustedBudget, Result};

use super::MemoryCatalog;
use super::state::State;
use crate::fetch_requests::{RequestUsage, STRANGERS};
use crate::{FetchRequests, NewFetchRequest, RequestBudget};

impl State {
    /// Bytes of requests: all, those of callers without a token, and those of a caller.
    fn requested(&self, caller: &str) -> RequestUsage {
        let mut kept = RequestUsage::default();
        for request in self.repos.values().flat_map(|repo| repo.fetch_requests.values()) {
            let bytes = request.request.len() as u64;
            kept.all += bytes;
            kept.strangers += if request.caller.starts_with(STRANGERS) { bytes } else { 0 };
            kept.caller += if request.caller == caller { bytes } else { 0 };
        }
        kept
    }

    fn has_expired_requests(&self, now: Timestamp) -> bool {
        let mut requests = self.repos.values().flat_map(|repo| repo.fetch_requests.values());
        requests.any(|request| request.expires_at < now)
    }

    fn expire_requests(&mut self, now: Timestamp) -> u64 {
        let mut expired = 0;
        for repo in self.repos.values_mut() {
            let before = repo.fetch_requests.len();
            repo.fetch_requests.retain(|_, request| request.expires_at >= now);
            expired += (before - repo.fetch_requests.len()) as u64;
        }
        expired
    }
}

#[async_trait]
impl FetchRequests for MemoryCatalog {
    async fn note_fetch_request(
        &self,
        request: &NewFetchRequest,
        now: Timestamp,
        budget: Option<RequestBudget>,
    ) -> Result<Option<ExhaustedBudget>> {
        let mut state = self.write();
        state.expire_requests(now);
        let repo = state.repos.get_mut(&request.repo).filter(|repo| !repo.is_deleted());
        let repo = repo.ok_or(Error::DeletedMeanwhile)?;
        if let Some(kept) = repo.fetch_requests.get_mut(&request.digest) {
            kept.expires_at = kept.expires_at.max(request.expires_at);
            return Ok(None);
        }
        let (kept, bytes) = (state.requested(&request.caller), request.request.len() as u64);
        if let Some(used_up) = budget.and_then(|budget| budget.lacks(kept, bytes, &request.caller))
        {
            return Ok(Some(used_up));
        }
        state.of(request.repo).fetch_requests.insert(request.digest, request.clone());
        Ok(None)
    }

    async fn fetch_request(
        &self,
        repo: i64,
        digest: &[u8; 32],
        now: Timestamp,
    ) -> Result<Option<Vec<u8>>> {
        let state = self.read();
        let found = state.repos.get(&repo).and_then(|repo| repo.fetch_requests.get(digest));
        let found = found.filter(|request| request.expires_at >= now);
        Ok(found.map(|request| request.request.clone()))
    }

    async fn expire_fetch_requests(&self, now: Timestamp) -> Result<u64> {
        // Looking changes nothing.
        let any = self.read().has_expired_requests(now);
        match any {
            true => Ok(self.write().expire_requests(now)),
            false => Ok(0),
        }
    }
}
