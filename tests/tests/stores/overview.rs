//! The operator's view is correct: bytes of shelves, summaries, packs, timelines, stamps.

use std::collections::BTreeMap;

use packhouse_host::catalog::entity_key;
use packhouse_host::pack::Directory;
use packhouse_host::sample::{HeadStyle, HistoryOptions, Random, history};
use packhouse_host::{
    Cause, Class, GcOptions, MpackKey, ProblemKind, Progress, PushOptions, RepoName, VerifyOptions,
    Visibility,
};
use packhouse_tests::random_history::random_history;
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{model, place};
use proptest::prelude::*;

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Per pack on a shelf, the records that the index maps to it and their bytes: what the catalog
/// counts, and what index and directories say.
async fn counted_and_found(store: &TestStore) -> [BTreeMap<MpackKey, (u64, u64)>; 2] {
    let catalog = options(&store.data()).catalog.open().await.unwrap();
    let row = catalog.repo(&store.repo).await.unwrap().unwrap();
    let mut snapshot = catalog.snapshot(row.id).await.unwrap();
    let (mut counted, mut found) = (BTreeMap::new(), BTreeMap::new());
    let mut lengths = BTreeMap::new();
    let shelves = snapshot.shelves().await.unwrap();
    for shelf in &shelves {
        let key = shelf.pack.key;
        let sum: &mut (u64, u64) = counted.entry(key).or_default();
        sum.0 += shelf.mapped.total();
        sum.1 += shelf.mapped_bytes.expect("every shelf of this store was counted");
        found.insert(key, (0, 0));
        let path =
            store.data().join("packs").join(&key.hex()[..2]).join(format!("{}.dir", key.hex()));
        let directory = Directory::read(key, std::fs::read(path).unwrap()).unwrap();
        lengths.extend(
            directory
                .rows()
                .map(|row| ((key, entity_key(row.kind, row.id), row.fingerprint), row.length)),
        );
    }
    let pack_of: BTreeMap<_, _> = shelves.iter().map(|s| (s.id, s.pack.key)).collect();
    for (row, shelf) in snapshot.index_page(None, 8192).await.unwrap() {
        let key = pack_of[&shelf];
        let sum = found.get_mut(&key).unwrap();
        sum.0 += 1;
        sum.1 += lengths[&(key, row.entity, row.fingerprint)];
    }
    [counted, found]
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn shelves_count_the_bytes_that_the_index_maps_to_them(seed in any::<u64>(), size in 1usize..20, packs in 1usize..7) {
        wait(async {
            let packs = random_history(seed, size).spread(seed, packs);
            let mut random = Random::stream(seed, 7);
            let store = TestStore::new().await;
            for group in packs.chunks(1 + random.below(2)) {
                store.push(group).await.unwrap();
                let [counted, found] = counted_and_found(&store).await;
                assert_eq!(counted, found, "after a push");
                if random.below(3) == 0 {
                    store.gc().await.unwrap();
                    let [counted, found] = counted_and_found(&store).await;
                    assert_eq!(counted, found, "after a consolidation");
                }
            }
            // `packs` shows the same.
            let [_, found] = counted_and_found(&store).await;
            let told = store.store.packs(&store.repo).await.unwrap();
            let held = told.iter().filter(|pack| pack.retired_at.is_none());
            assert_eq!(held.map(|pack| (pack.key, (pack.needed_records, pack.needed_bytes))).collect::<BTreeMap<_, _>>(), found);
            store.sound().await;
        });
    }

    #[test]
    fn a_summary_tells_what_the_repos_report_tells(seed in any::<u64>(), size in 1usize..12) {
        wait(async {
            let store = TestStore::new().await;
            let mut random = Random::stream(seed, 8);
            // Owner first, then slug: a name is no text that is sorted as it is written.
            let mut names: Vec<RepoName> = vec![store.repo.clone()];
            for name in ["a-b/c", "a/b.c", "B/x", "a/a"] {
                let name: RepoName = name.parse().unwrap();
                store.store.create_repo(&name, Visibility::Public).await.unwrap();
                names.push(name);
            }
            // The same packs in several repos share their rows.
            let packs = random_history(seed, size).spread(seed, 4);
            for name in &names {
                for pack in &packs[..random.below(packs.len() + 1)] {
                    store.store.push(name, &[store.file(pack)], PushOptions::default(), &Progress::silent()).await.unwrap();
                    if random.below(4) == 0 {
                        store.store.gc(name, GcOptions::default(), &Progress::silent()).await.unwrap();
                    }
                }
            }
            names.sort();
            let mut listed = Vec::new();
            loop {
                let page = store.store.summaries(listed.last(), 2).await.unwrap();
                for summary in &page {
                    let report = store.store.repo(&summary.repo).await.unwrap();
                    assert_eq!((summary.packs, summary.bytes, summary.stored_bytes), (report.packs, report.bytes, report.stored_bytes));
                    assert_eq!((summary.commits, summary.snapshots), (report.commits, report.snapshots));
                    assert_eq!((summary.objects, summary.tags), (report.objects, report.tags));
                    assert_eq!((&summary.last_gc, summary.created_at), (&report.last_gc, report.created_at));
                    assert_eq!(summary.superseded_bytes, report.stored_bytes - report.bytes);
                    assert_eq!(*summary, store.store.summary(&summary.repo).await.unwrap());
                    let packs = store.store.packs(&summary.repo).await.unwrap();
                    let needed: u64 = packs.iter().map(|pack| pack.needed_bytes).sum();
                    assert_eq!(summary.duplicate_bytes, if report.packs > 1 { report.bytes - needed } else { 0 });
                    assert_eq!(packs.iter().map(|pack| pack.bytes).sum::<u64>(), report.stored_bytes);
                }
                let ended = page.len() < 2;
                listed.extend(page.into_iter().map(|summary| summary.repo));
                if ended {
                    break;
                }
            }
            assert_eq!(listed, names);
        });
    }

    /// A consolidation writes each mapped record, and the framing of one pack: nothing else. So it
    /// saves `duplicate_bytes`, less the framing of the new pack.
    #[test]
    fn a_consolidation_does_not_write_duplicate_bytes_again(seed in any::<u64>(), size in 1usize..16, packs in 2usize..6) {
        wait(async {
            let packs = random_history(seed, size).spread(seed, packs);
            let store = TestStore::new().await;
            store.push_each(&packs).await;
            let summary = store.store.summary(&store.repo).await.unwrap();
            let report = store.gc().await.unwrap();
            if report.skipped {
                assert_eq!(summary.duplicate_bytes, 0);
                return;
            }
            let made = store.packs().await.swap_remove(0);
            let around = made.len() - model::read(&made).records.iter().map(|record| record.bytes.len()).sum::<usize>();
            assert_eq!(report.bytes_after, report.bytes_before - summary.duplicate_bytes + around as u64);
            let after = store.store.summary(&store.repo).await.unwrap();
            assert_eq!(after.duplicate_bytes, 0);
            assert_eq!((after.reclaimable(), after.superseded_bytes), (0, after.stored_bytes - report.bytes_after));
        });
    }

    #[test]
    fn a_timeline_tells_what_was_true_after_each_publication(seed in any::<u64>(), size in 1usize..12, packs in 1usize..8) {
        wait(async {
            let packs = random_history(seed, size).spread(seed, packs);
            let mut random = Random::stream(seed, 9);
            let store = TestStore::new().await;
            let mut seen = Vec::new();
            let mut look = async |cause| {
                let show = store.show().await;
                seen.push((cause, show.packs, show.bytes));
            };
            let silent = Progress::silent();
            for pack in &packs {
                let plan = store.plan().await.unwrap();
                let stored = store.push(&[pack]).await.unwrap()[0].status == packhouse_host::PushStatus::Stored;
                if stored {
                    look(Cause::Push).await;
                }
                let skipped = plan.report.skipped;
                match random.below(4) {
                    // One that a push came before.
                    0 => drop(store.store.apply_gc(plan, &silent).await.unwrap()),
                    1 => {
                        if store.gc().await.unwrap().skipped {
                            continue;
                        }
                        look(Cause::Consolidation).await;
                        continue;
                    }
                    _ => continue,
                }
                if !skipped {
                    look(Cause::Consolidation).await;
                }
            }
            let timeline = store.store.timeline(&store.repo, 100).await.unwrap();
            assert_eq!(timeline.iter().map(|m| (m.cause, m.packs, m.bytes)).collect::<Vec<_>>(), seen);
            assert!(timeline.is_sorted_by_key(|moment| moment.at));
            let last = store.store.timeline(&store.repo, 2).await.unwrap();
            assert_eq!(last, timeline[timeline.len().saturating_sub(2)..], "the last ones, oldest first");
        });
    }
}

#[tokio::test]
async fn packs_come_oldest_first_then_those_that_wait() {
    let store = TestStore::new().await;
    let packs = history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    store.push(&packs[..3]).await.unwrap();
    let key = store.gc().await.unwrap().consolidated_key.unwrap();
    store.push(&packs[3..]).await.unwrap();
    let told = store.store.packs(&store.repo).await.unwrap();
    let keys: Vec<String> = told.iter().map(|pack| pack.key.to_string()).collect();
    let expected: Vec<String> = [key.to_string(), model::key(&packs[3])]
        .into_iter()
        .chain(packs[..3].iter().map(|p| model::key(p)))
        .collect();
    assert_eq!(keys, expected);
    assert_eq!(
        told.iter().map(|pack| pack.consolidated).collect::<Vec<_>>(),
        [true, false, false, false, false]
    );
    assert!(told[..2].iter().all(|pack| pack.retired_at.is_none() && pack.needed_records > 0));
    assert!(told[2..].iter().all(|pack| pack.retired_at > Some(pack.stored_at)
        && pack.needed_records + pack.needed_bytes == 0));
    let error = store.store.packs(&"no/body".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
}

#[tokio::test]
async fn a_stamp_changes_when_anybody_writes_and_never_by_reading() {
    let store = TestStore::new().await;
    let packs = history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    let options = options(&store.data());
    // Both clocks count their ids from one: a repo of each must have another.
    for _ in 0..1000 {
        options.clock.random_id();
    }
    let other = options.open().await.unwrap();
    let mut stamps = vec![store.store.change_stamp().await.unwrap()];
    let mut look = async |changed: bool, after: &str| {
        let stamp = store.store.change_stamp().await.unwrap();
        // On a server, what others do to other catalogs counts as well.
        assert!(
            stamps.contains(&stamp) != changed || (!changed && !place::has_files()),
            "after {after}"
        );
        stamps.push(stamp);
    };
    for pack in &packs[..2] {
        store.push(&[pack]).await.unwrap();
        look(true, "a push of this store").await;
    }
    other
        .push(&store.repo, &[store.file(&packs[2])], PushOptions::default(), &Progress::silent())
        .await
        .unwrap();
    look(true, "a push of another").await;
    let silent = Progress::silent();
    for reader in [&store.store, &other] {
        reader.reports(None, 99).await.unwrap();
        reader.summaries(None, 10).await.unwrap();
        reader.timeline(&store.repo, 10).await.unwrap();
        reader.gc_entries(&Default::default()).await.unwrap();
        reader.plan_gc(&store.repo, GcOptions::default(), &silent).await.unwrap();
        reader.change_stamp().await.unwrap();
        // On a server, what others do to other databases counts as well.
        if place::has_files() {
            look(false, "reading").await;
        }
    }
    other.gc(&store.repo, GcOptions::default(), &silent).await.unwrap();
    look(true, "a consolidation of another").await;
    store.gc().await.unwrap();
    look(true, "a run that was skipped and remembered").await;
    other.create_repo(&"c/d".parse().unwrap(), Visibility::Public).await.unwrap();
    look(true, "a new repo").await;
}

#[tokio::test]
async fn verify_finds_bytes_and_sums_that_are_not_those_of_the_records() {
    let store = TestStore::new().await;
    store.push_each(&history(&HistoryOptions { pushes: 3, ..HistoryOptions::default() })).await;
    store.sound().await;
    for (shelf, repo, words) in [
        ("+ 1", "+ 1", Some("bytes on the shelf")),
        ("- 1", "+ 0", Some("totals")),
        ("+ NULL", "+ NULL", None),
    ] {
        let change = format!(
            "UPDATE shelves SET mapped_bytes = mapped_bytes {shelf} WHERE id = 2;
             UPDATE repos SET needed_bytes = needed_bytes {repo} WHERE id = 1"
        );
        place::sql(&store.data(), change).await;
        let problems = store
            .store
            .verify(&store.repo, VerifyOptions::default(), &Progress::silent())
            .await
            .unwrap()
            .problems;
        let Some(words) = words else {
            return assert_eq!(problems, [], "what nobody counted is no damage");
        };
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].kind, ProblemKind::DamagedCatalog);
        assert!(problems[0].detail.contains(words), "{problems:?}");
    }
}
