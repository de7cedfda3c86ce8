//! Generations of commits: as plainly as can be said, for the databases to be compared with.

use std::collections::BTreeMap;

use packhouse_core::{Ancestor, Edges, EntityId};

use super::state::{Repo, State};
use crate::{AwaitedParent, PublishOutcome, RepoRow};

impl Repo {
    /// Numbers the commits of a push that the repo does not have, and records them.
    pub(super) fn put_edges(&mut self, pushed: &[Edges]) {
        let mut new: BTreeMap<EntityId, Edges> = pushed
            .iter()
            .filter(|edges| !self.commits.contains_key(&edges.commit))
            .map(|edges| (edges.commit, *edges))
            .collect();
        let mut added = Vec::new();
        while !new.is_empty() {
            // Parents first; a cycle is broken at its smallest id.
            let is_ready =
                |edges: &&Edges| edges.parents().all(|parent| !new.contains_key(&parent));
            let next = new.values().find(is_ready).or(new.values().next()).copied();
            let Some(edges) = next else { break };
            new.remove(&edges.commit);
            let known = edges.parents().filter_map(|parent| self.commits.get(&parent));
            let generation = 1 + known.map(|parent| parent.generation).max().unwrap_or(0);
            self.commits.insert(edges.commit, Ancestor { edges, generation });
            added.push(Ancestor { edges, generation });
        }
        for commit in &added {
            for parent in commit.edges.parents() {
                match self.commits.get(&parent) {
                    Some(parent) if parent.generation >= commit.generation => {
                        self.lower_floor(commit.generation);
                    }
                    Some(_) => {}
                    None => self.await_parent(parent, commit.generation),
                }
            }
        }
        for commit in &added {
            if let Some(of_child) = self.awaited_parents.remove(&commit.edges.commit)
                && commit.generation >= of_child
            {
                self.lower_floor(of_child);
            }
        }
    }

    fn lower_floor(&mut self, floor: u64) {
        self.walk_floor = Some(self.walk_floor.map_or(floor, |before| before.min(floor)));
    }

    fn await_parent(&mut self, parent: EntityId, generation: u64) {
        let least = self.awaited_parents.entry(parent).or_insert(generation);
        *least = generation.min(*least);
    }
}

impl State {
    fn current(&mut self, repo: &RepoRow) -> Option<&mut Repo> {
        self.repos.get_mut(&repo.id).filter(|there| !there.is_deleted())
    }

    pub(super) fn renumber(
        &mut self,
        repo: &RepoRow,
        generations: &[(EntityId, u64)],
    ) -> PublishOutcome {
        let Some(there) = self.current(repo).filter(|there| there.row.drops == repo.drops) else {
            return PublishOutcome::Changed;
        };
        let mut rows = 0;
        for (commit, generation) in generations {
            if let Some(commit) = there.commits.get_mut(commit)
                && commit.generation < *generation
            {
                commit.generation = *generation;
                rows += 1;
            }
        }
        PublishOutcome::Done { rows }
    }

    pub(super) fn end_renumbering(
        &mut self,
        repo: &RepoRow,
        floor: Option<u64>,
        awaited: &[AwaitedParent],
    ) -> PublishOutcome {
        let Some(there) = self.current(repo).filter(|there| there.row.revision == repo.revision)
        else {
            return PublishOutcome::Changed;
        };
        there.walk_floor = floor;
        there.awaited_parents = awaited.iter().map(|one| (one.parent, one.generation)).collect();
        PublishOutcome::Done { rows: 1 + awaited.len() as u64 }
    }
}
