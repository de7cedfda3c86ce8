//! What is lost or damaged: nothing makes it worse, it is remembered until it is mended, and it
//! heals.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use packhouse_host::catalog::IndexRow;
use packhouse_host::clock::FixedClock;
use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::worker::{Stop, Worker, WorkerOptions, store_metrics};
use packhouse_host::{
    Class, FetchRequest, GcOptions, JobStatus, MpackKey, ProblemKind, Progress, PruneOptions,
    PruneReport, PushOptions, PushReport, PushStatus, RepoName, Store, StoreOptions, VerifyOptions,
    VerifyReport, Visibility,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::{self, Fault, Moment};
use packhouse_tests::store::{PREFIX, TestStore, options};
use packhouse_tests::{fixtures, model, place};

pub(super) const NOW: PruneOptions = PruneOptions {
    grace: Duration::ZERO,
    orphans: false,
    newer: false,
    dry_run: false,
    trust_verified: Duration::ZERO,
};

pub(super) fn silent() -> Progress {
    Progress::silent()
}

pub(super) fn packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..200,
        ..HistoryOptions::default()
    })
}

/// How a file is spoiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    Missing,
    Empty,
    Flipped,
}

pub(super) const HARMS: [Harm; 3] = [Harm::Missing, Harm::Empty, Harm::Flipped];

impl Harm {
    pub(super) fn does(self, file: &Path) {
        match self {
            Harm::Missing => std::fs::remove_file(file).unwrap(),
            Harm::Empty => std::fs::write(file, b"").unwrap(),
            Harm::Flipped => flip(file, file.metadata().unwrap().len() - 20),
        }
    }
}

/// Flips a bit of a byte of a file.
pub(super) fn flip(file: &Path, at: u64) {
    let opened = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    opened.read_exact_at(&mut byte, at).unwrap();
    opened.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

pub(super) fn key_of(pack: &[u8]) -> MpackKey {
    model::key(pack).parse().unwrap()
}

pub(super) fn file(root: &Path, key: &MpackKey) -> PathBuf {
    let hex = key.hex();
    root.join("packs").join(&hex[..2]).join(format!("{hex}.mpack"))
}

pub(super) async fn prune(store: &Store, options: PruneOptions) -> PruneReport {
    store.prune(options, &silent()).await.unwrap()
}

pub(super) async fn verify(on: &TestStore) -> VerifyReport {
    on.store.verify(&on.repo, VerifyOptions::default(), &silent()).await.unwrap()
}

pub(super) async fn repair(on: &TestStore) -> VerifyReport {
    on.store.verify(&on.repo, VerifyOptions::REPAIR, &silent()).await.unwrap()
}

/// What the repo is known to have lost, by its report and its summary; read by a later process.
pub(super) async fn known(on: &TestStore) -> Vec<(Option<MpackKey>, String)> {
    let store = options(&on.data()).open().await.unwrap();
    let report = store.repo(&on.repo).await.unwrap();
    assert_eq!(store.summary(&on.repo).await.unwrap().damaged, report.damaged.len() as u64);
    report.damaged.into_iter().map(|damage| (damage.mpack_key, damage.found_by)).collect()
}

/// Three pushes, consolidated; with the one pack.
pub(super) async fn consolidated() -> (TestStore, MpackKey) {
    let on = TestStore::new().await;
    on.push_each(&packs()).await;
    let key = on.gc().await.unwrap().consolidated_key.unwrap();
    (on, key)
}

#[tokio::test]
async fn prune_keeps_the_sources_of_a_pack_that_is_missing_or_damaged() {
    for harm in HARMS {
        let (on, key) = consolidated().await;
        // Another repo is sound: what it has replaced may go.
        let other: RepoName = "c/d".parse().unwrap();
        on.store.create_repo(&other, Visibility::Public).await.unwrap();
        let theirs = history(&HistoryOptions {
            seed: 99,
            pushes: 2,
            heads: HeadStyle::OwnBranch,
            ..HistoryOptions::default()
        });
        let files: Vec<_> = theirs.iter().map(|pack| on.file(pack)).collect();
        on.store.push(&other, &files, PushOptions::default(), &silent()).await.unwrap();
        on.store.gc(&other, GcOptions::default(), &silent()).await.unwrap();

        harm.does(&file(&on.data(), &key));
        for dry_run in [true, false] {
            let report = prune(&on.store, PruneOptions { dry_run, ..NOW }).await;
            assert_eq!(
                (report.packs_deleted, report.packs_kept, report.kept.len()),
                (2, 3, 3),
                "{harm:?}: {report:?}"
            );
            for kept in &report.kept {
                assert_eq!(kept.repo, on.repo);
                assert!(
                    kept.detail.contains(&key.to_string()) && kept.detail.contains("--repair a/b"),
                    "{}",
                    kept.detail
                );
            }
        }
        for pack in packs() {
            assert!(file(&on.data(), &key_of(&pack)).exists(), "{harm:?}");
        }
        assert_eq!(known(&on).await, [(Some(key), "prune".to_owned())], "{harm:?}");
        // Mended from what was kept, all is well; and then what is not needed goes.
        let report = repair(&on).await;
        assert!(report.ok, "{harm:?}: {:?}", report.problems);
        let report = prune(&on.store, NOW).await;
        assert_eq!(
            (report.packs_kept, report.packs_deleted),
            (0, 1),
            "the damaged one goes: {report:?}"
        );
        on.sound().await;
    }
}

#[tokio::test]
async fn a_pack_of_two_repos_stays_while_either_lacks_its_replacement() {
    let (on, key) = consolidated().await;
    let other: RepoName = "c/d".parse().unwrap();
    on.store.create_repo(&other, Visibility::Public).await.unwrap();
    let files: Vec<_> = packs()[..2].iter().map(|pack| on.file(pack)).collect();
    on.store.push(&other, &files, PushOptions::default(), &silent()).await.unwrap();
    on.store.gc(&other, GcOptions::default(), &silent()).await.unwrap();
    Harm::Flipped.does(&file(&on.data(), &key));
    let report = prune(&on.store, NOW).await;
    assert_eq!((report.packs_deleted, report.packs_kept), (0, 3), "{report:?}");
    // What was deleted needs nothing.
    on.store.delete_repo(&on.repo).await.unwrap();
    let report = prune(&on.store, NOW).await;
    assert_eq!((report.packs_deleted, report.packs_kept), (4, 0), "{report:?}");
    assert!(on.store.verify(&other, VerifyOptions::default(), &silent()).await.unwrap().ok);
}

#[tokio::test]
async fn a_look_is_believed_for_as_long_as_is_said_and_never_against_what_is_known() {
    let trusting = PruneOptions { trust_verified: Duration::from_secs(3600), ..NOW };
    for harm in HARMS {
        let (on, key) = consolidated().await;
        harm.does(&file(&on.data(), &key));
        let report = prune(
            &on.store,
            PruneOptions { dry_run: true, trust_verified: Duration::from_millis(1), ..NOW },
        )
        .await;
        assert_eq!(report.packs_kept, 3, "the last look is too old: {report:?}");
    }
    let (on, key) = consolidated().await;
    let pack = file(&on.data(), &key);
    std::fs::rename(&pack, pack.with_extension("aside")).unwrap();
    assert_eq!(
        prune(&on.store, PruneOptions { dry_run: true, ..trusting }).await.packs_kept,
        3,
        "that it is gone is seen"
    );
    std::fs::rename(pack.with_extension("aside"), &pack).unwrap();
    assert!(verify(&on).await.ok);
    Harm::Flipped.does(&pack);
    assert_eq!(
        prune(&on.store, PruneOptions { dry_run: true, ..trusting }).await.packs_kept,
        0,
        "it was read an hour ago"
    );
    assert!(!verify(&on).await.ok);
    assert_eq!(
        prune(&on.store, PruneOptions { dry_run: true, ..trusting }).await.packs_kept,
        3,
        "it is known to be damaged"
    );
}

#[tokio::test]
async fn gc_does_not_say_that_there_is_nothing_to_do_beside_a_pack_that_is_not_there() {
    for harm in [Harm::Missing, Harm::Empty] {
        let (on, key) = consolidated().await;
        let pack = file(&on.data(), &key);
        let bytes = std::fs::read(&pack).unwrap();
        harm.does(&pack);
        let error = on.gc().await.unwrap_err();
        assert_eq!(error.class(), Class::Damage, "{error}");
        assert!(
            error.to_string().contains("--repair a/b")
                && error.to_string().contains(&key.to_string()),
            "{error}"
        );
        assert_eq!(known(&on).await, [(Some(key), "gc".to_owned())]);
        // It was restored: that is noticed when it is read.
        std::fs::write(&pack, bytes).unwrap();
        assert_eq!(on.gc().await.unwrap_err().class(), Class::Damage);
        on.sound().await;
        assert_eq!(known(&on).await, []);
        assert!(on.gc().await.unwrap().skipped);
    }
}

async fn push_in(on: &TestStore, way: &str, pack: &[u8]) -> Vec<PushReport> {
    let (files, options) = ([on.file(pack)], PushOptions { force: way == "force" });
    if way != "async" {
        return on.store.push(&on.repo, &files, options, &silent()).await.unwrap();
    }
    let queued = on.store.push_async(&on.repo, &files, options, &silent()).await.unwrap();
    assert_eq!(queued[0].status, PushStatus::Queued);
    let worker = WorkerOptions { drain: true, policies: None, ..WorkerOptions::default() };
    Worker::new(on.store.clone(), worker, Stop::default()).run(|_| {}).await.unwrap();
    let job = on.store.job(queued[0].job.unwrap()).await.unwrap();
    assert_eq!(job.status, JobStatus::Done, "{:?}", job.reason);
    serde_json::from_value(job.result.unwrap()).unwrap()
}

#[tokio::test]
async fn pushing_the_same_bytes_restores_a_pack_that_is_missing_or_damaged() {
    for way in ["plain", "force", "async"] {
        for harm in HARMS {
            let on = TestStore::new().await;
            on.push_each(&packs()).await;
            let lost = &packs()[1];
            harm.does(&file(&on.data(), &key_of(lost)));
            if harm == Harm::Flipped {
                // Nothing shows that without reading it.
                assert!(!verify(&on).await.ok);
            }
            let report = push_in(&on, way, lost).await.remove(0);
            // What is left to a job is restored when it is taken: the job finds it there, unless it
            // is known to be damaged.
            let there = way == "async" && harm != Harm::Flipped;
            let expected = if there { PushStatus::Unchanged } else { PushStatus::Stored };
            assert_eq!((report.status, report.new_objects), (expected, 0), "{way}, {harm:?}");
            assert_eq!(known(&on).await, [], "{way}, {harm:?}");
            on.sound().await;
            if way == "plain" {
                assert_eq!(
                    push_in(&on, way, lost).await[0].status,
                    PushStatus::Unchanged,
                    "{harm:?}"
                );
            }
            let expected = model::key(&model::consolidate(&packs(), &model::heads_of(&packs())));
            assert_eq!(
                on.gc().await.unwrap().consolidated_key.unwrap().to_string(),
                expected,
                "{way}, {harm:?}"
            );
        }
    }
}

/// The consolidated pack is lost, and what it was made from was deleted: who has that pushes it
/// again.
#[tokio::test]
async fn pushing_what_a_lost_pack_was_made_from_heals_it_piece_by_piece() {
    for (pruned, harm) in [(true, Harm::Missing), (false, Harm::Empty), (true, Harm::Flipped)] {
        let (on, key) = consolidated().await;
        let (_, whole) = on.fetch(&[], &[]).await.unwrap();
        if pruned {
            assert_eq!(prune(&on.store, NOW).await.packs_deleted, 3);
        }
        harm.does(&file(&on.data(), &key));
        assert!(!verify(&on).await.ok);
        for (number, pack) in packs().iter().enumerate() {
            assert!(!verify(&on).await.ok, "{number} of three have come");
            let report = push_in(&on, "plain", pack).await.remove(0);
            assert_eq!(report.status, PushStatus::Stored, "{number}");
        }
        on.sound().await;
        assert_eq!(known(&on).await, []);
        assert_eq!(
            on.gc().await.unwrap().consolidated_key,
            Some(key),
            "the same pack is made again"
        );
        assert_eq!(on.fetch(&[], &[]).await.unwrap().1, whole);
        on.sound().await;
        prune(&on.store, NOW).await;
        on.sound().await;
    }
}

#[tokio::test]
async fn repair_takes_what_is_lost_from_packs_that_wait_for_deletion() {
    for harm in HARMS {
        let (on, key) = consolidated().await;
        let (_, whole) = on.fetch(&[], &[]).await.unwrap();
        harm.does(&file(&on.data(), &key));
        let report = repair(&on).await;
        assert!(report.ok && report.problems.is_empty(), "{harm:?}: {:?}", report.problems);
        let repaired = report.repaired.unwrap();
        let mut sources: Vec<MpackKey> = packs().iter().map(|pack| key_of(pack)).collect();
        sources.sort();
        assert_eq!(
            (repaired.len(), repaired[0].pack, &repaired[0].from),
            (1, Some(key), &sources),
            "{harm:?}"
        );
        assert_eq!(known(&on).await, []);
        on.sound().await;
        assert_eq!(on.gc().await.unwrap().consolidated_key, Some(key), "{harm:?}");
        assert_eq!(on.fetch(&[], &[]).await.unwrap().1, whole);
        on.sound().await;
        assert_eq!(repair(&on).await.repaired, Some(Vec::new()), "there is nothing left to do");
    }
}

#[tokio::test]
async fn repair_does_what_it_can_and_names_what_is_left() {
    let (on, key) = consolidated().await;
    let [first, second, third] = [0, 1, 2].map(|n| file(&on.data(), &key_of(&packs()[n])));
    Harm::Missing.does(&file(&on.data(), &key));
    Harm::Missing.does(&first);
    Harm::Flipped.does(&second);
    let report = repair(&on).await;
    assert!(!report.ok && third.exists());
    assert_eq!(report.problems[0].pack, Some(key));
    let detail = &report.problems[0].detail;
    assert!(
        !detail.contains("--repair") && detail.contains("push the same bytes again"),
        "what was just tried is not advised: {detail}"
    );
    let repaired = &report.repaired.as_ref().unwrap()[0];
    assert!(repaired.from.contains(&key_of(&packs()[2])), "{repaired:?}");
    assert!((1..63).contains(&repaired.entities), "{repaired:?}");
    assert!(detail.contains("No intact copy in this store of: object "), "{detail}");
    assert_eq!(known(&on).await, [(Some(key), "verify".to_owned())]);
    // The rest is pushed again.
    on.push_each(&packs()).await;
    on.sound().await;
    assert_eq!(on.gc().await.unwrap().consolidated_key, Some(key));
}

/// Packs that repeat each other's records: what one has lost another has.
#[tokio::test]
async fn repair_takes_what_is_lost_from_other_packs_on_shelves_and_from_answers() {
    let on = TestStore::new().await;
    on.push_each(&packs()).await;
    // All of it in one pack, which a fetch has assembled.
    let request = FetchRequest { ttl: Duration::from_secs(3600), ..FetchRequest::default() };
    let answer = on.store.fetch(&on.repo, &request, &silent()).await.unwrap();
    assert!(!answer.reused);
    for pack in packs() {
        Harm::Missing.does(&file(&on.data(), &key_of(&pack)));
    }
    let report = repair(&on).await;
    assert!(report.ok, "{:?}", report.problems);
    assert!(
        report
            .repaired
            .unwrap()
            .iter()
            .all(|repaired| repaired.from == [answer.mpack_key.unwrap()])
    );
    on.sound().await;
    let expected = model::key(&model::consolidate(&packs(), &model::heads_of(&packs())));
    assert_eq!(on.show().await.packs, 1);
    assert_eq!(on.fetch(&[], &[]).await.unwrap().0.mpack_key.unwrap().to_string(), expected);
}

/// Every call of a repair fails once: what was sound stays so, and the next repair finishes.
#[tokio::test]
async fn law_5_a_repair_that_fails_anywhere_makes_nothing_worse() {
    for (moment, of_index) in [
        (Moment::Before, false),
        (Moment::After, false),
        (Moment::Before, true),
        (Moment::After, true),
    ] {
        let (on, key) = consolidated().await;
        match of_index {
            true => place::sql(&on.data(), CUT.into()).await,
            false => Harm::Flipped.does(&file(&on.data(), &key)),
        }
        repair_after_each_fault(&on, moment, key, 5).await;
    }
}

/// In copies of a store, each call of a repair fails once. The next repair finishes, and then a
/// consolidation gives this key. There are more than so many calls.
pub(super) async fn repair_after_each_fault(
    on: &TestStore,
    moment: Moment,
    key: MpackKey,
    calls: i64,
) {
    let sandbox = Sandbox::reference(None).unwrap();
    for call in 0.. {
        let folder = tempfile::tempdir().unwrap();
        faulty::copy(&on.data(), folder.path());
        let fault = Fault::at(call, moment);
        let store = faulty::open(options(folder.path()), sandbox.clone(), &fault).await.unwrap();
        // What fails after the repair (preparing fetches) is left to the next gc.
        match store.verify(&on.repo, VerifyOptions::REPAIR, &silent()).await {
            Ok(report) => assert!(report.ok, "call {call} {moment:?}"),
            Err(error) => assert!(fault.struck(), "call {call} {moment:?}: {error}"),
        }
        drop(store);
        let store = options(folder.path()).open().await.unwrap();
        let report = store.verify(&on.repo, VerifyOptions::REPAIR, &silent()).await.unwrap();
        assert!(report.ok, "call {call} {moment:?}: {:?}", report.problems);
        let report = store.gc(&on.repo, GcOptions::default(), &silent()).await.unwrap();
        assert_eq!(report.consolidated_key, Some(key), "call {call} {moment:?}");
        if !fault.struck() {
            assert!(call > calls);
            return;
        }
    }
}

#[tokio::test]
async fn on_s3_a_copy_on_the_local_disk_restores_what_the_bucket_has_lost() {
    for harm in HARMS {
        let on = TestStore::on_s3().await;
        on.push_each(&packs()).await;
        let root = on.server.as_ref().unwrap().file(PREFIX);
        let key = key_of(&packs()[0]);
        harm.does(&file(&root, &key));
        assert!(!verify(&on).await.ok, "{harm:?}");
        let report = repair(&on).await;
        assert!(report.ok, "{harm:?}: {:?}", report.problems);
        assert_eq!(report.repaired.unwrap()[0].pack, Some(key));
        // Whatever is on the local disk.
        std::fs::remove_dir_all(on.data().join("spool/packs")).unwrap();
        std::fs::create_dir_all(on.data().join("spool/packs")).unwrap();
        on.sound().await;
    }
}

/// A server that takes other bytes than it was sent, and says nothing.
#[tokio::test]
async fn on_s3_nothing_is_replaced_by_a_pack_that_does_not_come_back_as_it_was_sent() {
    let mut on = TestStore::on_s3().await;
    on.push_each(&packs()).await;
    on.server.as_mut().unwrap().restart_with(&["spoil", "new", "0"]);
    let before = on.show().await;
    let error = on.gc().await.unwrap_err();
    assert!(error.to_string().contains("does not return the bytes that were written"), "{error}");
    assert_eq!(on.show().await.pack_keys, before.pack_keys);
    on.server.as_mut().unwrap().restart();
    on.sound().await;
    assert!(!on.gc().await.unwrap().skipped);
    on.sound().await;
}

#[test]
fn what_is_damaged_is_told_by_every_verb_until_it_is_found_sound() {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    store.gc();
    let key = store.show()["pack_keys"][0].as_str().unwrap().to_owned();
    let pack = file(&store.data(), &key.parse().unwrap());
    let sound = std::fs::read(&pack).unwrap();
    let metric = |store: &Packhouse| {
        let text = store.text(["metrics"]).ok().stdout;
        text.lines()
            .find_map(|line| line.strip_prefix("packhouse_damaged_packs ").map(str::to_owned))
            .unwrap()
    };
    assert_eq!((metric(&store).as_str(), &store.show()["damaged"]), ("0", &serde_json::json!([])));
    store.run(["doctor"]).ok();

    Harm::Flipped.does(&pack);
    store.run(["gc", "a/b"]).ok();
    store.run(["verify"]).exits(4);
    let damaged = &store.show()["damaged"][0];
    assert_eq!(
        (&damaged["mpack_key"], &damaged["found_by"]),
        (&key.as_str().into(), &"verify".into())
    );
    assert!(
        damaged["since"].as_str().unwrap().ends_with('Z')
            && !damaged["detail"].as_str().unwrap().is_empty()
    );
    assert_eq!(store.run(["repo", "list"]).ok().json()["damaged"][0]["mpack_key"], key);
    assert!(store.text(["repo", "list"]).ok().stdout.contains("damaged"));
    assert!(store.text(["repo", "show", "a/b"]).ok().stdout.contains("found by verify"));
    let checks = store.run(["doctor"]).exits(4).documents();
    let check = checks.iter().find(|check| check["check"] == "damage").unwrap();
    assert_eq!(
        (&check["status"], &check["way_out"]),
        (&"fail".into(), &"packhouse verify --repair a/b".into())
    );
    assert_eq!(metric(&store), "1");
    store.run(["gc", "a/b"]).exits(4).says(&[&key]);
    // A failed consolidation is remembered as well.
    assert!(store.text(["repo", "list"]).ok().stdout.contains("failed 2"));
    let checks = store.run(["doctor"]).exits(4).documents();
    let failed = checks.iter().find(|check| check["check"] == "gc").unwrap();
    assert!(failed["detail"].as_str().unwrap().contains(&key), "{failed}");
    let kept = store.run(["prune", "--grace", "0s"]).exits(4).json();
    assert_eq!(
        (&kept["packs_deleted"], &kept["packs_kept"], kept["kept"].as_array().unwrap().len()),
        (&0.into(), &7.into(), 7)
    );
    assert_eq!(
        (&kept["kept"][0]["repo"], kept["kept"][0]["detail"].as_str().unwrap().contains(&key)),
        (&"a/b".into(), true)
    );
    assert!(store.text(["prune", "--grace", "0s"]).exits(4).stdout.contains("7 packs kept"));

    std::fs::write(&pack, sound).unwrap();
    store.run(["verify"]).ok();
    assert_eq!((metric(&store).as_str(), &store.show()["damaged"]), ("0", &serde_json::json!([])));
    store.run(["doctor"]).ok();

    Harm::Missing.does(&pack);
    store.run(["fetch", "a/b"]).exits(4);
    assert_eq!(store.show()["damaged"][0]["found_by"], "fetch");
    let repaired = store.run(["verify", "--repair"]).ok().json();
    assert_eq!(
        (&repaired["ok"], &repaired["repaired"][0]["pack"]),
        (&true.into(), &key.as_str().into())
    );
    assert_eq!(store.show()["damaged"], serde_json::json!([]));
    assert_eq!(store.gc()["consolidated_key"], fixtures::CONSOLIDATED_KEY);
}

#[tokio::test]
async fn what_is_known_of_an_index_is_told_and_keeps_packs() {
    let (on, _) = consolidated().await;
    place::sql(&on.data(), "UPDATE shelves SET objects = objects + 1 WHERE id = 1".into()).await;
    assert!(!verify(&on).await.ok);
    assert_eq!(known(&on).await, [(None, "verify".to_owned())]);
    assert_eq!(prune(&on.store, NOW).await.packs_kept, 3);
    assert!(store_metrics(&on.store).await.unwrap().contains("packhouse_damaged_packs 1"));
    place::sql(&on.data(), "UPDATE shelves SET objects = objects - 1 WHERE id = 1".into()).await;
    on.sound().await;
    assert_eq!((known(&on).await, prune(&on.store, NOW).await.packs_deleted), (vec![], 3));
}

/// Cuts all roots of the index short.
const CUT: &str = "UPDATE index_runs SET root = substr(root, 1, 100)";

#[tokio::test]
async fn a_damaged_index_is_a_finding_of_verify_and_an_error_of_other_verbs() {
    let (on, _) = consolidated().await;
    place::sql(&on.data(), CUT.into()).await;
    let report = verify(&on).await;
    let found = report.problems.iter().filter(|found| found.kind == ProblemKind::DamagedCatalog);
    let details: Vec<&str> = found.map(|found| &*found.detail).collect();
    assert!(!report.ok && details.len() == 1, "{:?}", report.problems);
    let named =
        "of the index is corrupt: its checksum does not match. Rebuild it from the packs with";
    assert!(
        details[0].starts_with("the root of run ") && details[0].contains(named),
        "{details:?}"
    );
    assert_eq!(known(&on).await, [(None, "verify".to_owned())]);
    let request = FetchRequest { want: vec!["7".repeat(64)], ..FetchRequest::default() };
    let error = on.store.fetch(&on.repo, &request, &silent()).await.unwrap_err();
    assert_eq!(error.class(), Class::Damage, "{error}");
}

/// All entities of a repo, with their encodings and the packs that they are mapped to.
async fn indexed(on: &TestStore) -> Vec<(IndexRow, MpackKey)> {
    let catalog = options(&on.data()).catalog.open().await.unwrap();
    let repo = catalog.repo(&on.repo).await.unwrap().unwrap();
    let mut snapshot = catalog.snapshot(repo.id).await.unwrap();
    let shelves = snapshot.shelves().await.unwrap();
    let packs: BTreeMap<_, _> = shelves.iter().map(|shelf| (shelf.id, shelf.pack.key)).collect();
    let rows = snapshot.index_page(None, u32::MAX).await.unwrap();
    rows.into_iter().map(|(row, shelf)| (row, packs[&shelf])).collect()
}

#[tokio::test]
async fn repair_rebuilds_a_damaged_index_as_it_was() {
    const NEWEST_IS_GONE: &str =
        "DELETE FROM index_runs WHERE age = (SELECT max(age) FROM index_runs)";
    for harm in [CUT, NEWEST_IS_GONE] {
        let (on, _) = consolidated().await;
        // The first records again, in a smaller pack, and new ones: the old ones stay where they are.
        let [more, ..] =
            &history(&HistoryOptions { seed: 9, pushes: 1, ..HistoryOptions::default() })[..]
        else {
            panic!("one push")
        };
        let again = model::consolidate(&packs()[..1], &model::heads_of(&packs()[..1]));
        on.push_each(&[&again, more]).await;
        let before = indexed(&on).await;
        let shown = on.show().await;
        place::sql(&on.data(), harm.into()).await;
        let report = repair(&on).await;
        assert!(report.ok, "{harm}: {:?}", report.problems);
        let repaired = report.repaired.unwrap();
        assert_eq!((repaired.len(), repaired[0].pack), (1, None), "{harm}");
        assert_eq!(repaired[0].entities, before.len() as u64, "{harm}");
        assert_eq!(indexed(&on).await, before, "{harm}");
        let after = on.show().await;
        assert_eq!(
            (after.packs, after.objects, after.bytes),
            (shown.packs, shown.objects, shown.bytes)
        );
        on.sound().await;
        on.push_each(&packs()).await;
        on.gc().await.unwrap();
        on.sound().await;
    }
}

#[tokio::test]
async fn an_index_is_not_rebuilt_while_a_pack_is_missing_or_entities_would_be_forgotten() {
    let (on, key) = consolidated().await;
    place::sql(&on.data(), CUT.into()).await;
    let pack = file(&on.data(), &key);
    let sound = std::fs::read(&pack).unwrap();
    Harm::Missing.does(&pack);
    let report = repair(&on).await;
    let kinds: Vec<ProblemKind> = report.problems.iter().map(|found| found.kind).collect();
    assert_eq!(kinds, [ProblemKind::MissingPack, ProblemKind::DamagedCatalog], "{report:?}");
    std::fs::write(&pack, sound).unwrap();
    let counts = |objects: &str| format!("UPDATE repos SET objects = objects {objects}");
    place::sql(&on.data(), counts("+ 1")).await;
    let report = repair(&on).await;
    let last = &report.problems.last().unwrap().detail;
    assert!(
        !report.ok && last.starts_with("the index can't be rebuilt: its packs have "),
        "{last}"
    );
    place::sql(&on.data(), counts("- 1")).await;
    assert!(repair(&on).await.ok);
    on.sound().await;
}

#[tokio::test]
async fn answers_and_orphans_of_a_damaged_repo_are_kept() {
    let (on, key) = consolidated().await;
    let head = on.heads().await.into_values().next().unwrap();
    let request =
        FetchRequest { want: vec![head], ttl: Duration::from_secs(1), ..FetchRequest::default() };
    let answer = on.store.fetch(&on.repo, &request, &silent()).await.unwrap();
    assert!(!answer.reused);
    let orphan = file(&on.data(), &MpackKey::new([7; 32]));
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, b"what a crash left").unwrap();
    let pack = file(&on.data(), &key);
    let sound = std::fs::read(&pack).unwrap();
    Harm::Empty.does(&pack);
    let ahead = StoreOptions {
        clock: Arc::new(FixedClock::starting_at("2099-01-01T00:00:00Z".parse().unwrap())),
        ..options(&on.data())
    };
    let later = ahead.open().await.unwrap();
    // What a crash has just left is newer than all that the catalog knows.
    let orphans = PruneOptions { orphans: true, newer: true, ..NOW };
    let report = prune(&later, orphans).await;
    assert_eq!(
        (report.orphans_deleted, report.packs_deleted, report.packs_kept),
        (0, 0, 5),
        "replaced packs, the answer and the orphan: {report:?}"
    );
    assert!(orphan.exists());
    let report = prune(&later, NOW).await;
    assert_eq!((report.answers_deleted, report.packs_kept), (0, 4), "{report:?}");
    std::fs::write(&pack, sound).unwrap();
    on.sound().await;
    let report = prune(&later, orphans).await;
    assert_eq!(
        (report.orphans_deleted, report.packs_deleted, report.answers_deleted),
        (1, 3, 1),
        "{report:?}"
    );
    on.sound().await;
}

#[tokio::test]
async fn gc_of_all_goes_on_past_a_damaged_repo() {
    let store = Packhouse::new();
    for repo in ["a/b", "c/d", "e/f"] {
        store.run(["repo", "create", repo]).ok();
        for file in &fixtures::muse_cli()[..2] {
            store.run([std::ffi::OsStr::new("push"), repo.as_ref(), file.as_os_str()]).ok();
        }
    }
    let only_theirs = history(&HistoryOptions {
        seed: 99,
        pushes: 1,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    })
    .remove(0);
    let pushed = store.run(["push", "c/d", &store.file("theirs", &only_theirs)]).ok().json();
    Harm::Empty.does(&file(&store.data(), &pushed["mpack_key"].as_str().unwrap().parse().unwrap()));
    let ran = store.run(["gc", "--all"]).exits(4);
    let repos: Vec<String> =
        ran.documents().iter().map(|report| report["repo"].as_str().unwrap().to_owned()).collect();
    assert_eq!(repos, ["a/b", "e/f"], "{ran:?}");
    for line in store.run(["repo", "list"]).ok().documents() {
        let (packs, damaged) = if line["repo"] == "c/d" { (3, 1) } else { (1, 0) };
        assert_eq!(
            (&line["packs"], line["damaged"].as_array().unwrap().len()),
            (&packs.into(), damaged),
            "{line}"
        );
    }
}

/// The last consolidation failed because of damage: the repo is no longer called failed when a push
/// has brought the damaged pack again, or a repair has restored it.
#[tokio::test]
async fn a_failed_consolidation_counts_until_the_damage_is_repaired() {
    for heal in ["push", "repair"] {
        let store = Packhouse::with_repo();
        let files = fixtures::muse_cli();
        let pushed = store.push(&files[..2]).ok().documents();
        let lost = pushed[0]["mpack_key"].as_str().unwrap().parse().unwrap();
        let (place, aside) = (file(&store.data(), &lost), store.scratch().join("aside"));
        std::fs::rename(&place, &aside).unwrap();
        store.run(["gc", "a/b"]).exits(4);
        let of_gc = |store: &Packhouse| {
            let checks = store.run(["doctor"]).documents();
            let of_gc = checks.iter().filter(|check| check["check"] == "gc").count();
            let bad = checks.iter().filter(|check| check["status"] == "fail").count();
            (of_gc, bad)
        };
        assert_eq!(of_gc(&store), (1, 1), "the failure, and the damage");
        assert!(store.text(["repo", "list"]).ok().stdout.contains("damaged"));

        match heal {
            "push" => drop(store.push(&files[..1]).ok()),
            _ => {
                std::fs::rename(&aside, &place).unwrap();
                store.run(["verify", "--repair", "a/b"]).ok();
            }
        }
        assert_eq!(of_gc(&store), (0, 0), "{heal}");
        let listed = store.text(["repo", "list"]).ok().stdout;
        assert!(
            listed.contains("failed, repaired since") && !listed.contains("damaged"),
            "{listed}"
        );
        let opened = options(&store.data()).open().await.unwrap();
        let summary = opened.summary(&"a/b".parse().unwrap()).await.unwrap();
        assert!(!summary.gc_failed() && opened.health().await.unwrap().damaged_repos == 0);
        let last = summary.last_gc.unwrap();
        assert_eq!((&last.outcome[..], last.error_code.as_deref()), ("failed", Some("damage")));
        store.gc();
        let listed = store.text(["repo", "list"]).ok().stdout;
        assert!(!listed.contains("failed"), "{listed}");
    }
}
