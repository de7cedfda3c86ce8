//! Permits: limits of concurrent work, in total and per caller.
//!
//! A permit is held as long as the work continues, not as long as its client waits: a client that
//! disconnects does not free a slot whose work continues.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use axum::http::StatusCode;
use packhouse_model::error::{Error, Result};
use packhouse_model::shared::shared;
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::limits::{PLANNED, ServeLimits, UPLOAD_SLOT_TIMEOUT, UPLOADS_OF_ONE};
use super::problem::{ApiResult, Problem};

/// All permits of a server.
#[derive(Debug)]
pub(super) struct Permits {
    /// Uploads that may be received at once.
    uploads: FairSemaphore,
    /// Packs that may be written at once.
    writers: FairSemaphore,
    /// Answers that may be planned at once.
    plans: Arc<Semaphore>,
}

impl Permits {
    pub(super) fn new(limits: &ServeLimits) -> Permits {
        Permits {
            uploads: FairSemaphore::new(limits.uploads, UPLOADS_OF_ONE),
            writers: FairSemaphore::new(limits.making, limits.making.div_ceil(2)),
            plans: Arc::new(Semaphore::new(PLANNED)),
        }
    }

    /// Waits until an upload may be received: no token gets all permits, nor waits for ever.
    pub(super) async fn upload(&self, token: Option<&str>) -> ApiResult<FairPermit> {
        match tokio::time::timeout(UPLOAD_SLOT_TIMEOUT, self.uploads.acquire(token)).await {
            Ok(permit) => permit,
            Err(_) => Err(Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many uploads at the moment; try again",
            )),
        }
    }

    /// Waits until a pack may be written from a body that has been received.
    pub(super) async fn write_pack(&self) -> ApiResult<FairPermit> {
        self.writers.acquire(None).await
    }

    /// Waits until a pack may be written from a body while it is received. A client may send
    /// slowly, so no token gets more than half of these permits.
    pub(super) async fn write_pack_from_network(
        &self,
        token: Option<&str>,
    ) -> ApiResult<FairPermit> {
        self.writers.acquire(token).await
    }

    /// Waits until an answer may be planned.
    pub(super) async fn plan(&self) -> Result<OwnedSemaphorePermit> {
        self.plans.clone().acquire_owned().await.map_err(never_closed)
    }

    /// How many more answers may be planned now.
    #[cfg(test)]
    pub(super) fn free_plans(&self) -> usize {
        self.plans.available_permits()
    }
}

/// A semaphore that one caller can't exhaust.
#[derive(Debug)]
struct FairSemaphore {
    all: Arc<Semaphore>,
    of_callers: Mutex<HashMap<String, Weak<Semaphore>>>,
    of_one: usize,
}

impl FairSemaphore {
    fn new(all: usize, of_one: usize) -> FairSemaphore {
        FairSemaphore { all: Arc::new(Semaphore::new(all)), of_callers: Mutex::default(), of_one }
    }

    /// Waits for a permit: first for one of the caller's own, if they are counted.
    async fn acquire(&self, caller: Option<&str>) -> ApiResult<FairPermit> {
        let of_one = || Arc::new(Semaphore::new(self.of_one));
        let own = caller.map(|caller| shared(&self.of_callers, &caller.to_owned(), of_one));
        let own = match own {
            Some(own) => Some(own.acquire_owned().await.map_err(never_closed)?),
            None => None,
        };
        let all = self.all.clone().acquire_owned().await.map_err(never_closed)?;
        Ok(FairPermit { _own: own, _all: all })
    }
}

/// A permit among all, and among those of one caller, until it is dropped.
#[derive(Debug)]
pub(super) struct FairPermit {
    _own: Option<OwnedSemaphorePermit>,
    _all: OwnedSemaphorePermit,
}

/// The error of a closed semaphore: these are never closed.
fn never_closed(_: AcquireError) -> Error {
    Error::Cancelled
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn one_caller_leaves_permits_to_others() {
        let semaphore = FairSemaphore::new(2, 1);
        let first = semaphore.acquire(Some("a")).await.unwrap();
        assert!(semaphore.acquire(Some("a")).now_or_never().is_none(), "it has its own");
        let _other = semaphore.acquire(Some("b")).await.unwrap();
        assert!(semaphore.acquire(None).now_or_never().is_none(), "all are taken");
        drop(first);
        semaphore.acquire(Some("a")).await.unwrap();
    }
}
