//! The whole host on random histories: the component against the native core, the store against
//! the model. Few cases, because each makes a store; `core_properties.rs` has the many.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use packhouse_core::{EntityId, Kind, Request, assemble, consolidate};
use packhouse_host::pack::Directory;
use packhouse_host::run::{PackReader, RunHost, RunPack};
use packhouse_host::sample::Random;
use packhouse_host::sandbox::{Planner, Sandbox};
use packhouse_host::vault::Vault;
use packhouse_host::{Error, MpackKey, PushError};
use packhouse_tests::memory::{MemoryHost, entity_id};
use packhouse_tests::model;
use packhouse_tests::random_history::random_history;
use packhouse_tests::store::TestStore;
use packhouse_tests::tangled_history::tangled_history;
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

/// A run of the host over the packs that a run in memory has, in the same order.
async fn hosted(memory: &MemoryHost, heads: Vec<packhouse_core::Head>, vault: Vault) -> RunHost {
    let mut packs = Vec::new();
    for number in 0..memory.count() {
        let bytes = memory.pack(number);
        let key: MpackKey = model::key(bytes).parse().unwrap();
        let mut staged = vault.stage(key.digest()[..16].try_into().unwrap()).unwrap();
        staged.file.write_all(bytes).unwrap();
        vault.store(staged, &key).await.unwrap();
        packs.push(RunPack::stored(Directory::new(key, bytes.len() as u64, memory.rows(number))));
    }
    let runtime = tokio::runtime::Handle::current();
    RunHost::new(
        PackReader::new("a/b".parse().unwrap(), vault, runtime, Arc::new(packs)),
        heads,
        None,
    )
}

/// Fetches and checks the answer: the entities that it holds, and how many are missing.
async fn fetched(
    store: &TestStore,
    packs: &[Vec<u8>],
    want: &[String],
    have: &[String],
) -> (BTreeSet<model::Entity>, u64) {
    let (report, pack) = store.fetch(want, have).await.unwrap();
    let records = model::read(&pack).records;
    let repeats = model::may_repeat(packs, want, have).unwrap();
    let checked = model::check_answer(packs, want, have, &records, report.missing, &repeats);
    if let Err(wrong) = checked {
        panic!("want {want:?}, have {have:?}: {wrong}");
    }
    (records.into_iter().map(|r| (r.kind, r.id)).collect(), report.missing)
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn law_1_the_component_plans_what_the_native_core_plans(seed in any::<u64>(), size in 0usize..24, packs in 1usize..6) {
        let history = random_history(seed, size);
        let packs = history.spread(seed, packs);
        let mut memory = MemoryHost::planning(&packs, &history.heads);
        let native = consolidate(&mut memory).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let planned = wait(async {
            let vault = Vault::local(folder.path()).unwrap();
            let heads = history.heads.iter().map(|(b, id)| packhouse_core::Head { branch: b.clone(), commit: entity_id(Kind::Commit, id) });
            let run = hosted(&memory, heads.collect(), vault).await;
            let sandbox = Sandbox::reference(None).unwrap();
            tokio::task::spawn_blocking(move || sandbox.consolidate(Box::new(run), 10_000)).await.unwrap().unwrap()
        });
        prop_assert_eq!(planned, native);
    }
}

proptest! {
    #![proptest_config(config(16))]

    #[test]
    fn the_store_does_what_the_core_and_the_model_do(seed in any::<u64>(), size in 1usize..20, packs in 2usize..6, group in 1usize..4) {
        wait(async {
            let history = random_history(seed, size);
            let packs = history.spread(seed, packs);
            let mut random = Random::stream(seed, 5);
            let store = TestStore::new().await;
            for group in packs.chunks(group) {
                store.push(group).await.unwrap();
                if random.below(3) == 0 {
                    store.gc().await.unwrap();
                }
            }
            assert_eq!(store.heads().await, history.heads);
            let mut some = |most| -> Vec<String> {
                (0..random.below(most)).map(|_| history.commits[random.below(history.commits.len())].clone()).collect()
            };
            let (mut want, have) = (some(4), some(3));
            want.push(history.commits[0].clone());

            let mut memory = MemoryHost::planning(&packs, &history.heads);
            let ids = |ids: &[String]| ids.iter().map(|id| entity_id(Kind::Commit, id)).collect::<Vec<EntityId>>();
            let native = assemble(&mut memory, &Request { want: ids(&want), want_if_known: vec![], have: ids(&have) }).unwrap();
            let native_bytes = memory.execute(&native.plan);
            let (before, pack) = store.fetch(&want, &have).await.unwrap();
            assert_eq!(before.missing, native.missing);
            if !before.reused {
                assert_eq!(pack, native_bytes);
            }

            let consolidated = model::consolidate(&packs, &history.heads);
            let report = store.gc().await.unwrap();
            let made = store.packs().await;
            assert_eq!(made.len(), 1);
            // A last push with heads and no records leaves one pack, with which there is nothing to
            // do.
            if !report.skipped {
                assert_eq!(report.consolidated_key.unwrap().to_string(), model::key(&consolidated));
                assert_eq!(made, [consolidated]);
            }
            assert!(model::union(&made).keys().eq(model::union(&packs).keys()));
            let (after, pack) = store.fetch(&want, &have).await.unwrap();
            assert_eq!((after.commit_count, after.snapshot_count, after.object_count, after.tag_count, after.missing),
                (before.commit_count, before.snapshot_count, before.object_count, before.tag_count, before.missing));
            if !after.reused {
                assert_eq!(pack, native_bytes);
            }
            store.sound().await;
        });
    }

    #[test]
    fn a_fetch_is_right_in_any_history_before_and_after_gc(seed in any::<u64>(), size in 1usize..15) {
        wait(async {
            let history = tangled_history(seed, size);
            let mut random = Random::stream(seed, 11);
            let store = TestStore::new().await;
            let pushes = history.in_any_order(seed);
            for push in &pushes {
                store.push(push).await.unwrap();
                if random.below(4) == 0 {
                    store.gc().await.unwrap();
                }
            }
            let packs: Vec<Vec<u8>> = pushes.concat();
            let requests = [(); 3].map(|()| history.request(&mut random));
            let mut before = Vec::new();
            for (want, have) in &requests {
                before.push(fetched(&store, &packs, want, have).await);
            }
            store.gc().await.unwrap();
            for ((want, have), before) in requests.iter().zip(before) {
                assert_eq!(fetched(&store, &packs, want, have).await, before);
            }
            store.sound().await;
        });
    }

    #[test]
    fn a_directory_holds_what_the_wit_says(seed in any::<u64>(), size in 0usize..16) {
        wait(async {
            let history = random_history(seed, size);
            let packs = history.spread(seed, 2);
            let store = TestStore::new().await;
            store.push(&packs).await.unwrap();
            let memory = MemoryHost::planning(&packs, &history.heads);
            for number in 0..memory.count() {
                let key: MpackKey = model::key(memory.pack(number)).parse().unwrap();
                let path = store.data().join("packs").join(&key.hex()[..2]).join(format!("{}.dir", key.hex()));
                let directory = Directory::read(key, std::fs::read(path).unwrap()).expect("a directory is kept beside its pack");
                assert_eq!(directory.rows().collect::<Vec<_>>(), memory.rows(number));
            }
        });
    }

    /// Whatever is done to a pack's bytes, a push either refuses it and leaves no trace, or stores
    /// what verifies.
    #[test]
    fn a_spoiled_pack_is_refused_or_sound(seed in any::<u64>(), size in 1usize..8, spoils in 1usize..4) {
        wait(async {
            let history = random_history(seed, size);
            let mut pack = history.spread(seed, 1).swap_remove(0);
            let mut random = Random::stream(seed, 6);
            let store = TestStore::new().await;
            for _ in 0..spoils {
                let at = random.below(pack.len());
                match random.below(4) {
                    0 => pack[at] ^= 1 << random.below(8),
                    1 => pack[at] = random.next() as u8,
                    2 => drop(pack.remove(at)),
                    _ => pack.insert(at, random.next() as u8),
                }
            }
            match store.push(&[&pack]).await {
                Ok(_) => {
                    let other = packhouse_tests::seed::chain(1, "other", None);
                    let bare = model::canonical(&model::union(&[&other.pack]), &Default::default());
                    store.push(&[bare]).await.unwrap();
                    store.gc().await.unwrap();
                }
                Err(Error::Push(
                    PushError::BadPack { .. }
                    | PushError::Disagreement { .. }
                    | PushError::HeadConflict(_),
                )) => {
                    assert_eq!(store.show().await.packs, 0);
                    assert!(std::fs::read_dir(store.data().join("staging")).unwrap().next().is_none(), "something is left in staging");
                }
                Err(other) => panic!("{other}"),
            }
            store.sound().await;
        });
    }
}
