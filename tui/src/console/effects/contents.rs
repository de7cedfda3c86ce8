//! Looks inside repos: one record, and the records with an ID.

use futures::TryStreamExt;
use packhouse_host::{Error, RepoName, Result};

use crate::console::backend::Backend;
use crate::console::failure::{Failure, FailureKind};
use crate::console::state::{FoundIn, Opened, PREVIEW};

/// Reads a record, and the beginning of its bytes. A record whose bytes are damaged is still found.
pub(in crate::console) async fn open(
    store: &dyn Backend,
    repo: &RepoName,
    id: &str,
) -> Result<Opened> {
    let record = store.record(repo, id).await?;
    let beginning = match beginning(store, repo, &record.place.id).await {
        Err(error @ Error::Unreachable { .. }) => return Err(error),
        beginning => beginning.map_err(Failure::from),
    };
    Ok(Opened { record, beginning })
}

async fn beginning(store: &dyn Backend, repo: &RepoName, id: &str) -> Result<Vec<u8>> {
    let mut stream = store.content(repo, id).await?.stream;
    let mut bytes = Vec::new();
    // One byte more: only at its end an object fails that does not match its ID.
    while bytes.len() <= PREVIEW {
        let Some(chunk) = stream.try_next().await? else { break };
        bytes.extend_from_slice(&chunk);
    }
    bytes.truncate(PREVIEW);
    Ok(bytes)
}

/// Looks for an ID in repos, one after the other, until the store can't be reached. A repo that
/// can't be searched does not end the search.
pub(in crate::console) async fn find(
    store: &dyn Backend,
    id: &str,
    repos: Vec<RepoName>,
) -> Vec<FoundIn> {
    let mut found = Vec::new();
    for repo in repos {
        let records = store.find(&repo, id).await.map_err(Failure::from);
        let is_lost = matches!(&records, Err(failure) if failure.kind == FailureKind::Unreachable);
        found.push((repo, records));
        if is_lost {
            break;
        }
    }
    found
}
