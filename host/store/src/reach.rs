//! Walks over the commit graph that the host makes itself, to check what a component says of it
//! (law 4).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Edges, EntityId, Head};
use packhouse_model::error::Result;
use packhouse_run::RunPack;

/// Those of `targets` that are neither in `from` nor among their ancestors. An id that is known
/// only as a parent counts.
pub(super) async fn unreached(
    snapshot: &mut dyn Snapshot,
    from: &[EntityId],
    targets: BTreeSet<EntityId>,
) -> Result<BTreeSet<EntityId>> {
    Walks::new(snapshot, &[]).unreached(from, targets).await
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
    let visit =
        |id| if targets.contains(&id) { ControlFlow::Break(id) } else { ControlFlow::Continue(()) };
    Walks::new(snapshot, &[]).walk(from, visit).await
}

/// Commits that a walk reads first, beyond those that it needs: most walks end after a few steps.
const FIRST_PAGE: u32 = 16;

/// Walks over one state of a repo. What one has read of the graph, the next need not ask for.
struct Walks<'s> {
    snapshot: &'s mut dyn Snapshot,
    /// What is known of commits; `None` for one that the repo does not have.
    edges: HashMap<EntityId, Option<Edges>>,
}

impl<'s> Walks<'s> {
    /// Walks by the edges of a push and by those of the repo.
    fn new(snapshot: &'s mut dyn Snapshot, pushed: &[Edges]) -> Walks<'s> {
        Walks { snapshot, edges: pushed.iter().map(|edges| (edges.commit, Some(*edges))).collect() }
    }

    async fn unreached(
        &mut self,
        from: &[EntityId],
        mut targets: BTreeSet<EntityId>,
    ) -> Result<BTreeSet<EntityId>> {
        if !targets.is_empty() {
            let visit = |id| {
                targets.remove(&id);
                if targets.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            self.walk(from, visit).await?;
        }
        Ok(targets)
    }

    /// Visits commits and their ancestors, each once, breadth first, until `visit` says stop.
    ///
    /// A level at a time: unknown edges of it are read together. Whatever the number of commits at
    /// the start, the number of rows read is about that of the commits visited.
    async fn walk<T>(
        &mut self,
        from: &[EntityId],
        mut visit: impl FnMut(EntityId) -> ControlFlow<T>,
    ) -> Result<Option<T>> {
        let mut seen = HashSet::new();
        let mut level: Vec<EntityId> = from.iter().copied().filter(|id| seen.insert(*id)).collect();
        let mut ahead = FIRST_PAGE;
        while !level.is_empty() {
            for id in &level {
                if let ControlFlow::Break(found) = visit(*id) {
                    return Ok(Some(found));
                }
            }
            let unknown: Vec<EntityId> =
                level.iter().copied().filter(|id| !self.edges.contains_key(id)).collect();
            for page in unknown.chunks(MAX_ITEMS as usize) {
                // Ancestors as well: they will be needed next. The longer a walk, the more.
                let limit = (page.len() as u32).saturating_add(ahead).min(MAX_ITEMS);
                let found = self.snapshot.history(page, limit).await?;
                self.edges.extend(found.into_iter().map(|edges| (edges.commit, Some(edges))));
                for id in page {
                    self.edges.entry(*id).or_insert(None);
                }
                ahead = ahead.saturating_mul(2);
            }
            let parents = level
                .iter()
                .filter_map(|id| self.edges.get(id).copied().flatten())
                .flat_map(|edges| edges.parents);
            level = parents.flatten().filter(|id| seen.insert(*id)).collect();
        }
        Ok(None)
    }
}

/// Checks the branch heads of a component: each branch of the push has one head, which was pushed
/// or stored, and which descends from all others. Under `force` it may also be the one of the last
/// pack. The error is a message.
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
        return Ok(Err(format!("the push names the branches {named:?}, but it decides on others")));
    }
    let stored: HashMap<&str, EntityId> =
        stored.iter().map(|head| (head.branch.as_str(), head.commit)).collect();
    let mut walks = Walks::new(snapshot, edges);
    for (head, (branch, given)) in decided.iter().zip(&given) {
        let had = stored.get(branch).copied();
        let mut others: BTreeSet<EntityId> = given.iter().copied().chain(had).collect();
        if !others.remove(&head.commit) {
            return Ok(Err(format!(
                "it moved branch `{branch}` to {}, which was not pushed",
                head.commit
            )));
        }
        if force && given.last() == Some(&head.commit) {
            continue;
        }
        if let Some(other) = walks.unreached(&[head.commit], others).await?.first() {
            return Ok(Err(format!(
                "it moved branch `{branch}` to {}, which does not descend from {other}",
                head.commit
            )));
        }
    }
    Ok(Ok(()))
}
