//! What others leave in a store's folders (desktops, storage boxes, file systems, people) stops no
//! verb, and no verb removes it; and a verb that reads changes nothing.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use packhouse_tests::binary::{Packhouse, Ran};
use packhouse_tests::fixtures;
use packhouse_tests::s3::S3Server;
use packhouse_tests::store::PREFIX;

/// A name that packhouse itself gives to files in staging.
const STAGED: &str = "0123456789abcdef0123456789abcdef";

/// Puts one of each kind into a folder; gives where they are.
fn leave_things(folder: &Path, precious: &Path) -> Vec<PathBuf> {
    let own = entries(folder);
    std::fs::create_dir_all(folder).unwrap();
    let at = |name: &str| folder.join(name);
    for name in
        [".DS_Store", "Thumbs.db", "letter.txt", "2024-11", "packhouse-1-", &"x".repeat(200)]
    {
        std::fs::write(at(name), "somebody's").unwrap();
    }
    for name in ["@eaDir", "lost+found", ".mpack", "zz"] {
        std::fs::create_dir(at(name)).unwrap();
        std::fs::write(at(name).join("inside"), "somebody's").unwrap();
    }
    let not_text = folder.join(OsString::from_vec(b"caf\xe9".to_vec()));
    std::fs::write(&not_text, "somebody's").unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink("..", at("up")).unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    // Under packhouse's own names, yet nothing that it has made.
    symlink(precious, at(STAGED)).unwrap();
    std::fs::create_dir(at("f".repeat(32).as_str())).unwrap();
    symlink("loop", at("0123456789abcdef")).unwrap();
    entries(folder).into_iter().filter(|path| !own.contains(path)).collect()
}

/// What is in a folder.
fn entries(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Every verb that opens a store, those that write included; each must do what it should.
fn verbs(store: &Packhouse, new: &str) -> Vec<Ran> {
    let calls: Vec<Vec<&str>> = vec![
        vec!["repo", "list"],
        vec!["repo", "show", "a/b"],
        vec!["branch", "list", "a/b"],
        vec!["push", "a/b", new],
        vec!["gc", "a/b", "--dry-run"],
        vec!["gc", "--all"],
        vec!["fetch", "a/b"],
        vec!["verify"],
        vec!["prune", "--dry-run"],
        vec!["prune", "--grace", "0s", "--orphans"],
        vec!["repo", "create", "c/d"],
        vec!["gc", "a/b", "--async"],
        vec!["worker", "--drain"],
        vec!["jobs", "list"],
        vec!["policy", "check"],
        vec!["token", "list"],
        vec!["metrics"],
        vec!["migrate", "--check"],
        vec!["doctor"],
    ];
    calls.into_iter().map(|words| store.run(words)).collect()
}

fn everything_works(store: &Packhouse, folders: &[PathBuf]) {
    let precious = store.scratch().join("precious");
    std::fs::write(&precious, "the only copy").unwrap();
    let things: Vec<PathBuf> =
        folders.iter().flat_map(|folder| leave_things(folder, &precious)).collect();
    assert!(things.len() >= folders.len() * 15, "{things:?}");
    for ran in verbs(store, &fixtures::muse_cli()[4].display().to_string()) {
        let lost: Vec<&PathBuf> =
            things.iter().filter(|thing| thing.symlink_metadata().is_err()).collect();
        assert!(lost.is_empty(), "`{}` removed {lost:?}", ran.words);
        ran.ok();
    }
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "the only copy");
    assert_eq!(store.run(["verify", "a/b"]).ok().json()["ok"], true);
}

/// The folders that there are below one.
fn folders_in(folder: &Path) -> Vec<PathBuf> {
    entries(folder).into_iter().filter(|path| path.is_dir() && !path.is_symlink()).collect()
}

/// A store in which each of its folders has been made.
fn lived_in(store: Packhouse) -> Packhouse {
    store.push(&fixtures::muse_cli()[..3]).ok();
    store.fetch(&[]);
    store.push(&fixtures::muse_cli()[3..4]).ok();
    store
}

#[test]
fn what_others_leave_in_a_stores_folders_stops_nothing_and_stays() {
    let store = lived_in(Packhouse::with_repo());
    let data = store.data();
    let mut folders: Vec<PathBuf> =
        ["packs", "answers", "staging", "catalogs"].map(|name| data.join(name)).into();
    folders.extend(folders_in(&data.join("packs")));
    folders.extend(folders_in(&data.join("answers")));
    assert!(folders.len() > 6, "{folders:?}");
    folders.push(data);
    everything_works(&store, &folders);
}

#[test]
fn nor_what_they_leave_in_the_spool_of_a_bucket() {
    let server = S3Server::start();
    let store = lived_in(Packhouse::on_s3(&server));
    let spool = store.data().join("spool");
    let mut folders = vec![spool.join("packs"), spool.join("staging"), spool.clone(), store.data()];
    folders.extend(folders_in(&spool.join("packs")));
    assert!(folders.len() > 4, "{folders:?}");
    for object in [
        "packs/.DS_Store",
        "packs/zz/x",
        "packs/00/notes.txt",
        "catalogs/.DS_Store",
        "catalogs/@eaDir/x",
        "letter",
    ] {
        let file = server.file(PREFIX).join(object);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "somebody's").unwrap();
    }
    everything_works(&store, &folders);
    assert_eq!(
        server.objects(PREFIX).iter().filter(|object| object.contains(".DS_Store")).count(),
        2
    );
}

#[test]
fn nor_what_they_leave_beside_compiled_components() {
    let store = Packhouse::new();
    let (cache, precious) = (store.data().join("cache"), store.scratch().join("precious"));
    std::fs::write(&precious, "the only copy").unwrap();
    let things = leave_things(&cache, &precious);
    store.run(["repo", "create", "a/b"]).ok();
    store.push(&fixtures::muse_cli()[..1]).ok();
    assert!(things.iter().all(|thing| thing.symlink_metadata().is_ok()));
    assert!(things.len() >= 15 && folders_in(&cache).len() > 4, "it is in use");
}

/// Every file and folder below one, with when it was last written.
fn listed(folder: &Path, found: &mut Vec<(PathBuf, std::time::SystemTime)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // The database's log exists only while it is open.
        if name == "cache" || name.starts_with("catalog.db") {
            continue;
        }
        let about = path.symlink_metadata().unwrap();
        found.push((path.clone(), about.modified().unwrap()));
        if about.is_dir() {
            listed(&path, found);
        }
    }
}

#[test]
fn a_verb_that_reads_changes_nothing() {
    let store = lived_in(Packhouse::with_repo());
    let data = store.data();
    std::fs::write(data.join("staging").join(STAGED), "half a pack").unwrap();
    std::fs::remove_dir_all(data.join("catalogs")).unwrap();
    std::fs::remove_dir_all(data.join("answers")).unwrap();
    let look = || {
        let mut found = Vec::new();
        listed(&data, &mut found);
        found.sort();
        found
    };
    let before = look();
    for words in [
        vec!["repo", "list"],
        vec!["repo", "show", "a/b"],
        vec!["branch", "list", "a/b"],
        vec!["verify"],
        vec!["gc", "a/b", "--dry-run"],
        vec!["prune", "--dry-run"],
        vec!["jobs", "list"],
        vec!["policy", "check"],
        vec!["token", "list"],
        vec!["metrics"],
    ] {
        store.run(&words).ok();
        assert_eq!(look(), before, "{words:?}");
    }
    // What writes puts the store in order first.
    store.push(&fixtures::muse_cli()[4..5]).ok();
    assert!(!data.join("staging").join(STAGED).exists() && data.join("catalogs").is_dir());
}
