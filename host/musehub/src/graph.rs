//! The commits that branches, tags and releases reach.

use std::collections::{HashMap, HashSet};

use packhouse_core::{EntityId, Kind};
use packhouse_model::error::Result;

use crate::problem::{Fault, Problem, Problems};
use crate::record::parents;
use crate::rows::{GraphRow, View};

/// A commit.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parents: [Option<EntityId>; 2],
    pub(crate) snapshot: Option<EntityId>,
    /// Whether it stands under a private repo of another owner.
    pub(crate) is_private: bool,
}

/// Commits by ID, in about 200 bytes each.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: HashMap<EntityId, Node>,
    /// What is wrong with rows, by commit.
    faults: HashMap<EntityId, Vec<Problem>>,
}

impl Graph {
    /// Reads what some commits reach.
    pub(crate) async fn read(
        view: &mut View<'_>,
        roots: &[EntityId],
        private: &HashSet<String>,
    ) -> Result<Graph> {
        let mut graph = Graph::default();
        let roots: Vec<String> = roots.iter().map(ToString::to_string).collect();
        view.reached(&roots, |row| graph.add(&row, private)).await?;
        Ok(graph)
    }

    fn add(&mut self, row: &GraphRow, private: &HashSet<String>) {
        // Parents that are no IDs are faults of their children, and lead nowhere.
        let Ok(id) = EntityId::parse(row.commit_id.as_bytes()) else { return };
        let mut faults = Vec::new();
        let mut parse = |what: Kind, text: Option<String>| {
            let text = text?;
            EntityId::parse(text.as_bytes())
                .map_err(|why| faults.push(Problem::bad_id(what, &text, why)))
                .ok()
        };
        let snapshot = parse(Kind::Snapshot, row.snapshot_id.clone());
        let found = parents(&row.parent_ids);
        let unread = found.as_ref().err().cloned();
        let parents = found.unwrap_or_default().map(|parent| parse(Kind::Commit, parent));
        faults.extend(unread.map(|why| Problem::of(Fault::BadRow, &row.commit_id, why)));
        if !faults.is_empty() {
            self.faults.insert(id, faults);
        }
        let is_private = private.contains(&row.repo_id);
        self.nodes.insert(id, Node { parents, snapshot, is_private });
    }

    /// A commit; none if the database does not have it.
    pub(crate) fn get(&self, id: EntityId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// Adds what is wrong with the row of a commit.
    pub(crate) fn add_faults(&mut self, id: EntityId, problems: &mut Problems) {
        self.faults.remove(&id).into_iter().flatten().for_each(|fault| problems.add(fault));
    }

    /// Whether a commit leads to all of some others.
    pub(crate) fn leads_to_all(&self, from: EntityId, others: &HashSet<EntityId>) -> bool {
        let (mut left, mut seen, mut next) = (others.clone(), HashSet::new(), vec![from]);
        while let Some(id) = next.pop() {
            if !seen.insert(id) {
                continue;
            }
            left.remove(&id);
            if left.is_empty() {
                return true;
            }
            next.extend(self.get(id).into_iter().flat_map(|node| node.parents).flatten());
        }
        false
    }

    /// Some commits, parents before children.
    pub(crate) fn ordered(&self, roots: &[EntityId], within: &HashSet<EntityId>) -> Vec<EntityId> {
        let (mut order, mut seen) = (Vec::with_capacity(within.len()), HashSet::new());
        for root in roots {
            // A commit is met twice: before its parents, and after them.
            let mut next = vec![(*root, false)];
            while let Some((id, is_done)) = next.pop() {
                if is_done {
                    order.push(id);
                } else if within.contains(&id) && seen.insert(id) {
                    next.push((id, true));
                    let parents = self.get(id).into_iter().flat_map(|node| node.parents).flatten();
                    next.extend(parents.map(|parent| (parent, false)));
                }
            }
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(digit: char) -> EntityId {
        EntityId::parse(digit.to_string().repeat(64).as_bytes()).unwrap()
    }

    fn graph(commits: &[(char, &str)]) -> Graph {
        let mut graph = Graph::default();
        for (commit, parents) in commits {
            let mut parents = parents.chars().map(id);
            let parents = [parents.next(), parents.next()];
            graph.nodes.insert(id(*commit), Node { parents, snapshot: None, is_private: false });
        }
        graph
    }

    #[test]
    fn parents_come_before_their_children() {
        let graph = graph(&[('1', ""), ('2', "1"), ('3', "1"), ('4', "32"), ('5', "2")]);
        let all = "12345".chars().map(id).collect();
        let order = graph.ordered(&[id('4'), id('5')], &all);
        assert_eq!(order.len(), 5);
        let at = |digit| order.iter().position(|one| *one == id(digit)).unwrap();
        assert!(at('1') < at('2') && at('1') < at('3') && at('2') < at('4') && at('3') < at('4'));
        assert_eq!(graph.ordered(&[id('4')], &"4".chars().map(id).collect()), [id('4')]);
    }

    #[test]
    fn a_circle_ends() {
        let graph = graph(&[('1', "2"), ('2', "1")]);
        let both = "12".chars().map(id).collect();
        assert_eq!(graph.ordered(&[id('1')], &both).len(), 2);
        assert!(!graph.leads_to_all(id('1'), &"13".chars().map(id).collect()));
        assert!(graph.leads_to_all(id('1'), &both));
    }
}
