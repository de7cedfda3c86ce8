//! Numbering commits for walks.
//!
//! A commit's generation is 1 + the greatest of its known parents. Then a walk from high to low has
//! passed all children of a commit before the commit itself. Where that is not so (a parent came
//! after its child, with no lower generation; or commits form a cycle), the walk floor says how far
//! down such a walk must go.

use std::collections::{BTreeMap, VecDeque};

use packhouse_core::EntityId;

use super::publications::AwaitedParent;

/// A commit to be numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitParents {
    /// The commit.
    pub commit: EntityId,
    /// Its parents.
    pub parents: [Option<EntityId>; 2],
    /// The least generation that it may get.
    pub least: u64,
}

/// The generations of some commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// The commits with their generations, by id.
    pub generations: Vec<(EntityId, u64)>,
    /// The least generation of a commit with a parent that has no lower one; none if there is no
    /// such commit.
    pub floor: Option<u64>,
    /// Parents that are neither among the commits nor known, by id.
    pub awaited: Vec<AwaitedParent>,
}

/// No position among the commits.
const ELSEWHERE: u32 = u32::MAX;

/// Numbers commits, each once, parents first. A cycle is broken at the commit with the smallest id.
/// `known` gives the generation of a parent that is not among them.
///
/// About 50 bytes of memory a commit, besides `commits` and the result. At most 2³² - 2 commits.
pub fn number(
    mut commits: Vec<CommitParents>,
    known: impl Fn(EntityId) -> Option<u64>,
) -> Numbering {
    commits.sort_unstable_by_key(|commit| commit.commit);
    commits.dedup_by_key(|commit| commit.commit);
    let mut awaited = BTreeMap::new();
    let parents = positions(&commits);
    let mut generations: Vec<u64> = Vec::with_capacity(commits.len());
    for commit in &commits {
        let outside = commit.parents.iter().flatten().filter_map(|parent| known(*parent)).max();
        generations.push(commit.least.max(outside.map_or(1, |greatest| greatest + 1)));
    }
    raise(&parents, &mut generations);

    let mut floor: Option<u64> = None;
    for (at, commit) in commits.iter().enumerate() {
        let generation = generations[at];
        for (parent, place) in commit.parents.iter().zip(parents[at]) {
            let Some(parent) = *parent else { continue };
            if place == ELSEWHERE {
                if known(parent).is_none() {
                    let least = awaited.entry(parent).or_insert(generation);
                    *least = generation.min(*least);
                }
            } else if generations[place as usize] >= generation {
                floor = Some(floor.map_or(generation, |floor| floor.min(generation)));
            }
        }
    }
    let numbered = commits.iter().map(|commit| commit.commit).zip(generations).collect();
    let awaited =
        awaited.into_iter().map(|(parent, generation)| AwaitedParent { parent, generation });
    Numbering { generations: numbered, floor, awaited: awaited.collect() }
}

/// Where the parents of each commit are among the commits, which are in order.
fn positions(commits: &[CommitParents]) -> Vec<[u32; 2]> {
    let place = |parent: Option<EntityId>| {
        let found =
            parent.and_then(|parent| commits.binary_search_by_key(&parent, |one| one.commit).ok());
        found.map_or(ELSEWHERE, |at| at as u32)
    };
    commits.iter().map(|commit| commit.parents.map(place)).collect()
}

/// Raises each generation above those of the parents.
fn raise(parents: &[[u32; 2]], generations: &mut [u64]) {
    let children = Children::of(parents);
    let here = |places: &[u32; 2]| places.iter().filter(|place| **place != ELSEWHERE).count() as u8;
    let mut waits_for: Vec<u8> = parents.iter().map(here).collect();
    let mut done = vec![false; parents.len()];
    let mut ready: VecDeque<u32> =
        (0..parents.len() as u32).filter(|at| waits_for[*at as usize] == 0).collect();
    let mut oldest = 0;
    loop {
        while let Some(at) = ready.pop_front() {
            if std::mem::replace(&mut done[at as usize], true) {
                continue;
            }
            for child in children.of_parent(at) {
                let child = *child as usize;
                if !done[child] {
                    generations[child] = generations[child].max(generations[at as usize] + 1);
                    waits_for[child] -= 1;
                    if waits_for[child] == 0 {
                        ready.push_back(child as u32);
                    }
                }
            }
        }
        // What is left is on a cycle, or descends from one.
        while oldest < done.len() && done[oldest] {
            oldest += 1;
        }
        if oldest == done.len() {
            return;
        }
        ready.push_back(oldest as u32);
    }
}

/// The children of each commit.
struct Children {
    /// Where those of each commit begin in `children`, and the end of the last.
    starts: Vec<u32>,
    children: Vec<u32>,
}

impl Children {
    fn of(parents: &[[u32; 2]]) -> Children {
        let mut starts = vec![0_u32; parents.len() + 1];
        for place in parents.iter().flatten().filter(|place| **place != ELSEWHERE) {
            starts[*place as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut children = vec![0; starts.last().map_or(0, |end| *end as usize)];
        for (child, places) in (0_u32..).zip(parents) {
            for place in places.iter().filter(|place| **place != ELSEWHERE) {
                let at = &mut next[*place as usize];
                children[*at as usize] = child;
                *at += 1;
            }
        }
        Children { starts, children }
    }

    fn of_parent(&self, at: u32) -> &[u32] {
        let at = at as usize;
        &self.children[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use packhouse_core::Form;

    use super::*;

    fn id(number: u8) -> EntityId {
        EntityId::new(Form::Bare, [number; 32])
    }

    fn commit(number: u8, parents: &[u8]) -> CommitParents {
        let parent = |at: usize| parents.get(at).copied().map(id);
        CommitParents { commit: id(number), parents: [parent(0), parent(1)], least: 0 }
    }

    /// The generations by number, floor and awaited parents.
    type Numbered = (Vec<(u8, u64)>, Option<u64>, Vec<(u8, u64)>);

    fn numbered(commits: &[CommitParents], known: &[(u8, u64)]) -> Numbered {
        let of = |parent| known.iter().find(|(number, _)| id(*number) == parent).map(|one| one.1);
        let result = number(commits.to_vec(), of);
        let number_of = |id: EntityId| id.digest()[0];
        (
            result.generations.iter().map(|(id, n)| (number_of(*id), *n)).collect(),
            result.floor,
            result.awaited.iter().map(|one| (number_of(one.parent), one.generation)).collect(),
        )
    }

    #[test]
    fn a_commit_is_one_above_the_greatest_of_its_parents_in_any_order() {
        let mut commits = vec![
            commit(9, &[]),
            commit(1, &[9]),
            commit(5, &[1]),
            commit(3, &[9, 5]),
            commit(2, &[3]),
        ];
        for _ in 0..commits.len() {
            commits.rotate_left(1);
            let expected = vec![(1, 2), (2, 5), (3, 4), (5, 3), (9, 1)];
            assert_eq!(numbered(&commits, &[]), (expected, None, vec![]));
        }
    }

    #[test]
    fn known_parents_count_and_unknown_ones_are_awaited() {
        let commits = [commit(4, &[8, 7]), commit(5, &[4, 6]), commit(3, &[6, 0])];
        let (generations, floor, awaited) = numbered(&commits, &[(7, 41), (0, 0)]);
        assert_eq!(generations, [(3, 1), (4, 42), (5, 43)]);
        assert_eq!((floor, awaited), (None, vec![(6, 1), (8, 42)]), "6 with the lesser child");
    }

    #[test]
    fn the_same_parent_twice_is_one_and_a_commit_given_twice_as_well() {
        let commits = [commit(2, &[1, 1]), commit(1, &[]), commit(2, &[1, 1])];
        assert_eq!(numbered(&commits, &[]), (vec![(1, 1), (2, 2)], None, vec![]));
    }

    #[test]
    fn a_cycle_is_broken_at_the_smallest_id_and_sets_the_floor() {
        // 2 → 4 → 3 → 2, and 5 above it; 1 is below.
        let commits =
            [commit(4, &[3]), commit(3, &[2]), commit(2, &[4, 1]), commit(5, &[4]), commit(1, &[])];
        let (generations, floor, _) = numbered(&commits, &[]);
        assert_eq!(generations, [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(floor, Some(2), "2 has the parent 4");
        let own = [commit(1, &[1])];
        assert_eq!(numbered(&own, &[]), (vec![(1, 1)], Some(1), vec![]), "its own parent");
    }

    #[test]
    fn a_generation_is_never_lowered() {
        let commits = [
            CommitParents { least: 7, ..commit(1, &[]) },
            CommitParents { least: 2, ..commit(2, &[1]) },
            CommitParents { least: 9, ..commit(3, &[2]) },
        ];
        assert_eq!(numbered(&commits, &[]), (vec![(1, 7), (2, 8), (3, 9)], None, vec![]));
    }

    #[test]
    fn a_long_history_takes_no_stack() {
        let id = |n: u32| {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
            EntityId::new(Form::Bare, digest)
        };
        let commits: Vec<_> = (0..200_000)
            .map(|n: u32| CommitParents {
                commit: id(n),
                parents: [n.checked_sub(1).map(id), None],
                least: 0,
            })
            .collect();
        let numbered = number(commits, |_| None);
        assert_eq!(numbered.generations.iter().map(|one| one.1).max(), Some(200_000));
        assert_eq!(numbered.floor, None);
    }
}
