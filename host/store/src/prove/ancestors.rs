//! The commits behind the boundary, in the order in which the planner looks at them.

use std::collections::{HashMap, HashSet, VecDeque};

use packhouse_core::ports::MAX_ITEMS;
use packhouse_core::{Edges, EntityId};
use packhouse_model::error::Result;

use super::had::FIRST_PAGE;
use super::view::RepoView;

/// Commits and their ancestors, breadth first, each once.
pub(super) struct Ancestors {
    /// Those whose edges are known, in order.
    known: VecDeque<Edges>,
    /// Those that come after them.
    queue: VecDeque<EntityId>,
    met: HashSet<EntityId>,
    /// Edges that were read ahead.
    ahead: HashMap<EntityId, Edges>,
    page: u32,
}

impl Ancestors {
    pub(super) fn of(roots: &[Edges]) -> Ancestors {
        Ancestors {
            known: roots.iter().copied().collect(),
            queue: VecDeque::new(),
            met: roots.iter().map(|root| root.commit).collect(),
            ahead: HashMap::new(),
            page: FIRST_PAGE,
        }
    }

    pub(super) fn next(&mut self, view: &mut dyn RepoView) -> Result<Option<Edges>> {
        if self.known.is_empty() {
            self.read(view)?;
        }
        let Some(next) = self.known.pop_front() else { return Ok(None) };
        let met = &mut self.met;
        self.queue.extend(next.parents().filter(|parent| met.insert(*parent)));
        Ok(Some(next))
    }

    /// The snapshots of the next commits, as far as their edges were read.
    pub(super) fn coming(&self, limit: usize) -> Vec<EntityId> {
        let mut met = HashSet::new();
        let mut queue: VecDeque<EntityId> = self.queue.iter().copied().collect();
        let mut known: VecDeque<Edges> = self.known.iter().take(limit).copied().collect();
        let mut snapshots = Vec::new();
        while snapshots.len() < limit {
            let next = known.pop_front().or_else(|| self.ahead.get(&queue.pop_front()?).copied());
            let Some(next) = next else { break };
            snapshots.extend(next.snapshot);
            let is_new = |id: &EntityId| !self.met.contains(id) && met.insert(*id);
            queue.extend(next.parents().filter(is_new));
        }
        snapshots
    }

    /// Moves commits from the queue to the known ones. Those that the repo lacks have no ancestors.
    fn read(&mut self, view: &mut dyn RepoView) -> Result<()> {
        while self.known.is_empty() && !self.queue.is_empty() {
            let count = self.queue.len().min(MAX_ITEMS as usize);
            let page: Vec<EntityId> = self.queue.drain(..count).collect();
            let new: Vec<EntityId> =
                page.iter().copied().filter(|id| !self.ahead.contains_key(id)).collect();
            if !new.is_empty() {
                let limit = (new.len() as u32).saturating_add(self.page).min(MAX_ITEMS);
                let read = view.history(&new, limit)?;
                self.ahead.extend(read.into_iter().map(|found| (found.edges.commit, found.edges)));
                self.page = self.page.saturating_mul(2).min(MAX_ITEMS);
            }
            self.known.extend(page.iter().filter_map(|id| self.ahead.remove(id)));
        }
        Ok(())
    }
}
