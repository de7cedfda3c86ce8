//! What every adapter of a port must do: each law or promise of its docs is a function, and every
//! adapter keeps them all.
//!
//! Those of the [`vault`] run on local files, on S3, and in memory. Those of the catalog port run on
//! SQLite, on Postgres, and in memory, over a fresh catalog each (`tests/catalog`).
//!
//! In reading order: [`repos`]; what is published ([`pushes`], [`consolidations`], [`dropping`]),
//! reported to clients ([`freshening`]) and read ([`reading`], [`index`] and its [`merging`], [`large`]);
//! [`generations`] of commits; [`complete`] packs; [`fetch_requests`] that are too long for a URL;
//! known [`damage`],
//! and [`scrubs`] that look for it;
//! deleted [`branches`]; [`deleting`] a repo; unused [`packs`], and the lock to delete them
//! ([`locking`]); the [`gc_log`]; [`jobs`], their [`leases`] and the [`policies`] that queue them;
//! [`access`]; [`releases`]; [`races`] of all of these.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "these are tests, and their names are promises in words"
)]

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use packhouse_host::catalog::Catalog;

pub mod access;
pub mod branches;
pub mod complete;
pub mod consolidations;
pub mod damage;
pub mod deleting;
pub mod desk;
pub mod dropping;
pub mod fetch_requests;
pub mod freshening;
pub mod gc_log;
pub mod generations;
pub mod index;
pub mod jobs;
pub mod large;
pub mod leases;
pub mod locking;
pub mod merging;
pub mod packs;
pub mod policies;
pub mod pushes;
pub mod races;
pub mod reading;
pub mod releases;
pub mod repos;
pub mod scrubs;
pub mod vault;

/// Polls a future at most so many times, then drops it: as if its process had died there.
pub async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (pin!(future), times);
    std::future::poll_fn(move |context| {
        let Some(after) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = after;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Whether it is the catalog in memory, which others are compared with.
fn is_model(catalog: &Arc<dyn Catalog>) -> bool {
    catalog.place() == "memory"
}
