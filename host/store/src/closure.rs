//! What an answer to a fetch must hold; and law 12: it leaves out nothing that the repo knew when it
//! was planned.

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;

use packhouse_catalog::{RepoRow, Snapshot, entity_key};
use packhouse_core::{EntityId, Kind, Request, Row};
use packhouse_model::client::FetchRequest;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{RepoName, ShelfId};
use packhouse_pack::scan::ScannedPack;
use packhouse_run::RunPack;
use packhouse_vault::StoredPack;

use super::prove::ProofError;
use super::reach::unreached;
use super::{Store, blocking, prove};

/// What an answer must hold.
pub(super) struct AnswerScope {
    /// The request to the component.
    pub(super) ask: Request,
    /// The shelves that there were when it was planned.
    pub(super) planned_from: BTreeSet<ShelfId>,
}

impl Store {
    /// Proves that what an answer leaves out is nothing that the repo knew when it was planned.
    pub(super) async fn leaves_nothing_out(
        &self,
        row: &RepoRow,
        packs: &[RunPack],
        scope: &AnswerScope,
        scanned: ScannedPack,
        answer: StoredPack,
    ) -> Result<()> {
        let ask = scope.ask.clone();
        let ends = blocking(move || {
            let read = |row: &Row| {
                let mut bytes = vec![0; row.length as usize];
                answer.file.read_exact_at(&mut bytes, row.offset).map(|()| bytes)
            };
            prove::open_ends(&scanned, &ask, read).map_err(Error::io("reading", &answer.path))
        })
        .await?;
        if ends.is_empty() {
            return Ok(());
        }
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        // What was wanted and is had already need not be sent.
        let open = ends.iter().map(|end| end.id).collect();
        let open = if scope.ask.have.is_empty() {
            open
        } else {
            unreached(snapshot.as_mut(), &scope.ask.have, open).await?
        };
        let ends: Vec<_> = ends.into_iter().filter(|end| open.contains(&end.id)).collect();
        let keys: Vec<_> = ends.iter().map(|end| entity_key(end.kind, end.id)).collect();
        let known = snapshot.lookup(&keys).await?;
        // What is on another shelf was pushed after the answer was planned.
        let left_out = ends
            .iter()
            .zip(known)
            .find(|(_, known)| known.is_some_and(|(shelf, _)| scope.planned_from.contains(&shelf)));
        let Some((end, _)) = left_out else { return Ok(()) };
        let reason =
            format!("its answer leaves out {} {}, wanted by {}", end.kind, end.id, end.wanted_by);
        Err(self.unproven(&row.name, packs, ProofError::Component(reason)).await)
    }
}

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
