//! `export`: the files of a commit, from a store and from its server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use packhouse_tests::binary::Packhouse;
use packhouse_tests::server::Served;
use packhouse_tests::{fixtures, model};

/// The files below a folder, by path.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => {
                    let name = path.strip_prefix(folder).unwrap().to_owned();
                    found.insert(name, std::fs::read(path).unwrap());
                }
            }
        }
    }
    found
}

/// The files of a commit, by what `ls` lists and the records say.
fn expected(store: &Packhouse, commit: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let records = model::union(&fixtures::muse_cli_packs());
    let listed = store.run(["ls", "a/b", commit]).ok().documents();
    let file = |file: &serde_json::Value| {
        let object = file["object"].as_str().unwrap().to_owned();
        let record = &records[&(model::Kind::Object, object)];
        let content = record.bytes[record.content().unwrap()].to_vec();
        (PathBuf::from(file["path"].as_str().unwrap()), content)
    };
    listed.iter().map(file).collect()
}

#[test]
fn the_files_of_a_commit_are_written_from_a_store_and_from_its_server() {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    let served = Served::trusting(&store, &[]);
    let log = store.run(["log", "a/b"]).ok().documents();
    let oldest = log.last().unwrap()["commit"].as_str().unwrap().to_owned();
    for (number, commit) in [None, Some("main"), Some(&oldest[..])].into_iter().enumerate() {
        for remote in [false, true] {
            let folder = store.scratch().join(format!("out-{number}-{remote}"));
            let shown = folder.display().to_string();
            let mut words = vec!["export", "a/b", &shown];
            words.extend(commit.into_iter().flat_map(|commit| ["--commit", commit]));
            let report = match remote {
                true => store.run_remote(served.url(), None, &words).ok().json(),
                false => store.run(&words).ok().json(),
            };
            let written = files_of(&folder);
            assert!(!written.is_empty());
            assert_eq!(written, expected(&store, commit.unwrap_or("main")));
            let bytes: usize = written.values().map(Vec::len).sum();
            assert_eq!(report["files"], written.len());
            assert_eq!(report["bytes"], bytes);
        }
    }
}

#[test]
fn a_folder_is_there_whole_or_not_at_all() {
    let store = Packhouse::with_repo();
    store.push(fixtures::muse_cli()).ok();
    let folder = store.scratch().join("out");
    let shown = folder.display().to_string();
    store.run(["export", "a/b", &shown, "--commit", "nope"]).exits(1).says(&["nope"]);
    assert!(!folder.exists());
    // An object of it is damaged.
    let listed = store.run(["ls", "a/b", "main"]).ok().documents();
    let object = listed[0]["object"].as_str().unwrap();
    let found = store.run(["find", object, "a/b"]).ok().json();
    let hex = found["mpack_key"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let is_it = |path: &PathBuf| path.to_string_lossy().contains(&hex);
    let pack = store.pack_files().into_iter().find(is_it).unwrap();
    let end = (found["offset"].as_u64().unwrap() + found["length"].as_u64().unwrap()) as usize;
    let mut bytes = std::fs::read(&pack).unwrap();
    bytes[end - 1] ^= 1;
    std::fs::write(&pack, &bytes).unwrap();
    store.run(["export", "a/b", &shown]).exits(4).says(&[object]);
    let left = std::fs::read_dir(store.scratch()).unwrap().flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains("export")).collect();
    assert!(!folder.exists() && left.is_empty(), "{left:?}");
    bytes[end - 1] ^= 1;
    std::fs::write(&pack, &bytes).unwrap();
    // What is there stays.
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("mine"), b"mine").unwrap();
    store.run(["export", "a/b", &shown]).exits(2).says(&["out is not empty", "name a new folder"]);
    assert_eq!(files_of(&folder).len(), 1);
    std::fs::remove_file(folder.join("mine")).unwrap();
    store.run(["export", "a/b", &shown]).ok();
    assert_eq!(files_of(&folder), expected(&store, "main"));
}
