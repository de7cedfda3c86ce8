//! PG-1 to PG-6, the properties that the seed named, through the library and through the binary.
//!
//! The seed's pushes set branches to unrelated heads without a question; the contract calls that a
//! conflict unless `--force`. Where the seed does so (PG-2), these tests push by force.

use std::collections::BTreeSet;

use packhouse_host::{Progress, PushOptions};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::model::{self, Kind};
use packhouse_tests::seed::{Chain, chain};
use packhouse_tests::store::{TestStore, options};

/// Chains of `n` commits, each on the tip of the one before.
fn chained(seeds: &[&str], n: usize) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for seed in seeds {
        let next = chain(n, seed, chains.last().map(|last| last.tip.as_str()));
        chains.push(next);
    }
    chains
}

async fn push_all(store: &TestStore, chains: &[Chain]) {
    for chain in chains {
        store.push(&[&chain.pack]).await.unwrap();
    }
}

/// Each property, wherever packs are.
macro_rules! properties {
    ($($name:ident)*) => {
        mod on_local_files {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::TestStore::new().await).await;
            })*
        }
        mod on_s3 {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::TestStore::on_s3().await).await;
            })*
        }
    };
}

properties! {
    pg1_gc_merges_n_packs_into_one_and_maps_the_index_to_it
    pg2_gc_leaves_exactly_one_pack
    pg3_the_consolidated_pack_is_valid_and_complete
    pg4_gc_is_idempotent_and_leaves_no_duplicate_rows
    pg5_gc_does_nothing_for_at_most_one_pack
    pg6_a_fetch_answers_the_same_before_and_after
}

fn pushed_through_the_binary(chains: &[Chain]) -> Packhouse {
    let store = Packhouse::with_repo();
    for chain in chains {
        store.push([store.file("push.mpack", &chain.pack)]).ok();
    }
    store
}

fn object_ids(pack: &[u8]) -> BTreeSet<String> {
    model::read(pack).records.into_iter().filter(|r| r.kind == Kind::Object).map(|r| r.id).collect()
}

/// How many rows the index has for objects, counted in the database.
async fn object_rows(store: &TestStore) -> usize {
    let catalog = options(&store.data()).catalog.open().await.unwrap();
    let repo = catalog.repo(&store.repo).await.unwrap().unwrap();
    let mut snapshot = catalog.snapshot(repo.id).await.unwrap();
    let mut rows = Vec::new();
    loop {
        let page = snapshot.index_page(rows.last(), 1000).await.unwrap();
        if page.is_empty() {
            return rows.iter().filter(|entity| entity[0] == Kind::Object as u8).count();
        }
        rows.extend(page.into_iter().map(|(row, _)| row.entity));
    }
}

async fn pg1_gc_merges_n_packs_into_one_and_maps_the_index_to_it(store: TestStore) {
    push_all(&store, &chained(&["pg1a", "pg1b", "pg1c"], 2)).await;
    assert_eq!(store.show().await.packs, 3);
    let report = store.gc().await.unwrap();
    assert_eq!((report.packs_before, report.packs_after), (3, 1));
    assert!(!report.skipped);
    let key = report.consolidated_key.expect("a consolidation names its pack");
    assert_eq!(store.show().await.pack_keys, [key], "the index maps every entity to the new pack");
    store.sound().await;
}

#[test]
fn pg1_through_the_binary() {
    let store = pushed_through_the_binary(&chained(&["pg1a", "pg1b", "pg1c"], 2));
    assert_eq!(store.show()["packs"], 3);
    let report = store.gc();
    assert_eq!(
        (&report["packs_before"], &report["packs_after"], &report["skipped"]),
        (&3.into(), &1.into(), &false.into())
    );
    assert!(report["consolidated_key"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(store.show()["pack_keys"], serde_json::json!([report["consolidated_key"]]));
}

async fn pg2_gc_leaves_exactly_one_pack(store: TestStore) {
    for seed in ["pg2a", "pg2b", "pg2c", "pg2d"] {
        let files = [store.file(&chain(2, seed, None).pack)];
        store
            .store
            .push(&store.repo, &files, PushOptions { force: true }, &Progress::silent())
            .await
            .unwrap();
    }
    assert_eq!(store.show().await.packs, 4);
    store.gc().await.unwrap();
    assert_eq!(store.show().await.packs, 1);
    assert_eq!(store.show().await.commits, 8);
}

#[test]
fn pg2_through_the_binary() {
    let store = Packhouse::with_repo();
    for seed in ["pg2a", "pg2b", "pg2c", "pg2d"] {
        let file = store.file("push.mpack", &chain(2, seed, None).pack);
        store.run(["push", "a/b", "--force", &file]).ok();
    }
    store.gc();
    assert_eq!(store.show()["packs"], 1);
    assert_eq!(store.show()["commits"], 8);
}

async fn pg3_the_consolidated_pack_is_valid_and_complete(store: TestStore) {
    let chains = chained(&["pg3a", "pg3b"], 3);
    push_all(&store, &chains).await;
    let report = store.gc().await.unwrap();
    let packs = store.packs().await;
    assert_eq!(packs.len(), 1);
    assert_eq!(model::key(&packs[0]), report.consolidated_key.unwrap().to_string());
    assert_eq!(object_ids(&packs[0]), chains.iter().flat_map(|c| c.objects.clone()).collect());
}

#[test]
fn pg3_through_the_binary() {
    let chains = chained(&["pg3a", "pg3b"], 3);
    let store = pushed_through_the_binary(&chains);
    let key = store.gc()["consolidated_key"].clone();
    let (answer, pack) = store.fetch(&[]);
    assert_eq!((&answer["mpack_key"], &answer["reused"]), (&key, &true.into()));
    assert_eq!(object_ids(&pack), chains.iter().flat_map(|c| c.objects.clone()).collect());
}

async fn pg4_gc_is_idempotent_and_leaves_no_duplicate_rows(store: TestStore) {
    let chains = chained(&["pg4a", "pg4b"], 2);
    push_all(&store, &chains).await;
    let first = store.gc().await.unwrap();
    let second = store.gc().await.unwrap();
    assert_eq!(first.consolidated_key, second.consolidated_key);
    assert_eq!(object_rows(&store).await, 4);
    // Pushing it all again adds nothing, neither packs nor rows.
    store.push_each(&chains.iter().map(|c| c.pack.clone()).collect::<Vec<_>>()).await;
    assert_eq!(store.gc().await.unwrap().consolidated_key, first.consolidated_key);
    assert_eq!(object_rows(&store).await, 4);
    store.sound().await;
}

#[test]
fn pg4_through_the_binary() {
    let store = pushed_through_the_binary(&chained(&["pg4a", "pg4b"], 2));
    let (first, second) = (store.gc(), store.gc());
    assert_eq!(first["consolidated_key"], second["consolidated_key"]);
    assert_eq!((&first["skipped"], &second["skipped"]), (&false.into(), &true.into()));
    assert_eq!(store.show()["objects"], 4);
}

async fn pg5_gc_does_nothing_for_at_most_one_pack(store: TestStore) {
    let report = store.gc().await.unwrap();
    assert!(
        report.skipped && report.consolidated_key.is_none(),
        "an empty repo has nothing to name"
    );
    let chain = chain(3, "pg5", None);
    store.push(&[&chain.pack]).await.unwrap();
    let report = store.gc().await.unwrap();
    assert!(report.skipped);
    assert_eq!((report.packs_before, report.packs_after), (1, 1));
    assert_eq!(
        report.consolidated_key.unwrap().to_string(),
        model::key(&chain.pack),
        "the pack stays as it was pushed"
    );
    assert_eq!(store.packs().await, [chain.pack]);
}

#[test]
fn pg5_through_the_binary() {
    let store = Packhouse::with_repo();
    assert_eq!(
        (&store.gc()["skipped"], &store.gc()["consolidated_key"]),
        (&true.into(), &serde_json::Value::Null)
    );
    let chain = chain(3, "pg5", None);
    store.push([store.file("push.mpack", &chain.pack)]).ok();
    let report = store.gc();
    assert_eq!((&report["skipped"], &report["packs_before"]), (&true.into(), &1.into()));
    assert_eq!(report["consolidated_key"], model::key(&chain.pack));
    assert_eq!(store.show()["packs"], 1);
}

async fn pg6_a_fetch_answers_the_same_before_and_after(store: TestStore) {
    let chains = chained(&["pg6a", "pg6b"], 3);
    push_all(&store, &chains).await;
    assert_eq!(store.show().await.packs, 2);
    let want = [chains[1].tip.clone()];
    let (before, pack_before) = store.fetch(&want, &[]).await.unwrap();
    assert_eq!(before.object_count, 6);
    store.gc().await.unwrap();
    assert_eq!(store.show().await.packs, 1);
    let (after, pack_after) = store.fetch(&want, &[]).await.unwrap();
    assert_eq!(pack_after, pack_before);
    assert_eq!(after.object_count, before.object_count);
    assert!(after.reused, "the consolidated pack is the answer");
}

#[test]
fn pg6_through_the_binary() {
    let chains = chained(&["pg6a", "pg6b"], 3);
    let store = pushed_through_the_binary(&chains);
    let (before, pack_before) = store.fetch(&["--want", &chains[1].tip]);
    store.gc();
    let (after, pack_after) = store.fetch(&["--want", &chains[1].tip]);
    assert_eq!(pack_after, pack_before);
    for count in
        ["object_count", "commit_count", "snapshot_count", "tag_count", "missing", "mpack_key"]
    {
        assert_eq!(before[count], after[count], "{count}");
    }
    assert_eq!(before["object_count"], 6);
}
