//! The request of a client, as the component gets it.

use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::{EntityId, Kind, Request};
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;

/// What to ask the component for, to answer a client.
pub(super) async fn ask(request: &FetchRequest, snapshot: &mut dyn Snapshot) -> Result<Request> {
    let want = ids(&snapshot.repo().name, &request.want)?;
    let mut ask = Request { want, ..Request::default() };
    if request.want.is_empty() {
        // Of branches that clients can't keep the names are left out, and nothing that they
        // reach.
        ask.want_if_known = snapshot.heads().await?.iter().map(|head| head.commit).collect();
    }
    // A have that the repo does not know says nothing of what the client has. Without it, more
    // can be proven of the answer.
    let had: Vec<EntityId> =
        request.have.iter().filter_map(|id| EntityId::parse(id.as_bytes()).ok()).collect();
    let keys: Vec<_> = had.iter().map(|id| entity_key(Kind::Commit, *id)).collect();
    let known = snapshot.lookup(&keys).await?;
    let known = had.into_iter().zip(known).filter(|(_, known)| known.is_some());
    ask.have = known.map(|(id, _)| id).collect();
    Ok(ask)
}

/// Wants, as ids. A text that is no id is a commit that the repo can't have.
fn ids(repo: &RepoName, texts: &[String]) -> Result<Vec<EntityId>> {
    let (good, bad): (Vec<_>, Vec<_>) = texts
        .iter()
        .map(|t| EntityId::parse(t.as_bytes()).map_err(|_| t.clone()))
        .partition(Result::is_ok);
    if bad.is_empty() {
        return Ok(good.into_iter().flatten().collect());
    }
    Err(Error::UnknownWant {
        repo: repo.clone(),
        ids: bad.into_iter().filter_map(Result::err).collect(),
    })
}
