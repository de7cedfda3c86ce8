//! What reaches what, and whether two repositories are the same.

use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fmt::Debug;

use crate::id::Id;
use crate::local::Local;
use crate::record::{Commit, Snapshot};

impl Local {
    /// All commits that these reach, themselves too. What is not here ends its path.
    pub(crate) fn reach<'a>(&'a self, from: impl IntoIterator<Item = &'a Id>) -> BTreeSet<&'a Id> {
        let (mut todo, mut reached) = (from.into_iter().collect::<Vec<_>>(), BTreeSet::new());
        while let Some(id) = todo.pop() {
            if let Some(commit) = self.commits.get(id)
                && reached.insert(&commit.id)
            {
                todo.extend(&commit.parents);
            }
        }
        reached
    }

    /// Whether one commit is the other or reaches it, by either parent.
    pub fn is_ancestor(&self, ancestor: &Id, of: &Id) -> bool {
        self.reach([of]).contains(ancestor)
    }

    /// Commits newest first: a child always before its parents, and otherwise the later time first.
    pub(crate) fn newest_first(&self, commits: &BTreeSet<&Id>) -> Vec<&Commit> {
        let chosen: Vec<&Commit> = commits.iter().filter_map(|id| self.commits.get(*id)).collect();
        let mut children: BTreeMap<&Id, usize> = BTreeMap::new();
        for parent in chosen.iter().flat_map(|commit| &commit.parents) {
            *children.entry(parent).or_default() += 1;
        }
        let key = |commit: &'_ Commit| (commit.committed_at.clone(), commit.id.clone());
        let mut ready: BinaryHeap<(String, Id)> = chosen
            .iter()
            .filter(|commit| !children.contains_key(&commit.id))
            .map(|commit| key(commit))
            .collect();
        let mut ordered = Vec::new();
        while let Some(commit) = ready.pop().and_then(|(_, id)| self.commits.get(&id)) {
            ordered.push(commit);
            for parent in &commit.parents {
                let Some(left) = children.get_mut(parent) else { continue };
                *left -= 1;
                if *left == 0 && commits.contains(parent) {
                    ready.extend(self.commits.get(parent).map(key));
                }
            }
        }
        ordered
    }

    /// The snapshots of commits, in their order and each once, with those that deltas depend on.
    pub(crate) fn snapshots_of<'a>(
        &'a self,
        commits: impl IntoIterator<Item = &'a Commit>,
    ) -> Vec<&'a Snapshot> {
        let (mut ordered, mut seen) = (Vec::new(), BTreeSet::new());
        for commit in commits {
            let mut next = Some(&commit.snapshot);
            while let Some(snapshot) = next.and_then(|id| self.snapshots.get(id)) {
                if !seen.insert(&snapshot.id) {
                    break;
                }
                ordered.push(snapshot);
                next = snapshot.parent();
            }
        }
        ordered
    }

    /// Whether both hold the same history, byte for byte: commits, snapshots, objects, branches and
    /// tags. If not, the first differences.
    pub fn same_history(&self, other: &Local) -> Result<(), String> {
        let mut found = Vec::new();
        compare("commit", &self.commits, &other.commits, &mut found);
        compare("snapshot", &self.snapshots, &other.snapshots, &mut found);
        compare("object", &self.objects, &other.objects, &mut found);
        compare("branch", &self.branches, &other.branches, &mut found);
        compare("tag", &self.tags, &other.tags, &mut found);
        if found.is_empty() {
            return Ok(());
        }
        let more = found.len().saturating_sub(10);
        found.truncate(10);
        if more > 0 {
            found.push(format!("and {more} more"));
        }
        Err(found.join("\n"))
    }
}

fn compare<K: Ord + Debug, V: PartialEq>(
    what: &str,
    one: &BTreeMap<K, V>,
    other: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    for (key, value) in one {
        match other.get(key) {
            None => found.push(format!("{what} {key:?} is only in the first")),
            Some(same) if same == value => {}
            Some(_) => found.push(format!("{what} {key:?} differs")),
        }
    }
    found.extend(
        other
            .keys()
            .filter(|key| !one.contains_key(key))
            .map(|key| format!("{what} {key:?} is only in the second")),
    );
}
