//! Random histories: criss-cross merges, shallow ends, trees and objects that come back, moved
//! files in deltas, deltas against any snapshot, snapshots of no commit, cycles, and commits that
//! were pushed in any order.

use std::collections::BTreeMap;

use packhouse_core::{Edges, EntityId};
use packhouse_sample::Random;

use super::repo::Listing;
use super::{MemoryRepo, id};

/// Numbers of the kinds of ids.
const COMMIT: u64 = 1 << 32;
const SNAPSHOT: u64 = 2 << 32;
const OBJECT: u64 = 3 << 32;
const TAG: u64 = 4 << 32;

/// Objects by path.
type Tree = BTreeMap<usize, EntityId>;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Full,
    Delta,
    Mixed,
    Odd,
}

struct Maker {
    random: Random,
    form: Form,
    repo: MemoryRepo,
    /// Commits in the order in which they were made, with their trees.
    made: Vec<(EntityId, Tree)>,
    by_tree: BTreeMap<Tree, EntityId>,
    trees: BTreeMap<EntityId, Tree>,
    objects: Vec<EntityId>,
    numbers: u64,
}

/// Makes a history; returns its commits, too.
pub(super) fn tangled(seed: u64) -> (MemoryRepo, Vec<EntityId>) {
    let mut random = Random::new(seed);
    let form = [Form::Full, Form::Delta, Form::Mixed, Form::Odd][random.below(4)];
    let size = 1 + random.below(14);
    let mut maker = Maker {
        random,
        form,
        repo: MemoryRepo::default(),
        made: Vec::new(),
        by_tree: BTreeMap::new(),
        trees: BTreeMap::new(),
        objects: Vec::new(),
        numbers: 0,
    };
    for number in 0..size {
        maker.commit(id(COMMIT + number as u64));
    }
    maker.forge();
    maker.lose();
    maker.push();
    let commits = maker.repo.commits.keys().copied().collect();
    (maker.repo, commits)
}

impl Maker {
    fn one_in(&mut self, n: usize) -> bool {
        self.random.below(n) == 0
    }

    fn number(&mut self, kind: u64) -> EntityId {
        self.numbers += 1;
        id(kind + (1 << 20) + self.numbers)
    }

    fn object(&mut self) -> EntityId {
        if !self.objects.is_empty() && self.one_in(4) {
            return self.objects[self.random.below(self.objects.len())];
        }
        let object = self.number(OBJECT);
        self.objects.push(object);
        if !self.one_in(14) {
            self.repo.objects.insert(object);
        }
        object
    }

    fn recent(&mut self, most: usize) -> (EntityId, Tree) {
        let back = self.random.below(self.made.len().min(most));
        self.made[self.made.len() - 1 - back].clone()
    }

    fn commit(&mut self, commit: EntityId) {
        let (mut parents, mut tree) = ([None, None], Tree::new());
        if !self.made.is_empty() && !self.one_in(14) {
            let most = [1, 1, 3, 8][self.random.below(4)];
            let (parent, had) = self.recent(most);
            (parents[0], tree) = (Some(parent), had);
            if self.one_in(3) {
                let (parent, other) = self.recent(5);
                parents[1] = Some(parent);
                tree.extend(other.into_iter().filter(|_| self.random.below(2) == 0));
            }
        }
        if self.one_in(14) {
            parents[self.random.below(2)] = Some(self.number(COMMIT));
        }
        for _ in 0..self.random.below(4) {
            self.change(&mut tree);
        }
        if !self.made.is_empty() && self.one_in(8) {
            tree = self.recent(usize::MAX).1;
        }
        let snapshot = if self.one_in(33) { None } else { Some(self.snapshot(&tree, parents)) };
        self.repo.commits.insert(commit, Edges { commit, parents, snapshot });
        self.made.push((commit, tree));
        if self.one_in(4) {
            let tag = self.number(TAG);
            self.repo.tags.insert(tag, commit);
        }
    }

    fn change(&mut self, tree: &mut Tree) {
        let path = self.random.below(9);
        let some = tree.keys().nth(self.random.below(tree.len().max(1))).copied();
        match (self.random.below(4), some) {
            (0 | 1, _) => {
                let object = self.object();
                tree.insert(path, object);
            }
            (2, Some(removed)) => {
                tree.remove(&removed);
            }
            (_, Some(moved)) => {
                if let Some(object) = tree.remove(&moved) {
                    tree.insert(path, object);
                }
            }
            (_, None) => {}
        }
    }

    /// The snapshot of a tree: one that was there before keeps its record.
    fn snapshot(&mut self, tree: &Tree, parents: [Option<EntityId>; 2]) -> EntityId {
        if let Some(known) = self.by_tree.get(tree) {
            return *known;
        }
        let snapshot = self.number(SNAPSHOT);
        self.by_tree.insert(tree.clone(), snapshot);
        self.trees.insert(snapshot, tree.clone());
        let is_full = match self.form {
            Form::Full => true,
            Form::Delta => false,
            Form::Mixed | Form::Odd => self.one_in(3),
        };
        let listing = match is_full {
            true => Listing { parent: None, objects: tree.values().copied().collect() },
            false => self.delta(tree, parents),
        };
        if self.form == Form::Odd && self.one_in(5) {
            // A snapshot of no commit, in the middle of a chain.
            let middle = self.number(SNAPSHOT);
            self.repo.snapshots.insert(middle, listing);
            let listing = Listing { parent: Some(middle), objects: Vec::new() };
            self.repo.snapshots.insert(snapshot, listing);
        } else {
            self.repo.snapshots.insert(snapshot, listing);
        }
        snapshot
    }

    fn delta(&mut self, tree: &Tree, parents: [Option<EntityId>; 2]) -> Listing {
        let of = |maker: &Maker, parent: Option<EntityId>| {
            maker.repo.commits.get(&parent?).and_then(|commit| commit.snapshot)
        };
        let first = of(self, parents[0]);
        let parent = match (self.form, self.random.below(4)) {
            (Form::Odd, 0) => None,
            (Form::Odd, 1) => Some(self.number(SNAPSHOT)),
            (Form::Odd, 2) => {
                let all: Vec<EntityId> = self.repo.snapshots.keys().copied().collect();
                all.get(self.random.below(all.len())).copied()
            }
            (Form::Mixed | Form::Delta, 0) => of(self, parents[1]).or(first),
            _ => first,
        };
        let old = parent.and_then(|parent| self.trees.get(&parent)).cloned().unwrap_or_default();
        let changed = tree.iter().filter(|(path, object)| old.get(path) != Some(object));
        Listing { parent, objects: changed.map(|(_, object)| *object).collect() }
    }

    /// Cycles that only forged records can have.
    fn forge(&mut self) {
        if self.form != Form::Odd {
            return;
        }
        if self.one_in(10) {
            let (first, last) = (self.made[0].0, self.made[self.made.len() - 1].0);
            if let Some(edges) = self.repo.commits.get_mut(&first) {
                edges.parents[0] = Some(last);
            }
        }
        let all: Vec<EntityId> = self.repo.snapshots.keys().copied().collect();
        if !all.is_empty() && self.one_in(10) {
            let (one, other) = (self.random.below(all.len()), self.random.below(all.len()));
            let listing = Listing { parent: Some(all[other]), objects: Vec::new() };
            self.repo.snapshots.insert(all[one], listing);
        }
    }

    /// What was never pushed.
    fn lose(&mut self) {
        let random = &mut self.random;
        self.repo.snapshots.retain(|_, _| random.below(33) != 0);
        self.repo.commits.retain(|_, _| random.below(25) != 0);
        let commits = &self.repo.commits;
        self.repo.tags.retain(|_, commit| commits.contains_key(commit));
    }

    /// Pushes the commits in some order, and numbers them as a catalog does.
    fn push(&mut self) {
        let mut order: Vec<EntityId> = self.made.iter().map(|(commit, _)| *commit).collect();
        order.retain(|id| self.repo.commits.contains_key(id));
        match self.random.below(3) {
            0 => self.random.shuffle(&mut order),
            1 => order.reverse(),
            _ => {}
        }
        let mut left = order.as_slice();
        while !left.is_empty() {
            let (batch, rest) = left.split_at((1 + self.random.below(4)).min(left.len()));
            self.repo.number(batch);
            left = rest;
        }
    }
}

impl MemoryRepo {
    pub(super) fn number(&mut self, batch: &[EntityId]) {
        let mut left: Vec<EntityId> = batch.to_vec();
        left.sort_unstable();
        while !left.is_empty() {
            let is_ready =
                |id: &EntityId| self.commits[id].parents().all(|parent| !left.contains(&parent));
            // What a cycle holds back follows by id.
            let next = left.iter().position(is_ready).unwrap_or(0);
            let commit = left.remove(next);
            let parents = self.commits[&commit].parents();
            let highest = parents.filter_map(|id| self.generations.get(&id)).max().copied();
            self.generations.insert(commit, 1 + highest.unwrap_or(0));
        }
        // A parent that comes late, or a cycle.
        let children = self.generations.keys().copied().collect::<Vec<_>>();
        for child in children {
            let generation = self.generations[&child];
            let is_disordered = self.commits[&child]
                .parents()
                .any(|id| self.generations.get(&id).is_some_and(|parent| *parent >= generation));
            if is_disordered {
                self.floor = Some(self.floor.map_or(generation, |floor| floor.min(generation)));
            }
        }
    }
}
