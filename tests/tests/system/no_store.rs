//! A store that is not there, or that has lost its catalog: verbs that read make none, and packs
//! never get a new catalog.

use std::path::{Path, PathBuf};

use packhouse_tests::binary::Packhouse;
use packhouse_tests::faulty::copy_files;
use packhouse_tests::fixtures;
use packhouse_tests::server::Served;

/// Every verb that needs an existing store.
const READING: &[&[&str]] = &[
    &["repo", "list"],
    &["repo", "show", "a/b"],
    &["repo", "delete", "a/b", "--yes"],
    &["gc", "a/b"],
    &["gc", "--all"],
    &["gc", "--all", "--async"],
    &["fetch", "a/b"],
    &["verify"],
    &["verify", "a/b"],
    &["prune"],
    &["jobs", "list"],
    &["policy", "show"],
    &["policy", "check"],
    &["token", "list"],
    &["token", "create", "--scope", "read", "--repo", "*"],
    &["metrics"],
    &["worker", "--drain"],
    &["migrate"],
    &["migrate", "--check"],
];

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

#[test]
fn verbs_that_read_make_no_store_and_name_the_verb_that_does() {
    let packhouse = Packhouse::new();
    let scratch = packhouse.scratch();
    let (absent, empty) = (scratch.join("deep/absent"), scratch.join("empty"));
    std::fs::create_dir(&empty).unwrap();
    for words in READING {
        for data in [&absent, &empty] {
            let told = packhouse.at(data, *words).exits(1);
            let told = told.says(&[
                "there is no store",
                data.to_str().unwrap(),
                "packhouse repo create OWNER/SLUG",
            ]);
            assert_eq!(told.stdout, "", "{words:?}");
        }
        assert_eq!(below(&scratch), std::slice::from_ref(&empty), "{words:?} made something");
    }
    let checks = packhouse.at(&absent, ["doctor"]).exits(1).documents();
    let failed: Vec<_> = checks.iter().filter(|check| check["status"] == "fail").collect();
    assert_eq!(failed.len(), 1, "{checks:?}");
    assert!(failed[0]["detail"].as_str().unwrap().contains("there is no store"), "{checks:?}");
    assert!(failed[0]["way_out"].as_str().unwrap().contains("packhouse repo create"), "{checks:?}");
    assert_eq!(below(&scratch), [empty]);
}

#[test]
fn a_push_to_a_store_that_is_not_there_names_the_command_that_makes_its_repo() {
    let packhouse = Packhouse::new();
    let data = packhouse.scratch().join("absent");
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    for words in [
        &["push", "a/b", &file][..],
        &["push", "a/b", &file, "--async"],
        &["push", "a/b", "/no/such/file"],
    ] {
        packhouse
            .at(&data, words)
            .exits(1)
            .says(&["there is no repo `a/b`", "packhouse repo create a/b"]);
        assert!(!data.exists(), "{words:?} made something");
    }
    packhouse.at(&data, ["repo", "create", "a/b"]).ok();
    packhouse.at(&data, ["push", "a/b", &file]).ok();
}

/// What happens to a catalog's file, and the words for it.
const LOSSES: [(&str, &str); 3] =
    [("gone", "does not exist"), ("emptied", "is empty"), ("without tables", "has no tables")];

fn lose(data: &Path, how: &str) {
    for file in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _ = std::fs::remove_file(data.join(file));
    }
    match how {
        "gone" => {}
        "emptied" => std::fs::write(data.join("catalog.db"), b"").unwrap(),
        // Like a copy of the file whose tables were still in the log.
        _ => {
            let catalog = data.join("catalog.db");
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async {
                use sqlx::Connection;
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(&catalog)
                    .create_if_missing(true);
                let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
                let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
                sqlx::query("PRAGMA user_version = 1").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            });
            assert!(std::fs::metadata(catalog).unwrap().len() > 0);
        }
    }
}

#[test]
fn packs_without_their_catalog_never_get_a_new_one() {
    let filled = Packhouse::with_repo();
    filled.push(fixtures::muse_cli()).ok();
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    let making: [&[&str]; 4] = [
        &["repo", "create", "a/b"],
        &["push", "a/b", &file],
        &["serve", "--listen", "127.0.0.1:0"],
        &["repo", "create", "c/d"],
    ];
    for (how, words) in LOSSES {
        // With the catalog's note in the folder, and without: packs that were copied alone.
        for notes in [true, false] {
            let data = filled.scratch().join(format!("{how} {notes}"));
            copy_files(&filled.data().join("packs"), &data.join("packs"));
            if notes {
                copy_files(&filled.data().join("catalogs"), &data.join("catalogs"));
            }
            lose(&data, how);
            let before = below(&data);
            for call in READING.iter().chain(&making) {
                let told = filled.at(&data, *call).exits(1);
                told.says(&[
                    "catalog.db",
                    words,
                    "Restore the catalog from a backup",
                    data.to_str().unwrap(),
                ]);
                let made: Vec<_> =
                    below(&data).into_iter().filter(|path| !before.contains(path)).collect();
                assert!(
                    made.iter().all(|path| path.to_string_lossy().contains("catalog.db-")),
                    "{call:?} made {made:?}"
                );
            }
            let checks = filled.at(&data, ["doctor"]).exits(1).documents();
            let told = checks.iter().any(|check| check["detail"].as_str().unwrap().contains(words));
            assert!(told, "{checks:?}");
            // The catalog comes back, and all is well.
            for ending in ["-wal", "-shm"] {
                let _ = std::fs::remove_file(data.join(format!("catalog.db{ending}")));
            }
            std::fs::copy(filled.data().join("catalog.db"), data.join("catalog.db")).unwrap();
            filled.at(&data, ["verify"]).ok();
        }
    }
}

#[test]
fn an_empty_file_without_packs_is_no_store_and_becomes_one() {
    let packhouse = Packhouse::new();
    let data = packhouse.scratch().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("catalog.db"), b"").unwrap();
    packhouse.at(&data, ["repo", "list"]).exits(1).says(&["there is no store", "is empty"]);
    packhouse.at(&data, ["repo", "create", "a/b"]).ok();
    assert_eq!(packhouse.at(&data, ["repo", "list"]).ok().documents().len(), 1);
}

/// Law 10: with packs of two catalogs in one place, `prune` could delete none of either.
#[test]
fn no_second_catalog_is_made_beside_the_packs_of_another() {
    let first = Packhouse::with_repo();
    first.push(fixtures::muse_cli()).ok();
    let second = first.scratch().join("second.db");
    let database = format!("sqlite://{}", second.display());
    let words = |words: &[&str]| {
        ["--database", &database]
            .iter()
            .chain(words)
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let before = first.picture();
    first.run(words(&["repo", "list"])).exits(1).says(&["there is no store", "second.db"]);
    let way_out =
        ["belongs to another catalog", "catalog.db", "second.db", "--storage", "catalogs"];
    first.run(words(&["repo", "create", "a/b"])).exits(1).says(&way_out);
    assert!(!second.exists() && first.picture() == before, "nothing was made");
    first.run(["prune"]).ok();
    // A catalog that is there and has no packs yet is told the same when it first writes.
    let own = first.scratch().join("own");
    let storage = format!("file://{}", own.display());
    let elsewhere = |last: &[&str]| words(&[&["--storage", &storage][..], last].concat());
    first.run(elsewhere(&["repo", "create", "a/b"])).ok();
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    first.run(words(&["push", "a/b", &file])).exits(1).says(&way_out);
    first.run(elsewhere(&["push", "a/b", &file])).ok();
    assert_eq!(first.picture(), before);
    // The other is gone, and its note as well.
    let lost = first.scratch().join("third.db");
    let database = format!("sqlite://{}", lost.display());
    std::fs::remove_dir_all(first.data().join("catalogs")).unwrap();
    std::fs::remove_file(first.data().join("catalog.db")).unwrap();
    first
        .run(["--database", &database, "repo", "create", "c/d"])
        .exits(1)
        .says(&["but there are packs"]);
    std::fs::remove_dir_all(first.data().join("packs")).unwrap();
    first.run(["--database", &database, "repo", "create", "c/d"]).ok();
}

#[test]
fn a_repo_that_is_not_there_is_told_with_its_nearest_neighbour() {
    let packhouse = Packhouse::new();
    for name in ["gabriel/notes", "gabriel/scores", "tidal-lab/notebook"] {
        packhouse.run(["repo", "create", name]).ok();
    }
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    for words in [
        &["repo", "show", "gabriel/ntoes"][..],
        &["push", "gabriel/note", &file],
        &["gc", "gabriel/notess"],
        &["fetch", "gabirel/notes"],
        &["verify", "gabriel/nots"],
        &["verify", "gabriel/nots", "gabriel/scores"],
        &["policy", "show", "gabriel/notes2"],
    ] {
        packhouse.run(words).exits(1).says(&["there is no repo", "did you mean `gabriel/notes`?"]);
    }
    let told = packhouse.run(["repo", "show", "x/y"]).exits(1).says(&["packhouse repo create x/y"]);
    assert!(!told.stderr.contains("did you mean"), "{}", told.stderr);
}

/// A copy of the catalog's one file is what people take for a copy of the store.
fn copied_alone(packhouse: &Packhouse, name: &str) -> PathBuf {
    let copy = packhouse.scratch().join(name);
    std::fs::create_dir_all(&copy).unwrap();
    // It is made with the first pack.
    let packs = packhouse.data().join("packs");
    if packs.exists() {
        copy_files(&packs, &copy.join("packs"));
    }
    std::fs::copy(packhouse.data().join("catalog.db"), copy.join("catalog.db")).unwrap();
    copy
}

#[test]
fn what_a_process_wrote_stands_in_the_catalogs_one_file_when_it_has_ended() {
    let packhouse = Packhouse::new();
    let same = |name: &str| {
        let copy = copied_alone(&packhouse, name);
        for words in [
            &["repo", "list"][..],
            &["jobs", "list"],
            &["token", "list"],
            &["policy", "show", "a/b"],
        ] {
            assert_eq!(
                packhouse.at(&copy, words).ok().stdout,
                packhouse.run(words).ok().stdout,
                "{name}: {words:?}"
            );
        }
        packhouse.at(&copy, ["verify"]).ok();
    };
    let files = fixtures::muse_cli();
    packhouse.run(["repo", "create", "a/b"]).ok();
    same("made");
    packhouse.push(&files[..3]).ok();
    same("pushed");
    packhouse.run(["push", "a/b", "--async", files[3].to_str().unwrap()]).ok();
    same("queued");
    packhouse.run(["worker", "--drain"]).ok();
    same("worked");
    packhouse.gc();
    same("consolidated");
    packhouse.run(["token", "create", "--scope", "read", "--repo", "*"]).ok();
    packhouse.run(["policy", "set", "a/b", "--max-packs", "7"]).ok();
    same("set");
    packhouse.push(&files[4..]).ok();
    packhouse.gc();
    packhouse.run(["prune", "--grace", "0s"]).ok();
    same("pruned");
    // A verb that fails may have written, too: this one has made the first of two repos' packs one.
    packhouse.push(&files[..1]).ok();
    packhouse.run(["gc", "a/b", "no/such"]).exits(1);
    same("failed");
}

/// Like a server that is stopped: what was pushed to it is in the file.
#[test]
fn what_a_server_wrote_stands_in_the_catalogs_one_file_when_it_has_stopped() {
    let packhouse = Packhouse::with_repo();
    let served = Served::trusting(&packhouse, &["--workers", "0"]);
    let file = fixtures::muse_cli()[0].to_str().unwrap().to_owned();
    packhouse.run_remote(served.url(), None, ["push", "a/b", &file]).ok();
    assert_eq!(served.stop().0, Some(0));
    let copy = copied_alone(&packhouse, "stopped");
    assert_eq!(packhouse.at(&copy, ["repo", "list"]).ok().documents()[0]["packs"], 1);
    packhouse.at(&copy, ["verify"]).ok();
}

/// While another process reads an old state, the log can't be emptied: the verb ends all the same,
/// and soon.
#[test]
fn somebody_who_reads_for_long_holds_no_verb_up() {
    let packhouse = Packhouse::with_repo();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let catalog = packhouse.data().join("catalog.db");
    let mut reader = runtime.block_on(async {
        use sqlx::Connection;
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&catalog);
        let mut reader = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        sqlx::raw_sql("BEGIN; SELECT * FROM repos;").execute(&mut reader).await.unwrap();
        reader
    });
    packhouse.push(&fixtures::muse_cli()[..1]).ok();
    packhouse.push(&fixtures::muse_cli()[1..2]).ok();
    runtime.block_on(async { sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap() });
    // The last process to end takes the log along.
    packhouse.push(&fixtures::muse_cli()[2..3]).ok();
    let copy = copied_alone(&packhouse, "copy");
    assert_eq!(packhouse.at(&copy, ["repo", "list"]).ok().documents()[0]["packs"], 3);
}
