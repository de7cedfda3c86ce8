//! The seven packs of the real client: one key, whatever the order and the grouping, and nothing
//! lost.

use packhouse_host::PushStatus;
use packhouse_host::sample::Random;
use packhouse_tests::binary::Packhouse;
use packhouse_tests::fixtures::{self, CONSOLIDATED_BYTES, CONSOLIDATED_KEY};
use packhouse_tests::model;
use packhouse_tests::store::TestStore;

async fn gives_the_key(store: &TestStore) {
    let report = store.gc().await.unwrap();
    assert_eq!(report.consolidated_key.unwrap().to_string(), CONSOLIDATED_KEY);
    assert_eq!(
        (report.packs_before, report.packs_after, report.bytes_after),
        (7, 1, CONSOLIDATED_BYTES)
    );
    assert_eq!((report.commits, report.snapshots, report.objects, report.tags), (16, 16, 112, 0));
    assert_eq!(report.duplicates_dropped, duplicates());
}

fn duplicates() -> u64 {
    let packs = fixtures::muse_cli_packs();
    let records: usize = packs.iter().map(|pack| model::read(pack).records.len()).sum();
    records as u64 - 144
}

#[tokio::test]
async fn one_by_one_forwards() {
    let store = TestStore::new().await;
    for pack in fixtures::muse_cli_packs() {
        let reports = store.push(&[&pack]).await.unwrap();
        assert_eq!(reports.len(), 1);
        assert_eq!(reports[0].status, PushStatus::Stored);
        assert_eq!(reports[0].mpack_key.to_string(), model::key(&pack));
        let [commits, snapshots, objects, _] = model::counts(model::union(&[&pack]).keys());
        assert_eq!(
            (reports[0].commits, reports[0].snapshots, reports[0].objects),
            (commits, snapshots, objects)
        );
    }
    gives_the_key(&store).await;
}

#[tokio::test]
async fn one_by_one_backwards() {
    let store = TestStore::new().await;
    let mut packs = fixtures::muse_cli_packs();
    packs.reverse();
    store.push_each(&packs).await;
    gives_the_key(&store).await;
}

#[tokio::test]
async fn together_in_any_order() {
    let mut random = Random::new(7);
    for _ in 0..4 {
        let store = TestStore::new().await;
        let mut packs = fixtures::muse_cli_packs();
        random.shuffle(&mut packs);
        let reports = store.push(&packs).await.unwrap();
        assert!(reports.iter().all(|r| r.status == PushStatus::Stored));
        assert_eq!(
            reports.iter().map(|r| r.new_objects).sum::<u64>(),
            112,
            "each object is new in one file only"
        );
        gives_the_key(&store).await;
    }
}

#[tokio::test]
async fn in_groups_with_consolidations_between() {
    let packs = fixtures::muse_cli_packs();
    for groups in
        [&[&packs[..3], &packs[3..]][..], &[&packs[..1], &packs[1..5], &packs[5..6], &packs[6..]]]
    {
        let store = TestStore::new().await;
        for group in groups {
            store.push(group).await.unwrap();
            store.gc().await.unwrap();
        }
        assert_eq!(store.show().await.pack_keys[0].to_string(), CONSOLIDATED_KEY);
        assert_eq!(store.show().await.packs, 1);
    }
}

#[tokio::test]
async fn the_fetch_of_the_result_holds_every_record_byte_for_byte() {
    let store = TestStore::new().await;
    let packs = fixtures::muse_cli_packs();
    store.push(&packs).await.unwrap();
    let (before, pack_before) = store.fetch(&[], &[]).await.unwrap();
    assert!(!before.reused);
    gives_the_key(&store).await;
    let (after, pack) = store.fetch(&[], &[]).await.unwrap();
    assert!(after.reused);
    assert_eq!(pack, pack_before);
    assert_eq!(
        (after.commit_count, after.snapshot_count, after.object_count, after.missing),
        (16, 16, 112, 0)
    );
    let fetched = model::union(&[&pack]);
    for (entity, record) in model::union(&packs) {
        assert_eq!(fetched[&entity].bytes, record.bytes, "{entity:?}");
    }
    store.sound().await;
}

#[tokio::test]
async fn an_incremental_fetch_is_what_the_model_says() {
    let store = TestStore::new().await;
    let packs = fixtures::muse_cli_packs();
    store.push(&packs).await.unwrap();
    let heads = store.heads().await;
    let commits: Vec<String> = model::union(&packs)
        .into_keys()
        .filter(|(k, _)| *k == model::Kind::Commit)
        .map(|(_, id)| id)
        .collect();
    for consolidated in [false, true] {
        if consolidated {
            store.gc().await.unwrap();
        }
        for (want, have) in [
            (&heads["main"], &commits[3]),
            (&heads["bridge"], &commits[8]),
            (&commits[1], &commits[2]),
        ] {
            let (want, have) = ([want.clone()], [have.clone()]);
            let expected = model::reach(&packs, &want, &have).unwrap();
            let (answer, pack) = store.fetch(&want, &have).await.unwrap();
            assert_eq!(pack, model::canonical(&expected.records, &heads));
            assert_eq!(answer.missing, expected.missing);
        }
    }
}

#[tokio::test]
async fn pushing_again_changes_nothing() {
    let store = TestStore::new().await;
    let packs = fixtures::muse_cli_packs();
    store.push(&packs).await.unwrap();
    for consolidated in [false, true] {
        if consolidated {
            gives_the_key(&store).await;
        }
        let before = serde_json::to_value(store.show().await).unwrap();
        let reports = store.push(&packs).await.unwrap();
        assert!(
            reports.iter().all(|r| r.status == PushStatus::Unchanged && r.new_objects == 0),
            "{reports:?}"
        );
        assert_eq!(serde_json::to_value(store.show().await).unwrap(), before);
    }
}

#[test]
fn through_the_binary() {
    let store = Packhouse::with_repo();
    let answers = store.push(fixtures::muse_cli()).ok().documents();
    assert_eq!(answers.len(), 7);
    for (answer, (file, pack)) in
        answers.iter().zip(fixtures::muse_cli().iter().zip(fixtures::muse_cli_packs()))
    {
        assert_eq!(answer["status"], "stored");
        assert_eq!(answer["mpack_key"], model::key(&pack));
        assert_eq!(
            (&answer["bytes"], &answer["file"]),
            (&pack.len().into(), &file.to_str().unwrap().into())
        );
    }
    let show = store.show();
    assert_eq!(
        (&show["packs"], &show["commits"], &show["snapshots"], &show["objects"]),
        (&7.into(), &16.into(), &16.into(), &112.into())
    );

    let plan = store.run(["gc", "a/b", "--dry-run"]).ok().json();
    assert_eq!(
        (&plan["dry_run"], &plan["consolidated_key"]),
        (&true.into(), &serde_json::Value::Null)
    );
    assert!(plan["plan_digest"].is_string());
    assert_eq!(store.show(), show, "a dry run changes nothing");

    let report = store.gc();
    assert_eq!(report["consolidated_key"], CONSOLIDATED_KEY);
    assert_eq!(report["bytes_after"], CONSOLIDATED_BYTES);
    assert_eq!(report["duplicates_dropped"], duplicates());
    let (answer, _) = store.fetch(&[]);
    assert_eq!((&answer["mpack_key"], &answer["reused"]), (&CONSOLIDATED_KEY.into(), &true.into()));
    assert_eq!(
        (&answer["commit_count"], &answer["snapshot_count"], &answer["object_count"]),
        (&16.into(), &16.into(), &112.into())
    );
    assert!(
        store
            .push(fixtures::muse_cli())
            .ok()
            .documents()
            .iter()
            .all(|a| a["status"] == "unchanged")
    );
    let verified = store.run(["verify"]).ok().json();
    assert_eq!((&verified["ok"], &verified["problems"]), (&true.into(), &serde_json::json!([])));
}
