//! Files of packhouse are private to its user, whatever the umask; a file that the user names is
//! created with the umask.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use packhouse_tests::binary::{Packhouse, program};
use packhouse_tests::fixtures;
use serde_json::Value;

/// A call on a store that packhouse makes itself, under a umask.
fn run(umask: &str, data: &Path, words: &[&str]) -> Vec<Value> {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask $0; exec \"$@\"", umask])
        .arg(program())
        .arg("--data")
        .arg(data)
        .arg("--json")
        .args(words);
    let ended = command.env("HOME", data.parent().unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{words:?}: {said}");
    String::from_utf8(ended.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o777
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_store_is_its_users_alone_whatever_the_umask() {
    let place = Packhouse::new();
    let data = place.scratch().join("deep/data");
    run("000", &data, &["repo", "create", "a/b"]);
    for file in &fixtures::muse_cli()[..3] {
        run("000", &data, &["push", "a/b", file.to_str().unwrap()]);
    }
    let output = place.scratch().join("fetched.mpack");
    run("022", &data, &["fetch", "a/b", "--output", output.to_str().unwrap()]);
    assert_eq!(mode(&output), 0o644, "that file is the user's");
    std::fs::remove_file(&output).unwrap();
    run("027", &data, &["fetch", "a/b", "--output", output.to_str().unwrap()]);
    assert_eq!(mode(&output), 0o640);
    // Without a file of the user's, the store keeps the answer.
    run("000", &data, &["fetch", "a/b"]);
    let tapes = place.scratch().join("tapes");
    run("022", &data, &["gc", "a/b", "--record", tapes.to_str().unwrap()]);
    assert_eq!(mode(&tapes), 0o644);
    // The files beside the catalog exist while it is open.
    let open = serve("000", &data);
    let mut found = Vec::new();
    walk(&data, &mut found);
    let names: Vec<String> =
        found.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    for expected in [
        "catalog.db",
        "catalog.db-wal",
        "catalog.db-shm",
        "packs",
        "answers",
        "staging",
        "catalogs",
        "cache",
    ] {
        assert!(names.iter().any(|name| name == expected), "{expected} is not there: {names:?}");
    }
    for path in &found {
        assert_eq!(mode(path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
    drop(open);
    let checks = run("000", &data, &["doctor"]);
    let of = |checks: &[Value], name: &str| {
        checks.iter().find(|check| check["check"] == name).unwrap().clone()
    };
    assert_eq!(of(&checks, "privacy")["status"], "ok");

    // Modes of an older packhouse are reported, and left to the operator.
    std::fs::set_permissions(&data, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(data.join("catalog.db"), PermissionsExt::from_mode(0o644)).unwrap();
    let check = of(&run("022", &data, &["doctor"]), "privacy");
    assert_eq!(check["status"], "warn");
    assert!(check["detail"].as_str().unwrap().contains("catalog.db"), "{check}");
    assert!(check["way_out"].as_str().unwrap().contains("chmod"), "{check}");
    assert_eq!(mode(&data), 0o755);
}

/// In a folder in which others may write, they can replace what only its user can read.
#[test]
fn a_folder_that_others_can_write_to_or_list_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let outer = folder.path().join("outer");
    std::fs::create_dir(&outer).unwrap();
    std::fs::set_permissions(&outer, PermissionsExt::from_mode(0o755)).unwrap();
    let data = outer.join("data");
    run("077", &data, &["repo", "create", "a/b"]);
    for (mode, status, told) in [
        (0o777, "warn", "replace or delete"),
        (0o730, "warn", "replace or delete"),
        (0o755, "warn", "list"),
        (0o711, "ok", "only this user"),
        (0o700, "ok", "only this user"),
    ] {
        std::fs::set_permissions(&data, PermissionsExt::from_mode(mode)).unwrap();
        let checks = run("077", &data, &["doctor"]);
        let check = checks.iter().find(|check| check["check"] == "privacy").unwrap();
        assert_eq!(check["status"], status, "{mode:o}: {check}");
        assert!(check["detail"].as_str().unwrap().contains(told), "{mode:o}: {check}");
    }
}

/// A server, which is killed when this ends.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves a store, so that its catalog is open.
fn serve(umask: &str, data: &Path) -> Serving {
    let mut command = Command::new("sh");
    command
        .args(["-c", "umask $0; exec \"$@\"", umask])
        .arg(program())
        .arg("--data")
        .arg(data)
        .arg("--json");
    command.args(["serve", "--listen", "127.0.0.1:0", "--insecure-loopback", "--workers", "0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("url"), "{line}");
    Serving(child)
}

#[test]
fn a_private_key_that_others_can_read_is_told_of() {
    let place = Packhouse::with_repo();
    let key = place.file("key.pem", b"-----BEGIN PRIVATE KEY-----");
    for (mode, status) in [(0o644, "warn"), (0o640, "warn"), (0o600, "ok")] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        let checks = place.run(["doctor", "--tls-key", &key]).ok().documents();
        let check = checks.iter().find(|check| check["check"] == "tls key").unwrap();
        assert_eq!(check["status"], status, "{check}");
    }
}
