//! The snapshots of a tangled history: whole ones and deltas, against parents of all kinds.

use packhouse_host::sample::SnapshotSpec;

use super::{AT, Brought, Form, Tangle, Tree};
use crate::random_history::invented;

impl Tangle {
    /// The snapshot of a tree that was not there before.
    pub(super) fn snapshot(
        &mut self,
        tree: &Tree,
        parents: [Option<usize>; 2],
        brought: &mut Vec<Brought>,
    ) -> String {
        let id = SnapshotSpec::id_of(self.id_form(), tree);
        self.by_tree.insert(tree.clone(), id.clone());
        let whole = match self.form {
            Form::Whole => true,
            Form::Delta | Form::Odd => false,
            Form::Mixed => self.chance(33),
        };
        if whole {
            let manifest = self.shuffled(tree.clone());
            self.keep(SnapshotSpec::Whole { id: id.clone(), manifest, created_at: AT.into() });
        } else {
            let parent = self.delta_parent(parents);
            let old = parent.as_deref().map(|p| self.tree_of(p)).unwrap_or_default();
            let changed = tree.iter().filter(|(path, object)| old.get(*path) != Some(object));
            let changed = changed.map(|(path, object)| (path.clone(), object.clone())).collect();
            let upsert = self.shuffled(changed);
            let remove = old.into_keys().filter(|path| !tree.contains_key(path)).collect();
            self.keep(SnapshotSpec::Delta { id: id.clone(), parent, upsert, remove });
        }
        if self.form == Form::Odd && self.chance(20) {
            brought.push(Brought::Snapshot(self.put_between(&id)));
        }
        brought.push(Brought::Snapshot(id.clone()));
        id
    }

    /// Mostly the snapshot of a parent.
    fn delta_parent(&mut self, parents: [Option<usize>; 2]) -> Option<String> {
        let of = |at: Option<usize>| at.and_then(|at| self.commits[at].0.snapshot_id.clone());
        let (first, second) = (of(parents[0]), of(parents[1]));
        if self.form == Form::Odd {
            return match self.random.below(5) {
                0 => None,
                1 => Some(invented(&mut self.random)),
                2 if !self.snapshots.is_empty() => {
                    self.snapshots.keys().nth(self.random.below(self.snapshots.len())).cloned()
                }
                _ => first,
            };
        }
        if second.is_some() && self.chance(30) { second } else { first }
    }

    /// Moves what a delta says into a snapshot of no commit, on which it is based then.
    fn put_between(&mut self, id: &str) -> String {
        let between = invented(&mut self.random);
        let mut moved = self.snapshots[id].clone();
        if let SnapshotSpec::Delta { id, .. } = &mut moved {
            *id = between.clone();
        }
        self.keep(moved);
        self.keep(SnapshotSpec::Delta {
            id: id.to_owned(),
            parent: Some(between.clone()),
            upsert: Vec::new(),
            remove: Vec::new(),
        });
        between
    }

    fn keep(&mut self, snapshot: SnapshotSpec) {
        self.snapshots.insert(snapshot.id().to_owned(), snapshot);
    }

    fn tree_of(&self, id: &str) -> Tree {
        match self.snapshots.get(id) {
            None => Tree::new(),
            Some(SnapshotSpec::Whole { manifest, .. }) => manifest.iter().cloned().collect(),
            Some(SnapshotSpec::Delta { parent, upsert, remove, .. }) => {
                let mut tree = parent.as_deref().map(|p| self.tree_of(p)).unwrap_or_default();
                tree.retain(|path, _| !remove.contains(path));
                tree.extend(upsert.iter().cloned());
                tree
            }
        }
    }
}
