//! Law 4: what a component says of a push is compared with what the push says.
//!
//! The graph is walked by every fetch, so an edge that is left out would be an omission for ever; a
//! wrong preference would map an encoding that no consolidation takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use packhouse_catalog::Snapshot;
use packhouse_core::record::Commit;
use packhouse_core::{Edges, EncodingConflict, EntityId, Head, Kind};
use packhouse_model::error::Error;
use packhouse_run::{Indexed, PackReader, RunPack};

use super::reach::Walks;

/// Why what a component says of a push is not accepted.
#[derive(Debug, thiserror::Error)]
pub(super) enum IndexFault {
    #[error("it returned other edges for commit {0} than the commit has")]
    OtherEdges(EntityId),
    #[error("it returned edges for {returned} commits, but {pushed} are pushed")]
    EdgeCount { returned: usize, pushed: usize },
    #[error("it prefers the wrong one of two encodings")]
    OtherEncoding,
    #[error("the push names the branches {0:?}, but it decides on others")]
    OtherBranches(Vec<String>),
    #[error("it moved branch `{branch}` to {head}, which was not pushed")]
    NotPushed { branch: String, head: EntityId },
    #[error("it moved branch `{branch}` to {head}, which does not descend from {other}")]
    NotDescended { branch: String, head: EntityId, other: EntityId },
    /// It could not be compared.
    #[error(transparent)]
    Unchecked(#[from] Error),
}

impl IndexFault {
    /// The error of a push, for the component of a digest.
    pub(super) fn into_error(self, digest: &str) -> Error {
        match self {
            IndexFault::Unchecked(error) => error,
            fault => Error::Component {
                digest: digest.to_owned(),
                doing: "indexing a push",
                reason: fault.to_string(),
            },
        }
    }
}

/// Checks edges and preferred encodings.
pub(super) fn check_index(
    reader: &mut PackReader,
    pushed: &[RunPack],
    conflicts: &[EncodingConflict],
    indexed: &Indexed,
) -> Result<(), IndexFault> {
    let expected = edges_of(reader, pushed)?;
    let same = |a: &Edges, b: &Edges| {
        a.commit == b.commit && a.snapshot == b.snapshot && a.parents().eq(b.parents())
    };
    if let Some((commit, _)) = expected.iter().zip(&indexed.edges).find(|((_, a), b)| !same(a, b)) {
        return Err(IndexFault::OtherEdges(*commit.0));
    }
    let (returned, pushed) = (indexed.edges.len(), expected.len());
    if returned != pushed {
        return Err(IndexFault::EdgeCount { returned, pushed });
    }
    let preferred: BTreeSet<u64> = indexed.preferred.iter().copied().collect();
    for (number, conflict) in (0u64..).zip(conflicts) {
        if reader.prefers(conflict.pushed, conflict.stored)? != preferred.contains(&number) {
            return Err(IndexFault::OtherEncoding);
        }
    }
    Ok(())
}

/// What the commits of packs reach.
fn edges_of(
    reader: &mut PackReader,
    packs: &[RunPack],
) -> Result<BTreeMap<EntityId, Edges>, Error> {
    let mut all = BTreeMap::new();
    for (number, pack) in packs.iter().enumerate() {
        for row in pack.directory.rows().filter(|row| row.kind == Kind::Commit) {
            let bytes = reader.read(row.span(number as u32))?;
            if let Ok(Commit { id, parents, snapshot, .. }) = Commit::parse(&bytes) {
                all.insert(id, Edges { commit: id, parents, snapshot });
            }
        }
    }
    Ok(all)
}

/// Checks branch heads: each branch of the push has one head, which was pushed or stored, and which
/// descends from all others. Under `force` it may also be the one of the last pack.
pub(super) async fn check_heads(
    snapshot: &mut dyn Snapshot,
    pushed: &[RunPack],
    stored: &[Head],
    indexed: &Indexed,
    force: bool,
) -> Result<(), IndexFault> {
    let mut given: BTreeMap<&str, Vec<EntityId>> = BTreeMap::new();
    for head in pushed.iter().flat_map(RunPack::heads) {
        given.entry(&head.branch).or_default().push(head.commit);
    }
    let decided = &indexed.heads;
    if !decided.iter().map(|head| head.branch.as_str()).eq(given.keys().copied()) {
        return Err(IndexFault::OtherBranches(given.into_keys().map(str::to_owned).collect()));
    }
    let stored: HashMap<&str, EntityId> =
        stored.iter().map(|head| (head.branch.as_str(), head.commit)).collect();
    let mut walks = Walks::new(snapshot, &indexed.edges);
    for (Head { branch, commit: head }, given) in decided.iter().zip(given.values()) {
        let had = stored.get(branch.as_str()).copied();
        let mut others: BTreeSet<EntityId> = given.iter().copied().chain(had).collect();
        let (branch, head) = (branch.clone(), *head);
        if !others.remove(&head) {
            return Err(IndexFault::NotPushed { branch, head });
        }
        if force && given.last() == Some(&head) {
            continue;
        }
        if let Some(other) = walks.unreached(&[head], others).await?.first().copied() {
            return Err(IndexFault::NotDescended { branch, head, other });
        }
    }
    Ok(())
}
