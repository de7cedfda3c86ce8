//! Backups, restores, and catalogs that are older than their packs.

use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::sandbox::Sandbox;
use packhouse_host::{BackupOptions, Progress, VerifyOptions};
use packhouse_tests::binary::{Packhouse, program};
use packhouse_tests::faulty::{self, Fault, Moment, copy_files};
use packhouse_tests::store::{TestStore, options};
use packhouse_tests::{fixtures, model, place, postgres, s3};
use serde_json::Value;

fn filled() -> Packhouse {
    let store = Packhouse::with_repo();
    for file in &fixtures::muse_cli()[..4] {
        store.push([file]).ok();
    }
    store.run(["repo", "create", "c/d", "--private"]).ok();
    store.run(["push", "c/d", fixtures::muse_cli()[0].to_str().unwrap()]).ok();
    store
}

fn back_up(store: &Packhouse, to: &Path, words: &[&str]) -> Value {
    let mut all = vec!["backup", to.to_str().unwrap()];
    all.extend_from_slice(words);
    store.run(all).ok().json()
}

fn numbers(report: &Value) -> [u64; 5] {
    ["packs", "linked", "copied", "removed", "verified"]
        .map(|field| report[field].as_u64().unwrap())
}

/// Files and folders below a folder, with their modes; caches, which tests put there, left out.
fn below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap() == "cache" {
            continue;
        }
        found.push((path.clone(), std::fs::metadata(&path).unwrap().permissions().mode() & 0o777));
        if path.is_dir() {
            found.extend(below(&path));
        }
    }
    found
}

/// The same of a store and of its backup. When their packs were checked differs: a `verify` is such
/// a check.
fn tells(store: &Packhouse, data: &Path) -> Vec<Value> {
    let calls: [&[&str]; 4] =
        [&["repo", "list"], &["verify"], &["jobs", "list"], &["token", "list"]];
    let mut told: Vec<Value> =
        calls.iter().flat_map(|words| store.at(data, *words).ok().documents()).collect();
    for document in &mut told {
        if let Some(fields) = document.as_object_mut() {
            fields.remove("oldest_check");
        }
    }
    told
}

fn flip(file: &Path) {
    std::fs::set_permissions(file, PermissionsExt::from_mode(0o600)).unwrap();
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 100).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 100).unwrap();
}

#[test]
fn a_backup_is_a_store_that_holds_what_the_store_held() {
    let store = filled();
    store.gc();
    store.push(&fixtures::muse_cli()[4..]).ok();
    store.run(["token", "create", "--scope", "read", "--repo", "*"]).ok();
    let to = store.scratch().join("backups/today");
    let report = back_up(&store, &to, &[]);
    let packs = store.pack_files().len() as u64;
    assert_eq!(
        numbers(&report),
        [packs, packs, 0, 0, packs],
        "on one disk, packs are linked: {report}"
    );
    assert_eq!(
        (&report["repos"], &report["ok"], &report["problems"]),
        (&2.into(), &true.into(), &Value::Array(Vec::new()))
    );
    assert_eq!(report["directory"], to.canonicalize().unwrap().to_str().unwrap());
    let bytes: u64 =
        store.pack_files().iter().map(|file| std::fs::metadata(file).unwrap().len()).sum();
    assert_eq!(report["bytes"], bytes);
    assert!(report["elapsed_ms"].is_u64());
    let names: Vec<_> = std::fs::read_dir(to.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["today"], "nothing is left beside it");
    assert!(!to.join("catalog.db-wal").exists() && !to.join("catalog.db.new").exists());
    assert_eq!(tells(&store, &to), tells(&store, &store.data()));
    // Pruning either does nothing to the other, and neither takes the other for a second catalog.
    store.run(["prune", "--grace", "0s", "--orphans"]).ok();
    assert_eq!(store.at(&to, ["prune", "--grace", "8d", "--orphans"]).ok().json()["orphans"], 0);
    assert_eq!(store.at(&to, ["verify"]).ok().documents().len(), 2);
    store.at(&to, ["gc", "--all"]).ok();
    store.at(&to, ["prune", "--grace", "0s", "--orphans"]).ok();
    store.at(&to, ["verify"]).ok();
    store.run(["verify"]).ok();
}

#[test]
fn a_backup_is_for_its_owner_only_whatever_the_umask() {
    let store = filled();
    let to = store.scratch().join("backup");
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask 0; exec \"$@\"", "sh"])
        .arg(program())
        .arg("--data")
        .arg(store.data());
    let out = command.args(["backup"]).arg(&to).env("HOME", store.scratch()).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o700);
    for (path, mode) in below(&to) {
        let linked = std::fs::metadata(&path).unwrap().nlink() > 1 && path.is_file();
        // The store's own file has the store's mode, in a private folder.
        assert!(linked || mode & 0o077 == 0, "{} has mode {mode:o}", path.display());
    }
}

/// A script in a mount namespace of its own, with a disk of memory at `$DISK`.
fn with_disk(store: &Packhouse, lines: &str) -> Option<std::process::Output> {
    let disk = store.scratch().join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let text = format!(
        "mount -t tmpfs -o size=32m tmpfs \"$DISK\" || exit 90
        packhouse() {{ '{}' --json \"$@\"; }}\n{lines}",
        program().display()
    );
    for way in [&["unshare", "--mount"][..], &["unshare", "--map-root-user", "--mount"]] {
        let mut command = Command::new(way[0]);
        command
            .args(&way[1..])
            .args(["sh", "-c", &text])
            .env("DISK", &disk)
            .env("DATA", store.data());
        let out = command.env("HOME", store.scratch()).env("NO_COLOR", "1").output().unwrap();
        if !matches!(out.status.code(), Some(90))
            && !String::from_utf8_lossy(&out.stderr).contains("unshare failed")
        {
            return Some(out);
        }
    }
    packhouse_tests::skipped(
        "mount",
        "this system lets tests mount nothing (unshare --mount fails)",
    );
    None
}

#[test]
fn on_another_disk_packs_are_copied_and_a_mounted_disk_itself_is_refused() {
    let store = filled();
    let lines = "packhouse --data \"$DATA\" backup \"$DISK\" && exit 91
        packhouse --data \"$DATA\" backup \"$DISK/one\" || exit 92
        test -z \"$(find \"$DISK/one\" -type f -perm /077)\" || exit 94
        test -z \"$(find \"$DISK/one\" -type d -perm /077)\" || exit 95
        ln -s \"$DATA/cache\" \"$DISK/one/cache\"
        packhouse --data \"$DISK/one\" verify >&2 || exit 93
        packhouse --data \"$DATA\" backup --update \"$DISK/one\" || exit 96";
    let Some(out) = with_disk(&store, lines) else { return };
    let (told, why) = (
        String::from_utf8_lossy(&out.stdout).into_owned(),
        String::from_utf8_lossy(&out.stderr).into_owned(),
    );
    assert_eq!(out.status.code(), Some(0), "{told}{why}");
    assert!(why.contains("is a mount point"), "{why}");
    let reports: Vec<Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(numbers(&reports[0]), [4, 0, 4, 0, 4]);
    assert_eq!(numbers(&reports[1]), [4, 0, 0, 0, 4], "nothing is new");
}

#[test]
fn what_is_no_place_for_a_backup_is_refused_and_nothing_is_changed() {
    let store = filled();
    let scratch = store.scratch();
    let (full, other) = (scratch.join("full"), scratch.join("other"));
    std::fs::create_dir(&full).unwrap();
    std::fs::write(full.join("letter"), "dear").unwrap();
    let refused = |words: &[&str], says: &[&str]| {
        store.run(words).exits(1).says(says);
        assert_eq!(std::fs::read_to_string(full.join("letter")).unwrap(), "dear");
        assert_eq!(std::fs::read_dir(&full).unwrap().count(), 1);
        assert!(
            std::fs::read_dir(&scratch).unwrap().all(|entry| !entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with('.'))
        );
    };
    let full = full.to_str().unwrap();
    refused(&["backup", full], &["not empty", "--update", full]);
    refused(&["backup", "--update", full], &["not a backup of packhouse", full]);
    let data = store.data();
    let inside = data.join("backup");
    refused(&["backup", inside.to_str().unwrap()], &["is in the store itself"]);
    refused(&["backup", "--update", data.to_str().unwrap()], &["is in the store itself"]);
    refused(&["backup", data.join("deep/er").to_str().unwrap()], &["is in the store itself"]);
    assert!(!inside.exists() && !data.join("deep").exists());
    // The backup of another store, and one that has become a store.
    let second = Packhouse::with_repo();
    back_up(&second, &other, &[]);
    let words = ["backup", "--update", other.to_str().unwrap()];
    store.run(words).exits(1).says(&["is a backup of another store"]);
    second.at(&other, ["repo", "create", "new/work"]).ok();
    second.run(words).exits(1).says(&["was written to after it was created"]);
    assert_eq!(second.at(&other, ["repo", "show", "new/work"]).ok().json()["repo"], "new/work");
    // Where there is no store, there is nothing to back up.
    store
        .at(&scratch.join("absent"), ["backup", scratch.join("b").to_str().unwrap()])
        .exits(1)
        .says(&["there is no store"]);
    assert!(!scratch.join("b").exists() && !scratch.join("absent").exists());
}

#[test]
fn a_backup_that_is_brought_up_to_date_takes_only_what_is_new() {
    let store = filled();
    let to = store.scratch().join("backup");
    assert_eq!(
        numbers(&back_up(&store, &to, &["--update"])),
        [4, 4, 0, 0, 4],
        "where there is none, it is made"
    );
    assert_eq!(numbers(&back_up(&store, &to, &["--update"])), [4, 0, 0, 0, 4]);
    store.push(&fixtures::muse_cli()[4..]).ok();
    assert_eq!(numbers(&back_up(&store, &to, &["--update"])), [7, 3, 0, 0, 7]);
    // Looking at it is not writing to it.
    store.at(&to, ["verify"]).ok();
    store.gc();
    assert_eq!(numbers(&back_up(&store, &to, &["--update"])), [8, 1, 0, 0, 8]);
    store.run(["prune", "--grace", "0s"]).ok();
    assert_eq!(
        numbers(&back_up(&store, &to, &["--update"])),
        [2, 0, 0, 6, 2],
        "what is not needed any more goes"
    );
    assert_eq!(tells(&store, &to), tells(&store, &store.data()));
}

/// Whatever call fails: an existing backup is the old or the new one; a new one does not exist.
#[tokio::test]
async fn a_backup_that_fails_anywhere_leaves_the_one_before_or_none() {
    if !place::has_files() {
        return;
    }
    let packs = history(&HistoryOptions {
        pushes: 4,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let store = TestStore::new().await;
            store.push_each(&packs[..2]).await;
            let folder = tempfile::tempdir().unwrap();
            let (old, new) = (folder.path().join("old"), folder.path().join("new"));
            let progress = Progress::silent();
            store.store.back_up(&old, BackupOptions::default(), &progress).await.unwrap();
            store.push_each(&packs[2..]).await;
            store.gc().await.unwrap();
            let fault = Fault::at(call, moment);
            let faulty =
                faulty::open(options(&store.data()), Sandbox::reference(None).unwrap(), &fault)
                    .await
                    .unwrap();
            let update = faulty.back_up(&old, BackupOptions { update: true }, &progress).await;
            let struck = fault.struck();
            let made = faulty.back_up(&new, BackupOptions::default(), &progress).await;
            assert_eq!(
                (struck && update.is_ok(), made.is_ok()),
                (false, struck || !fault.struck()),
                "call {call}, {moment:?}"
            );
            let below: Vec<_> = std::fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect();
            assert_eq!(
                below.len(),
                1 + usize::from(made.is_ok()),
                "call {call}, {moment:?}: {below:?}"
            );
            // A copy of it: while it is open it can't be updated.
            let restored = tempfile::tempdir().unwrap();
            faulty::copy_files(&old, restored.path());
            let restored = options(restored.path()).open_existing().await.unwrap();
            let report =
                restored.verify(&store.repo, VerifyOptions::default(), &progress).await.unwrap();
            assert!(report.ok, "call {call}, {moment:?}: {:?}", report.problems);
            store.store.back_up(&old, BackupOptions { update: true }, &progress).await.unwrap();
            if !fault.struck() {
                assert!(call > 8, "{call} calls were made");
                break;
            }
        }
    }
}

#[test]
fn a_killed_backup_leaves_a_folder_that_the_next_one_removes() {
    let store = filled();
    let scratch = store.scratch();
    let left = scratch.join(format!(".backup.unfinished-backup-{}", "5f".repeat(16)));
    copy_files(&store.data().join("packs"), &left.join("packs"));
    // Foreign ones stay: another name, or a file.
    let others = [
        scratch.join(".backup.unfinished-backup-mine"),
        scratch.join(format!(".backup.unfinished-backup-{}", "a".repeat(32))),
    ];
    std::fs::create_dir(&others[0]).unwrap();
    std::fs::write(&others[1], "a file").unwrap();
    back_up(&store, &scratch.join("backup"), &[]);
    assert!(!left.exists());
    assert!(others.iter().all(|path| path.exists()));
}

#[test]
fn damage_in_the_store_is_told_and_what_is_sound_is_backed_up() {
    for how in ["damaged", "missing"] {
        let store = filled();
        let to = store.scratch().join("backup");
        let before = store.scratch().join("before");
        back_up(&store, &before, &[]);
        // A copy that is no link: what happens to the store does not happen to it.
        let apart = store.scratch().join("apart");
        copy_files(&before, &apart);
        // The last push of a/b: the other repo has another one.
        let shared: Vec<String> = serde_json::from_value(
            store.run(["repo", "show", "c/d"]).ok().json()["pack_keys"].clone(),
        )
        .unwrap();
        let file = store
            .pack_files()
            .into_iter()
            .find(|file| !shared[0].contains(file.file_stem().unwrap().to_str().unwrap()))
            .unwrap();
        let key = format!("sha256:{}", file.file_stem().unwrap().to_str().unwrap());
        match how {
            "damaged" => flip(&file),
            _ => std::fs::remove_file(&file).unwrap(),
        }
        let report = store.run(["backup", to.to_str().unwrap()]).exits(4).json();
        assert_eq!((&report["ok"], numbers(&report)[0]), (&false.into(), 3), "{how}: {report}");
        let problem = &report["problems"][0];
        assert_eq!(
            (&problem["repo"], &problem["pack"]),
            (&"a/b".into(), &key.as_str().into()),
            "{how}: {report}"
        );
        assert_eq!(problem["kind"], format!("{how}-pack"), "{report}");
        assert!(
            problem["detail"].as_str().unwrap().contains(store.data().to_str().unwrap()),
            "it names the store's file: {report}"
        );
        store.at(&to, ["verify", "c/d"]).ok();
        assert_eq!(
            store.at(&to, ["verify", "a/b"]).exits(4).json()["problems"][0]["kind"],
            "missing-pack"
        );
        // A backup that has the pack keeps it, and is sound. That the store lacks it is told.
        let name = file.strip_prefix(store.data()).unwrap();
        let update = store.run(["backup", "--update", apart.to_str().unwrap()]);
        let update = update.exits(if how == "missing" { 4 } else { 0 }).json();
        assert_eq!(numbers(&update), [4, 0, 0, 0, 4], "{how}: {update}");
        store.at(&apart, ["verify"]).ok();
        if how == "missing" {
            let problem = &update["problems"][0];
            assert_eq!(
                (&problem["kind"], &problem["pack"], update["problems"].as_array().unwrap().len()),
                (&"missing-pack".into(), &key.as_str().into(), 1),
                "{update}"
            );
            let detail = problem["detail"].as_str().unwrap();
            for place in [apart.join(name), file.clone()] {
                let place = place.parent().unwrap().canonicalize().unwrap();
                assert!(detail.contains(place.to_str().unwrap()), "{detail}");
            }
            assert_eq!(store.show()["damaged"][0]["found_by"], "backup");
        }
        // From there it comes back.
        std::fs::copy(apart.join(name), &file).unwrap();
        store.run(["verify"]).ok();
        assert_eq!(numbers(&back_up(&store, &to, &["--update"]))[0], 4, "and the backup is whole");
        store.at(&to, ["verify"]).ok();
    }
}

#[test]
fn a_backup_that_has_suffered_is_mended_from_the_store() {
    let store = filled();
    let to = store.scratch().join("backup");
    back_up(&store, &to, &[]);
    let name = store.pack_files()[0].strip_prefix(store.data()).unwrap().to_owned();
    // Its own file, not the store's.
    let bytes = std::fs::read(to.join(&name)).unwrap();
    std::fs::remove_file(to.join(&name)).unwrap();
    std::fs::write(to.join(&name), bytes).unwrap();
    flip(&to.join(&name));
    let report = back_up(&store, &to, &["--update"]);
    assert_eq!(numbers(&report), [4, 1, 0, 0, 4]);
    store.at(&to, ["verify"]).ok();
}

#[test]
fn a_store_is_restored_by_moving_its_backup_back() {
    let store = filled();
    let to = store.scratch().join("backup");
    back_up(&store, &to, &[]);
    let before = tells(&store, &to);
    // What was pushed after the backup is lost with the store.
    store.push(&fixtures::muse_cli()[4..]).ok();
    std::fs::rename(store.data(), store.scratch().join("lost")).unwrap();
    std::fs::rename(&to, store.data()).unwrap();
    assert_eq!(tells(&store, &store.data()), before);
    store.push(&fixtures::muse_cli()[4..]).ok();
    store.gc();
    for words in
        [&["prune", "--grace", "0s"][..], &["prune", "--grace", "0s", "--orphans"], &["verify"]]
    {
        store.run(words).ok();
    }
    // The catalog alone, into the store that has its packs.
    let again = store.scratch().join("again");
    back_up(&store, &again, &[]);
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(store.data().join(file));
    }
    std::fs::copy(again.join("catalog.db"), store.data().join("catalog.db")).unwrap();
    for words in [&["verify"][..], &["prune", "--grace", "0s", "--orphans"], &["verify"]] {
        store.run(words).ok();
    }
}

/// Packs that go and come while a backup is made: it is whole each time.
#[test]
fn pushes_consolidations_and_deletions_go_on_while_a_store_is_backed_up() {
    let store = Packhouse::with_repo();
    let packs = history(&HistoryOptions {
        pushes: 6,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    });
    let files: Vec<String> =
        packs.iter().enumerate().map(|(n, pack)| store.file(&format!("{n}.mpack"), pack)).collect();
    let scratch = store.scratch();
    let backups = std::thread::scope(|threads| {
        let tidying = threads.spawn(|| {
            for file in &files {
                store.push([file]).ok();
                store.gc();
                store.run(["prune", "--grace", "0s"]).ok();
            }
        });
        let mut backups = 0;
        // Also by a panic: then the scope fails.
        while !tidying.is_finished() {
            let to = scratch.join(format!("backup{}", backups % 3));
            assert_eq!(back_up(&store, &to, &["--update"])["ok"], true);
            backups += 1;
        }
        backups
    });
    assert!(backups > 1, "{backups} backups were made meanwhile");
    let last = scratch.join("last");
    back_up(&store, &last, &[]);
    assert_eq!(tells(&store, &last), tells(&store, &store.data()));
}

#[test]
fn what_is_on_servers_is_refused_with_the_way_to_back_it_up() {
    let server = s3::S3Server::start();
    let bucket = Packhouse::on_s3(&server);
    let to = bucket.scratch().join("backup");
    let words = ["backup", to.to_str().unwrap()];
    bucket.run(words).exits(1).says(&["pg_dump", "versioning", "docs/operations.md", "s3://"]);
    assert!(!to.exists());
    let Some(cluster) = postgres::cluster() else { return };
    let database = Packhouse::new().with_env("PACKHOUSE_DATABASE_URL", &cluster.database("backup"));
    database.run(["repo", "create", "a/b"]).ok();
    database.run(words).exits(1).says(&[
        "pg_dump",
        "versioning",
        "docs/operations.md",
        "postgres://",
    ]);
    assert!(!to.exists());
    bucket.run_remote("http://127.0.0.1:1", None, words).exits(2).says(&["without --remote"]);
}

/// The catalog of before the last push, in the place of the one of now.
fn older_catalog() -> (Packhouse, Vec<PathBuf>) {
    let store = filled();
    let old = store.scratch().join("catalog.db");
    std::fs::copy(store.data().join("catalog.db"), &old).unwrap();
    let before = store.pack_files();
    store.push(&fixtures::muse_cli()[4..]).ok();
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(store.data().join(file));
    }
    std::fs::copy(old, store.data().join("catalog.db")).unwrap();
    let fresh = store.pack_files().into_iter().filter(|file| !before.contains(file)).collect();
    (store, fresh)
}

fn age(files: &[PathBuf], days: u64) {
    for file in files {
        let then = SystemTime::UNIX_EPOCH
            + Duration::from_secs(
                std::fs::metadata(file).unwrap().mtime() as u64 - days * 24 * 3600,
            );
        std::fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
    }
}

#[test]
fn packs_that_are_newer_than_their_catalog_are_told_of_and_not_deleted() {
    for aged in [false, true] {
        let (store, fresh) = older_catalog();
        assert_eq!(fresh.len(), 3);
        if aged {
            // All of them, as after a copy that keeps other times: they are as old as each other.
            let all = store.pack_files();
            for file in &all {
                let when = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
                std::fs::File::options()
                    .write(true)
                    .open(file)
                    .unwrap()
                    .set_modified(when)
                    .unwrap();
            }
        }
        let says = ["looks older than its packs", "3 packs", "restored from a backup", "-wal"];
        store.run(["verify"]).exits(0).says(&says);
        let checks = store.run(["doctor"]).ok().documents();
        let told = checks.iter().find(|check| check["check"] == "packs").unwrap();
        assert_eq!(told["status"], "warn");
        assert!(told["detail"].as_str().unwrap().contains(says[0]), "{told}");
        for words in [
            &["prune", "--orphans"][..],
            &["prune", "--orphans", "--dry-run"],
            &["prune", "--orphans", "--grace", "0s"],
        ] {
            store
                .run(words)
                .exits(1)
                .says(&says)
                .says(&["--delete-newer-than-catalog", "nothing was deleted"]);
            assert!(fresh.iter().all(|file| file.exists()));
        }
        assert_eq!(
            store.run(["prune"]).ok().json()["orphans"],
            3,
            "without --orphans nothing is at risk"
        );
        // Pushed again, they are known.
        if !aged {
            store.push(&fixtures::muse_cli()[4..]).ok();
            let told = store.run(["verify"]).ok();
            assert!(!told.stderr.contains("looks older"), "{}", told.stderr);
            assert_eq!(store.run(["prune", "--orphans"]).ok().json()["orphans"], 0);
            continue;
        }
        let report = store.run(["prune", "--orphans", "--delete-newer-than-catalog"]).ok().json();
        assert_eq!(report["orphans_deleted"], 3);
    }
}

#[test]
fn what_lies_there_from_before_is_an_orphan_like_any_other() {
    let store = filled();
    let pack = model::canonical(
        &Default::default(),
        &[("stray".to_owned(), "0".repeat(64))].into_iter().collect(),
    );
    let hex = model::key(&pack)["sha256:".len()..].to_owned();
    let file = store.data().join("packs").join(&hex[..2]).join(format!("{hex}.mpack"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, pack).unwrap();
    age(std::slice::from_ref(&file), 3);
    let told = store.run(["verify"]).ok();
    assert!(!told.stderr.contains("looks older"), "{}", told.stderr);
    assert_eq!(store.run(["prune", "--orphans"]).ok().json()["orphans_deleted"], 1);
    assert!(!file.exists());
}

/// Pushes that are killed at some moment, again and again: each is complete or absent, and complete
/// when it is pushed again.
#[test]
fn pushes_that_are_killed_leave_a_store_that_verifies() {
    let store = Packhouse::with_repo();
    let options = HistoryOptions {
        pushes: 6,
        object_bytes: 200_000..300_000,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    let packs = history(&options);
    let files: Vec<String> =
        packs.iter().enumerate().map(|(n, pack)| store.file(&format!("{n}.mpack"), pack)).collect();
    let spawn = |file: &str| {
        store
            .command(["push", "a/b", file])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut killed = 0;
    for (n, file) in files.iter().enumerate() {
        // Later and later in the push, until one ends before it is killed; signals in turn.
        for (round, wait) in [5_u64, 20, 60].into_iter().enumerate() {
            let mut child = spawn(file);
            std::thread::sleep(Duration::from_millis(wait * (n as u64 + 1)));
            let signal = if (n + round) % 2 == 0 {
                rustix::process::Signal::KILL
            } else {
                rustix::process::Signal::TERM
            };
            let _ = rustix::process::kill_process(rustix::process::Pid::from_child(&child), signal);
            killed += usize::from(!child.wait().unwrap().success());
        }
        let shown = store.show();
        assert!(
            [n as u64, n as u64 + 1].contains(&shown["packs"].as_u64().unwrap()),
            "whole or not at all: {shown}"
        );
        assert_eq!(store.run(["verify"]).ok().json()["ok"], true, "after {n}");
        store.push([file]).ok();
        assert_eq!(store.show()["packs"], n as u64 + 1);
    }
    assert!(killed > 2, "{killed} pushes were killed");
    assert_eq!(store.run(["verify"]).ok().json()["ok"], true);
    assert_eq!(
        store.run(["prune", "--orphans"]).ok().json()["orphans"],
        0,
        "what was cut off came again"
    );
    assert_eq!(
        store.gc()["consolidated_key"],
        model::key(&model::consolidate(&packs, &model::heads_of(&packs)))
    );
    assert_eq!(
        std::fs::read_dir(store.data().join("staging")).unwrap().count(),
        0,
        "nothing is left in staging"
    );
}
