//! The config file: which value an option has, and where that comes from.

use std::path::PathBuf;

use packhouse_tests::binary::Packhouse;
use serde_json::{Value, json};

/// A store, and a config file for it.
fn with_file(text: &str) -> (Packhouse, PathBuf) {
    let store = Packhouse::with_repo();
    let file = store.scratch().join("packhouse.toml");
    std::fs::write(&file, text).unwrap();
    let named = file.display().to_string();
    (store.with_env("PACKHOUSE_CONFIG", &named), file)
}

fn option<'a>(shown: &'a [Value], verb: Option<&str>, name: &str) -> &'a Value {
    let is_it = |one: &&Value| one["option"] == name && one["verb"] == json!(verb);
    shown.iter().find(is_it).unwrap_or_else(|| panic!("no {name} in {shown:?}"))
}

#[test]
fn the_command_line_overrides_the_environment_which_overrides_the_file() {
    let (store, file) = with_file(
        "storage = \"file:///nowhere\"\ncomponent = \"c.wasm\"\n\n[serve]\nlisten = \"127.0.0.1:1\"\n",
    );
    let place = |line: u32| json!(format!("{}:{line}", file.display()));
    let shown = store.run(["config", "show"]).ok().documents();
    let storage = option(&shown, None, "storage");
    assert_eq!(
        (&storage["values"], &storage["source"], &storage["place"]),
        (&json!(["file:///nowhere"]), &json!("file"), &place(1))
    );
    let data = option(&shown, None, "data");
    assert_eq!((&data["source"], &data["place"]), (&json!("command-line"), &Value::Null));
    let listen = option(&shown, Some("serve"), "listen");
    assert_eq!((&listen["source"], &listen["place"]), (&json!("file"), &place(5)));

    let store = store.with_env("PACKHOUSE_STORAGE_URL", "s3://bucket/prefix");
    let shown = store.run(["config", "show"]).ok().documents();
    let storage = option(&shown, None, "storage");
    assert_eq!(
        (&storage["values"], &storage["source"], &storage["place"]),
        (&json!(["s3://bucket/prefix"]), &json!("environment"), &json!("PACKHOUSE_STORAGE_URL"))
    );
    let shown = store.run(["config", "show", "--storage", "file:///here"]).ok().documents();
    assert_eq!(option(&shown, None, "storage")["source"], "command-line");

    let shown = store.run(["config", "show", "policy", "set"]).ok().documents();
    assert!(shown.iter().all(|one| one["verb"] == "policy set"));
}

#[test]
fn verbs_do_what_the_file_says() {
    let (store, _) = with_file("[fetch]\nttl = 0\n");
    store.push([packhouse_tests::fixtures::muse_cli().remove(0)]).ok();
    store.run(["repo", "show", "a/b"]).ok();
    // Of that verb only, and it names the place.
    store.run(["fetch", "a/b"]).exits(2).says(&["packhouse.toml:2", "`0`", "`ttl`"]);
    store.run(["fetch", "a/b", "--ttl", "60"]).ok();
    let (store, _) = with_file("[log]\nnumber = 1\n");
    store.text(["log", "a/b"]).exits(2).says(&["packhouse.toml:2", "no option `number`"]);
}

#[test]
fn a_file_that_can_not_be_used_stops_every_verb_but_help() {
    let (store, file) = with_file("data = \n");
    store.run(["repo", "list"]).exits(2).says(&["packhouse.toml:1"]);
    store.text(["--help"]).ok();
    std::fs::remove_file(&file).unwrap();
    let gone = file.display().to_string();
    store.run(["repo", "list"]).exits(2).says(&["PACKHOUSE_CONFIG", &gone, "does not exist"]);
}

#[test]
fn the_users_file_is_found_in_the_config_folder() {
    let store = Packhouse::with_repo();
    let folder = store.scratch().join("xdg/packhouse");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("packhouse.toml"), "component = \"from-user.wasm\"\n").unwrap();
    let xdg = store.scratch().join("xdg").display().to_string();
    let store = store.with_env("PACKHOUSE_CONFIG", "").with_env("XDG_CONFIG_HOME", &xdg);
    let shown = store.run(["config", "show"]).ok().documents();
    assert_eq!(option(&shown, None, "component")["values"], json!(["from-user.wasm"]));
}
