//! Where new commits go among those of the base.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Stop;
use super::rows::BaseRows;
use crate::assemble::graph::{Graph, State};
use crate::id::{EntityId, Kind};
use crate::ports::{AccessError, Database, Storage};

/// The new commits in canonical order, each with the number of the base's commit that it comes
/// before. `sent` are the new commits, by id.
///
/// Canonical order takes the smallest id again and again of those whose parents have their place. The
/// base's next commit is the smallest of the base; so each step takes that one, or the smallest new
/// commit that is ready.
pub(super) fn places<H: Storage + Database + ?Sized>(
    host: &mut H,
    graph: &Graph,
    sent: &[u32],
    rows: &mut BaseRows,
) -> Result<Vec<(u64, u32)>, Stop> {
    let mut new = New::of(host, graph, sent, rows)?;
    let count = rows.count(Kind::Commit);
    let mut pending: BinaryHeap<Reverse<(u64, u32)>> = BinaryHeap::new();
    for (place, waits) in new.waits.iter().enumerate() {
        if *waits == 0 {
            pending.push(Reverse((new.first[place], place as u32)));
        }
    }
    let mut ready: BinaryHeap<Reverse<u32>> = BinaryHeap::new();
    let mut placed = Vec::with_capacity(sent.len());
    let mut at = 0;
    loop {
        if let (true, Some(Reverse((first, _)))) = (ready.is_empty(), pending.peek()) {
            at = at.max(*first);
        }
        while pending.peek().is_some_and(|Reverse((first, _))| *first <= at) {
            ready.extend(pending.pop().map(|Reverse((_, place))| Reverse(place)));
        }
        let Some(Reverse(smallest)) = ready.peek().copied() else { break };
        let commit = sent[smallest as usize];
        let is_next =
            at < count && rows.record_in_order(host, Kind::Commit, at)?.id < graph.id(commit);
        if is_next {
            at += 1;
            continue;
        }
        ready.pop();
        placed.push((at, commit));
        for child in std::mem::take(&mut new.children[smallest as usize]) {
            new.waits[child as usize] -= 1;
            if new.waits[child as usize] == 0 {
                pending.push(Reverse((new.first[child as usize], child)));
            }
        }
    }
    // A cycle among new commits.
    if placed.len() < sent.len() { Err(Stop::Unfit) } else { Ok(placed) }
}

/// The new commits by id. They refer to each other by their places.
struct New {
    children: Vec<Vec<u32>>,
    /// How many new parents each has.
    waits: Vec<u32>,
    /// The number behind the last of its parents in the base.
    first: Vec<u64>,
}

impl New {
    fn of<H: Database + Storage + ?Sized>(
        host: &mut H,
        graph: &Graph,
        sent: &[u32],
        rows: &BaseRows,
    ) -> Result<New, Stop> {
        let mut place_of = vec![None; graph.len()];
        for (place, commit) in sent.iter().enumerate() {
            place_of[*commit as usize] = Some(place as u32);
        }
        let mut new = New {
            children: vec![Vec::new(); sent.len()],
            waits: vec![0; sent.len()],
            first: vec![0; sent.len()],
        };
        let mut old: Vec<(EntityId, u32)> = Vec::new();
        for (place, commit) in sent.iter().enumerate() {
            for parent in graph.parents(*commit) {
                match place_of[parent as usize] {
                    Some(parent) => {
                        new.children[parent as usize].push(place as u32);
                        new.waits[place] += 1;
                    }
                    None if graph.node(parent).state == State::Known => {
                        old.push((graph.id(parent), place as u32));
                    }
                    None => {}
                }
            }
        }
        old.sort_unstable();
        for page in old.chunks(host.limits().ids.max(1) as usize) {
            let ids: Vec<EntityId> = page.iter().map(|(id, _)| *id).collect();
            for ((_, place), found) in page.iter().zip(host.locate(Kind::Commit, &ids)?) {
                let found = found.filter(|found| found.at.pack == rows.base.pack);
                // The base has all commits that its heads reach.
                let row = found.ok_or(AccessError::NoSuchPack(rows.base.pack))?.row;
                let first = &mut new.first[*place as usize];
                *first = (*first).max(row + 1);
            }
        }
        Ok(new)
    }
}
