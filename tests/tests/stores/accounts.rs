//! What a consolidation says of itself: what it would cost, what it has proven, and what is
//! remembered of it.

use std::collections::{BTreeMap, BTreeSet};

use packhouse_host::sample::{
    Encoding, HeadStyle, HistoryOptions, IdForm, PackBuilder, history, object_record,
};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    Class, Error, GcOptions, GcProof, GcQuery, Progress, PushOptions, VerifyOptions, Visibility,
};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::model::{self, Kind};
use packhouse_tests::random_history::random_history;
use packhouse_tests::store::{TestStore, options};

use super::damage::{file, flip, key_of};

/// Packs that share nothing, and one more that repeats some of the first.
fn packs() -> Vec<Vec<u8>> {
    let options = HistoryOptions {
        pushes: 3,
        overlap: false,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    let mut packs = history(&options);
    let mut some = model::union(&packs[..1]);
    while some.len() > 3 {
        some.pop_first();
    }
    packs.push(model::canonical(&some, &BTreeMap::new()));
    packs
}

#[tokio::test]
async fn law_4_what_is_said_to_be_proven_was_counted_on_the_new_pack() {
    for seed in 0..6 {
        let packs = if seed == 0 { packs() } else { random_history(seed, 14).spread(seed, 4) };
        let store = TestStore::new().await;
        store.push_each(&packs).await;
        let plan = store.plan().await.unwrap();
        let shown = serde_json::to_value(&plan.report).unwrap();
        assert!(shown.get("proven").is_none(), "a plan proves nothing");
        let proven = store.gc().await.unwrap().phase.proven.unwrap();
        let made = store.packs().await.swap_remove(0);
        let records = model::read(&made).records;
        let entities: BTreeSet<_> =
            records.iter().map(|record| (record.kind, &record.id)).collect();
        let expected = GcProof {
            entities: entities.len() as u64,
            records: records.len() as u64,
            objects_hashed: records.iter().filter(|record| record.kind == Kind::Object).count()
                as u64,
            bytes_read_back: made.len() as u64,
            sources_hashed: partly_copied(&packs, &made).len() as u64,
        };
        assert_eq!(proven, expected, "seed {seed}");
        assert!(seed != 0 || proven.sources_hashed == 1, "one pack repeats another");
        let again = store.gc().await.unwrap();
        assert!(again.skipped && again.phase.proven.is_none(), "nothing was published");
    }
}

/// The packs with a record that the new pack does not have from them. A record in several packs is
/// copied from the one with most records, of equal ones from that with the smallest key.
fn partly_copied(packs: &[Vec<u8>], made: &[u8]) -> Vec<Vec<u8>> {
    let distinct: BTreeMap<String, &Vec<u8>> =
        packs.iter().map(|pack| (model::key(pack), pack)).collect();
    let mut order: Vec<_> =
        distinct.into_iter().map(|(key, pack)| (model::read(pack).records, key, pack)).collect();
    order.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then(a.1.cmp(&b.1)));
    let mut left: BTreeSet<Vec<u8>> =
        model::read(made).records.into_iter().map(|record| record.bytes).collect();
    order.retain(|(records, _, _)| {
        records.iter().filter(|record| !left.remove(&record.bytes)).count() > 0
    });
    order.into_iter().map(|(_, _, pack)| pack.clone()).collect()
}

#[tokio::test]
async fn a_plan_tells_what_it_costs() {
    let store = TestStore::new().await;
    let packs = packs();
    store.push_each(&packs).await;
    let silent = Progress::silent();
    let cost = store.plan().await.unwrap().report.phase.cost.unwrap();
    let report = store.gc().await.unwrap();
    let told = serde_json::to_value(&report).unwrap();
    assert!(told.get("cost").is_none(), "what it did cost is in the rest of the report");
    let made = store.packs().await.swap_remove(0);
    let copied: usize = model::read(&made).records.iter().map(|record| record.bytes.len()).sum();
    let hashed: usize = partly_copied(&packs, &made).iter().map(Vec::len).sum();
    assert_eq!(cost.bytes_to_write, report.bytes_after);
    assert_eq!(cost.bytes_to_read, (copied + hashed + made.len()) as u64);
    let hex = report.consolidated_key.unwrap().hex();
    let file = |end: &str| {
        std::fs::metadata(store.data().join("packs").join(&hex[..2]).join(format!("{hex}.{end}")))
            .unwrap()
            .len()
    };
    assert_eq!(cost.peak_disk, file("mpack") + file("dir"));
    assert_eq!(cost.expected_ms, None, "nothing was measured yet");

    // The pace is that of the store, not of the repo.
    let other = "c/d".parse().unwrap();
    store.store.create_repo(&other, Visibility::Public).await.unwrap();
    for pack in &packs[1..] {
        store
            .store
            .push(&other, &[store.file(pack)], PushOptions::default(), &silent)
            .await
            .unwrap();
    }
    let cost = store
        .store
        .plan_gc(&other, GcOptions::default(), &silent)
        .await
        .unwrap()
        .report
        .phase
        .cost
        .unwrap();
    let expected =
        (cost.bytes_to_write as f64 * report.elapsed_ms as f64 / report.bytes_after as f64).ceil();
    assert!((cost.expected_ms.unwrap() as f64 - expected).abs() <= 1.0, "{cost:?}, {report:?}");
}

#[tokio::test]
async fn a_run_begins_when_what_the_plan_needs_is_free() {
    let filled = TestStore::new().await;
    filled.push_each(&packs()).await;
    let silent = Progress::silent();
    let need = filled.plan().await.unwrap().report.phase.cost.unwrap().peak_disk;
    // And a MiB for the catalog's log.
    for (free, enough) in [(need + (1 << 20) - 1, false), (need + (1 << 20), true)] {
        let folder = tempfile::tempdir().unwrap();
        faulty::copy(&filled.data(), folder.path());
        let fault = Fault::never().with_room(free);
        let store = faulty::open(options(folder.path()), Sandbox::reference(None).unwrap(), &fault)
            .await
            .unwrap();
        let done = store.gc(&filled.repo, GcOptions::default(), &silent).await;
        assert_eq!(done.is_ok(), enough, "{done:?}");
        if let Err(error) = done {
            assert!(matches!(error, Error::Io { .. }), "{error}");
        }
    }
}

#[tokio::test]
async fn a_plan_is_current_until_anything_is_published() {
    let store = TestStore::new().await;
    let packs = packs();
    store.push_each(&packs[..2]).await;
    let silent = Progress::silent();
    let plan = async || store.plan().await.unwrap();
    let first = plan().await;
    store.store.verify(&store.repo, VerifyOptions::default(), &silent).await.unwrap();
    assert!(store.store.is_current(&first).await.unwrap(), "nothing has changed");
    store.push(&packs[2..3]).await.unwrap();
    assert!(!store.store.is_current(&first).await.unwrap(), "a push came");
    let second = plan().await;
    assert!(store.store.is_current(&second).await.unwrap());
    store.store.apply_gc(first, &silent).await.unwrap();
    assert!(!store.store.is_current(&second).await.unwrap(), "a consolidation came");
    store.gc().await.unwrap();
    let idle = plan().await;
    assert!(idle.report.skipped && store.store.is_current(&idle).await.unwrap());
    // A push that moves a head and stores nothing.
    let force = PushOptions { force: true };
    store.store.push(&store.repo, &[store.file(&packs[0])], force, &silent).await.unwrap();
    assert!(!store.store.is_current(&idle).await.unwrap(), "a head was set");
}

#[tokio::test]
async fn the_history_is_searched_as_it_stands_and_paged() {
    let store = TestStore::new().await;
    let silent = Progress::silent();
    let packs = packs();
    let other = "Zed/under_score".parse().unwrap();
    store.store.create_repo(&other, Visibility::Public).await.unwrap();
    store.push(&packs[..2]).await.unwrap();
    let report = store.gc().await.unwrap();
    store.gc().await.unwrap();
    store
        .store
        .push(
            &other,
            &[store.file(&packs[0]), store.file(&packs[1])],
            PushOptions::default(),
            &silent,
        )
        .await
        .unwrap();
    for pack in std::fs::read_dir(store.data().join("packs")).unwrap() {
        for file in std::fs::read_dir(pack.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if !path.to_str().unwrap().contains(&report.consolidated_key.unwrap().hex()) {
                std::fs::rename(&path, path.with_extension("gone")).unwrap();
            }
        }
    }
    store.store.gc(&other, GcOptions::default(), &silent).await.unwrap_err();

    let ask = async |text: &str| {
        let query = GcQuery { text: text.into(), limit: 10, ..GcQuery::default() };
        let entries = store.store.gc_entries(&query).await.unwrap();
        entries.into_iter().map(|entry| entry.record.outcome).collect::<Vec<_>>()
    };
    assert_eq!(ask("").await, ["failed", "skipped", "consolidated"], "newest first");
    for (text, found) in [
        ("%", &[][..]),
        ("_", &["failed"]),
        ("a_b", &[]),
        ("A/B", &["skipped", "consolidated"]),
        ("zed/UNDER_", &["failed"]),
        ("CONSOLID", &["consolidated"]),
        (&report.consolidated_key.unwrap().hex()[20..40], &["skipped", "consolidated"]),
        ("restore the file", &["failed"]),
        ("'\"", &[]),
    ] {
        assert_eq!(ask(text).await, found, "{text}");
    }

    let all = store.store.gc_entries(&GcQuery { limit: 10, ..GcQuery::default() }).await.unwrap();
    let mut paged = Vec::new();
    while let [entry] = &store
        .store
        .gc_entries(&GcQuery {
            before: paged.last().map(|e: &packhouse_host::GcEntry| e.id),
            limit: 1,
            ..GcQuery::default()
        })
        .await
        .unwrap()[..]
    {
        paged.push(entry.clone());
    }
    assert_eq!(paged, all);
    let ours = GcQuery { repo: Some(store.repo.clone()), limit: 10, ..GcQuery::default() };
    assert_eq!(store.store.gc_entries(&ours).await.unwrap(), all[1..]);
    assert_eq!(
        store.store.gc_entries(&GcQuery { text: "skip".into(), ..ours }).await.unwrap(),
        all[1..2]
    );
    let unknown = GcQuery { repo: Some("no/body".parse().unwrap()), ..GcQuery::default() };
    assert!(matches!(store.store.gc_entries(&unknown).await, Err(Error::UnknownRepo(_))));

    // What was published is kept with all that it reported; of the rest there is no report.
    assert_eq!(
        all.iter().map(|entry| entry.report.as_ref()).collect::<Vec<_>>(),
        [None, None, Some(&report)]
    );
    let records: Vec<_> = all[1..].iter().map(|entry| entry.record.clone()).collect();
    assert_eq!(store.store.gc_history(&store.repo, 10).await.unwrap(), records);
}

#[tokio::test]
async fn what_is_dropped_takes_its_own_length_off_whichever_encodings_its_pack_holds() {
    let store = TestStore::new().await;
    let chain = packhouse_tests::seed::chain(2, "kept", None);
    let mut loose = PackBuilder::new();
    for (content, first, second) in
        [("one", Encoding::Client, Encoding::Newer), ("two", Encoding::Newer, Encoding::Client)]
    {
        let id = IdForm::Bare.id_of(content.as_bytes());
        for encoding in [first, second] {
            loose.raw(
                packhouse_core::Kind::Object,
                object_record(&id, content.as_bytes(), encoding),
            );
        }
    }
    store.push_each(&[chain.pack, loose.finish()]).await;
    let done = store
        .store
        .gc(
            &store.repo,
            GcOptions {
                expire_unreachable: Some(std::time::Duration::ZERO),
                ..GcOptions::default()
            },
            &Progress::silent(),
        )
        .await
        .unwrap();
    assert_eq!(done.dropped.map(|dropped| dropped.objects), Some(2));
    // It compares the sums that the catalog keeps with what the records say.
    store.sound().await;
}

/// Whether a pack is small, and read before anything is written, or not.
#[tokio::test]
async fn what_a_consolidation_leaves_out_is_checked_in_packs_of_any_size() {
    // The second pack repeats the first object of the first one. Either is left out.
    let object = |seed: u8, bytes: usize| vec![seed; bytes];
    let of = |objects: &[Vec<u8>]| {
        let mut pack = PackBuilder::new();
        objects.iter().for_each(|object| drop(pack.object(object)));
        pack.finish()
    };
    let mut packs = Vec::new();
    for (seed, bytes) in [(1, 1000), (11, 200_000)] {
        let [a, b, c] = [0, 1, 2].map(|n| object(seed + n, bytes));
        packs.extend([of(&[a.clone(), b]), of(&[a, c])]);
    }
    let on = TestStore::new().await;
    on.push_each(&packs).await;
    for pack in &packs {
        let path = file(&on.data(), &key_of(pack));
        let place = pack.len() as u64 - 2 * (pack.len() as u64 / 5);
        for at in [pack.len() as u64 / 5, place] {
            flip(&path, at);
            let failed = on.gc().await.unwrap_err();
            assert_eq!(failed.class(), Class::Damage, "{failed}");
            assert!(failed.to_string().contains(&key_of(pack).to_string()), "{failed}");
            flip(&path, at);
        }
    }
    let proven = on.gc().await.unwrap().phase.proven.unwrap();
    assert_eq!(proven.sources_hashed, 2, "a small pack and a large one");
    on.sound().await;
}
