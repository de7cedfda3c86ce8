//! Stores whose packs are on S3, through the library and through the binary.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::vault::Traffic;
use packhouse_host::{
    Error, FetchRequest, GcOptions, Progress, Storage, Store, StoreOptions, VerifyOptions,
};
use packhouse_tests::binary::Packhouse;
use packhouse_tests::cases::line_of_commits;
use packhouse_tests::faulty::{self, Fault, Moment};
use packhouse_tests::fixtures::{CONSOLIDATED_BYTES, CONSOLIDATED_KEY, muse_cli};
use packhouse_tests::model;
use packhouse_tests::s3::{S3Server, get};
use packhouse_tests::store::{PREFIX, TestStore, options};

/// Options for the store of another folder with packs in the same bucket; its copies are new.
fn elsewhere(store: &TestStore, folder: &Path, prefix: &str) -> StoreOptions {
    let server = store.server.as_ref().unwrap();
    StoreOptions {
        packs: Storage::S3(server.options(prefix, &folder.join("spool"))),
        ..options(folder)
    }
}

/// The same store, opened again and without cached packs.
async fn without_copies(store: &TestStore) -> Store {
    let _ = std::fs::remove_dir_all(store.data().join("spool"));
    elsewhere(store, &store.data(), PREFIX).open().await.unwrap()
}

fn packs() -> Vec<Vec<u8>> {
    history(&HistoryOptions {
        pushes: 3,
        heads: HeadStyle::OwnBranch,
        object_bytes: 10..200,
        ..HistoryOptions::default()
    })
}

fn between(before: Traffic, after: Traffic) -> Traffic {
    Traffic {
        requests: after.requests - before.requests,
        write_requests: after.write_requests - before.write_requests,
        bytes_up: after.bytes_up - before.bytes_up,
        bytes_down: after.bytes_down - before.bytes_down,
    }
}

/// Where a pack of a binary's store is on the server's disk.
fn object(server: &S3Server, key: &str) -> PathBuf {
    let hex = &key["sha256:".len()..];
    server.file(&format!("{PREFIX}/packs/{}/{hex}.mpack", &hex[..2]))
}

/// Changes a byte in the middle of a file.
fn spoil(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file, bytes).unwrap();
}

/// The copies that a store has.
fn copies(data: &Path) -> Vec<PathBuf> {
    let folders = std::fs::read_dir(data.join("spool/packs")).into_iter().flatten();
    folders
        .flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap())
        .map(|file| file.unwrap().path())
        .collect()
}

#[test]
fn the_real_clients_packs_become_the_same_one_as_on_local_files() {
    let server = S3Server::start();
    let store = Packhouse::on_s3(&server);
    for file in muse_cli() {
        store.push([file]).ok();
    }
    assert_eq!(store.show()["packs"], 7);
    assert!(store.pack_files().is_empty(), "no pack is stored on the local disk");
    let stored: u64 = store.show()["bytes"].as_u64().unwrap();

    std::fs::remove_dir_all(store.data().join("spool")).unwrap();
    let plan = store.run(["gc", "a/b", "--dry-run"]).ok().json();
    assert_eq!(plan["cost"]["bytes_to_download"], stored);
    assert!(plan["cost"]["peak_disk"].as_u64().unwrap() > stored + CONSOLIDATED_BYTES);
    let report = store.gc();
    assert_eq!(
        (&report["consolidated_key"], &report["bytes_after"]),
        (&CONSOLIDATED_KEY.into(), &CONSOLIDATED_BYTES.into())
    );

    let (answer, _) = store.fetch(&[]);
    assert_eq!((&answer["mpack_key"], &answer["reused"]), (&CONSOLIDATED_KEY.into(), &true.into()));
    let head = store.show()["branch_heads"]["main"].as_str().unwrap().to_owned();
    let (assembled, _) = store.fetch(&["--have", &head]);
    assert_eq!((&assembled["reused"], &assembled["commit_count"]), (&false.into(), &0.into()));
    store.run(["verify", "a/b"]).ok();

    let pruned = store.run(["prune", "--grace", "0s"]).ok().json();
    assert_eq!(pruned["packs_deleted"], 7);
    let left = server.objects(&format!("{PREFIX}/packs"));
    assert_eq!(left.len(), 2, "the pack and its directory: {left:?}");
    store.run(["verify", "a/b"]).ok();
    let checks = store.run(["doctor"]).ok().documents();
    assert!(
        checks.iter().any(|check| check["check"] == "bucket" && check["status"] == "ok"),
        "{checks:?}"
    );
}

#[test]
fn what_is_wrong_with_a_bucket_is_told_by_every_verb_and_by_the_doctor() {
    let server = S3Server::start();
    let store = Packhouse::on_s3(&server).with_env("AWS_SECRET_ACCESS_KEY", "not-the-secret");
    store.run(["repo", "list"]).exits(1).says(&[
        "SignatureDoesNotMatch",
        "AWS_SECRET_ACCESS_KEY",
        PREFIX,
    ]);
    let checks = store.run(["doctor"]).exits(1).documents();
    let failed: Vec<_> = checks.iter().filter(|check| check["status"] == "fail").collect();
    assert_eq!(failed.len(), 1, "one finding: {checks:?}");
    assert_eq!(failed[0]["check"], "bucket");
    store.run(["--storage", "s3://", "repo", "list"]).exits(2).says(&["expected s3://BUCKET"]);
    let new = Packhouse::new()
        .with_env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .with_env("PACKHOUSE_S3_PATIENCE", "1");
    let new = new.with_env("AWS_ACCESS_KEY_ID", "a").with_env("AWS_SECRET_ACCESS_KEY", "b");
    new.run(["--storage", "s3://b/p", "repo", "list"])
        .exits(1)
        .says(&["s3://b/p", "http://127.0.0.1:9"]);
    assert!(!new.data().join("catalog.db").exists(), "nothing was created");
}

fn check(store: &Packhouse, name: &str, code: i32) -> serde_json::Value {
    let checks = store.run(["doctor"]).exits(code).documents();
    checks
        .iter()
        .find(|check| check["check"] == name)
        .unwrap_or_else(|| panic!("no {name}: {checks:?}"))
        .clone()
}

#[test]
fn the_doctor_writes_to_the_bucket_and_the_folder_and_leaves_nothing() {
    let server = S3Server::start();
    let store = Packhouse::on_s3(&server);
    let before = server.objects("");
    let trial = check(&store, "trial write", 0);
    assert_eq!(
        (&trial["status"], &trial["way_out"]),
        (&"ok".into(), &serde_json::Value::Null),
        "{trial}"
    );
    assert!(trial["detail"].as_str().unwrap().contains("rejects corrupted uploads"), "{trial}");
    assert_eq!(server.objects(""), before);
    assert_eq!(server.unfinished(), 0);
    let spool = check(&store, "spool folder", 0);
    assert!(spool["detail"].as_str().unwrap().contains("does not exist yet"), "{spool}");
    store.push(&muse_cli()[..1]).ok();
    let spool = check(&store, "spool folder", 0);
    assert!(spool["detail"].as_str().unwrap().contains("is writable"), "{spool}");
}

#[test]
fn a_server_that_refuses_a_checksum_is_told_with_the_setting_that_it_takes() {
    for (refused, setting) in [(&["sha256"][..], "crc64nvme"), (&["sha256", "crc64nvme"], "none")] {
        let headers: Vec<String> =
            refused.iter().map(|name| format!("x-amz-checksum-{name}")).collect();
        let trouble: Vec<&str> =
            headers.iter().flat_map(|header| ["unknown", header, "0"]).collect();
        let server = S3Server::with_trouble(&trouble);
        let store = Packhouse::new().in_bucket(&server);
        let trial = check(&store, "trial write", 1);
        assert_eq!(trial["status"], "fail");
        let wanted = format!("PACKHOUSE_S3_CHECKSUM={setting}");
        assert!(trial["detail"].as_str().unwrap().contains(&wanted), "{trial}");
        assert!(server.objects("").is_empty(), "nothing is left: {:?}", server.objects(""));
        // With it, all goes well.
        let store = store.with_env("PACKHOUSE_S3_CHECKSUM", setting);
        store.run(["repo", "create", "a/b"]).ok();
        store.push(muse_cli()).ok();
        assert_eq!(check(&store, "trial write", 0)["status"], "ok");
        store.run(["verify"]).ok();
        store
            .with_env("PACKHOUSE_S3_CHECKSUM", "md5")
            .run(["repo", "list"])
            .exits(2)
            .says(&["PACKHOUSE_S3_CHECKSUM is md5"]);
    }
}

#[tokio::test]
async fn a_url_is_good_for_at_most_seven_days() {
    let store = TestStore::on_s3().await;
    store.push_each(&packs()).await;
    for (seconds, good) in [(604_800, true), (604_801, false)] {
        let request = FetchRequest { ttl: Duration::from_secs(seconds), ..FetchRequest::default() };
        match store.store.fetch(&store.repo, &request, &Progress::silent()).await {
            Ok(answer) => assert!(good && get(&answer.mpack_url).await.is_some()),
            Err(error) => {
                assert!(!good && matches!(error, Error::Usage(_)), "{error:?}");
                assert!(error.to_string().contains("at most 604800 seconds"), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn law_13_the_url_of_a_clone_downloads_nothing() {
    let store = TestStore::on_s3().await;
    store.push_each(&packs()).await;
    let key = store.gc().await.unwrap().consolidated_key;
    let cold = without_copies(&store).await;
    let before = cold.traffic();
    let answer =
        cold.fetch(&store.repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
    let taken = between(before, cold.traffic());
    assert_eq!((taken.requests, taken.bytes_down), (1, 0), "it is asked how large the pack is");
    assert_eq!((answer.mpack_key, answer.reused), (key, true));
    assert!(get(&answer.mpack_url).await.is_some());
}

/// What a pull of one of some commits downloads, from the consolidated pack of all of them, when
/// the process has read the head of its directory.
async fn pull_of_one(commits: usize) -> Traffic {
    let store = TestStore::on_s3().await;
    let (packs, ids) = line_of_commits(commits, 2, |_, _| ());
    store.push_each(&packs).await;
    store.gc().await.unwrap();
    let cold = without_copies(&store).await;
    let pull = async |at: usize| {
        let (want, have) = (vec![ids[at].clone()], vec![ids[at - 1].clone()]);
        let request = FetchRequest { want, have, ..FetchRequest::default() };
        let before = cold.traffic();
        let answer = cold.fetch(&store.repo, &request, &Progress::silent()).await.unwrap();
        assert_eq!((answer.commit_count, answer.snapshot_count, answer.object_count), (1, 1, 10));
        between(before, cold.traffic())
    };
    pull(commits / 2).await;
    pull(commits - 1).await
}

/// Ten times the history: the same few requests and bytes.
#[tokio::test]
async fn law_13_a_pull_downloads_what_lies_between() {
    for commits in [400, 4_000] {
        let Traffic { requests, write_requests, bytes_down, .. } = pull_of_one(commits).await;
        let reads = requests - write_requests;
        assert!(reads <= 16 && bytes_down <= 300_000, "{commits}: {reads}, {bytes_down} bytes");
    }
}

#[tokio::test]
async fn law_13_a_pull_downloads_its_spans() {
    let store = TestStore::on_s3().await;
    let packs = history(&HistoryOptions {
        pushes: 8,
        commits_per_push: 5,
        objects_per_commit: 5,
        object_bytes: 120_000..180_000,
        merges: false,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    store.push_each(&packs).await;
    store.gc().await.unwrap();
    let heads = |packs: &[Vec<u8>]| model::heads_of(packs).into_values().collect::<Vec<String>>();
    let (want, have) = (heads(&packs[7..]), heads(&packs[6..7]));
    let request = FetchRequest { want, have, ..FetchRequest::default() };
    let cold = without_copies(&store).await;
    let before = cold.traffic();
    let answer = cold.fetch(&store.repo, &request, &Progress::silent()).await.unwrap();
    let Traffic { bytes_down, .. } = between(before, cold.traffic());
    assert!(answer.bytes > 3 << 20, "{} bytes sent", answer.bytes);
    assert!(bytes_down <= answer.bytes * 11 / 10, "{bytes_down} for {}", answer.bytes);
}

#[test]
fn damage_in_the_bucket_is_found_though_there_is_a_sound_copy() {
    let server = S3Server::start();
    let store = Packhouse::on_s3(&server);
    let pushed = store.push([store.file("p", &packs()[0])]).ok().json();
    let key = pushed["mpack_key"].as_str().unwrap();
    spoil(&object(&server, key));
    assert_eq!(copies(&store.data()).len(), 1);
    let report = store.run(["verify", "a/b"]).exits(4).json();
    assert_eq!(
        (&report["problems"][0]["kind"], &report["problems"][0]["pack"]),
        (&"damaged-pack".into(), &key.into())
    );
    // Without a copy a consolidation finds it, too.
    store.push([store.file("q", &packs()[1])]).ok();
    std::fs::remove_dir_all(store.data().join("spool")).unwrap();
    store.run(["gc", "a/b"]).exits(4).says(&[key, "damaged", "s3://"]);
    std::fs::remove_file(object(&server, key)).unwrap();
    store.run(["gc", "a/b"]).exits(4).says(&[key, "not in storage", "s3://"]);
}

#[tokio::test]
async fn a_copy_that_is_damaged_is_got_again() {
    let store = TestStore::on_s3().await;
    store.push_each(&packs()).await;
    for copy in copies(&store.data()) {
        spoil(&copy);
    }
    let expected = model::key(&model::consolidate(&packs(), &model::heads_of(&packs())));
    assert_eq!(store.gc().await.unwrap().consolidated_key.unwrap().to_string(), expected);
    for copy in copies(&store.data()) {
        spoil(&copy);
    }
    let (answer, _) = store.fetch(&[], &[]).await.unwrap();
    assert_eq!(answer.mpack_key.unwrap().to_string(), expected);
    store.sound().await;
}

#[tokio::test]
async fn packs_that_the_spool_can_not_hold_are_refused_before_they_are_downloaded() {
    let store = TestStore::on_s3().await;
    store.push_each(&packs()).await;
    let _ = std::fs::remove_dir_all(store.data().join("spool"));
    let mut bounded = elsewhere(&store, &store.data(), PREFIX);
    let Storage::S3(bucket) = &mut bounded.packs else { panic!("it is on S3") };
    let bytes = store.show().await.bytes;
    bucket.budget = bytes - 1;
    let bounded = bounded.open().await.unwrap();
    let before = bounded.traffic();
    let error =
        bounded.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap_err();
    assert!(matches!(error, Error::SpoolTooSmall { needed, .. } if needed == bytes), "{error:?}");
    assert!(error.to_string().contains(&format!("PACKHOUSE_SPOOL_BYTES={bytes}")), "{error}");
    assert_eq!(between(before, bounded.traffic()), Traffic::default());
    // A fetch does not need them all at once.
    let answer =
        bounded.fetch(&store.repo, &FetchRequest::default(), &Progress::silent()).await.unwrap();
    assert!(get(&answer.mpack_url).await.is_some());
}

/// What a consolidation of many packs costs; printed for docs/operations.md.
#[tokio::test]
async fn a_consolidation_asks_for_each_pack_once() {
    const N: u64 = 100;
    let store = TestStore::on_s3().await;
    store
        .push_each(&history(&HistoryOptions { pushes: N as usize, ..HistoryOptions::default() }))
        .await;
    let stored = store.show().await.bytes;
    let cold = without_copies(&store).await;
    let before = cold.traffic();
    let report = cold.gc(&store.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    let taken = between(before, cold.traffic());
    println!("{N} packs, {stored} bytes, became one of {} bytes: {taken:?}", report.bytes_after);
    // Its directory and itself, of each pack; the new pack and its directory, each sent and
    // checked; the new pack once more, read back; and before the first write, the identity of the
    // vault and its catalogs.
    assert_eq!((taken.requests, taken.write_requests), (2 * N + 7, 3));
    let directories = 72 * report.phase.proven.unwrap().records + 200 * N;
    let down = stored + report.bytes_after;
    assert!(taken.bytes_down >= down && taken.bytes_down < down + 3 * directories, "{taken:?}");
    assert!(
        taken.bytes_up > report.bytes_after
            && taken.bytes_up < report.bytes_after + 2 * directories,
        "{taken:?}"
    );
}

/// What is shown needs the directories and the histories; a fetch of little needs little.
#[tokio::test]
async fn large_packs_are_not_downloaded_for_what_needs_little_of_them() {
    let store = TestStore::on_s3().await;
    // Two encodings of one object that are of one length would have to be compared: then the pack
    // is got whole.
    let large = HistoryOptions {
        overlap: false,
        object_bytes: 1_400_000..1_500_000,
        objects_per_commit: 2,
        ..HistoryOptions::default()
    };
    store.push_each(&history(&large)).await;
    let stored = store.show().await.bytes;
    let expected = store.gc().await.unwrap().consolidated_key;
    let far = without_copies(&store).await;
    let before = far.traffic();
    let have = store.heads().await.into_values().collect();
    let request = FetchRequest { have, ..FetchRequest::default() };
    far.fetch(&store.repo, &request, &Progress::silent()).await.unwrap();
    let taken = between(before, far.traffic());
    assert!(taken.bytes_down < stored / 4, "a fetch of next to nothing took {taken:?} of {stored}");

    let again = TestStore::on_s3().await;
    again.push_each(&history(&large)).await;
    let far = without_copies(&again).await;
    let before = far.traffic();
    let plan = far.plan_gc(&again.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    let taken = between(before, far.traffic());
    assert!(taken.bytes_down < stored / 2, "planning took {taken:?} of {stored}");
    assert_eq!(far.apply_gc(plan, &Progress::silent()).await.unwrap().consolidated_key, expected);
}

#[test]
fn processes_share_copies() {
    let server = S3Server::start();
    let store = Packhouse::on_s3(&server);
    for file in muse_cli() {
        store.push([file]).ok();
    }
    for _ in 0..2 {
        std::fs::remove_dir_all(store.data().join("spool")).unwrap();
        let fetching: Vec<_> = (0..4)
            .map(|_| store.command(["fetch", "a/b"]).stdout(Stdio::null()).spawn().unwrap())
            .collect();
        for mut fetch in fetching {
            assert!(fetch.wait().unwrap().success());
        }
        assert_eq!(std::fs::read_dir(store.data().join("spool/staging")).unwrap().count(), 0);
    }
    store.run(["verify", "a/b"]).ok();
}

/// Law 5, with remote packs: every call of a consolidation fails once, before or after it has done
/// its work.
#[tokio::test]
async fn law_5_on_s3_a_consolidation_that_fails_anywhere_loses_nothing_and_the_next_finishes() {
    let sandbox = Sandbox::reference(None).unwrap();
    let filled = TestStore::on_s3().await;
    filled.push(&packs()).await.unwrap();
    let (_, expected) = filled.fetch(&[], &[]).await.unwrap();
    let key = model::key(&model::consolidate(&packs(), &model::heads_of(&packs())));
    let server = filled.server.as_ref().unwrap();
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let place = format!("call {call} fails {moment:?}");
            let folder = tempfile::tempdir().unwrap();
            faulty::copy(&filled.data(), folder.path());
            let prefix = format!("{moment:?}/{call}");
            faulty::copy_files(&server.file(PREFIX), &server.file(&prefix));
            let fault = Fault::at(call, moment);
            let at = || elsewhere(&filled, folder.path(), &prefix);
            let faulty = faulty::open(at(), sandbox.clone(), &fault).await.unwrap();
            let failed =
                faulty.gc(&filled.repo, GcOptions::default(), &Progress::silent()).await.is_err();
            drop(faulty);

            let store = faulty::open(at(), sandbox.clone(), &Fault::never()).await.unwrap();
            let fetched = async || {
                let request =
                    FetchRequest { ttl: Duration::from_secs(600), ..FetchRequest::default() };
                let answer =
                    store.fetch(&filled.repo, &request, &Progress::silent()).await.unwrap();
                get(&answer.mpack_url).await.unwrap()
            };
            assert!(fetched().await == expected, "{place}");
            assert!(
                store
                    .verify(&filled.repo, VerifyOptions::default(), &Progress::silent())
                    .await
                    .unwrap()
                    .ok,
                "{place}"
            );
            let report =
                store.gc(&filled.repo, GcOptions::default(), &Progress::silent()).await.unwrap();
            assert_eq!(report.consolidated_key.unwrap().to_string(), key, "{place}");
            assert!(fetched().await == expected, "{place}");
            if !fault.struck() {
                assert!(!failed && call > 5, "{call} calls in all");
                break;
            }
        }
    }
}
