//! Walks over the commit graph, with which the host checks the results of a component (law 4).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

use packhouse_catalog::Snapshot;
use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Ancestor, Edges, EntityId};
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
    let all: Vec<EntityId> = targets.iter().copied().collect();
    Walks::new(snapshot, &[]).walk(from, &all, visit).await
}

/// Number of commits that a walk first reads ahead: most walks end after a few steps.
const FIRST_PAGE: u32 = 16;

/// Walks over one state of a repo. They share the part of the graph that was already read.
pub(super) struct Walks<'s> {
    snapshot: &'s mut dyn Snapshot,
    /// What is known of commits; `None` for a commit that the repo does not have.
    known: HashMap<EntityId, Option<Ancestor>>,
    /// Whether commits are being pushed. A stored one may have waited for them as its parents: then
    /// its generation says nothing.
    is_push: bool,
}

impl<'s> Walks<'s> {
    /// Walks by the edges of a push and by those of the repo.
    pub(super) fn new(snapshot: &'s mut dyn Snapshot, pushed: &[Edges]) -> Walks<'s> {
        let unnumbered = |edges: &Edges| Ancestor { edges: *edges, generation: 0 };
        let known = pushed.iter().map(|edges| (edges.commit, Some(unnumbered(edges)))).collect();
        Walks { snapshot, known, is_push: !pushed.is_empty() }
    }

    /// Those of `targets` that are neither in `from` nor among their ancestors. An id that is known
    /// only as a parent counts.
    pub(super) async fn unreached(
        &mut self,
        from: &[EntityId],
        mut targets: BTreeSet<EntityId>,
    ) -> Result<BTreeSet<EntityId>> {
        if !targets.is_empty() {
            let all: Vec<EntityId> = targets.iter().copied().collect();
            let visit = |id| {
                targets.remove(&id);
                if targets.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            };
            self.walk(from, &all, visit).await?;
        }
        Ok(targets)
    }

    /// Visits commits and their ancestors, each once, breadth first, until `visit` stops the walk.
    /// If nothing is being pushed, it passes no commit that is too old to have one of `targets` as an
    /// ancestor.
    ///
    /// One level at a time: unknown edges of a level are read together. Regardless of the number of
    /// commits at the start, the number of rows read is about the number of commits visited.
    async fn walk<T>(
        &mut self,
        from: &[EntityId],
        targets: &[EntityId],
        mut visit: impl FnMut(EntityId) -> ControlFlow<T>,
    ) -> Result<Option<T>> {
        let mut seen = HashSet::new();
        let mut level: Vec<EntityId> = from.iter().copied().filter(|id| seen.insert(*id)).collect();
        let (mut ahead, mut end) = (FIRST_PAGE, None);
        while !level.is_empty() {
            for id in &level {
                if let ControlFlow::Break(found) = visit(*id) {
                    return Ok(Some(found));
                }
            }
            let unknown: Vec<EntityId> =
                level.iter().copied().filter(|id| !self.known.contains_key(id)).collect();
            for page in unknown.chunks(MAX_ITEMS as usize) {
                // A short walk does not need to know where it would end.
                if !self.is_push && ahead > FIRST_PAGE && end.is_none() {
                    end = Some(self.end_of(targets).await?);
                }
                // Reads ancestors ahead, too: they will be needed next. The longer the walk, the
                // more.
                let limit = (page.len() as u32).saturating_add(ahead).min(MAX_ITEMS);
                self.read(page, limit).await?;
                ahead = ahead.saturating_mul(2);
            }
            let is_young = |commit: &Ancestor| end.is_none_or(|end| commit.generation >= end);
            let parents = level
                .iter()
                .filter_map(|id| self.known.get(id).copied().flatten())
                .filter(is_young)
                .flat_map(|commit| commit.edges.parents);
            level = parents.flatten().filter(|id| seen.insert(*id)).collect();
        }
        Ok(None)
    }

    async fn read(&mut self, commits: &[EntityId], limit: u32) -> Result<()> {
        let found = self.snapshot.history(commits, limit).await?;
        self.known.extend(found.into_iter().map(|one| (one.edges.commit, Some(one))));
        for id in commits {
            self.known.entry(*id).or_insert(None);
        }
        Ok(())
    }

    /// The generation below which no commit has one of `targets` as an ancestor.
    async fn end_of(&mut self, targets: &[EntityId]) -> Result<u64> {
        let unknown: Vec<EntityId> =
            targets.iter().copied().filter(|id| !self.known.contains_key(id)).collect();
        for page in unknown.chunks(MAX_ITEMS as usize) {
            self.read(page, page.len() as u32).await?;
        }
        // Of one that the repo does not have, a commit of any generation may be a child.
        let generation = |id| self.known.get(id).copied().flatten().map_or(0, |c| c.generation);
        let lowest = targets.iter().map(generation).min().unwrap_or(0);
        // From the floor on, a parent may have the greater number.
        let floor = self.snapshot.walk_floor().await?.unwrap_or(u64::MAX);
        Ok(floor.min(lowest.saturating_add(1)))
    }
}
