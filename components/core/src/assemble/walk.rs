//! The walk: which commits are sent, and where they meet what the client has.

use std::collections::BinaryHeap;

use super::graph::{Graph, HAD, State, WANTED};
use crate::ports::{AccessError, Database};

/// What lies between what is wanted and what is had. Commits are numbers of the [`Graph`].
#[derive(Debug, Default)]
pub(super) struct Between {
    /// The commits that are wanted and not had, by id.
    pub sent: Vec<u32>,
    /// Those that are had and that a sent commit names as its parent, by id.
    pub boundary: Vec<u32>,
}

/// Walks from commits that are wanted and from commits that are had, to where they meet.
///
/// The commit with the highest generation goes first, so that "had" is passed on to a commit before
/// the walk goes beyond it. Where generations are in disorder it may come late: it is passed on
/// also to commits that the walk has been at, and the walk goes on down to the floor.
pub(super) fn walk<H: Database + ?Sized>(
    host: &mut H,
    graph: &mut Graph,
    want: &[u32],
    have: &[u32],
) -> Result<Between, AccessError> {
    let mut walk = Walk { queue: BinaryHeap::new(), only_wanted: 0, unread: Vec::new() };
    let mut passed = Vec::new();
    let floor = host.walk_floor()?;
    for (commits, colour) in [(want, WANTED), (have, HAD)] {
        for commit in commits {
            walk.colour(graph, *commit, colour);
        }
    }
    loop {
        walk.read(host, graph)?;
        let Some((generation, commit)) = walk.queue.pop() else { break };
        let in_order = floor.is_none_or(|floor| generation < floor);
        if walk.only_wanted == 0 && in_order {
            break;
        }
        let node = graph.node_mut(commit);
        node.queued = false;
        let colour = if node.colour & HAD == 0 { WANTED } else { HAD };
        if colour == WANTED {
            walk.only_wanted -= 1;
            passed.push(commit);
        }
        for parent in graph.parents(commit) {
            walk.colour(graph, parent, colour);
        }
    }

    let by_id = |graph: &Graph, commits: &mut Vec<u32>| {
        commits.sort_unstable_by_key(|commit| graph.id(*commit));
        commits.dedup();
    };
    let mut sent: Vec<u32> =
        passed.into_iter().filter(|commit| graph.node(*commit).colour == WANTED).collect();
    by_id(graph, &mut sent);
    let mut boundary: Vec<u32> = sent
        .iter()
        .flat_map(|commit| graph.parents(*commit))
        .filter(|parent| {
            let node = graph.node(*parent);
            node.state == State::Known && node.colour & HAD != 0
        })
        .collect();
    by_id(graph, &mut boundary);
    Ok(Between { sent, boundary })
}

struct Walk {
    /// Generation and number of the commits whose parents have yet to learn their colour.
    queue: BinaryHeap<(u64, u32)>,
    /// How many of those are wanted and, as far as is known, not had.
    only_wanted: usize,
    /// Coloured, and not read yet.
    unread: Vec<u32>,
}

impl Walk {
    fn colour(&mut self, graph: &mut Graph, commit: u32, colour: u8) {
        let node = graph.node_mut(commit);
        let before = node.colour;
        node.colour |= colour;
        match node.state {
            State::Unread if before == 0 => self.unread.push(commit),
            State::Known if before != node.colour => self.put(graph, commit, before),
            _ => {}
        }
    }

    fn put(&mut self, graph: &mut Graph, commit: u32, before: u8) {
        let node = graph.node_mut(commit);
        if node.queued {
            if before == WANTED {
                self.only_wanted -= 1;
            }
            return;
        }
        node.queued = true;
        self.queue.push((node.generation, commit));
        if node.colour == WANTED {
            self.only_wanted += 1;
        }
    }

    /// Reads what has been coloured, and queues what is known of it.
    fn read<H: Database + ?Sized>(
        &mut self,
        host: &mut H,
        graph: &mut Graph,
    ) -> Result<(), AccessError> {
        if self.unread.is_empty() {
            return Ok(());
        }
        let commits = std::mem::take(&mut self.unread);
        graph.read(host, &commits)?;
        for commit in commits {
            if graph.node(commit).state == State::Known {
                self.put(graph, commit, 0);
            }
        }
        Ok(())
    }
}
