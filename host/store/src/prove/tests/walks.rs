//! The walk between what is wanted and what is had.

use std::collections::BTreeSet;

use packhouse_core::{Edges, EntityId, Kind};
use proptest::prelude::*;

use super::history::tangled;
use super::{MemoryRepo, id};
use crate::prove::between::{Between, between};

/// Commits with parents, pushed one by one in this order.
fn repo(commits: &[(u64, &[u64])]) -> MemoryRepo {
    let mut repo = MemoryRepo::default();
    for (commit, parents) in commits {
        let parent = |n: usize| parents.get(n).map(|number| id(*number));
        let edges = Edges { commit: id(*commit), parents: [parent(0), parent(1)], snapshot: None };
        repo.commits.insert(id(*commit), edges);
        repo.number(&[id(*commit)]);
    }
    repo
}

fn sent(between: &Between) -> BTreeSet<EntityId> {
    between.sent.keys().copied().collect()
}

fn ids(numbers: &[u64]) -> Vec<EntityId> {
    numbers.iter().map(|number| id(*number)).collect()
}

#[test]
fn a_walk_ends_at_what_is_had() {
    let line: Vec<(u64, Vec<u64>)> =
        (0..500).map(|n: u64| (n, n.checked_sub(1).into_iter().collect())).collect();
    let line: Vec<(u64, &[u64])> = line.iter().map(|(n, parents)| (*n, &parents[..])).collect();
    let mut repo = repo(&line);
    let found = between(&mut repo, &ids(&[499]), &ids(&[497])).unwrap();
    assert_eq!(sent(&found), ids(&[498, 499]).into_iter().collect());
    assert_eq!(found.boundary.iter().map(|edges| edges.commit).collect::<Vec<_>>(), ids(&[497]));
    assert!(repo.rows_read < 100, "{} rows for a pull of two commits", repo.rows_read);
}

#[test]
fn what_is_had_overtakes_what_is_wanted() {
    // 1 and 2 are parents of 3; the client has 4, which leads to 1 on another way.
    let mut repo = repo(&[(0, &[]), (1, &[0]), (2, &[0]), (3, &[1, 2]), (4, &[1])]);
    let found = between(&mut repo, &ids(&[3]), &ids(&[4])).unwrap();
    assert_eq!(sent(&found), ids(&[2, 3]).into_iter().collect());
    let boundary: BTreeSet<EntityId> = found.boundary.iter().map(|edges| edges.commit).collect();
    assert_eq!(boundary, ids(&[0, 1, 4]).into_iter().collect());
}

#[test]
fn a_parent_that_came_late_is_still_had() {
    // 1 was pushed before its parent 0: both have generation 1.
    let mut repo = repo(&[(1, &[0]), (0, &[])]);
    assert_eq!(repo.floor, Some(1));
    let found = between(&mut repo, &ids(&[0]), &ids(&[1])).unwrap();
    assert_eq!(sent(&found), BTreeSet::new());
    // Where the parent's is even greater, a walk without the floor ends too early.
    repo.generations.insert(id(0), 2);
    let found = between(&mut repo, &ids(&[0]), &ids(&[1])).unwrap();
    assert_eq!(sent(&found), BTreeSet::new());
    repo.floor = None;
    let wrong = between(&mut repo, &ids(&[0]), &ids(&[1])).unwrap();
    assert_eq!(wrong.sent.len(), 1);
}

#[test]
fn what_the_repo_does_not_have_is_named() {
    let mut repo = repo(&[(1, &[0]), (3, &[2])]);
    let found = between(&mut repo, &ids(&[1, 3, 9]), &ids(&[8])).unwrap();
    let unknown: Vec<_> = found.unknown.into_iter().collect();
    let mut expected = vec![(id(0), Some(id(1))), (id(2), Some(id(3))), (id(9), None)];
    expected.sort_unstable();
    assert_eq!(unknown, expected);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn a_walk_finds_what_is_between_in_any_history(
        seed in any::<u64>(),
        wants in proptest::collection::vec(any::<prop::sample::Index>(), 1..3),
        haves in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let (mut repo, commits) = tangled(seed);
        prop_assume!(!commits.is_empty());
        let want: Vec<EntityId> = wants.iter().map(|n| commits[n.index(commits.len())]).collect();
        let have: Vec<EntityId> = haves.iter().map(|n| commits[n.index(commits.len())]).collect();
        let found = between(&mut repo, &want, &have).unwrap();
        let had = repo.reach(&have);
        let expected: BTreeSet<EntityId> = repo
            .reach(&want)
            .difference(&had)
            .filter(|entity| entity.0 == Kind::Commit && repo.has(**entity))
            .map(|(_, id)| *id)
            .collect();
        prop_assert_eq!(sent(&found), expected.clone());
        let boundary: Vec<EntityId> = found.boundary.iter().map(|edges| edges.commit).collect();
        prop_assert_eq!(boundary, repo.boundary(&expected, &have));
    }
}
