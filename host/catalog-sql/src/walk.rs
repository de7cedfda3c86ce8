//! The order of a history: breadth first, from rows that come in any order.

use std::collections::{HashMap, HashSet, VecDeque};

use packhouse_core::{Ancestor, EntityId};

use super::engine::BATCH;

/// A walk from commits to their ancestors, each once, up to a limit.
pub(super) struct Walk {
    /// The visited commits, in order.
    pub(super) done: Vec<Ancestor>,
    limit: usize,
    /// The next commits, in order.
    queue: VecDeque<EntityId>,
    /// All commits that were ever in the queue.
    seen: HashSet<EntityId>,
    found: HashMap<EntityId, Ancestor>,
    /// Commits without known edges.
    unknown: HashSet<EntityId>,
}

impl Walk {
    pub(super) fn from(commits: &[EntityId], limit: usize) -> Walk {
        let mut walk = Walk {
            done: Vec::new(),
            limit,
            queue: VecDeque::new(),
            seen: HashSet::new(),
            found: HashMap::new(),
            unknown: HashSet::new(),
        };
        commits.iter().for_each(|commit| walk.put(*commit));
        walk
    }

    fn put(&mut self, commit: EntityId) {
        if self.seen.insert(commit) {
            self.queue.push_back(commit);
        }
    }

    /// Walks as far as possible. Returns the commits whose edges are needed to continue, and how
    /// many of their ancestors to read ahead; none at the end.
    pub(super) fn next(&mut self) -> Option<(Vec<EntityId>, usize)> {
        while self.done.len() < self.limit {
            let next = *self.queue.front()?;
            if let Some(found) = self.found.remove(&next) {
                found.edges.parents.iter().flatten().for_each(|parent| self.put(*parent));
                self.done.push(found);
            } else if !self.unknown.contains(&next) {
                let room = self.limit - self.done.len();
                let wanted = self
                    .queue
                    .iter()
                    .filter(|id| !self.found.contains_key(id) && !self.unknown.contains(id));
                let wanted: Vec<EntityId> = wanted.take(room.min(BATCH)).copied().collect();
                return Some((wanted, room.saturating_sub(self.queue.len())));
            }
            self.queue.pop_front();
        }
        None
    }

    /// Takes the rows of a statement, and whether they are complete: all edges of the commits and
    /// of their ancestors.
    pub(super) fn add(&mut self, asked: &[EntityId], found: Vec<Ancestor>, all: bool) {
        let parents: Vec<EntityId> =
            found.iter().flat_map(|found| found.edges.parents).flatten().collect();
        // A visited commit is not visited again: it may be an ancestor of a requested one.
        self.found.extend(found.into_iter().map(|found| (found.edges.commit, found)));
        let ends = asked.iter().chain(if all { &parents[..] } else { &[] });
        self.unknown.extend(ends.filter(|id| !self.found.contains_key(id)));
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::Edges;

    use super::*;

    fn id(number: u16) -> EntityId {
        let hex = format!("{number:064x}");
        EntityId::parse(format!("sha256:{hex}").as_bytes()).unwrap()
    }

    /// Commits by number, each with its parents. Every seventh is unknown.
    fn graph() -> HashMap<EntityId, Edges> {
        (1_u16..400)
            .filter(|n| n % 7 != 0)
            .map(|n| {
                let parents = match n % 3 {
                    0 => [Some(id(n - 1)), Some(id(n / 2))],
                    1 => [Some(id(n / 2)), None],
                    _ => [Some(id(n - 1)), Some(id(n.saturating_sub(5)))],
                };
                (id(n), Edges { commit: id(n), parents, snapshot: None })
            })
            .collect()
    }

    /// Commit by commit, as the law says it.
    fn expected(
        graph: &HashMap<EntityId, Edges>,
        commits: &[EntityId],
        limit: usize,
    ) -> Vec<EntityId> {
        let (mut order, mut done, mut at) = (Vec::new(), Vec::new(), 0);
        let put = |order: &mut Vec<EntityId>, id| {
            if !order.contains(&id) {
                order.push(id)
            }
        };
        commits.iter().for_each(|id| put(&mut order, *id));
        while at < order.len() && done.len() < limit {
            if let Some(edges) = graph.get(&order[at]) {
                done.push(order[at]);
                edges.parents.iter().flatten().for_each(|parent| put(&mut order, *parent));
            }
            at += 1;
        }
        done
    }

    #[test]
    fn the_order_is_breadth_first_whatever_a_database_answers_and_in_what_order() {
        let graph = graph();
        for (commits, limit) in [
            (vec![399], 1000),
            (vec![398, 3, 399, 1, 7, 398], 1000),
            (vec![397, 100], 50),
            ((1..400).rev().collect(), 120),
            (vec![7, 14], 5),
            (vec![], 5),
        ] {
            let commits: Vec<EntityId> = commits.into_iter().map(id).collect();
            // How the answers are spoiled: their order, and which ancestors they hold.
            for spoil in 0..4_usize {
                let mut walk = Walk::from(&commits, limit);
                let mut statements = 0;
                while let Some((asked, ahead)) = walk.next() {
                    statements += 1;
                    assert!(!asked.is_empty() && statements < 500);
                    let mut ancestors: Vec<EntityId> = Vec::new();
                    let mut open: Vec<EntityId> = asked.clone();
                    while let Some(at) = open.pop() {
                        for parent in
                            graph.get(&at).into_iter().flat_map(|edges| edges.parents).flatten()
                        {
                            if graph.contains_key(&parent) && !ancestors.contains(&parent) {
                                ancestors.push(parent);
                                open.push(parent);
                            }
                        }
                    }
                    let all = ancestors.len() < ahead;
                    if spoil % 2 == 1 {
                        ancestors.sort();
                    }
                    ancestors.truncate(ahead);
                    let mut found: Vec<Ancestor> = asked
                        .iter()
                        .chain(&ancestors)
                        .filter_map(|id| graph.get(id))
                        .map(|edges| Ancestor { edges: *edges, generation: 1 })
                        .collect();
                    if spoil >= 2 {
                        found.reverse();
                    }
                    walk.add(&asked, found, all);
                }
                let done: Vec<EntityId> =
                    walk.done.iter().map(|found| found.edges.commit).collect();
                assert_eq!(
                    done,
                    expected(&graph, &commits, limit),
                    "{} commits, {limit}, {spoil}",
                    commits.len()
                );
            }
        }
    }
}
