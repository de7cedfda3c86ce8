//! Walks over the commit graph, with which the host checks the results of a component (law 4).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Edges, EntityId};
use packhouse_model::error::Result;

/// The one of `targets` that is the fewest steps away from `from`; a commit is 0 steps away from
/// itself.
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

/// Number of commits that a walk first reads ahead: most walks end after a few steps.
const FIRST_PAGE: u32 = 16;

/// Walks over one state of a repo. They share the part of the graph that was already read.
pub(super) struct Walks<'s> {
    snapshot: &'s mut dyn Snapshot,
    /// The known edges of commits; `None` for a commit that the repo does not have.
    edges: HashMap<EntityId, Option<Edges>>,
}

impl<'s> Walks<'s> {
    /// Walks by the edges of a push and by those of the repo.
    pub(super) fn new(snapshot: &'s mut dyn Snapshot, pushed: &[Edges]) -> Walks<'s> {
        Walks { snapshot, edges: pushed.iter().map(|edges| (edges.commit, Some(*edges))).collect() }
    }

    /// Those of `targets` that are neither in `from` nor among their ancestors. An id that is known
    /// only as a parent counts.
    pub(super) async fn unreached(
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

    /// Visits commits and their ancestors, each once, breadth first, until `visit` stops the walk.
    ///
    /// One level at a time: unknown edges of a level are read together. Regardless of the number of
    /// commits at the start, the number of rows read is about the number of commits visited.
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
                // Reads ancestors ahead, too: they will be needed next. The longer the walk, the
                // more.
                let limit = (page.len() as u32).saturating_add(ahead).min(MAX_ITEMS);
                let found = self.snapshot.history(page, limit).await?;
                self.edges.extend(found.into_iter().map(|one| (one.edges.commit, Some(one.edges))));
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
