//! Deletion: late, never of what a shelf holds, and safe beside everything else that goes on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use packhouse_host::clock::{Clock, FixedClock};
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{
    CatalogPlace, Error, FetchRequest, GcOptions, OpenError, Progress, PruneOptions, PruneReport,
    PushOptions, RepoName, Store, StoreOptions, VerifyOptions, Visibility,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::{Fault, Moment};
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{faulty, fixtures, model, place};

const NOW: PruneOptions = PruneOptions {
    grace: Duration::ZERO,
    orphans: false,
    newer: false,
    dry_run: false,
    trust_verified: Duration::ZERO,
};

fn packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..100,
        ..HistoryOptions::default()
    })
}

/// A store of a folder, a day later: each has a clock of its own.
fn a_day_later(data: &std::path::Path) -> StoreOptions {
    StoreOptions {
        clock: Arc::new(FixedClock::starting_at(TOMORROW.parse().unwrap())),
        ..options(data)
    }
}

const TOMORROW: &str = "2026-03-03T09:00:00Z";

async fn prune(store: &Store, options: PruneOptions) -> PruneReport {
    store.prune(options, &Progress::silent()).await.unwrap()
}

#[test]
fn what_was_replaced_waits_for_the_grace_and_is_deleted_then() {
    let packhouse = Packhouse::with_repo();
    for file in fixtures::muse_cli() {
        packhouse.push([file]).ok();
    }
    let before = packhouse.show();
    let (first, _) = packhouse.fetch(&[]);
    packhouse.gc();
    let files = packhouse.pack_files().len();
    let fields = |report: &serde_json::Value| {
        ["packs_deleted", "bytes_deleted", "packs_waiting"].map(|f| report[f].as_u64().unwrap())
    };
    let waiting = packhouse.run(["prune"]).ok().json();
    assert_eq!(fields(&waiting), [0, 0, 7]);
    assert!(waiting["next_due"].as_str().unwrap().ends_with('Z'));
    let planned = packhouse.run(["prune", "--grace", "0s", "--dry-run"]).ok().json();
    assert_eq!(
        (fields(&planned), &planned["dry_run"]),
        ([7, before["bytes"].as_u64().unwrap(), 0], &true.into())
    );
    assert_eq!(packhouse.pack_files().len(), files, "a dry run deletes nothing");

    let done = packhouse.run(["prune", "--grace", "0s"]).ok().json();
    assert_eq!((fields(&done), &done["next_due"]), (fields(&planned), &serde_json::Value::Null));
    assert_eq!(packhouse.pack_files().len(), 1);
    let after = packhouse.show();
    assert_eq!(after["stored_bytes"], after["bytes"]);
    packhouse.run(["verify"]).ok();
    let (answer, _) = packhouse.fetch(&[]);
    for count in ["object_count", "commit_count", "snapshot_count", "missing"] {
        assert_eq!(answer[count], first[count], "{count}");
    }
    assert_eq!(
        fields(&packhouse.run(["prune", "--grace", "0s"]).ok().json()),
        [0, 0, 0],
        "there is nothing left to do"
    );

    // What was deleted can come again.
    let again = packhouse.push(&fixtures::muse_cli()[..1]).ok().json();
    assert_eq!((&again["status"], &again["new_objects"]), (&"stored".into(), &0.into()));
    packhouse.run(["verify"]).ok();
}

/// A file that the system won't remove: the others go, and the report tells of them.
#[test]
fn a_prune_that_fails_half_way_says_what_it_has_done() {
    let packhouse = Packhouse::with_repo();
    for file in &fixtures::muse_cli()[..3] {
        packhouse.push([file]).ok();
    }
    let retired = packhouse.pack_files()[0].clone();
    packhouse.gc();
    // A folder can't be removed as a file.
    std::fs::remove_file(&retired).unwrap();
    std::fs::create_dir(&retired).unwrap();
    let failed = packhouse.run(["prune", "--grace", "0s"]).exits(1);
    assert_eq!(failed.json()["packs_deleted"], 2, "{failed:?}");
    let failed = failed.says(&["stopped after it had deleted 2 packs", "run prune again"]);
    assert!(!failed.stderr.contains("nothing was changed"), "{failed:?}");
    std::fs::remove_dir(&retired).unwrap();
    let rest = packhouse.run(["prune", "--grace", "0s"]).ok().json();
    assert_eq!(rest["packs_deleted"], 1);
    packhouse.run(["verify"]).ok();
}

#[tokio::test]
async fn a_pack_on_any_repos_shelf_stays() {
    let store = TestStore::new().await;
    let packs = packs();
    store.push_each(&packs).await;
    let other: RepoName = "c/d".parse().unwrap();
    store.store.create_repo(&other, Visibility::Public).await.unwrap();
    store
        .store
        .push(&other, &[store.file(&packs[0])], PushOptions::default(), &Progress::silent())
        .await
        .unwrap();
    store.gc().await.unwrap();
    let report = prune(&store.store, NOW).await;
    assert_eq!(
        (report.packs_deleted, report.packs_waiting),
        (3, 0),
        "one of four is the other repo's, too"
    );
    assert!(
        store.store.verify(&other, VerifyOptions::default(), &Progress::silent()).await.unwrap().ok
    );
    store.sound().await;
    // When that repo no longer needs it either, it goes.
    store
        .store
        .push(&other, &[store.file(&packs[1])], PushOptions::default(), &Progress::silent())
        .await
        .unwrap();
    store.store.gc(&other, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert_eq!(prune(&store.store, NOW).await.packs_deleted, 2);
    assert!(
        store.store.verify(&other, VerifyOptions::default(), &Progress::silent()).await.unwrap().ok
    );
}

#[tokio::test]
async fn answers_that_have_expired_go() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let request = FetchRequest { ttl: Duration::from_secs(1), ..FetchRequest::default() };
    let answer = store.store.fetch(&store.repo, &request, &Progress::silent()).await.unwrap();
    let file = PathBuf::from(answer.mpack_url.strip_prefix("file://").unwrap());
    assert!(!answer.reused && file.exists());
    // The clock of the tests moves by a second at each look.
    for _ in 0..3 {
        store.show().await;
        store
            .store
            .fetch(
                &store.repo,
                &FetchRequest { want: vec!["0".repeat(64)], ..request.clone() },
                &Progress::silent(),
            )
            .await
            .unwrap_err();
    }
    prune(&store.store, PruneOptions::default()).await;
    assert!(!file.exists());
    store.sound().await;
}

/// By the clock, and not because of a fetch from that repo, or a prune: also those of a deleted
/// repo.
#[tokio::test]
async fn answers_go_when_their_time_is_over_whoever_asks_for_what() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let request = FetchRequest { ttl: Duration::from_secs(1), ..FetchRequest::default() };
    let answer = store.store.fetch(&store.repo, &request, &Progress::silent()).await.unwrap();
    let file = PathBuf::from(answer.mpack_url.strip_prefix("file://").unwrap());
    // The clock of the tests moves by a second at each look.
    for _ in 0..3 {
        store.store.expire_all_answers().await.unwrap();
    }
    assert!(!file.exists());
    store.sound().await;
}

fn orphan(store: &TestStore, age: Duration) -> PathBuf {
    let bytes = model::canonical(
        &Default::default(),
        &[("stray".to_owned(), "0".repeat(64))].into_iter().collect(),
    );
    let hex = model::key(&bytes)["sha256:".len()..].to_owned();
    let folder = store.data().join("packs").join(&hex[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(format!("{hex}.mpack"));
    std::fs::write(&path, bytes).unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    // The clock of the tests is in March 2026.
    let now = SystemTime::UNIX_EPOCH
        + Duration::from_secs(
            "2026-03-02T09:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second() as u64,
        );
    file.set_modified(now - age).unwrap();
    path
}

#[tokio::test]
async fn orphans_are_reported_and_go_when_asked_for_and_old() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let with_orphans = PruneOptions { orphans: true, ..NOW };
    let fresh = orphan(&store, Duration::from_secs(23 * 3600));
    let report = prune(&store.store, with_orphans).await;
    assert_eq!((report.orphans, report.orphans_deleted, fresh.exists()), (1, 0, true));
    let old = orphan(&store, Duration::from_secs(25 * 3600));
    assert_eq!(prune(&store.store, NOW).await.orphans_deleted, 0, "nobody asked for it");
    assert_eq!(
        prune(&store.store, PruneOptions { dry_run: true, ..with_orphans }).await.orphans_deleted,
        1
    );
    assert!(old.exists());
    let report = prune(&store.store, with_orphans).await;
    assert_eq!((report.orphans, report.orphans_deleted, old.exists()), (1, 1, false));
    assert_eq!(prune(&store.store, with_orphans).await.orphans, 0);
    store.sound().await;
}

/// Law 10: what another catalog's shelves hold is not known here.
#[tokio::test]
async fn packs_of_two_catalogs_are_not_deleted_by_either() {
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    for file in store.packs().await {
        let path = store
            .data()
            .join("packs")
            .join(&model::key(&file)[7..9])
            .join(format!("{}.mpack", &model::key(&file)[7..]));
        std::fs::File::options()
            .write(true)
            .open(path)
            .unwrap()
            .set_modified(SystemTime::UNIX_EPOCH)
            .unwrap();
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let other =
        StoreOptions { catalog: place::catalog(elsewhere.path()), ..options(&store.data()) };
    // No new catalog is made there.
    if place::has_files() {
        let error = other.clone().open().await.unwrap_err();
        assert!(matches!(error, Error::Open(OpenError::StorageTaken { .. })), "{error}");
    }
    drop(other.catalog.open().await.unwrap());
    let other = other.open().await.unwrap();
    // Nor does one without packs get in.
    let error = other.prune(NOW, &Progress::silent()).await.unwrap_err();
    assert!(matches!(error, Error::Open(OpenError::StorageTaken { .. })), "{error}");
    let again = options(&store.data()).open().await.unwrap();
    again.prune(NOW, &Progress::silent()).await.unwrap();
    // Without the first one's note, as in a backup of the folder, it is; then the note comes back.
    let notes = store.data().join("catalogs");
    let kept: Vec<_> = std::fs::read_dir(&notes)
        .unwrap()
        .map(|note| note.unwrap().path())
        .map(|note| (std::fs::read(&note).unwrap(), note))
        .collect();
    std::fs::remove_dir_all(&notes).unwrap();
    other.begin_writing().await.unwrap();
    kept.iter().for_each(|(text, note)| std::fs::write(note, text).unwrap());
    let error =
        other.prune(PruneOptions { orphans: true, ..NOW }, &Progress::silent()).await.unwrap_err();
    assert!(error.to_string().contains("belong to 2 catalogs: "), "{error}");
    let again = options(&store.data()).open().await.unwrap();
    again.prune(NOW, &Progress::silent()).await.unwrap_err();

    // With the other's note only, as after a restored backup of a folder: it knows none of the
    // packs.
    kept.iter().for_each(|(_, note)| std::fs::remove_file(note).unwrap());
    let other =
        StoreOptions { catalog: place::catalog(elsewhere.path()), ..options(&store.data()) };
    let error = other
        .open()
        .await
        .unwrap()
        .prune(PruneOptions { orphans: true, ..NOW }, &Progress::silent())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("knows none of the 4 packs"), "{error}");
    store.sound().await;
}

/// A catalog from a backup takes what it does not know yet for an orphan: it may be all that is
/// left.
#[tokio::test]
async fn a_catalog_from_a_backup_deletes_no_orphans() {
    if !place::has_files() {
        return;
    }
    let store = TestStore::new().await;
    store.push_each(&packs()).await;
    let backup = tempfile::tempdir().unwrap();
    for file in ["catalog.db", "catalog.db-wal"] {
        std::fs::copy(store.data().join(file), backup.path().join(file)).unwrap();
    }
    let consolidated = store.gc().await.unwrap().consolidated_key.unwrap();
    prune(&store.store, NOW).await;
    let hex = &consolidated.to_string()[7..];
    let pack = store.data().join("packs").join(&hex[..2]).join(format!("{hex}.mpack"));
    std::fs::File::options()
        .write(true)
        .open(&pack)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    let data = store.data().join("restored");
    std::fs::create_dir_all(&data).unwrap();
    for file in ["catalog.db", "catalog.db-wal"] {
        std::fs::copy(backup.path().join(file), data.join(file)).unwrap();
    }
    std::fs::remove_dir_all(store.data().join("catalogs")).unwrap();
    let restored = StoreOptions {
        catalog: CatalogPlace::Sqlite(data.join("catalog.db")),
        ..options(&store.data())
    };
    let restored = restored.open().await.unwrap();
    // Another known pack exists: the orphan is not the only one.
    let branch = [("side".to_owned(), "0".repeat(64))].into_iter().collect();
    let file = store.file(&model::canonical(&Default::default(), &branch));
    restored.push(&store.repo, &[file], PushOptions::default(), &Progress::silent()).await.unwrap();
    let report = prune(&restored, PruneOptions { orphans: true, ..NOW }).await;
    assert_eq!((report.orphans_deleted, report.packs_kept > 0), (0, true), "{report:?}");
    assert!(
        report
            .kept
            .iter()
            .all(|kept| kept.detail.contains("which a repo needs, is missing or damaged in")),
        "{report:?}"
    );
    assert!(pack.exists());
}

/// Law 5: whatever call fails, before or after it did its work, every fetch goes on working and the
/// next run finishes.
#[tokio::test]
async fn law_5_a_prune_that_fails_anywhere_leaves_a_sound_store() {
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let store = TestStore::new().await;
            store.push_each(&packs()).await;
            store.gc().await.unwrap();
            let (_, whole) = store.fetch(&[], &[]).await.unwrap();
            let fault = Fault::at(call, moment);
            let faulty =
                faulty::open(a_day_later(&store.data()), Sandbox::reference(None).unwrap(), &fault)
                    .await
                    .unwrap();
            let outcome = faulty.prune(NOW, &Progress::silent()).await;
            if !fault.struck() {
                assert!(call > 5, "{call} calls were made");
                break;
            }
            assert!(outcome.is_err(), "call {call} failed {moment:?}, and nobody said so");
            assert_eq!(store.fetch(&[], &[]).await.unwrap().1, whole, "call {call}, {moment:?}");
            store.sound().await;
            let later = a_day_later(&store.data()).open().await.unwrap();
            let report = prune(&later, NOW).await;
            store.sound().await;
            assert_eq!(
                store.show().await.stored_bytes,
                store.show().await.bytes,
                "call {call}, {moment:?}: {report:?}"
            );
        }
    }
}

/// A store, another one on the same folder that consolidates and deletes, and files that are not
/// pushed yet.
struct Races {
    store: TestStore,
    other: Arc<Store>,
    others: Fault,
    packs: Vec<Vec<u8>>,
    /// Clock and ids of both: they must not draw the same.
    clock: Arc<FixedClock>,
    /// How the other deletes.
    prunes: PruneOptions,
}

impl Races {
    async fn new() -> Races {
        Races::of(packs()).await
    }

    async fn of(packs: Vec<Vec<u8>>) -> Races {
        let store = TestStore::new().await;
        store.push_each(&packs[..packs.len() - 1]).await;
        let clock = Arc::new(FixedClock::starting_at(TOMORROW.parse().unwrap()));
        let other = StoreOptions { clock: clock.clone(), ..options(&store.data()) };
        let others = Fault::never();
        let other = faulty::open(other, Sandbox::reference(None).unwrap(), &others).await.unwrap();
        Races { other: Arc::new(other), others, store, packs, clock, prunes: NOW }
    }

    /// The other deletes orphans, too, with a clock that is far ahead: every file is old to it.
    async fn ahead() -> Races {
        let races = Races::new().await;
        let clock = Arc::new(FixedClock::starting_at("2099-01-01T00:00:00Z".parse().unwrap()));
        // Other names than those that the first clock has drawn and will draw.
        for _ in 0..1000 {
            clock.random_id();
        }
        let other = StoreOptions { clock, ..options(&races.store.data()) };
        let other =
            faulty::open(other, Sandbox::reference(None).unwrap(), &races.others).await.unwrap();
        Races {
            other: Arc::new(other),
            prunes: PruneOptions { orphans: true, newer: true, ..NOW },
            ..races
        }
    }

    /// The store, with a consolidation and a deletion by the other before one of its calls.
    async fn raced(&self, call: i64) -> (Store, Fault) {
        let (other, repo, prunes) = (self.other.clone(), self.store.repo.clone(), self.prunes);
        let fault = Fault::meanwhile(call, &self.others, move || {
            let (other, repo) = (other.clone(), repo.clone());
            async move {
                other.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
                other.prune(prunes, &Progress::silent()).await.unwrap();
            }
        });
        let options = StoreOptions { clock: self.clock.clone(), ..options(&self.store.data()) };
        (faulty::open(options, Sandbox::reference(None).unwrap(), &fault).await.unwrap(), fault)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_does_not_mind_that_its_packs_are_replaced_and_deleted() {
    for call in 0.. {
        let races = Races::new().await;
        let whole = races.store.fetch(&[], &[]).await.unwrap().0;
        let (store, fault) = races.raced(call).await;
        let answer =
            store.fetch(&races.store.repo, &FetchRequest::default(), &Progress::silent()).await;
        let answer = answer.unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_eq!(
            (answer.object_count, answer.commit_count),
            (whole.object_count, whole.commit_count),
            "call {call}"
        );
        if !fault.struck() {
            assert!(call > 8);
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verify_does_not_mind_that_its_packs_are_replaced_and_deleted() {
    for call in 0.. {
        let races = Races::new().await;
        let (store, fault) = races.raced(call).await;
        let report = store
            .verify(&races.store.repo, VerifyOptions::default(), &Progress::silent())
            .await
            .unwrap();
        assert!(report.ok, "call {call}: {:?}", report.problems);
        if !fault.struck() {
            assert!(call > 6);
            break;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consolidation_does_not_mind_that_another_one_was_first_and_deleted_its_sources() {
    for call in 0.. {
        let races = Races::new().await;
        let expected =
            model::key(&model::consolidate(&races.packs[..3], &races.store.heads().await));
        let (store, fault) = races.raced(call).await;
        let done = store
            .gc(&races.store.repo, GcOptions::default(), &Progress::silent())
            .await
            .unwrap_or_else(|error| panic!("call {call}: {error}"));
        assert_eq!(done.consolidated_key.unwrap().to_string(), expected, "call {call}");
        races.store.sound().await;
        if !fault.struck() {
            assert!(call > 10);
            break;
        }
    }
}

/// The push compares its records with others that the repo has in other encodings, in packs that
/// are deleted at the same time.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_does_not_mind_that_the_packs_it_is_compared_with_are_replaced_and_deleted() {
    let options = HistoryOptions {
        pushes: 6,
        heads: HeadStyle::OwnBranch,
        overlap: true,
        ..HistoryOptions::default()
    };
    let packs = history(&options);
    for call in 0.. {
        let races = Races::of(packs.clone()).await;
        let (store, fault) = races.raced(call).await;
        let file = races.store.file(&packs[5]);
        let pushed = store
            .push(&races.store.repo, &[file], PushOptions::default(), &Progress::silent())
            .await;
        pushed.unwrap_or_else(|error| panic!("call {call}: {error}"));
        races.store.sound().await;
        let key = races.store.gc().await.unwrap().consolidated_key.unwrap().to_string();
        assert_eq!(
            key,
            model::key(&model::consolidate(&packs, &races.store.heads().await)),
            "call {call}"
        );
        if !fault.struck() {
            assert!(call > 6);
            break;
        }
    }
}

/// The pushed bytes are those of a pack that waits for deletion, and that is deleted at the worst
/// time.
#[tokio::test(flavor = "multi_thread")]
async fn a_push_keeps_the_pack_that_somebody_is_about_to_delete() {
    let other_repo: RepoName = "c/d".parse().unwrap();
    for call in 0.. {
        let races = Races::new().await;
        races.store.store.create_repo(&other_repo, Visibility::Public).await.unwrap();
        races.store.gc().await.unwrap();
        let (store, fault) = races.raced(call).await;
        let file = races.store.file(&races.packs[0]);
        store
            .push(&other_repo, &[file], PushOptions::default(), &Progress::silent())
            .await
            .unwrap_or_else(|e| panic!("call {call}: {e}"));
        // The process that waited for the push goes on now.
        prune(&races.other, NOW).await;
        let report = races
            .store
            .store
            .verify(&other_repo, VerifyOptions::default(), &Progress::silent())
            .await
            .unwrap();
        assert!(report.ok, "call {call}: {:?}", report.problems);
        races.store.sound().await;
        if !fault.struck() {
            assert!(call > 4);
            break;
        }
    }
}

/// A pruner whose clock is years ahead takes every file for old; what is about to be published is
/// safe nevertheless.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_to_a_pruner_of_orphans_whose_clock_is_ahead() {
    for verb in ["push", "gc", "fetch"] {
        for call in 0.. {
            let races = Races::ahead().await;
            let (repo, silent) = (races.store.repo.clone(), Progress::silent());
            let (store, fault) = races.raced(call).await;
            let done = match verb {
                "push" => store
                    .push(
                        &repo,
                        &[races.store.file(&races.packs[3])],
                        PushOptions::default(),
                        &silent,
                    )
                    .await
                    .map(|_| ()),
                "gc" => store.gc(&repo, GcOptions::default(), &silent).await.map(|_| ()),
                _ => store.fetch(&repo, &FetchRequest::default(), &silent).await.map(|_| ()),
            };
            done.unwrap_or_else(|error| panic!("{verb}, call {call}: {error}"));
            prune(&races.other, races.prunes).await;
            races.store.sound().await;
            if !fault.struck() {
                assert!(call > 4, "{verb}");
                break;
            }
        }
    }
}

/// A pack that is pushed between the two lists of a prune is neither missing nor an orphan.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_pushed_while_orphans_are_looked_for_is_no_false_alarm() {
    for call in 0.. {
        let races = Races::ahead().await;
        races.store.gc().await.unwrap();
        let old = orphan(&races.store, Duration::from_secs(25 * 3600));
        let (theirs, repo, file) =
            (Fault::never(), races.store.repo.clone(), races.store.file(&races.packs[3]));
        let pusher = StoreOptions { clock: races.clock.clone(), ..options(&races.store.data()) };
        let pusher = Arc::new(
            faulty::open(pusher, Sandbox::reference(None).unwrap(), &theirs).await.unwrap(),
        );
        let fault = Fault::meanwhile(call, &theirs, move || {
            let (pusher, repo, file) = (pusher.clone(), repo.clone(), file.clone());
            async move {
                pusher
                    .push(&repo, &[file], PushOptions::default(), &Progress::silent())
                    .await
                    .unwrap();
            }
        });
        let clock = Arc::new(FixedClock::starting_at("2099-01-01T00:00:00Z".parse().unwrap()));
        let pruner = StoreOptions { clock, ..options(&races.store.data()) };
        let pruner = faulty::open(pruner, Sandbox::reference(None).unwrap(), &fault).await.unwrap();
        let report = prune(&pruner, races.prunes).await;
        assert_eq!(
            (report.packs_kept, report.orphans_deleted, old.exists()),
            (0, 1, false),
            "call {call}: {report:?}"
        );
        races.store.sound().await;
        if !fault.struck() {
            assert!(call > 8);
            break;
        }
    }
}

/// Whatever request to delete fails: what was not deleted goes on waiting, and the next prune
/// deletes it.
#[tokio::test]
async fn what_could_not_be_deleted_is_deleted_by_the_next_prune() {
    let (mut failed, mut unfinished) = (0, 0);
    for call in 0.. {
        let store = TestStore::new().await;
        store.push_each(&packs()).await;
        store.gc().await.unwrap();
        let fault = Fault::at(call, Moment::Before);
        let faulty =
            faulty::open(a_day_later(&store.data()), Sandbox::reference(None).unwrap(), &fault)
                .await
                .unwrap();
        let outcome = faulty.prune(NOW, &Progress::silent()).await;
        if !fault.struck() {
            break;
        }
        let left = std::fs::read_dir(store.data().join("packs")).unwrap().flatten();
        let left: usize = left
            .map(|folder| {
                std::fs::read_dir(folder.path())
                    .unwrap()
                    .flatten()
                    .filter(|f| f.path().extension().is_some_and(|e| e == "mpack"))
                    .count()
            })
            .sum();
        if let Err(error) = outcome {
            failed += 1;
            let said = error.to_string();
            match error {
                Error::PruneUnfinished { report, .. } => {
                    unfinished += 1;
                    assert_eq!(report.packs_deleted, 5 - left as u64, "call {call}: {said}");
                    assert!(
                        said.contains(&format!("had deleted {} pack", report.packs_deleted))
                            && said.contains("run prune again")
                            && !said.contains("nothing was changed"),
                        "call {call}: {said}"
                    );
                }
                _ => assert_eq!(left, 5, "call {call}: {said}"),
            }
        }
        let later = a_day_later(&store.data()).open().await.unwrap();
        let report = prune(&later, NOW).await;
        assert!(
            report.packs_deleted + 1 >= left as u64,
            "call {call}: {left} files were left, and {report:?}"
        );
        assert_eq!(report.orphans, 0, "call {call}: {report:?}");
        store.sound().await;
    }
    assert!(failed > 8 && unfinished > 4, "{failed}, {unfinished}");
}
