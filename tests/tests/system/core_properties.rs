//! The core against the model, natively: random histories, spread over packs in any order.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_core::{EntityId, Kind, PlanError, Request, assemble, consolidate, index};
use packhouse_host::sample::{HistoryOptions, Random, SnapshotForm, history};
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::random_history::{RandomHistory, random_history};
use packhouse_tests::{fixtures, model};
use proptest::prelude::*;

fn consolidated(packs: &[impl AsRef<[u8]>], heads: &BTreeMap<String, String>) -> Vec<u8> {
    let mut host = MemoryHost::planning(packs, heads);
    let plan = consolidate(&mut host).unwrap();
    host.execute(&plan)
}

fn ids(ids: &[String]) -> Vec<EntityId> {
    ids.iter().map(|id| entity_id(Kind::Commit, id)).collect()
}

/// What a fetch of the packs gives: bytes and missing; the bytes of a reused pack if it is one.
fn assembled(
    packs: &[impl AsRef<[u8]>],
    heads: &BTreeMap<String, String>,
    want: &[String],
    have: &[String],
) -> (Vec<u8>, u64, bool) {
    let mut host = MemoryHost::planning(packs, heads);
    let request = Request { want: ids(want), want_if_known: Vec::new(), have: ids(have) };
    let answer = assemble(&mut host, &request).unwrap();
    let made = host.execute(&answer.plan);
    if let Some(pack) = answer.reuse {
        let (reused, planned) = (model::union(&[host.pack(pack)]), model::union(&[&made]));
        assert_eq!(
            model::read(host.pack(pack)).records.len(),
            planned.len(),
            "a reused pack holds exactly the answer"
        );
        assert!(planned.iter().all(|(entity, record)| reused[entity].bytes == record.bytes));
    }
    (made, answer.missing, answer.reuse.is_some())
}

fn some_commits(history: &RandomHistory, random: &mut Random, most: usize) -> Vec<String> {
    (0..random.below(most + 1))
        .filter_map(|_| history.commits.get(random.below(history.commits.len())).cloned())
        .collect()
}

fn random_histories() -> impl Strategy<Value = (u64, usize, usize)> {
    (any::<u64>(), 0usize..24, 1usize..7)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn law_7_the_core_writes_what_the_model_writes((seed, size, packs) in random_histories()) {
        let history = random_history(seed, size);
        let packs = history.spread(seed, packs);
        prop_assert_eq!(consolidated(&packs, &history.heads), model::consolidate(&packs, &history.heads));
    }

    #[test]
    fn law_7_order_and_grouping_leave_no_trace((seed, size, packs) in random_histories(), again in any::<u64>(), groups in 1usize..9) {
        let history = random_history(seed, size);
        let first = history.spread(seed, packs);
        let mut second = history.spread(again, groups);
        // Half-way consolidations leave no trace either.
        if groups > 2 {
            let half = second.split_off(groups / 2);
            second.push(consolidated(&half, &BTreeMap::new()));
        }
        prop_assert_eq!(consolidated(&first, &history.heads), consolidated(&second, &history.heads));
    }

    #[test]
    fn pg4_consolidating_twice_changes_nothing((seed, size, packs) in random_histories()) {
        let history = random_history(seed, size);
        let once = consolidated(&history.spread(seed, packs), &history.heads);
        prop_assert_eq!(&consolidated(&[&once], &history.heads), &once);
    }

    #[test]
    fn law_8_every_record_of_the_input_is_in_the_output_verbatim((seed, size, packs) in random_histories()) {
        let history = random_history(seed, size);
        let made = model::read(&consolidated(&history.spread(seed, packs), &history.heads)).records;
        prop_assert_eq!(made.len(), history.records.len());
        let made: BTreeSet<Vec<u8>> = made.into_iter().map(|record| record.bytes).collect();
        for record in &history.records {
            let best = record.encodings.iter().max_by_key(|e| (e.len(), (*e).clone())).unwrap();
            prop_assert!(made.contains(best), "{} {} is not there as it was written", record.kind, record.id);
        }
    }

    #[test]
    fn pg6_a_fetch_is_the_same_before_and_after((seed, size, packs) in random_histories()) {
        let history = random_history(seed, size);
        let packs = history.spread(seed, packs);
        let mut random = Random::stream(seed, 3);
        let want = some_commits(&history, &mut random, 3);
        let have = some_commits(&history, &mut random, 2);
        let before = assembled(&packs, &history.heads, &want, &have);
        let after = assembled(&[consolidated(&packs, &history.heads)], &history.heads, &want, &have);
        prop_assert_eq!((&before.0, before.1), (&after.0, after.1));

        let expected = model::reach(&packs, &want, &have).unwrap();
        let made = model::read(&before.0).records;
        let made: BTreeSet<model::Entity> = made.into_iter().map(|r| (r.kind, r.id)).collect();
        prop_assert_eq!(made, expected.records.keys().cloned().collect::<BTreeSet<_>>());
        prop_assert_eq!(before.1, expected.missing);
        prop_assert_eq!(before.0, model::canonical(&expected.records, &history.heads));
    }

    #[test]
    fn law_2_contents_never_cross((seed, size, packs) in random_histories()) {
        let history = random_history(seed, size);
        let packs = history.spread(seed, packs);
        let mut host = MemoryHost::planning(&packs, &history.heads);
        consolidate(&mut host).unwrap();
        let meta = model::union(&packs).values().filter(|r| r.kind != model::Kind::Object).map(|r| r.bytes.len() as u64).sum::<u64>();
        prop_assert_eq!(host.crossed, meta, "each commit, snapshot and tag crosses once, and nothing else does");
    }

    #[test]
    fn heads_are_decided_as_the_model_decides(seed in any::<u64>(), size in 1usize..16, stored in 0usize..3, pushed in 1usize..4) {
        let history = random_history(seed, size);
        let mut random = Random::stream(seed, 4);
        let bare = RandomHistory { heads: BTreeMap::new(), ..history.clone() };
        let mut packs = bare.spread(seed, stored + pushed);
        let mut ids: Vec<String> = history.commits.clone();
        ids.extend(history.beyond.iter().cloned());
        let head = |random: &mut Random| (format!("b{}", random.below(3)), ids[random.below(ids.len())].clone());
        let before: BTreeMap<String, String> = (0..random.below(3) * stored.min(1)).map(|_| head(&mut random)).collect();
        for pack in packs.iter_mut().skip(stored) {
            let named: BTreeMap<String, String> = (0..random.below(3)).map(|_| head(&mut random)).collect();
            let all = model::union(std::slice::from_ref(pack));
            *pack = model::canonical(&all, &named);
        }
        let (stored, pushed) = packs.split_at(stored);
        let expected = model::heads(stored, &before, pushed);
        let mut host = MemoryHost::indexing(pushed, stored, &before);
        match index(&mut host, pushed.len() as u32, false) {
            Ok(index) => {
                let mut after = before.clone();
                after.extend(index.heads.into_iter().map(|h| (h.branch, h.commit.to_string())));
                prop_assert_eq!(Ok(after), expected);
            }
            Err(PlanError::HeadConflict(conflicts)) => {
                let branches: Vec<String> = conflicts.into_iter().map(|c| c.branch).collect();
                prop_assert_eq!(Err(branches), expected);
            }
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
}

#[test]
fn law_7_the_real_packs_give_the_known_key() {
    let packs = fixtures::muse_cli_packs();
    let heads = model::heads_of(&packs);
    assert_eq!(model::key(&consolidated(&packs, &heads)), fixtures::CONSOLIDATED_KEY);
}

#[test]
fn law_7_sample_histories_give_what_the_model_gives() {
    for (seed, form) in
        [SnapshotForm::Whole, SnapshotForm::Delta, SnapshotForm::Mixed].into_iter().enumerate()
    {
        for prefixed_ids in [false, true] {
            let options = HistoryOptions {
                seed: seed as u64,
                form,
                prefixed_ids,
                pushes: 9,
                ..HistoryOptions::default()
            };
            let packs = history(&options);
            let heads = model::heads_of(&packs);
            assert_eq!(consolidated(&packs, &heads), model::consolidate(&packs, &heads));
            let mut host = MemoryHost::indexing(&packs, &[] as &[Vec<u8>], &BTreeMap::new());
            index(&mut host, packs.len() as u32, false).unwrap();
        }
    }
}

/// More of everything than one page holds: rows, commits, snapshots.
fn long_history(overlap: bool) -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: 3,
        commits_per_push: 900,
        objects_per_commit: 3,
        object_bytes: 8..40,
        form: SnapshotForm::Delta,
        overlap,
        ..HistoryOptions::default()
    })
}

#[test]
fn law_3_calls_are_paged_and_batched() {
    let packs = long_history(false);
    let heads = model::heads_of(&packs);
    let mut host = MemoryHost::planning(&packs, &heads);
    let plan = consolidate(&mut host).unwrap();
    let made = host.execute(&plan);
    let records = packs.iter().map(|pack| model::read(pack).records.len() as u64).sum::<u64>();
    assert!(records > 10_000 && host.calls < 40, "{records} records took {} calls", host.calls);
    assert_eq!(model::read(&made).records.len() as u64 + plan.duplicates, records);

    let tip = heads["main"].clone();
    let (fetched, missing, _) = assembled(&packs, &heads, std::slice::from_ref(&tip), &[]);
    let expected = model::reach(&packs, &[tip], &[]).unwrap();
    assert_eq!(
        (model::read(&fetched).records.len(), missing),
        (expected.records.len(), expected.missing)
    );

    let mut host = MemoryHost::indexing(&packs, &[] as &[Vec<u8>], &BTreeMap::new());
    let index = index(&mut host, 3, false).unwrap();
    assert!(index.edges.len() == 2700 && host.calls < 40, "{} calls", host.calls);
}

#[test]
fn law_3_rival_encodings_are_compared_in_batches() {
    let packs = long_history(true);
    let heads = model::heads_of(&packs);
    let mut host = MemoryHost::planning(&packs, &heads);
    consolidate(&mut host).unwrap();
    let records = packs.iter().map(|pack| model::read(pack).records.len() as u64).sum::<u64>();
    assert!(records > 20_000 && host.calls < 80, "{records} records took {} calls", host.calls);
}
