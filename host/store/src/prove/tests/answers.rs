//! Honest answers are accepted, and all others are refused.

use std::collections::{BTreeSet, VecDeque};

use packhouse_core::{Counts, Edges, EntityId, Kind, Request};
use proptest::prelude::*;

use super::history::tangled;
use super::repo::Listing;
use super::{Entity, MemoryRepo, id};
use crate::prove::ProofError;
use crate::prove::answer::{AnswerProof, Claim, prove};
use crate::prove::had::ReadLimits;

/// A request and the answers to it.
struct Case {
    repo: MemoryRepo,
    want: Vec<EntityId>,
    have: Vec<EntityId>,
    /// The commits of any right answer.
    commits: BTreeSet<EntityId>,
    boundary: Vec<EntityId>,
}

impl Case {
    fn new(repo: MemoryRepo, want: Vec<EntityId>, have: Vec<EntityId>) -> Case {
        let had = repo.reach(&have);
        let reached = repo.reach(&want);
        let sent = reached.difference(&had).filter(|e| e.0 == Kind::Commit && repo.has(**e));
        let commits = sent.map(|(_, id)| *id).collect();
        let boundary = repo.boundary(&commits, &have);
        Case { repo, want, have, commits, boundary }
    }

    /// All that is wanted and not had: what today's planner sends.
    fn exact(&self) -> (Vec<Entity>, u64) {
        let had = self.repo.reach(&self.have);
        let needed: BTreeSet<Entity> =
            self.repo.reach(&self.want).difference(&had).copied().collect();
        let missing = needed.iter().filter(|entity| !self.repo.has(**entity)).count() as u64;
        let mut answer: Vec<Entity> =
            needed.into_iter().filter(|entity| self.repo.has(*entity)).collect();
        answer.extend(self.repo.tags_of_commits(&self.commits));
        (answer, missing)
    }

    /// What a planner sends that reads the boundary and this many older snapshots.
    fn bounded(&self, older: usize) -> Vec<Entity> {
        let mut held = self.repo.held(&self.boundary);
        let mut read: BTreeSet<EntityId> = self.boundary.iter().copied().collect();
        let mut queue: VecDeque<EntityId> = self.boundary.iter().copied().collect();
        let mut left = older;
        while left > 0
            && let Some(commit) = queue.pop_front()
        {
            left -= 1;
            held.extend(self.repo.held(&[commit]));
            let parents =
                self.repo.commits.get(&commit).into_iter().flat_map(|edges| edges.parents());
            queue.extend(parents.filter(|parent| read.insert(*parent)));
        }
        let mut answer: BTreeSet<Entity> =
            self.commits.iter().map(|commit| (Kind::Commit, *commit)).collect();
        let mut next: Vec<Entity> = answer.iter().copied().collect();
        while let Some(entity) = next.pop() {
            for listed in self.repo.lists(entity) {
                if listed.0 != Kind::Commit
                    && !held.contains(&listed)
                    && self.repo.has(listed)
                    && answer.insert(listed)
                {
                    next.push(listed);
                }
            }
        }
        answer.into_iter().chain(self.repo.tags_of_commits(&self.commits)).collect()
    }

    fn prove(&self, answer: &[Entity], missing: u64) -> Result<AnswerProof, ProofError> {
        let mut records = Counts::default();
        for (kind, _) in answer {
            *records.of(*kind) += 1;
        }
        let located: Vec<_> = answer.iter().map(|entity| self.repo.located(*entity)).collect();
        let ask =
            Request { want: self.want.clone(), want_if_known: Vec::new(), have: self.have.clone() };
        let claim = Claim { records, missing };
        prove(&mut self.repo.clone(), &ask, located, claim, ReadLimits::default())
    }

    fn refused(&self, answer: &[Entity], missing: u64) -> String {
        match self.prove(answer, missing) {
            Err(ProofError::Component(reason)) => reason,
            other => panic!("{other:?}: {answer:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn every_omission_and_addition_is_refused_and_no_honest_answer_is(
        seed in any::<u64>(),
        wants in proptest::collection::vec(any::<prop::sample::Index>(), 1..3),
        haves in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
        older in 0usize..6,
    ) {
        let (repo, commits) = tangled(seed);
        prop_assume!(!commits.is_empty());
        let want: Vec<EntityId> = wants.iter().map(|n| commits[n.index(commits.len())]).collect();
        let have: Vec<EntityId> = haves.iter().map(|n| commits[n.index(commits.len())]).collect();
        let case = Case::new(repo, want, have);
        let (exact, missing) = case.exact();
        let had = case.repo.reach(&case.have);
        let wanted = case.repo.reach(&case.want);
        let near = case.repo.held(&case.boundary);
        for answer in [exact.clone(), case.bounded(older), case.bounded(0)] {
            let proof = case.prove(&answer, missing);
            prop_assert!(proof.is_ok(), "an honest answer is refused: {proof:?}");
            for (number, entity) in answer.iter().enumerate() {
                // What the client has need not be sent again.
                if had.contains(entity) {
                    continue;
                }
                let mut less = answer.clone();
                less.remove(number);
                prop_assert!(case.prove(&less, missing).is_err(), "{entity:?} may be left out");
            }
            for entity in case.repo.all() {
                let is_wrong = match entity.0 {
                    Kind::Tag => !exact.contains(&entity),
                    _ => !wanted.contains(&entity) || near.contains(&entity),
                };
                let more: Vec<Entity> = answer.iter().copied().chain([entity]).collect();
                if is_wrong || answer.contains(&entity) {
                    prop_assert!(case.prove(&more, missing).is_err(), "{entity:?} may be added");
                }
            }
            prop_assert!(case.prove(&answer, u64::MAX).is_err(), "any number may be missing");
        }
    }
}

/// Commits 1 and 2; each lists an object of its own, and 2 the object of 1 as well.
fn two_commits() -> Case {
    let mut repo = MemoryRepo::default();
    for n in [1u64, 2] {
        let parents = [(n == 2).then(|| id(1)), None];
        let commit = Edges { commit: id(n), parents, snapshot: Some(id(10 + n)) };
        repo.commits.insert(id(n), commit);
        repo.generations.insert(id(n), n);
        let objects = (1..=n).map(|n| id(20 + n)).collect();
        repo.snapshots.insert(id(10 + n), Listing { parent: None, objects });
        repo.objects.insert(id(20 + n));
        repo.tags.insert(id(30 + n), id(n));
    }
    Case::new(repo, vec![id(2)], vec![id(1)])
}

#[test]
fn each_fault_is_named() {
    let case = two_commits();
    let (honest, missing) = case.exact();
    case.prove(&honest, missing).unwrap();
    let without = |kind| honest.iter().copied().filter(|e| e.0 != kind).collect::<Vec<_>>();
    let with = |entity| honest.iter().copied().chain([entity]).collect::<Vec<_>>();
    let cases = [
        (without(Kind::Commit), format!("leaves out commit {}, wanted by the request", id(2))),
        (
            without(Kind::Object),
            format!("leaves out object {}, wanted by snapshot {}", id(22), id(12)),
        ),
        (without(Kind::Tag), format!("leaves out tag {}", id(32))),
        (with((Kind::Commit, id(1))), format!("adds commit {}", id(1))),
        (with((Kind::Snapshot, id(11))), format!("adds snapshot {}", id(11))),
        (with((Kind::Object, id(21))), format!("repeats object {}, which the client has", id(21))),
        (with((Kind::Object, id(22))), format!("has object {} twice", id(22))),
        (with((Kind::Tag, id(31))), format!("adds tag {}", id(31))),
    ];
    for (answer, says) in cases {
        let reason = case.refused(&answer, missing);
        assert!(reason.contains(&says), "`{reason}` lacks `{says}`");
    }
    let mut no_snapshot = without(Kind::Snapshot);
    no_snapshot.retain(|entity| entity.0 != Kind::Object);
    assert!(case.refused(&no_snapshot, 0).contains("leaves out snapshot"));
    assert!(case.refused(&without(Kind::Snapshot), 0).contains("adds object"));
    assert!(case.refused(&honest, 1).contains("it counts 1 missing IDs, but there are 0"));
}

#[test]
fn a_request_for_an_unknown_commit_has_no_answer() {
    let case = Case::new(two_commits().repo, vec![id(9)], Vec::new());
    assert!(case.refused(&[], 1).contains("which the repo does not have"));
}

#[test]
fn what_only_older_snapshots_hold_may_be_sent_again() {
    let mut case = two_commits();
    // 3 lists the object of 1 again, and the client has 2, which does not list it any more.
    case.repo.snapshots.get_mut(&id(12)).unwrap().objects.retain(|object| *object == id(22));
    let edges = Edges { commit: id(3), parents: [Some(id(2)), None], snapshot: Some(id(13)) };
    case.repo.commits.insert(id(3), edges);
    case.repo.generations.insert(id(3), 3);
    let objects = vec![id(21), id(22)];
    case.repo.snapshots.insert(id(13), Listing { parent: None, objects });
    let case = Case::new(case.repo, vec![id(3)], vec![id(2)]);
    let (exact, missing) = case.exact();
    let proof = case.prove(&exact, missing).unwrap();
    assert_eq!((proof.had_snapshots, proof.references), (2, 2), "it reads until all are found");
    let repeating: Vec<Entity> = exact.into_iter().chain([(Kind::Object, id(21))]).collect();
    let proof = case.prove(&repeating, missing).unwrap();
    assert_eq!(
        proof.had_snapshots, 1,
        "nothing older is read for an answer that needs nothing of it"
    );
}

/// A line of commits, each with a snapshot that lists an object of its own; as deltas, the parent of
/// each is the one before.
fn line(commits: u64, deltas: bool) -> MemoryRepo {
    let mut repo = MemoryRepo::default();
    for n in 1..=commits {
        let parents = [(n > 1).then(|| id(n - 1)), None];
        let commit = Edges { commit: id(n), parents, snapshot: Some(id(10_000 + n)) };
        repo.commits.insert(id(n), commit);
        repo.generations.insert(id(n), n);
        repo.objects.insert(id(20_000 + n));
        let parent = (deltas && n > 1).then(|| id(9_999 + n));
        let listing = Listing { parent, objects: vec![id(20_000 + n)] };
        repo.snapshots.insert(id(10_000 + n), listing);
    }
    repo
}

#[test]
fn an_omission_costs_no_more_reads_than_the_limit() {
    for deltas in [false, true] {
        let case = Case::new(line(2000, deltas), vec![id(2000)], vec![id(1999)]);
        let (mut answer, _) = case.exact();
        answer.retain(|(kind, _)| *kind != Kind::Object);
        let records = Counts { commits: 1, snapshots: 1, ..Counts::default() };
        let (want, have) = (case.want.clone(), case.have.clone());
        let ask = Request { want, have, ..Request::default() };
        // A snapshot of one object has 100 bytes, and its commit counts 64.
        for (older, most) in [(0, 2), (1_640, 40), (16_400, 250), (u64::MAX, 2000)] {
            let mut repo = case.repo.clone();
            let located: Vec<_> = answer.iter().map(|entity| repo.located(*entity)).collect();
            let claim = Claim { records, missing: 0 };
            let limits = ReadLimits { near: 1 << 20, older };
            let refused = prove(&mut repo, &ask, located, claim, limits);
            assert!(matches!(refused, Err(ProofError::Component(_))), "{refused:?}");
            assert!(repo.snapshots_read <= most, "{older}: {} snapshots", repo.snapshots_read);
            assert!(repo.reads <= 30, "{older}, deltas: {deltas}: {} reads", repo.reads);
        }
    }
}
