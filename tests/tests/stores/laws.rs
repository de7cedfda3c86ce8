//! The laws of docs/laws.md, by name, as far as they show from outside. The page names the other
//! tests.

use std::sync::Arc;
use std::time::Duration;

use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HeadStyle, HistoryOptions, Random, SnapshotForm, history};
use packhouse_host::sandbox::{Sandbox, SandboxLimits};
use packhouse_host::{
    Class, Error, FetchRequest, GcOptions, Progress, PushOptions, Store, VerifyOptions, Visibility,
};
use packhouse_tests::faulty::{self, Fault};
use packhouse_tests::hostile::{Spoiled, reworded, spoiled};
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{fixtures, model};

fn packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions { pushes: 5, heads: HeadStyle::OwnBranch, ..HistoryOptions::default() })
}

async fn plan_digest(store: &TestStore) -> String {
    store.plan().await.unwrap().report.phase.plan_digest.unwrap()
}

fn reference() -> Sandbox {
    Sandbox::reference(None).unwrap()
}

/// The store of a test's folder, again, with other parts.
async fn with_sandbox(store: &TestStore, sandbox: Sandbox) -> Store {
    faulty::open(options(&store.data()), sandbox, &Fault::never()).await.unwrap()
}

#[tokio::test]
async fn law_1_the_same_packs_give_the_same_plan_on_any_store() {
    let mut packs = packs();
    let first = TestStore::new().await;
    first.push_each(&packs).await;
    let second = TestStore::new().await;
    packs.reverse();
    second.push(&packs).await.unwrap();
    assert_eq!(plan_digest(&first).await, plan_digest(&first).await);
    assert_eq!(plan_digest(&first).await, plan_digest(&second).await);
}

#[tokio::test]
async fn law_2_payload_never_crosses_the_wall() {
    // A component that was shown contents could not hold them: there is less memory than any one of
    // them needs.
    let options = HistoryOptions {
        pushes: 2,
        objects_per_commit: 2,
        object_bytes: 5 << 20..6 << 20,
        ..HistoryOptions::default()
    };
    let store = TestStore::new().await;
    let packs = history(&options);
    let limits = SandboxLimits { memory: 4 << 20, ..SandboxLimits::default() };
    let tight =
        with_sandbox(&store, Sandbox::load(packhouse_artifact::COMPONENT, None, limits).unwrap())
            .await;
    for pack in &packs {
        tight
            .push(&store.repo, &[store.file(pack)], PushOptions::default(), &Progress::silent())
            .await
            .unwrap();
    }
    tight.fetch(&store.repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
    let report = tight.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert!(report.bytes_after > 30 << 20);
}

#[tokio::test]
async fn law_3_a_plan_is_a_value_and_is_applied_as_it_is() {
    let packs = packs();
    let store = TestStore::new().await;
    store.push(&packs[..4]).await.unwrap();
    let before = serde_json::to_value(store.show().await).unwrap();
    let plan = store.plan().await.unwrap();
    let shown = plan.report.clone();
    assert_eq!(
        serde_json::to_value(store.show().await).unwrap(),
        before,
        "planning changes nothing"
    );
    assert_eq!((shown.phase.dry_run, shown.consolidated_key), (true, None));

    let done = store.store.apply_gc(plan, &Progress::silent()).await.unwrap();
    assert_eq!(
        (done.bytes_after, done.objects, done.duplicates_dropped),
        (shown.bytes_after, shown.objects, shown.duplicates_dropped)
    );
    let expected = model::consolidate(&packs[..4], &model::heads_of(&packs[..4]));
    assert_eq!(done.consolidated_key.unwrap().to_string(), model::key(&expected));
}

#[tokio::test]
async fn law_3_a_plan_that_time_has_overtaken_is_not_applied() {
    let packs = packs();
    let store = TestStore::new().await;
    store.push(&packs[..3]).await.unwrap();
    let (one, other) = (store.plan().await.unwrap(), store.plan().await.unwrap());
    store.store.apply_gc(one, &Progress::silent()).await.unwrap();
    store.push(&packs[3..]).await.unwrap();
    let before = store.show().await.pack_keys;
    let error = store.store.apply_gc(other, &Progress::silent()).await.unwrap_err();
    assert_eq!(error.class(), Class::Conflict, "{error}");
    assert_eq!(store.show().await.pack_keys, before);
    store.sound().await;
}

#[tokio::test]
async fn law_4_a_component_that_lies_or_eats_costs_a_failed_job_and_nothing_else() {
    let store = TestStore::new().await;
    let packs = packs();
    store.push(&packs).await.unwrap();
    let before = serde_json::to_value(store.show().await).unwrap();
    let (_, answer) = store.fetch(&[], &[]).await.unwrap();
    let load = |bytes: &[u8], limits| Sandbox::load(bytes, None, limits).unwrap();
    let limited = |limits| load(packhouse_artifact::COMPONENT, limits);
    let all = SandboxLimits::default();
    let hostile = [
        ("lies about a section", load(&reworded("branch_heads", "branch_headz"), all)),
        ("traps", load(&spoiled("consolidation@0.2.0#plan", Spoiled::Traps), all)),
        (
            "traps while its plan is read",
            load(&spoiled("consolidation@0.2.0#steps", Spoiled::Traps), all),
        ),
        (
            "never ends",
            load(
                &spoiled("consolidation@0.2.0#plan", Spoiled::Loops),
                SandboxLimits { time: Duration::from_millis(60), ..all },
            ),
        ),
        ("eats memory", limited(SandboxLimits { memory: 1 << 16, memory_per_record: 0, ..all })),
        ("hands over too much", limited(SandboxLimits { handed_over: 100, ..all })),
    ];
    for (name, sandbox) in hostile {
        let hostile = with_sandbox(&store, sandbox).await;
        let error = hostile
            .gc(&store.repo, GcOptions::default(), &Progress::silent())
            .await
            .expect_err(name);
        assert!(
            matches!(error, Error::Component { .. } | Error::Unproven { .. }),
            "{name}: {error}"
        );
        assert_eq!(error.class(), Class::Refused);
        assert!(
            error.to_string().contains(hostile.component_digest()),
            "{name}: the error names the component: {error}"
        );
        assert_eq!(
            hostile.gc_history(&store.repo, 1).await.unwrap()[0].outcome,
            "failed",
            "{name}"
        );
        let mut after = serde_json::to_value(store.show().await).unwrap();
        after["last_gc"] = before["last_gc"].clone();
        assert_eq!(after, before, "{name} changed the store");
    }
    assert_eq!(store.fetch(&[], &[]).await.unwrap().1, answer);
    store.gc().await.unwrap();
    store.sound().await;
}

#[test]
fn law_4_what_is_no_component_of_ours_is_not_run() {
    let cut = &packhouse_artifact::COMPONENT[..1000];
    let other_world = reworded("packhouse:engine/database", "packhouse:engine/databast");
    for bytes in [b"".as_slice(), b"\0asm\x01\0\0\0", cut, &other_world] {
        let error = Sandbox::load(bytes, None, SandboxLimits::default())
            .expect_err("this is no component of ours");
        assert_eq!(error.class(), Class::Refused, "{error}");
    }
}

#[test]
fn law_4_a_component_of_another_wit_is_refused_in_words() {
    for (version, says) in [
        ("@0.1.0", "@0.1.0; this packhouse runs packhouse:engine/engine@0.2.0"),
        ("@0.3.0", "@0.3.0"),
        ("@1.1.0", "@1.1.0"),
    ] {
        let error = Sandbox::load(&reworded("@0.2.0", version), None, SandboxLimits::default())
            .expect_err(version);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn law_6_publishing_touches_rows_for_packs_and_never_for_objects() {
    let mut counts = Vec::new();
    for objects_per_commit in [2, 20, 200] {
        let store = TestStore::new().await;
        let options = HistoryOptions {
            objects_per_commit,
            object_bytes: 10..20,
            pushes: 5,
            ..HistoryOptions::default()
        };
        store.push_each(&history(&options)).await;
        let fault = Fault::never();
        let counted =
            faulty::open(packhouse_tests::store::options(&store.data()), reference(), &fault)
                .await
                .unwrap();
        counted.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
        counts.push(fault.rows());
    }
    assert!(counts[0] > 0 && counts[0] < 40, "{counts:?} rows for 5 packs");
    assert_eq!(counts, [counts[0]; 3], "rows grow with objects");
}

#[tokio::test]
async fn law_7_the_key_depends_on_records_and_heads_alone() {
    for form in [SnapshotForm::Whole, SnapshotForm::Delta, SnapshotForm::Mixed] {
        let options = HistoryOptions {
            pushes: 6,
            form,
            heads: HeadStyle::OwnBranch,
            prefixed_ids: form == SnapshotForm::Delta,
            ..HistoryOptions::default()
        };
        let mut packs = history(&options);
        let expected = model::key(&model::consolidate(&packs, &model::heads_of(&packs)));
        let mut random = Random::new(3);
        for round in 0..3 {
            random.shuffle(&mut packs);
            let store = TestStore::new().await;
            for group in packs.chunks(1 + 2 * round) {
                store.push(group).await.unwrap();
                if random.below(2) == 0 {
                    store.gc().await.unwrap();
                }
            }
            let report = store.gc().await.unwrap();
            assert_eq!(
                report.consolidated_key.unwrap().to_string(),
                expected,
                "{form:?}, round {round}"
            );
        }
    }
}

#[tokio::test]
async fn law_8_records_travel_verbatim() {
    let store = TestStore::new().await;
    let packs = packs();
    store.push_each(&packs).await;
    store.gc().await.unwrap();
    let made = model::union(&store.packs().await);
    let given = model::union(&packs);
    assert_eq!(made.len(), given.len());
    assert!(
        given.values().any(|r| r.item.field("origin").is_some()),
        "the samples have fields that nobody knows"
    );
    for (entity, record) in given {
        assert_eq!(made[&entity].bytes, record.bytes, "{entity:?}");
    }
}

#[tokio::test]
async fn law_10_a_repo_holds_its_own_entities_only() {
    let store = TestStore::new().await;
    let packs = packs();
    let other = "c/d".parse().unwrap();
    store.store.create_repo(&other, Visibility::Private).await.unwrap();
    store.push(&packs[..3]).await.unwrap();
    // One pack is in both repos.
    let files: Vec<_> = packs[2..].iter().map(|pack| store.file(pack)).collect();
    store.store.push(&other, &files, PushOptions::default(), &Progress::silent()).await.unwrap();
    store.gc().await.unwrap();
    let ours = model::union(&store.packs().await);
    assert!(
        ours.keys().eq(model::union(&packs[..3]).keys()),
        "neither more nor less than was pushed to it"
    );

    // The other repo still reads the pack that this one has replaced.
    let report =
        store.store.verify(&other, VerifyOptions::default(), &Progress::silent()).await.unwrap();
    assert!(report.ok, "{:?}", report.problems);
    let done = store.store.gc(&other, GcOptions::default(), &Progress::silent()).await.unwrap();
    let expected = model::consolidate(&packs[2..], &model::heads_of(&packs[2..]));
    assert_eq!(done.consolidated_key.unwrap().to_string(), model::key(&expected));
    store.sound().await;
    // A commit of this repo is unknown to the other.
    let want = model::read(&packs[0])
        .records
        .into_iter()
        .find(|r| r.kind == model::Kind::Commit)
        .unwrap()
        .id;
    let request = FetchRequest { want: vec![want], ..FetchRequest::default() };
    let refused = store.store.fetch(&other, &request, &Progress::silent()).await.unwrap_err();
    assert!(matches!(refused, Error::UnknownWant { .. }), "{refused}");
}

#[tokio::test]
async fn law_11_a_fixed_clock_gives_the_same_answers_to_the_letter() {
    let packs = packs();
    let mut stories = Vec::new();
    for _ in 0..2 {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::starting_at("2026-03-02T09:00:00Z".parse().unwrap()));
        let store =
            packhouse_host::StoreOptions { clock, ..options(folder.path()) }.open().await.unwrap();
        let repo = "a/b".parse().unwrap();
        let mut story = vec![
            serde_json::to_string(&store.create_repo(&repo, Visibility::Public).await.unwrap())
                .unwrap(),
        ];
        for (n, pack) in packs.iter().enumerate() {
            let file = folder.path().join(format!("{n}.mpack"));
            std::fs::write(&file, pack).unwrap();
            store.push(&repo, &[file], PushOptions::default(), &Progress::silent()).await.unwrap();
        }
        story.push(
            serde_json::to_string(
                &store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap(),
            )
            .unwrap(),
        );
        story.push(serde_json::to_string(&store.repo(&repo).await.unwrap()).unwrap());
        let fetched =
            store.fetch(&repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
        story.push(fetched.expires_at.to_string());
        stories.push(story);
    }
    assert_eq!(stories[0], stories[1]);
}

#[tokio::test]
async fn law_12_a_record_that_is_lost_is_an_error_that_names_it() {
    let store = TestStore::new().await;
    let packs = fixtures::muse_cli_packs();
    store.push(&packs).await.unwrap();
    store.gc().await.unwrap();
    // A pack that lacks an object, in the place of the one that has it.
    let path = store
        .data()
        .join("packs")
        .join("05")
        .join(format!("{}.mpack", &fixtures::CONSOLIDATED_KEY["sha256:".len()..]));
    let mut records = model::union(&packs);
    let lost = records.keys().find(|(kind, _)| *kind == model::Kind::Object).unwrap().clone();
    records.remove(&lost);
    std::fs::write(&path, model::canonical(&records, &store.heads().await)).unwrap();
    let _ = std::fs::remove_file(path.with_extension("dir"));
    let error = store.fetch(&[], &[]).await.unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
    assert!(error.to_string().contains(fixtures::CONSOLIDATED_KEY), "{error}");
    let report = store
        .store
        .verify(&store.repo, VerifyOptions::default(), &Progress::silent())
        .await
        .unwrap();
    assert!(!report.ok);
}
