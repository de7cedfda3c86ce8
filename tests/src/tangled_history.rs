//! Random histories in which no simple rule for a fetch holds: criss-cross merges, trees, objects
//! and snapshots that come back, moved files, deltas against any snapshot, records that no pack
//! gives, and cycles.

use std::collections::BTreeMap;

use packhouse_core::Kind;
use packhouse_host::sample::{CommitSpec, IdForm, Random, SnapshotSpec, TagSpec};

use crate::random_history::{Maker, RandomHistory, invented};

mod snapshots;

/// Path to object id.
type Tree = BTreeMap<String, String>;

/// How the snapshots of a history are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Delta,
    Mixed,
    /// Deltas against any snapshot, through snapshots that no commit names, and in cycles.
    Odd,
}

const AT: &str = "2026-03-02T09:00:00+00:00";

/// Makes a history of `size` commits, at least one.
///
/// Its records are in the order in which a client would have made them: what a commit adds, then
/// the commit.
pub fn tangled_history(seed: u64, size: usize) -> RandomHistory {
    let mut random = Random::stream(seed, 7);
    let form = [Form::Whole, Form::Delta, Form::Mixed, Form::Mixed, Form::Odd][random.below(5)];
    let mut tangle = Tangle {
        seed,
        form,
        random,
        commits: Vec::new(),
        trees: Vec::new(),
        snapshots: BTreeMap::new(),
        by_tree: BTreeMap::new(),
        objects: Vec::new(),
    };
    for _ in 0..size.max(1) {
        tangle.commit();
    }
    tangle.forge_cycles();
    tangle.finish()
}

struct Tangle {
    seed: u64,
    form: Form,
    random: Random,
    /// With the snapshots, objects and snapshots between that each brings.
    commits: Vec<(CommitSpec, Vec<Brought>)>,
    trees: Vec<Tree>,
    snapshots: BTreeMap<String, SnapshotSpec>,
    by_tree: BTreeMap<Tree, String>,
    objects: Vec<String>,
}

enum Brought {
    Object(String, Vec<u8>),
    Snapshot(String),
}

impl Tangle {
    fn chance(&mut self, percent: usize) -> bool {
        self.random.below(100) < percent
    }

    fn commit(&mut self) {
        let mut brought = Vec::new();
        let parents = self.parents();
        let known = |id: &String| self.commits.iter().position(|(c, _)| c.id == *id);
        let at = parents.clone().map(|parent| parent.as_ref().and_then(known));
        let tree = self.tree(at, &mut brought);
        let snapshot = match self.by_tree.get(&tree) {
            Some(same) => same.clone(),
            None => self.snapshot(&tree, at, &mut brought),
        };
        let refs = [parents[0].as_deref(), parents[1].as_deref()];
        let message = format!("bar {} of {}", self.commits.len(), self.seed);
        let mut commit = CommitSpec::new(self.id_form(), refs, &snapshot, &message, AT);
        if self.chance(3) {
            commit.snapshot_id = None;
        }
        self.trees.push(tree);
        self.commits.push((commit, brought));
    }

    /// Mostly young commits, so that histories get deep, and two of them often.
    fn parents(&mut self) -> [Option<String>; 2] {
        let mut parents = [None, None];
        if !self.commits.is_empty() && self.chance(93) {
            let near = [1, 1, 3, 8][self.random.below(4)];
            parents[0] = Some(self.young(near));
            if self.chance(35) {
                parents[1] = Some(self.young(5));
            }
        }
        if self.chance(7) {
            let side = self.random.below(2);
            parents[side] = Some(invented(&mut self.random));
        }
        parents
    }

    fn young(&mut self, near: usize) -> String {
        let back = 1 + self.random.below(near.min(self.commits.len()));
        self.commits[self.commits.len() - back].0.id.clone()
    }

    /// The tree of a commit: that of its first parent, with something of the second, and changed;
    /// or one that was there before.
    fn tree(&mut self, parents: [Option<usize>; 2], brought: &mut Vec<Brought>) -> Tree {
        if !self.trees.is_empty() && self.chance(12) {
            return self.trees[self.random.below(self.trees.len())].clone();
        }
        let mut tree = parents[0].map(|at| self.trees[at].clone()).unwrap_or_default();
        if let Some(second) = parents[1] {
            for (path, object) in self.trees[second].clone() {
                if self.chance(50) {
                    tree.insert(path, object);
                }
            }
        }
        for _ in 0..self.random.below(4) {
            let path = self.path();
            let there = tree.keys().nth(self.random.below(tree.len())).cloned();
            match (self.random.below(4), there) {
                (0 | 1, _) => {
                    let object = self.object(brought);
                    tree.insert(path, object);
                }
                (2, Some(there)) => drop(tree.remove(&there)),
                (_, Some(there)) => {
                    let moved = tree.remove(&there).unwrap_or_default();
                    tree.insert(path, moved);
                }
                (_, None) => {}
            }
        }
        tree
    }

    /// A new object, or one that was there before.
    fn object(&mut self, brought: &mut Vec<Brought>) -> String {
        if !self.objects.is_empty() && self.chance(25) {
            return self.objects[self.random.below(self.objects.len())].clone();
        }
        let size = [0, 10, 10, 300][self.random.below(4)];
        let mut content = vec![0; size];
        self.random.fill(&mut content);
        let id = self.id_form().id_of(&content);
        self.objects.push(id.clone());
        brought.push(Brought::Object(id.clone(), content));
        id
    }

    /// No client makes them, but a pack may hold them: ids of commits and snapshots are not
    /// derived by the server.
    fn forge_cycles(&mut self) {
        if self.form != Form::Odd {
            return;
        }
        if self.commits.len() > 2 && self.chance(15) {
            let last = self.commits[self.commits.len() - 1].0.id.clone();
            self.commits[0].0.parents = [Some(last), None];
        }
        let ids: Vec<String> = self.snapshots.keys().cloned().collect();
        if !ids.is_empty() && self.chance(15) {
            let (from, to) = (self.random.below(ids.len()), self.random.below(ids.len()));
            if let Some(SnapshotSpec::Delta { parent, .. }) = self.snapshots.get_mut(&ids[from]) {
                *parent = Some(ids[to].clone());
            }
        }
    }

    /// Some records are given by no pack: 4 % of the commits, 3 % of the snapshots, 7 % of the
    /// objects.
    fn finish(mut self) -> RandomHistory {
        let mut maker = Maker { random: Random::stream(self.seed, 8), records: Vec::new() };
        let mut commits = Vec::new();
        let mut beyond = Vec::new();
        let all = std::mem::take(&mut self.commits);
        let newest = all.len() - 1;
        for (n, (commit, brought)) in all.into_iter().enumerate() {
            for record in brought {
                match record {
                    Brought::Object(id, content) if !self.chance(7) => maker.object(&id, &content),
                    Brought::Snapshot(id) if !self.chance(3) => {
                        maker.record(Kind::Snapshot, &id, self.snapshots[&id].value());
                    }
                    _ => {}
                }
            }
            if n < newest && self.chance(4) {
                beyond.push(commit.id);
                continue;
            }
            if self.chance(15) {
                self.tag(&mut maker, &commit.id);
            }
            maker.record(Kind::Commit, &commit.id, commit.value());
            commits.push(commit.id);
        }
        let mut heads = BTreeMap::new();
        for name in ["main", "bridge", "ärger/τ"] {
            if self.chance(66) {
                heads.insert(name.to_owned(), commits[self.random.below(commits.len())].clone());
            }
        }
        RandomHistory { records: maker.records, heads, commits, beyond }
    }

    fn tag(&mut self, maker: &mut Maker, commit: &str) {
        let id = format!("tag {}", &commit[commit.len() - 8..]);
        let spec = TagSpec {
            id: id.clone(),
            commit_id: commit.to_owned(),
            tag: "emotion:sad".into(),
            created_at: AT.into(),
        };
        maker.record(Kind::Tag, &id, spec.value());
    }

    fn id_form(&mut self) -> IdForm {
        if self.chance(30) { IdForm::Prefixed } else { IdForm::Bare }
    }

    fn path(&mut self) -> String {
        format!("part{}/bar_{}.md", self.random.below(2), self.random.below(5))
    }

    fn shuffled(&mut self, tree: Tree) -> Vec<(String, String)> {
        let mut entries: Vec<(String, String)> = tree.into_iter().collect();
        self.random.shuffle(&mut entries);
        entries
    }
}
