//! Generations of commits as a catalog numbers them while packs arrive, in whatever order.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::EntityId;

/// Commits, each with its parents.
pub type Parents = BTreeMap<EntityId, Vec<EntityId>>;

/// Generations, and the floor of walks.
#[derive(Clone, Debug, Default)]
pub struct Numbered {
    /// Of each commit.
    pub generations: BTreeMap<EntityId, u64>,
    /// The least generation of a commit that is not above all its known parents.
    pub floor: Option<u64>,
    /// Parents that are not known, with the least generation of a commit that names them.
    awaited: BTreeMap<EntityId, u64>,
}

impl Numbered {
    /// Numbers the commits that arrive with a push and are not known: each above its parents that
    /// are known by now, and never again.
    pub fn push(&mut self, mut new: Parents) {
        new.retain(|id, _| !self.generations.contains_key(id));
        for id in parents_first(&new) {
            let of = |parent| self.generations.get(parent).copied().unwrap_or(0);
            let generation = 1 + new[&id].iter().map(of).max().unwrap_or(0);
            self.generations.insert(id, generation);
        }
        for (id, parents) in &new {
            let generation = self.generations[id];
            for parent in parents {
                match self.generations.get(parent) {
                    Some(of) if *of >= generation => self.lower(generation),
                    Some(_) => {}
                    None => {
                        let least = self.awaited.entry(*parent).or_insert(generation);
                        *least = generation.min(*least);
                    }
                }
            }
        }
        for id in new.keys() {
            let generation = self.generations[id];
            if let Some(least) = self.awaited.remove(id).filter(|least| generation >= *least) {
                self.lower(least);
            }
        }
    }

    fn lower(&mut self, generation: u64) {
        self.floor = Some(self.floor.map_or(generation, |floor| floor.min(generation)));
    }
}

/// Parents before their children; what a cycle holds back, by id.
fn parents_first(commits: &Parents) -> Vec<EntityId> {
    let mut children: BTreeMap<EntityId, Vec<EntityId>> = BTreeMap::new();
    let mut waits: BTreeMap<EntityId, usize> = commits.keys().map(|id| (*id, 0)).collect();
    for (id, parents) in commits {
        for parent in parents.iter().filter(|parent| commits.contains_key(parent)) {
            children.entry(*parent).or_default().push(*id);
            waits.entry(*id).and_modify(|waits| *waits += 1);
        }
    }
    let mut ready: BTreeSet<EntityId> =
        waits.iter().filter(|(_, waits)| **waits == 0).map(|(id, _)| *id).collect();
    let mut ordered = Vec::new();
    while let Some(id) = ready.pop_first().or_else(|| waits.keys().next().copied()) {
        waits.remove(&id);
        ordered.push(id);
        for child in children.remove(&id).unwrap_or_default() {
            if let Some(left) = waits.get_mut(&child) {
                *left -= 1;
                if *left == 0 {
                    ready.insert(child);
                }
            }
        }
    }
    ordered
}
