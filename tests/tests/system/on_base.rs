//! Clones on a base: a pack that a consolidation wrote, with what was pushed since inserted.

use packhouse_core::{EntityId, Kind, Request, assemble, consolidate};
use packhouse_host::sample::{HistoryOptions, Random, SnapshotForm, history};
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::model;
use packhouse_tests::random_history::{RandomHistory, random_history};
use packhouse_tests::tangled_history::tangled_history;
use proptest::prelude::*;

fn request(want: &[String]) -> Request {
    let want: Vec<EntityId> = want.iter().map(|id| entity_id(Kind::Commit, id)).collect();
    Request { want, ..Request::default() }
}

/// A repo that was consolidated after some pushes, and got others since.
struct Consolidated {
    base: Vec<u8>,
    heads: Vec<String>,
    /// The base, and the packs that were pushed since.
    packs: Vec<Vec<u8>>,
    history: RandomHistory,
}

impl Consolidated {
    fn new(history: RandomHistory, seed: u64) -> Option<Consolidated> {
        let mut random = Random::stream(seed, 21);
        let mut before = history.in_any_order(seed);
        let since = before.split_off(1 + random.below(before.len()));
        let before = before.concat();
        let known = model::union(&before);
        let commits: Vec<&String> =
            known.keys().filter(|(of, _)| *of == model::Kind::Commit).map(|(_, id)| id).collect();
        let heads = some(&commits, 1 + random.below(3), &mut random);
        let reached = model::reach(&before, &heads, &[]).ok()?.records;
        let named = (0..).map(|n: u32| format!("b{n}")).zip(heads.iter().cloned()).collect();
        let base = model::canonical(&reached, &named);
        let packs = std::iter::once(base.clone()).chain(since.concat()).collect();
        (!heads.is_empty()).then_some(Consolidated { base, heads, packs, history })
    }

    /// What is wanted: all heads of the base, or some commits that mostly reach them.
    fn wants(&self, random: &mut Random) -> Vec<String> {
        let known = model::union(&self.packs);
        let commits: Vec<&String> =
            known.keys().filter(|(of, _)| *of == model::Kind::Commit).map(|(_, id)| id).collect();
        let mut wants = some(&commits, random.below(3), random);
        if random.below(4) > 0 || wants.is_empty() {
            wants.extend(self.heads.iter().cloned());
        }
        wants
    }

    fn hosts(&self) -> (MemoryHost, MemoryHost, bool) {
        let plain = MemoryHost::planning(&self.packs, &self.history.heads);
        let mut on_base = plain.clone();
        let has_base = on_base.put_base(&self.base, &self.heads);
        (plain, on_base, has_base)
    }
}

fn some(of: &[&String], count: usize, random: &mut Random) -> Vec<String> {
    match of.is_empty() {
        true => Vec::new(),
        false => (0..count).map(|_| of[random.below(of.len())].clone()).collect(),
    }
}

fn histories() -> impl Strategy<Value = (RandomHistory, u64)> {
    (any::<u64>(), 1usize..24, any::<bool>()).prop_map(|(seed, size, tangled)| match tangled {
        true => (tangled_history(seed, size), seed),
        false => (random_history(seed, size), seed),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_clone_on_a_base_is_the_canonical_pack((history, seed) in histories()) {
        let Some(repo) = Consolidated::new(history, seed) else { return Ok(()) };
        let mut random = Random::stream(seed, 22);
        for _ in 0..3 {
            let wants = repo.wants(&mut random);
            let (mut plain, mut on_base, _) = repo.hosts();
            let expected = model::reach(&repo.packs, &wants, &[]).unwrap();
            let bytes = model::canonical(&expected.records, &repo.history.heads);
            for host in [&mut plain, &mut on_base] {
                let answer = assemble(host, &request(&wants)).unwrap();
                prop_assert_eq!(answer.missing, expected.missing, "wants {:?}", wants);
                prop_assert!(host.execute(&answer.plan) == bytes, "wants {:?}", wants);
            }
        }
    }
}

/// The property above would hold, too, if no base was ever used.
#[test]
fn most_bases_are_used() {
    let (mut bases, mut used) = (0, 0);
    for seed in 0..300 {
        let Some(repo) = Consolidated::new(tangled_history(seed, 12), seed) else { continue };
        let (mut plain, mut on_base, has_base) = repo.hosts();
        let mut wants = repo.heads.clone();
        wants.extend(
            model::union(&repo.packs)
                .into_keys()
                .filter(|(of, _)| *of == model::Kind::Commit)
                .map(|(_, id)| id),
        );
        if !has_base {
            continue;
        }
        bases += 1;
        let request = request(&wants);
        assemble(&mut plain, &request).unwrap();
        assemble(&mut on_base, &request).unwrap();
        // Only parents of new commits are located in the base.
        used += usize::from(on_base.located < plain.located);
    }
    assert!(bases > 60 && used * 10 > bases * 8, "of {bases} bases {used} were used");
}

/// A consolidated pack of so many pushes of ten commits, with one push more; and the heads of both.
fn pushed_to(pushes: usize) -> ([Vec<u8>; 2], [Vec<String>; 2]) {
    let mut packs = history(&HistoryOptions {
        pushes: pushes + 1,
        commits_per_push: 10,
        objects_per_commit: 2,
        object_bytes: 8..9,
        form: SnapshotForm::Delta,
        merges: false,
        tags: false,
        overlap: false,
        ..HistoryOptions::default()
    });
    let last = packs.pop().unwrap();
    let heads = |packs: &[Vec<u8>]| model::heads_of(packs).into_values().collect::<Vec<String>>();
    let before = heads(&packs);
    let mut host = MemoryHost::planning(&packs, &model::heads_of(&packs));
    let plan = consolidate(&mut host).unwrap();
    let packs = [host.execute(&plan), last];
    let after = heads(&packs);
    (packs, [before, after])
}

#[test]
fn a_clone_after_a_push_looks_at_what_was_pushed() {
    let costs = [10, 100].map(|pushes| {
        let (packs, [before, after]) = pushed_to(pushes);
        let mut host = MemoryHost::planning(&packs, &model::heads_of(&packs));
        assert!(host.put_base(&packs[0], &before));
        let answer = assemble(&mut host, &request(&after)).unwrap();
        assert_eq!(answer.plan.records.commits, 10 * pushes as u64 + 10);
        // Of the new records some lie together, and are one step.
        assert!(answer.plan.steps.len() < 60, "{} steps", answer.plan.steps.len());
        (host.calls, host.located, host.paged)
    });
    assert_eq!(costs[0], costs[1], "calls, located and rows");
}
