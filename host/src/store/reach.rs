//! Walks over the commit graph that the host makes itself, to check what a component says of it (law 4).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::ops::ControlFlow;

use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Edges, EntityId, Head};

use crate::catalog::Snapshot;
use crate::error::Result;
use crate::run::RunPack;

/// Those of `targets` that are neither among `from` nor among their ancestors, by the edges of a push and by those of the repo. An id that is known
/// only as somebody's parent counts.
pub(super) async fn unreached(
    snapshot: &mut dyn Snapshot,
    pushed: &[Edges],
    from: &[EntityId],
    mut targets: BTreeSet<EntityId>,
) -> Result<BTreeSet<EntityId>> {
    if !targets.is_empty() {
        let visit = |id| {
            targets.remove(&id);
            if targets.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        walk(snapshot, pushed, from, visit).await?;
    }
    Ok(targets)
}

/// The one of `targets` that `from` leads to in the fewest steps; one leads to itself.
pub(super) async fn nearest(
    snapshot: &mut dyn Snapshot,
    from: &[EntityId],
    targets: &HashSet<EntityId>,
) -> Result<Option<EntityId>> {
    if targets.is_empty() {
        return Ok(None);
    }
    walk(snapshot, &[], from, |id| if targets.contains(&id) { ControlFlow::Break(id) } else { ControlFlow::Continue(()) }).await
}

/// Visits commits and their ancestors, each once, breadth first, by the edges of a push and by those of the repo; until it is told that this
/// is enough.
async fn walk<T>(
    snapshot: &mut dyn Snapshot,
    pushed: &[Edges],
    from: &[EntityId],
    mut visit: impl FnMut(EntityId) -> ControlFlow<T>,
) -> Result<Option<T>> {
    let mut edges: HashMap<EntityId, Edges> = pushed.iter().map(|edges| (edges.commit, *edges)).collect();
    let mut next: VecDeque<EntityId> = from.iter().copied().collect();
    let mut seen = HashSet::new();
    while let Some(id) = next.pop_front() {
        if !seen.insert(id) {
            continue;
        }
        if let ControlFlow::Break(found) = visit(id) {
            return Ok(Some(found));
        }
        if !edges.contains_key(&id) {
            // A page at a time: its ancestors will be asked for next.
            edges.extend(snapshot.history(&[id], MAX_ITEMS).await?.into_iter().map(|edges| (edges.commit, edges)));
        }
        next.extend(edges.get(&id).into_iter().flat_map(Edges::parents));
    }
    Ok(None)
}

/// Checks where a component puts branches: each that the push names has one head, which somebody gave or which it had, and all others
/// lead to it. Under `force` it may also be the one that the last pack gave. The error is what is wrong, in words.
pub(super) async fn check_heads(
    snapshot: &mut dyn Snapshot,
    pushed: &[RunPack],
    stored: &[Head],
    edges: &[Edges],
    decided: &[Head],
    force: bool,
) -> Result<std::result::Result<(), String>> {
    let mut given: BTreeMap<&str, Vec<EntityId>> = BTreeMap::new();
    for head in pushed.iter().flat_map(RunPack::heads) {
        given.entry(&head.branch).or_default().push(head.commit);
    }
    if !decided.iter().map(|head| head.branch.as_str()).eq(given.keys().copied()) {
        let named: Vec<&str> = given.into_keys().collect();
        return Ok(Err(format!("the push names the branches {named:?}, and it decides on others")));
    }
    for (head, (branch, given)) in decided.iter().zip(&given) {
        let had = stored.iter().find(|stored| stored.branch == *branch).map(|stored| stored.commit);
        let mut others: BTreeSet<EntityId> = given.iter().copied().chain(had).collect();
        if !others.remove(&head.commit) {
            return Ok(Err(format!("it put branch `{branch}` at {}, which nobody gave", head.commit)));
        }
        if force && given.last() == Some(&head.commit) {
            continue;
        }
        if let Some(other) = unreached(snapshot, edges, &[head.commit], others).await?.first() {
            return Ok(Err(format!("it put branch `{branch}` at {}, to which {other} does not lead", head.commit)));
        }
    }
    Ok(Ok(()))
}
