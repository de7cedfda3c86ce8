//! How the core plans an answer, natively: in tangled histories, within narrow bounds, with any
//! generations that a catalog may have.

use std::collections::BTreeMap;

use packhouse_core::assemble::{Bounds, assemble_within};
use packhouse_core::{Kind, Request, assemble, consolidate};
use packhouse_host::sample::{CommitSpec, IdForm, PackBuilder, Random, SnapshotSpec};
use packhouse_tests::cases::line_of_commits;
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::model;
use packhouse_tests::random_history::RandomHistory;
use packhouse_tests::tangled_history::tangled_history;
use proptest::prelude::*;

fn request(want: &[String], have: &[String]) -> Request {
    let ids = |ids: &[String]| ids.iter().map(|id| entity_id(Kind::Commit, id)).collect();
    Request { want: ids(want), want_if_known: Vec::new(), have: ids(have) }
}

/// The pack of an answer, and how much is missing.
fn answer(mut host: MemoryHost, request: &Request, bounds: &Bounds) -> (Vec<u8>, u64) {
    let answer = assemble_within(&mut host, request, bounds).unwrap();
    let pack = host.execute(&answer.plan);
    if let Some(reused) = answer.reuse {
        let (reused, planned) = (model::union(&[host.pack(reused)]), model::union(&[&pack]));
        assert!(reused.keys().eq(planned.keys()), "a reused pack holds exactly the answer");
        assert!(planned.iter().all(|(entity, record)| reused[entity].bytes == record.bytes));
    }
    (pack, answer.missing)
}

/// The usual bounds, and narrow ones; with some, more is read from pack-indexes than is located.
fn all_bounds(random: &mut Random) -> [Bounds; 4] {
    let usual = Bounds::default();
    let located = random.below(30) as u64;
    [
        usual,
        Bounds { older: 0, most: 0, ..usual },
        Bounds { older: random.below(2_000) as u64, located, ..usual },
        Bounds {
            near: random.below(1_000) as u64,
            older: random.below(3_000) as u64,
            most: 4_000,
            located,
        },
    ]
}

fn consolidated(packs: &[Vec<u8>], history: &RandomHistory) -> Vec<u8> {
    let mut host = MemoryHost::planning(packs, &history.heads);
    let plan = consolidate(&mut host).unwrap();
    host.execute(&plan)
}

fn failed(why: String) -> TestCaseError {
    TestCaseError::fail(why)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fetch_sends_what_is_needed_and_repeats_only_what_it_may(seed in any::<u64>(), size in 1usize..15) {
        let history = tangled_history(seed, size);
        let packs: Vec<Vec<u8>> = history.in_any_order(seed).concat();
        let mut random = Random::stream(seed, 10);
        for _ in 0..3 {
            let (want, have) = history.request(&mut random);
            let exact = model::reach(&packs, &want, &have).unwrap();
            for (n, bounds) in all_bounds(&mut random).iter().enumerate() {
                let host = MemoryHost::planning(&packs, &history.heads);
                let (pack, missing) = answer(host, &request(&want, &have), bounds);
                let records = model::read(&pack).records;
                // The last bounds may leave out snapshots of the boundary, too.
                let repeats = match n {
                    0..3 => model::may_repeat(&packs, &want, &have).unwrap(),
                    _ => model::reached_by(&packs, &want),
                };
                model::check_answer(&packs, &want, &have, &records, missing, &repeats)
                    .map_err(|wrong| failed(format!("want {want:?}, have {have:?}, {bounds:?}: {wrong}")))?;
                let sent = model::union(std::slice::from_ref(&pack));
                prop_assert_eq!(&pack, &model::canonical(&sent, &history.heads));
                // In small repos the usual bounds are wide enough for an answer that repeats nothing.
                if n == 0 {
                    prop_assert!(sent.keys().eq(exact.records.keys()), "want {:?}, have {:?}", want, have);
                    prop_assert_eq!(missing, exact.missing);
                }
            }
        }
    }

    #[test]
    fn an_answer_is_the_same_with_any_generations_and_after_gc(seed in any::<u64>(), size in 1usize..15) {
        let history = tangled_history(seed, size);
        let pushes = history.in_any_order(seed);
        let packs: Vec<Vec<u8>> = pushes.concat();
        let mut random = Random::stream(seed, 12);
        let renumbered = MemoryHost::planning(&packs, &history.heads);
        let consolidated =
            MemoryHost::planning(&[consolidated(&packs, &history)], &history.heads);
        let arrived = MemoryHost::arrived(&pushes, &history.heads);
        // Renumbering goes from the highest generation down, and clears the floor at its end.
        let highest = renumbered.generations.values().max().copied().unwrap_or(0);
        let done = random.below(highest as usize + 2) as u64;
        let mut halfway = arrived.clone();
        for (id, generation) in &renumbered.generations {
            if *generation >= done {
                let met = halfway.generations.entry(*id).or_default();
                *met = (*met).max(*generation);
            }
        }
        for _ in 0..3 {
            let (want, have) = history.request(&mut random);
            let request = request(&want, &have);
            for bounds in all_bounds(&mut random) {
                let expected = answer(renumbered.clone(), &request, &bounds);
                for host in [&arrived, &halfway, &consolidated] {
                    prop_assert_eq!(&answer(host.clone(), &request, &bounds), &expected);
                }
            }
        }
    }
}

/// A chain of commits, in packs of 250, and what each adds: a file and its snapshot. All records of
/// a kind are equally long.
struct Chain {
    packs: Vec<Vec<u8>>,
    commits: Vec<String>,
}

const AT: &str = "2026-03-02T09:00:00+00:00";

fn chain(length: usize, whole: bool) -> Chain {
    let mut chain = Chain { packs: Vec::new(), commits: Vec::new() };
    let mut pack = PackBuilder::new();
    let mut tree: BTreeMap<String, String> = BTreeMap::new();
    let mut snapshot: Option<String> = None;
    for n in 0..length {
        let object = pack.object(format!("bar {n:06}").as_bytes());
        let path = format!("part/{:02}.md", n % 20);
        tree.insert(path.clone(), object.clone());
        let id = SnapshotSpec::id_of(IdForm::Bare, &tree);
        let manifest = tree.clone().into_iter().collect();
        pack.snapshot(&if whole {
            SnapshotSpec::Whole { id: id.clone(), manifest, created_at: AT.into() }
        } else {
            let (parent, upsert) = (snapshot.clone(), vec![(path, object)]);
            SnapshotSpec::Delta { id: id.clone(), parent, upsert, remove: Vec::new() }
        });
        let parent = chain.commits.last().map(String::as_str);
        let message = format!("bar {n:06}");
        let commit = CommitSpec::new(IdForm::Bare, [parent, None], &id, &message, AT);
        pack.commit(&commit);
        chain.commits.push(commit.id);
        snapshot = Some(id);
        if n % 250 == 249 {
            chain.packs.push(std::mem::take(&mut pack).finish());
        }
    }
    chain
}

/// However the snapshots are recorded, the search among older ones reads them in batches.
#[test]
fn law_13_a_pull_of_many_commits_makes_few_calls() {
    let (packs, commits) = line_of_commits(6_000, 1, |_, _| ());
    for sent in [1, 100, 1_000, 3_000] {
        let mut host = MemoryHost::planning(&packs, &BTreeMap::new());
        let tip = commits.len() - 1;
        let request = request(&commits[tip..], &commits[tip - sent..=tip - sent]);
        let plan = assemble(&mut host, &request).unwrap().plan;
        assert_eq!(plan.records.commits, sent as u64);
        let calls = host.calls;
        assert!(calls <= 30 + 2 * sent as u64 / 100, "{sent} commits: {calls} calls");
    }
}

#[test]
fn law_13_a_pull_reads_what_lies_between() {
    for whole in [true, false] {
        let [short, long] = [2_000, 20_000].map(|length| chain(length, whole));
        for behind in [1, 100] {
            let cost = |chain: &Chain| {
                let mut host = MemoryHost::planning(&chain.packs, &BTreeMap::new());
                let tip = chain.commits.len() - 1;
                let request =
                    request(&chain.commits[tip..], &chain.commits[tip - behind..=tip - behind]);
                let plan = assemble(&mut host, &request).unwrap().plan;
                let records = plan.records;
                let each = behind as u64;
                assert_eq!(
                    (records.commits, records.snapshots, records.objects),
                    (each, each, each)
                );
                (host.calls, host.walked, host.located, host.crossed)
            };
            let (calls, walked, located, crossed) = cost(&short);
            assert_eq!(cost(&long), (calls, walked, located, crossed));
            assert!(calls <= 30, "{behind} commits: {calls} calls");
            let sent = behind as u64;
            assert!(walked <= 1_024 + 4 * sent, "{sent} commits: {walked} rows of the graph");
            assert!(located <= 1_024 + 4 * sent, "{sent} commits: {located} located");
            assert!(crossed <= 300_000 + 2_000 * sent, "{sent} commits: {crossed} bytes");
        }
    }
}
