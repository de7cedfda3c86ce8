//! Troubles of stores, through the binary: packs that are gone or damaged, disks that are full or
//! read-only, newer stores, company. `trouble.rs` has the bad input.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packhouse_host::sample::{HeadStyle, HistoryOptions, history};
use packhouse_host::{CatalogPlace, Visibility};
use packhouse_tests::binary::{Packhouse, program};
use packhouse_tests::conformance::desk::unused_id;
use packhouse_tests::place::closed;
use packhouse_tests::{fixtures, model};

fn filled() -> Packhouse {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    store
}

fn key_of(file: &Path) -> String {
    format!("sha256:{}", file.file_stem().unwrap().to_str().unwrap())
}

#[test]
fn a_missing_pack_file() {
    for consolidated in [false, true] {
        let store = filled();
        if consolidated {
            store.gc();
        }
        let keys: Vec<String> = serde_json::from_value(store.show()["pack_keys"].clone()).unwrap();
        let mut files = store.pack_files();
        files.retain(|file| keys.contains(&key_of(file)));
        let (file, key) = (files[0].clone(), key_of(&files[0]));
        let aside = store.scratch().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        let before = store.picture();
        store.run(["fetch", "a/b"]).exits(4).says(&[&key]);
        store.run(["gc", "a/b"]).exits(4).says(&[&key]);
        let verified = store.run(["verify", "a/b"]).exits(4).json();
        assert_eq!(
            (&verified["ok"], &verified["problems"][0]["kind"]),
            (&false.into(), &"missing-pack".into())
        );
        assert_eq!(verified["problems"][0]["pack"], key);
        let after = store.picture();
        assert_eq!(
            (after.files, &after.show["pack_keys"]),
            (before.files, &before.show["pack_keys"])
        );
        // RestoreOutcome, all is well.
        std::fs::rename(&aside, &file).unwrap();
        store.run(["verify", "a/b"]).exits(0);
        store.gc();
        store.fetch(&[]);
    }
}

#[test]
fn a_flipped_byte_in_a_stored_pack() {
    let store = filled();
    let file = store.pack_files()[0].clone();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let pack = std::fs::read(&file).unwrap();
    let records = model::read(&pack).records;
    let of = |kind| records.iter().find(|r| r.kind == kind).unwrap();
    let object = records
        .iter()
        .filter(|r| r.kind == model::Kind::Object)
        .max_by_key(|r| r.bytes.len())
        .unwrap();
    let places = [
        ("header", 0),
        ("commit", of(model::Kind::Commit).offset + 300),
        ("snapshot", of(model::Kind::Snapshot).offset + 120),
        ("object id", object.offset + 20),
        ("content", object.offset + object.bytes.len() - 1),
        ("tail", pack.len() - 1),
    ];
    let sound = store.picture();
    for (name, at) in places {
        flip(&file, at);
        let before = store.picture();
        let verified = store.run(["verify", "a/b"]).exits(4).json();
        assert_eq!(verified["ok"], false, "{name}");
        assert_eq!(verified["problems"][0]["pack"], key_of(&file), "{name}");
        store.run(["gc", "a/b"]).exits(4).says(&[&key_of(&file)]);
        // A fetch may be answered without that byte, yet never with it.
        let fetched = store.run(["fetch", "a/b"]);
        assert!(fetched.code == 4 || fetched.code == 0, "{name}: {fetched:?}");
        if fetched.code == 0 {
            let path = fetched.json()["mpack_url"]
                .as_str()
                .unwrap()
                .strip_prefix("file://")
                .unwrap()
                .to_owned();
            let answer = model::union(&[std::fs::read(path).unwrap()]);
            let packs: Vec<Vec<u8>> = fixtures::muse_cli_packs();
            for (entity, record) in model::union(&packs) {
                assert_eq!(answer[&entity].bytes, record.bytes, "{name}: {entity:?}");
            }
        }
        let after = store.picture();
        assert_eq!(after.show["pack_keys"], before.show["pack_keys"], "{name}");
        assert_eq!(packs(&after.files), packs(&before.files), "{name}");
        flip(&file, at);
    }
    let restored = store.picture();
    assert_eq!(
        (packs(&restored.files), &restored.show["packs"]),
        (packs(&sound.files), &sound.show["packs"])
    );
    store.run(["verify", "a/b"]).ok();
    assert_eq!(store.gc()["consolidated_key"], fixtures::CONSOLIDATED_KEY);
}

fn packs(files: &[(String, String)]) -> Vec<&(String, String)> {
    files
        .iter()
        .filter(|(name, _)| name.ends_with(".mpack") && name.starts_with("packs/"))
        .collect()
}

fn flip(file: &Path, at: usize) {
    let file = std::fs::File::options().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at as u64).unwrap();
    file.write_all_at(&[byte[0] ^ 0x20], at as u64).unwrap();
}

#[test]
fn a_flipped_byte_in_a_directory_is_not_believed() {
    let store = filled();
    for file in store.pack_files() {
        let directory = file.with_extension("dir");
        flip(&directory, std::fs::metadata(&directory).unwrap().len() as usize / 2);
    }
    // It is a cache: what matters is in the packs, and it is rebuilt from them.
    let verified = store.run(["verify", "a/b"]).ok().json();
    let rebuilt = verified["repaired"].as_array().unwrap();
    assert_eq!(rebuilt.len(), store.pack_files().len(), "{verified}");
    assert!(rebuilt[0]["detail"].as_str().unwrap().contains("was rebuilt"), "{verified}");
    assert!(store.run(["verify", "a/b"]).ok().json()["repaired"].is_null());
    assert_eq!(store.gc()["consolidated_key"], fixtures::CONSOLIDATED_KEY);
    let other = filled();
    for file in other.pack_files() {
        std::fs::remove_file(file.with_extension("dir")).unwrap();
    }
    other.run(["verify", "a/b"]).ok();
    assert_eq!(other.gc()["consolidated_key"], fixtures::CONSOLIDATED_KEY);
}

/// A script with the binary as `packhouse`, in which a limit or a mount applies to it alone.
fn script(store: &Packhouse, wrapper: &[&str], lines: &str) -> Output {
    let run = format!(
        "packhouse() {{ '{}' --data \"$DATA\" --json \"$@\"; }}\n{lines}",
        program().display()
    );
    let mut words: Vec<&str> = wrapper.to_vec();
    words.extend(["sh", "-c", &run]);
    let mut command = Command::new(words[0]);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PACKHOUSE_"))
    {
        command.env_remove(name);
    }
    command
        .args(&words[1..])
        .env("DATA", store.data())
        .env("HOME", store.scratch())
        .env("NO_COLOR", "1")
        .output()
        .unwrap()
}

/// A mount namespace of one's own, where the system lets tests have one.
fn namespace() -> Option<Vec<&'static str>> {
    let ways = [vec!["unshare", "--mount"], vec!["unshare", "--map-root-user", "--mount"]];
    let works = |way: &Vec<&str>| {
        let probe = "mount -t tmpfs -o size=1m tmpfs /mnt";
        Command::new(way[0])
            .args(&way[1..])
            .args(["sh", "-c", probe])
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let found = ways.into_iter().find(works);
    if found.is_none() {
        packhouse_tests::skipped(
            "mount",
            "this system lets tests mount nothing (unshare --mount fails)",
        );
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_full_disk() {
    let Some(way) = namespace() else { return };
    let store = Packhouse::new();
    std::fs::create_dir_all(store.data()).unwrap();
    let file = store.file("large.mpack", &large_pack());
    let small = fixtures::muse_cli()[0].display().to_string();
    let lines = format!(
        "mount -t tmpfs -o size=6m tmpfs \"$DATA\" || exit 90
        cd \"$DATA\" && mkdir -p \"$HOME/cache\" && ln -s \"$HOME/cache\" cache
        packhouse repo create a/b >&2 || exit 91
        packhouse push a/b '{small}' >&2 || exit 92
        state() {{ packhouse repo show a/b; find packs staging answers -type f | sort | xargs -r sha256sum; }}
        state > \"$HOME/before\"
        packhouse push a/b '{file}'; code=$?
        state > \"$HOME/after\"
        cmp \"$HOME/before\" \"$HOME/after\" >&2 || exit 93
        packhouse verify a/b >&2 || exit 94
        exit $code"
    );
    let out = script(&store, &way, &lines);
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let said = text(&out.stderr);
    assert!(said.contains("space"), "{said}");
}

#[test]
fn a_disk_that_is_nearly_full_is_freed_by_prune() {
    let Some(way) = namespace() else { return };
    let store = Packhouse::new();
    std::fs::create_dir_all(store.data()).unwrap();
    let large = store.file("large.mpack", &large_pack());
    let small = fixtures::muse_cli()[0].display().to_string();
    let lines = format!(
        "mount -t tmpfs -o size=24m tmpfs \"$DATA\" || exit 90
        cd \"$DATA\" && mkdir -p \"$HOME/cache\" && ln -s \"$HOME/cache\" cache
        packhouse repo create a/b >&2 || exit 91
        packhouse push a/b '{large}' >&2 && packhouse push a/b '{small}' >&2 && packhouse gc a/b >&2 || exit 92
        dd if=/dev/zero of=filler bs=4k >&2
        truncate -s -256K filler || exit 95
        packhouse prune --grace 0s || exit 93
        rm filler
        packhouse verify a/b >&2 || exit 94"
    );
    let out = script(&store, &way, &lines);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("\"packs_deleted\":2"), "{}", text(&out.stdout));
}

/// A disk that says no in the middle of a file: simulated by a limit on the size of files, which
/// needs no privilege.
#[test]
fn a_disk_that_fails_halfway() {
    let store = Packhouse::with_repo();
    store.push(&fixtures::muse_cli()[..1]).ok();
    let before = store.picture();
    let file = store.file("large.mpack", &large_pack());
    let out =
        script(&store, &[], &format!("trap '' XFSZ; ulimit -f 6000; packhouse push a/b '{file}'"));
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("failed"), "{}", text(&out.stderr));
    assert_eq!(store.picture(), before);

    // The same while a consolidation writes.
    store.push([&file]).ok();
    let before = store.picture();
    let out = script(&store, &[], "trap '' XFSZ; ulimit -f 6000; packhouse gc a/b");
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let after = store.picture();
    assert_eq!((after.files, &after.show["pack_keys"]), (before.files, &before.show["pack_keys"]));
    assert_eq!(after.show["last_gc"]["outcome"], "failed");
    store.run(["verify", "a/b"]).ok();
    assert_eq!(store.gc()["packs_after"], 1);
}

fn large_pack() -> Vec<u8> {
    let options = HistoryOptions {
        pushes: 1,
        large_object: Some(8 << 20),
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    history(&options).swap_remove(0)
}

#[test]
fn a_read_only_folder() {
    let Some(way) = namespace() else { return };
    let store = filled();
    let before = store.picture();
    let fresh = fixtures::muse_cli()[0].display().to_string();
    let read_only =
        "mount --bind \"$DATA\" \"$DATA\" && mount -o remount,ro,bind \"$DATA\" || exit 90\n";
    for verb in [format!("push a/b '{fresh}'"), "gc a/b".into(), "repo create c/d".into()] {
        let out = script(&store, &way, &format!("{read_only} packhouse {verb}"));
        assert_eq!(out.status.code(), Some(1), "{verb}: {}", text(&out.stderr));
        let said = text(&out.stderr).to_lowercase();
        assert!(said.contains("read-only") || said.contains("readonly"), "{verb}: {said}");
        assert!(said.contains("--data"), "it says what to do: {said}");
    }
    assert_eq!(store.picture(), before);
    // It is read-only for as long as it runs.
    let out = script(&store, &way, &format!("{read_only} packhouse worker --drain"));
    let said = text(&out.stderr);
    assert!(out.status.code() == Some(1) && !said.contains("retrying"), "{said}");
    // What can't be rebuilt now is told.
    let directory = store.pack_files()[0].with_extension("dir");
    flip(&directory, std::fs::metadata(&directory).unwrap().len() as usize / 2);
    let out = script(&store, &way, &format!("{read_only} packhouse verify --repair a/b"));
    assert_eq!(out.status.code(), Some(4), "{}", text(&out.stderr));
    assert!(text(&out.stdout).contains("damaged-directory"), "{}", text(&out.stdout));
}

#[test]
fn a_folder_that_can_not_be_made() {
    let store = Packhouse::new();
    let file = store.file("file", b"");
    let mut command = Command::new(program());
    let out = command.args(["--data", &format!("{file}/data"), "repo", "list"]).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains(&file), "{}", text(&out.stderr));
}

#[tokio::test]
async fn a_store_made_by_a_newer_version() {
    let store = filled();
    let catalog = store.data().join("catalog.db");
    let before = store.picture();
    let future = "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
                  VALUES (99999999999999, 'from the future', '2030-01-01', TRUE, x'00', 0)";
    sql(&catalog, future).await;
    for verb in [
        &["push", "a/b", "x"][..],
        &["gc", "a/b"],
        &["fetch", "a/b"],
        &["verify"],
        &["repo", "list"],
    ] {
        store.run(verb).exits(1).says(&["newer", "99999999999999", "update"]);
    }
    sql(&catalog, "DELETE FROM _sqlx_migrations WHERE version = 99999999999999").await;
    assert_eq!(store.picture(), before);
}

async fn sql(catalog: &Path, statement: &'static str) {
    use sqlx::Connection;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(catalog);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::query(statement).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_catalog_that_is_no_database() {
    let store = Packhouse::new();
    std::fs::create_dir_all(store.data()).unwrap();
    std::fs::write(store.data().join("catalog.db"), vec![b'x'; 5000]).unwrap();
    store.run(["repo", "list"]).exits(4).says(&["catalog.db"]);
    assert_eq!(std::fs::read(store.data().join("catalog.db")).unwrap(), vec![b'x'; 5000]);
}

#[test]
fn many_processes_on_one_store() {
    let store = Packhouse::with_repo();
    let options = HistoryOptions {
        pushes: 6,
        merges: false,
        heads: HeadStyle::OwnBranch,
        ..HistoryOptions::default()
    };
    let packs = history(&options);
    let files: Vec<PathBuf> = packs
        .iter()
        .enumerate()
        .map(|(n, p)| store.file(&format!("{n}.mpack"), p).into())
        .collect();
    let mut children = Vec::new();
    for file in &files {
        children.push(
            store
                .command(["push", "a/b", file.to_str().unwrap()])
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap(),
        );
        children.push(
            store.command(["gc", "a/b"]).stdout(std::process::Stdio::null()).spawn().unwrap(),
        );
    }
    for mut child in children {
        let code = child.wait().unwrap().code();
        assert!(matches!(code, Some(0 | 3)), "exit code {code:?} of a process among many");
    }
    // A conflict is safe to retry: what was stored answers `unchanged`, the rest is stored.
    store.push(&files).ok();
    assert_eq!(store.gc()["packs_after"], 1);
    let heads = model::heads_of(&packs);
    assert_eq!(store.gc()["consolidated_key"], model::key(&model::consolidate(&packs, &heads)));
    assert_eq!(store.run(["verify"]).ok().json()["ok"], true);
    let staging = std::fs::read_dir(store.data().join("staging")).unwrap().count();
    assert_eq!(staging, 0, "nothing is left in staging");
}

/// With the catalog as an orderly end leaves it, and as a crash does: with its log, with and
/// without the file that processes share.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_store_can_be_read() {
    let Some(way) = namespace() else { return };
    for left in [&[""][..], &["", "-wal", "-shm"], &["", "-wal"]] {
        let store = filled();
        let catalog = store.data().join("catalog.db");
        let (known, aside) = (store.fetch(&[]).1, store.scratch().join("aside"));
        let file = |ending: &str| PathBuf::from(format!("{}{ending}", catalog.display()));
        let open = CatalogPlace::Sqlite(catalog.clone()).open().await.unwrap();
        let created = open
            .create_repo(&"c/d".parse().unwrap(), unused_id(), Visibility::Public, first_day())
            .await
            .unwrap();
        assert!(created.is_some());
        std::fs::create_dir_all(&aside).unwrap();
        for ending in ["", "-wal", "-shm"] {
            std::fs::copy(file(ending), aside.join(format!("catalog.db{ending}"))).unwrap();
        }
        drop(open);
        closed(&catalog).await;
        if left.len() > 1 {
            for ending in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(file(ending));
            }
            for ending in left {
                std::fs::copy(aside.join(format!("catalog.db{ending}")), file(ending)).unwrap();
            }
        }
        // With the files of locks, and without.
        if left.len() == 1 {
            for ending in ["-lock", "-turn"] {
                std::fs::remove_file(file(ending)).unwrap();
            }
        }
        let before = std::fs::read(&catalog).unwrap();
        let lines = "mount --bind \"$DATA\" \"$DATA\" && mount -o remount,ro,bind \"$DATA\" || exit 90
            packhouse repo list || exit 91
            packhouse repo show a/b >&2 || exit 92
            packhouse verify a/b >&2 || exit 93
            packhouse jobs list >&2 && packhouse token list >&2 && packhouse policy check >&2 && packhouse migrate --check >&2 || exit 94
            packhouse backup \"$HOME/backup\" >&2 || exit 96
            packhouse fetch a/b --output \"$HOME/answer\" || exit 95
            ls -A \"$HOME\" >&2";
        let out = script(&store, &way, lines);
        assert_eq!(out.status.code(), Some(0), "{left:?}: {}", text(&out.stderr));
        let told: Vec<serde_json::Value> =
            text(&out.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let repos: Vec<_> = told.iter().filter_map(|line| line["repo"].as_str()).collect();
        assert_eq!(repos, ["a/b", "c/d"], "{left:?}: what was published last is seen");
        let answer = store.scratch().join("answer");
        assert_eq!(std::fs::read(&answer).unwrap(), known, "{left:?}");
        assert_eq!(told.last().unwrap()["mpack_url"], format!("file://{}", answer.display()));
        assert!(
            !text(&out.stderr).contains(".packhouse-"),
            "nothing is left beside it: {}",
            text(&out.stderr)
        );
        assert_eq!(std::fs::read(&catalog).unwrap(), before, "{left:?}");
        let backup = store.scratch().join("backup");
        let verified = store.at(&backup, ["verify"]).ok().documents();
        assert_eq!(verified.len(), 2, "{left:?}: what was published last is backed up");
    }
}

fn first_day() -> jiff::Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}
