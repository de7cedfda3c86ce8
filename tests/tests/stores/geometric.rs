//! `gc --geometric`: the smallest packs become one, and the others are not read.

use std::collections::BTreeMap;
use std::time::Duration;

use packhouse_host::sample::{HeadStyle, HistoryOptions, SnapshotForm, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{Class, Error, GcOptions, GcQuery, GcReport, MpackKey, Progress, Result};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::model::{self, Kind};
use packhouse_tests::random_history::random_history;
use packhouse_tests::store::{TestStore, options};

/// Packs of a history, the first ten times as large as the others.
fn packs(pushes: usize) -> Vec<Vec<u8>> {
    let mut packs = history(&HistoryOptions {
        pushes: pushes + 9,
        overlap: false,
        heads: HeadStyle::OwnBranch,
        object_bytes: 200..300,
        ..HistoryOptions::default()
    });
    let rest = packs.split_off(10);
    let first = model::consolidate(&packs, &BTreeMap::new());
    std::iter::once(first).chain(rest).collect()
}

async fn gc(store: &TestStore, options: GcOptions) -> Result<GcReport> {
    store.store.gc(&store.repo, options, &Progress::silent()).await
}

async fn geometric(store: &TestStore) -> GcReport {
    gc(store, GcOptions::GEOMETRIC).await.unwrap()
}

/// The canonical pack of some packs, with those of the heads that are in them.
fn canonical(packs: &[Vec<u8>], heads: &BTreeMap<String, String>) -> String {
    let records = model::union(packs);
    let is_inside = |id: &&String| records.contains_key(&(Kind::Commit, (*id).clone()));
    let inside = heads.iter().filter(|(_, id)| is_inside(id));
    let heads = inside.map(|(branch, id)| (branch.clone(), id.clone())).collect();
    model::key(&model::consolidate(packs, &heads))
}

#[tokio::test]
async fn the_smallest_packs_become_one_and_the_others_are_not_read() {
    let packs = packs(4);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    let (_, answer) = store.fetch(&[], &[]).await.unwrap();
    let key: MpackKey = model::key(&packs[0]).parse().unwrap();
    // Neither the large pack nor its directory is there.
    let folder = store.data().join("packs").join(&key.hex()[..2]);
    let hidden = store.data().join("hidden");
    std::fs::rename(&folder, &hidden).unwrap();
    let done = geometric(&store).await;
    std::fs::rename(&hidden, &folder).unwrap();

    assert_eq!((done.packs_before, done.packs_after, done.geometric), (4, 2, Some(2)));
    let heads = store.heads().await;
    assert_eq!(done.consolidated_key.unwrap().to_string(), canonical(&packs[1..], &heads));
    let others: usize = packs[1..].iter().map(Vec::len).sum();
    assert_eq!(done.bytes_after, packs[0].len() as u64 + done.bytes_written);
    assert!(done.bytes_written <= others as u64 && !done.skipped && !done.budget_reached);
    assert!(store.show().await.pack_keys.contains(&key));
    assert_eq!(store.fetch(&[], &[]).await.unwrap().1, answer, "a fetch answers the same");
    store.sound().await;
    assert_eq!(
        store.gc().await.unwrap().consolidated_key.unwrap().to_string(),
        canonical(&packs, &heads)
    );
}

#[tokio::test]
async fn of_geometric_sizes_nothing_is_done() {
    let packs = packs(4);
    let store = TestStore::new().await;
    let empty = geometric(&store).await;
    assert_eq!((empty.skipped, empty.packs_after, empty.consolidated_key), (true, 0, None));
    store.push_each(&packs[..1]).await;
    let one = geometric(&store).await;
    assert_eq!(one.consolidated_key.unwrap().to_string(), model::key(&packs[0]));
    store.push_each(&packs[1..2]).await;
    let before = store.show().await;
    let two = geometric(&store).await;
    assert_eq!((two.skipped, two.packs_before, two.packs_after), (true, 2, 2));
    assert_eq!((two.consolidated_key, two.bytes_written, two.budget_reached), (None, 0, false));
    assert_eq!(store.show().await.pack_keys, before.pack_keys);
    // A larger factor wants more.
    let options = GcOptions { geometric: Some(1000), ..GcOptions::FULL };
    assert_eq!(gc(&store, options).await.unwrap().packs_after, 1);
}

#[tokio::test]
async fn one_that_takes_all_packs_is_a_full_one() {
    let packs = history(&HistoryOptions { pushes: 3, ..HistoryOptions::default() });
    let (store, other) = (TestStore::new().await, TestStore::new().await);
    store.push_each(&packs).await;
    other.push_each(&packs).await;
    let done = geometric(&store).await;
    assert_eq!(done.consolidated_key, other.gc().await.unwrap().consolidated_key);
    assert!(store.fetch(&[], &[]).await.unwrap().0.reused, "the new pack is complete");
    store.sound().await;
}

#[tokio::test]
async fn what_the_index_maps_to_other_packs_is_left_out() {
    for form in [SnapshotForm::Whole, SnapshotForm::Delta] {
        // Each pack repeats the commits of the one before, some in other encodings.
        let packs = history(&HistoryOptions { pushes: 14, form, ..HistoryOptions::default() });
        let store = TestStore::new().await;
        store.push_each(&packs[..12]).await;
        store.gc().await.unwrap();
        store.push_each(&packs[12..]).await;
        // All of it is known: the index maps nothing to it.
        store.push_each(&packs[1..2]).await;
        let (_, answer) = store.fetch(&[], &[]).await.unwrap();
        let before = store.show().await;
        assert_eq!(before.packs, 3, "{form:?}");
        let done = geometric(&store).await;
        assert_eq!((done.packs_before, done.packs_after), (3, 2), "{form:?}");
        assert!(done.duplicates_dropped > 0, "{form:?}");
        let proven = done.phase.proven.unwrap();
        assert!(proven.sources_hashed >= 1, "{form:?}: {proven:?}");
        assert_eq!(store.fetch(&[], &[]).await.unwrap().1, answer, "{form:?}");
        store.sound().await;
        let full = store.gc().await.unwrap();
        let expected = model::consolidate(&packs, &store.heads().await);
        assert_eq!(full.consolidated_key.unwrap().to_string(), model::key(&expected), "{form:?}");
    }
}

#[tokio::test]
async fn law_7_after_geometric_consolidations_a_full_one_gives_the_same_key() {
    for seed in 0..6 {
        let history = random_history(seed, 40);
        let (store, other) = (TestStore::new().await, TestStore::new().await);
        let packs = history.spread(seed, 8);
        for pack in &packs {
            store.push_each(std::slice::from_ref(pack)).await;
            let factor = 2 + seed as u32 % 3;
            gc(&store, GcOptions { geometric: Some(factor), ..GcOptions::FULL }).await.unwrap();
        }
        store.sound().await;
        other.push_each(&packs).await;
        let (_, answer) = store.fetch(&[], &[]).await.unwrap();
        assert_eq!(answer, other.fetch(&[], &[]).await.unwrap().1, "seed {seed}");
        let expected = model::key(&model::consolidate(&packs, &store.heads().await));
        for store in [&store, &other] {
            let full = store.gc().await.unwrap();
            assert_eq!(full.consolidated_key.unwrap().to_string(), expected, "seed {seed}");
        }
    }
}

#[tokio::test]
async fn law_13_a_geometric_consolidation_looks_up_what_it_rewrites() {
    for pushes in [20, 80] {
        let packs = packs(pushes);
        let store = TestStore::new().await;
        store.push_each(&packs[..pushes - 3]).await;
        store.gc().await.unwrap();
        store.push_each(&packs[pushes - 3..]).await;
        let fault = Fault::never();
        let sandbox = Sandbox::reference(None).unwrap();
        let counted = faulty::open(options(&store.data()), sandbox, &fault).await.unwrap();
        fault.walked().take_index();
        let done =
            counted.gc(&store.repo, GcOptions::GEOMETRIC, &Progress::silent()).await.unwrap();
        assert_eq!((done.packs_before, done.packs_after), (4, 2));
        let records: usize =
            packs[pushes - 3..].iter().map(|pack| model::read(pack).records.len()).sum();
        assert_eq!(fault.walked().take_index(), records as u64, "{pushes} pushes");
    }
}

#[tokio::test]
async fn a_push_that_lands_meanwhile_keeps_its_shelf() {
    let packs = packs(5);
    let store = TestStore::new().await;
    store.push_each(&packs[..4]).await;
    let plan = store.store.plan_gc(&store.repo, GcOptions::GEOMETRIC, &Progress::silent()).await;
    let (plan, again) = (
        plan.unwrap(),
        store.store.plan_gc(&store.repo, GcOptions::GEOMETRIC, &Progress::silent()).await.unwrap(),
    );
    assert_eq!(plan.report.phase.plan_digest, again.report.phase.plan_digest, "a plan is a value");
    assert!(store.store.is_current(&plan).await.unwrap());
    store.push_each(&packs[4..]).await;
    assert!(!store.store.is_current(&plan).await.unwrap());
    let (_, answer) = store.fetch(&[], &[]).await.unwrap();
    let shown = plan.report.clone();
    let done = store.store.apply_gc(plan, &Progress::silent()).await.unwrap();
    assert_eq!((done.packs_after, done.bytes_written), (shown.packs_after, shown.bytes_written));
    assert_eq!(store.show().await.packs, 3);
    assert_eq!(store.fetch(&[], &[]).await.unwrap().1, answer);
    let error = store.store.apply_gc(again, &Progress::silent()).await.unwrap_err();
    assert_eq!(error.class(), Class::Conflict, "{error}");
    store.sound().await;
}

#[tokio::test]
async fn damage_stops_it_where_it_is_read_and_nowhere_else() {
    let packs = packs(4);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    let path = |pack: &[u8]| {
        let key: MpackKey = model::key(pack).parse().unwrap();
        store.data().join("packs").join(&key.hex()[..2]).join(format!("{}.mpack", key.hex()))
    };
    // A byte of the last object: the heads come after it.
    let flip = |pack: &[u8]| {
        let mut bytes = pack.to_vec();
        let at = model::read(pack)
            .records
            .iter()
            .rfind(|record| record.kind == Kind::Object)
            .map(|record| record.offset + record.bytes.len() - 1)
            .unwrap();
        bytes[at] ^= 1;
        std::fs::write(path(pack), bytes).unwrap();
    };
    flip(&packs[2]);
    let error = gc(&store, GcOptions::GEOMETRIC).await.unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    assert_eq!(store.show().await.packs, 4);
    std::fs::write(path(&packs[2]), &packs[2]).unwrap();
    flip(&packs[0]);
    assert_eq!(geometric(&store).await.packs_after, 2);
    std::fs::write(path(&packs[0]), &packs[0]).unwrap();
    store.sound().await;
}

#[tokio::test]
async fn what_is_unreachable_is_expired_by_a_full_one_only() {
    let store = TestStore::new().await;
    let age = Some(Duration::from_secs(60));
    let options = GcOptions { expire_unreachable: age, ..GcOptions::GEOMETRIC };
    let error = gc(&store, options).await.unwrap_err();
    assert_eq!(error.class(), Class::Usage);
    assert!(error.to_string().contains("without --geometric"), "{error}");
    let one = GcOptions { geometric: Some(1), ..GcOptions::FULL };
    assert!(matches!(gc(&store, one).await, Err(Error::Usage(_))));
}

#[tokio::test]
async fn a_budget_of_bytes_takes_fewer_packs_or_none() {
    let packs = packs(5);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    let before = store.show().await.pack_keys;
    let with = |max_bytes, options| GcOptions { max_bytes: Some(max_bytes), ..options };
    let nothing = gc(&store, with(100, GcOptions::GEOMETRIC)).await.unwrap();
    assert_eq!((nothing.skipped, nothing.budget_reached, nothing.packs_after), (true, true, 5));
    assert_eq!((nothing.consolidated_key, nothing.bytes_written), (None, 0));
    let plan = store.plan().await.unwrap().report;
    let nothing = gc(&store, with(plan.bytes_written - 1, GcOptions::FULL)).await.unwrap();
    assert_eq!((nothing.skipped, nothing.budget_reached, nothing.packs_after), (true, true, 5));
    assert_eq!(store.show().await.pack_keys, before);
    let log = store.store.gc_entries(&GcQuery { limit: 1, ..GcQuery::default() }).await.unwrap();
    let logged = log[0].report.as_ref().unwrap();
    assert!(logged.budget_reached && log[0].record.outcome == "skipped");

    let two_smallest: u64 = {
        let mut sizes: Vec<u64> = packs.iter().map(|pack| pack.len() as u64).collect();
        sizes.sort_unstable();
        sizes[..2].iter().sum()
    };
    let some = gc(&store, with(two_smallest, GcOptions::GEOMETRIC)).await.unwrap();
    assert_eq!((some.skipped, some.budget_reached, some.packs_after), (false, true, 4));
    assert!(some.bytes_written <= two_smallest);
    store.sound().await;

    let plan = store.plan().await.unwrap().report;
    let all = gc(&store, with(plan.bytes_written, GcOptions::FULL)).await.unwrap();
    assert_eq!((all.skipped, all.budget_reached, all.packs_after), (false, false, 1));
}

#[tokio::test]
async fn when_the_time_is_up_nothing_was_changed() {
    let packs = packs(4);
    let store = TestStore::new().await;
    store.push_each(&packs).await;
    let before = store.show().await;
    // The clock of tests advances by a second each time it is read.
    let mut stopped = 0;
    for seconds in 0.. {
        let max_time = Some(Duration::from_secs(seconds));
        let done = gc(&store, GcOptions { max_time, ..GcOptions::GEOMETRIC }).await.unwrap();
        store.sound().await;
        if !done.budget_reached {
            assert_eq!(done.packs_after, 2);
            break;
        }
        stopped += 1;
        assert_eq!((done.skipped, done.packs_after, done.bytes_written), (true, 4, 0));
        let after = store.show().await;
        assert_eq!((after.pack_keys, after.bytes), (before.pack_keys.clone(), before.bytes));
    }
    assert!(stopped > 3, "{stopped}");
}
