//! The memory of small bodies, and of the values that are decoded from them: one budget for short
//! ones, and one for longer ones. No caller gets more than half of either, so that a stalled caller
//! leaves the other half to others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};

use axum::extract::Request;
use axum::http::StatusCode;
use packhouse_model::access::Caller;
use packhouse_model::shared::shared;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::ClientAddress;
use super::limits::{BODY_MEMORY, BODY_MEMORY_TIMEOUT, SHORT, SHORT_BODY_MEMORY, of_one};
use super::problem::{ApiResult, Problem};

/// All of it.
#[derive(Debug)]
pub(super) struct BodyMemory {
    all: Arc<Pools>,
    of_callers: Mutex<HashMap<String, Weak<Pools>>>,
}

/// Memory of short bodies, and of longer ones.
#[derive(Debug)]
struct Pools {
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Pools {
    fn new(short: usize, long: usize) -> Arc<Pools> {
        let pool = |bytes: usize| Arc::new(Semaphore::new(bytes >> 10));
        Arc::new(Pools { short: pool(short), long: pool(long) })
    }
}

/// The share of it that the caller of a request may use.
#[derive(Debug)]
pub(super) struct MemoryShare {
    all: Arc<Pools>,
    /// None if all requests are trusted.
    own: Option<Arc<Pools>>,
}

impl BodyMemory {
    pub(super) fn new() -> BodyMemory {
        BodyMemory { all: Pools::new(SHORT_BODY_MEMORY, BODY_MEMORY), of_callers: Mutex::default() }
    }

    /// The share of a request's caller: their token's, or their address's.
    pub(super) fn share_of(&self, request: &Request) -> MemoryShare {
        let address = request.extensions().get::<ClientAddress>();
        let caller = request.extensions().get::<Caller>();
        self.share(match (caller, caller.and_then(Caller::counted_as)) {
            (Some(Caller::Trusted), _) => None,
            (_, Some(token)) => Some(format!("token:{token}")),
            (_, None) => Some(address.map_or_else(String::new, |address| address.0.to_string())),
        })
    }

    fn share(&self, caller: Option<String>) -> MemoryShare {
        let half = || Pools::new(of_one(SHORT_BODY_MEMORY), of_one(BODY_MEMORY));
        let own = caller.map(|caller| shared(&self.of_callers, &caller, half));
        MemoryShare { all: self.all.clone(), own }
    }
}

/// A part of [`BodyMemory`], until it is dropped.
#[derive(Debug, Default)]
pub(super) struct MemoryPermit {
    short: Option<Taken>,
    long: Option<Taken>,
    /// As long as a part of it is in use, the caller's next request has the same share.
    _share: Option<Arc<Pools>>,
}

#[derive(Debug)]
struct Taken {
    own: Option<OwnedSemaphorePermit>,
    all: OwnedSemaphorePermit,
}

impl MemoryPermit {
    /// Reserves memory for a body of which `to` bytes have arrived, and which may have up to `most`
    /// bytes. While it is short, it reserves more as it grows, in steps of a kilobyte. Beyond that
    /// it reserves everything at once: if each body reserved a part and waited for the rest, none
    /// would continue.
    pub(super) async fn grow(
        &mut self,
        share: &MemoryShare,
        to: usize,
        most: usize,
    ) -> ApiResult<()> {
        self._share.clone_from(&share.own);
        if to > SHORT {
            if self.long.is_none() {
                self.long = Some(share.take(|pools| &pools.long, most.max(to)).await?);
                self.short = None;
            }
            return Ok(());
        }
        let have = self.short.as_ref().map_or(0, |have| have.all.num_permits() << 10);
        if to > have {
            let more = share.take(|pools| &pools.short, to - have).await?;
            match &mut self.short {
                Some(have) => have.merge(more),
                none => *none = Some(more),
            }
        }
        Ok(())
    }
}

impl Taken {
    fn merge(&mut self, more: Taken) {
        self.all.merge(more.all);
        match (&mut self.own, more.own) {
            (Some(own), Some(more)) => own.merge(more),
            (own, more) => *own = own.take().or(more),
        }
    }
}

impl MemoryShare {
    /// Waits for some bytes of memory, in whole kilobytes: first for the caller's own.
    async fn take(
        &self,
        pool: impl Fn(&Pools) -> &Arc<Semaphore>,
        bytes: usize,
    ) -> ApiResult<Taken> {
        let busy = || {
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the server is busy with other requests, yours or those of others; try again",
            )
        };
        let permits = u32::try_from(bytes.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        let taking = async {
            let own = match &self.own {
                Some(own) => Some(pool(own).clone().acquire_many_owned(permits).await?),
                None => None,
            };
            Ok(Taken { own, all: pool(&self.all).clone().acquire_many_owned(permits).await? })
        };
        // They are never closed.
        let taken: Result<Taken, tokio::sync::AcquireError> =
            tokio::time::timeout(BODY_MEMORY_TIMEOUT, taking).await.map_err(|_| busy())?;
        taken.map_err(|_| busy())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::super::limits::FETCH_BODY;
    use super::*;

    /// The memory that a body of this length takes, which comes in pieces.
    async fn coming(share: &MemoryShare, length: usize) -> ApiResult<MemoryPermit> {
        let mut held = MemoryPermit::default();
        for to in (0..=length).step_by(SHORT / 2) {
            held.grow(share, to, length).await?;
            tokio::task::yield_now().await;
        }
        Ok(held)
    }

    /// Whether a body of this length has to wait.
    fn waits(share: &MemoryShare, length: usize) -> bool {
        MemoryPermit::default().grow(share, length, length).now_or_never().is_none()
    }

    fn free(memory: &BodyMemory) -> (usize, usize) {
        let bytes = |pool: &Semaphore| pool.available_permits() << 10;
        (bytes(&memory.all.short), bytes(&memory.all.long))
    }

    /// There is room for four of them at once.
    #[tokio::test]
    async fn long_bodies_don_t_wait_for_each_other_for_ever_and_short_ones_not_for_them() {
        let memory = BodyMemory::new();
        let share = memory.share(None);
        let many = futures::future::join_all(
            (0..12).map(|_| async { coming(&share, BODY_MEMORY / 4).await.map(drop) }),
        )
        .await;
        assert!(many.iter().all(Result::is_ok), "{many:?}");
        let long = futures::future::try_join_all((0..4).map(|_| coming(&share, BODY_MEMORY / 4)))
            .await
            .unwrap();
        assert!(waits(&share, BODY_MEMORY / 4), "there is no room for it");
        coming(&share, SHORT).await.unwrap();
        drop(long);
        assert_eq!(free(&memory), (SHORT_BODY_MEMORY, BODY_MEMORY));
    }

    #[tokio::test]
    async fn one_caller_leaves_half_of_it_to_others() {
        let memory = BodyMemory::new();
        let greedy = || memory.share(Some("address".to_owned()));
        let (first, second) = (greedy(), greedy());
        let held = [
            coming(&first, BODY_MEMORY / 4).await.unwrap(),
            coming(&second, BODY_MEMORY / 4).await.unwrap(),
        ];
        drop((first, second));
        assert!(waits(&greedy(), BODY_MEMORY / 4), "they have their half");
        // The largest body that there may be.
        let other = memory.share(Some("token:1".to_owned()));
        coming(&other, FETCH_BODY).await.unwrap();
        // The same with many short ones.
        let mut short = Vec::new();
        while short.len() < of_one(SHORT_BODY_MEMORY) / SHORT {
            short.push(coming(&greedy(), SHORT).await.unwrap());
        }
        assert!(waits(&greedy(), SHORT));
        coming(&other, SHORT).await.unwrap();
        drop((short, held));
        assert_eq!(free(&memory), (SHORT_BODY_MEMORY, BODY_MEMORY));
        assert!(coming(&greedy(), BODY_MEMORY / 4).await.is_ok());
    }
}
