//! The component on other hosts: the ones in Node and Python under `hosts/` make the same packs
//! from the same bytes, and replay the same tapes; so does a short one in Rust. Node's and Python's
//! have tests of their own, which run here as well.
//!
//! `hosts/setup.sh` installs what they need; without it these tests say that they are skipped.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packhouse_host::sample::{HeadStyle, HistoryOptions, SnapshotForm, history};
use packhouse_tests::store::TestStore;
use packhouse_tests::{binary, fixtures, seed, skipped};
use serde_json::Value;

/// A host: a folder of programs, and what runs them.
struct Host {
    folder: PathBuf,
    runs: PathBuf,
    consolidate: &'static str,
    replay: &'static str,
    tests: &'static [&'static str],
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("hosts").join(name)
}

/// The host in Node, if what it needs is here.
fn node() -> Option<Host> {
    let folder = folder("node");
    let version = Command::new("node").arg("--version").output();
    let why = match version {
        Err(error) => format!("node does not run: {error}"),
        Ok(_) if !folder.join("node_modules").is_dir() => {
            "its packages are not installed: tests/hosts/setup.sh".to_owned()
        }
        Ok(_) => {
            let tests = &["--test"];
            return Some(Host {
                folder,
                runs: "node".into(),
                consolidate: "consolidate.mjs",
                replay: "replay.mjs",
                tests,
            });
        }
    };
    skipped("node", &why);
    None
}

/// The host in Python, if what it needs is here.
fn python() -> Option<Host> {
    let folder = folder("python");
    let runs = folder.join("venv/bin/python");
    if !runs.is_file() {
        skipped("python", "its packages are not installed: tests/hosts/setup.sh");
        return None;
    }
    Some(Host {
        folder,
        runs,
        consolidate: "consolidate.py",
        replay: "replay.py",
        tests: &["-m", "unittest"],
    })
}

fn component() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../components/artifact/packhouse.wasm")
}

impl Host {
    fn run<S: AsRef<std::ffi::OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Output {
        Command::new(&self.runs)
            .args(words)
            .current_dir(&self.folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap()
    }

    /// Consolidates a folder of packs; what it answers, and the pack.
    fn consolidate(&self, packs: &Path) -> (Value, Vec<u8>) {
        let out = packs.join("out");
        let ran = self.run([Path::new(self.consolidate), &component(), packs, &out]);
        assert!(
            ran.status.success(),
            "{}: {}",
            self.consolidate,
            String::from_utf8_lossy(&ran.stderr)
        );
        (serde_json::from_slice(&ran.stdout).unwrap(), std::fs::read(out).unwrap())
    }

    /// Replays tapes: the exit code, and what it says of each.
    fn replay(&self, tapes: &[PathBuf]) -> (i32, Vec<Value>) {
        let words =
            [PathBuf::from(self.replay), component()].into_iter().chain(tapes.iter().cloned());
        let ran = self.run(words);
        let answers = String::from_utf8(ran.stdout).unwrap();
        (
            ran.status.code().unwrap(),
            answers.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
        )
    }
}

fn corpus() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    let made = |seed, form, prefixed_ids| {
        let heads = HeadStyle::OwnBranch;
        let options = HistoryOptions {
            seed,
            form,
            prefixed_ids,
            heads,
            merges: true,
            tags: true,
            overlap: true,
            ..HistoryOptions::default()
        };
        history(&options)
    };
    let first = seed::chain(3, "first", None);
    let second = seed::chain(3, "second", Some(&first.tip));
    vec![
        ("the samples", fixtures::muse_cli_packs()),
        ("the seed's chains", vec![first.pack, second.pack]),
        ("whole snapshots", made(11, SnapshotForm::Whole, false)),
        ("deltas", made(12, SnapshotForm::Delta, true)),
        ("both", made(13, SnapshotForm::Mixed, false)),
    ]
}

/// The same bytes on another host give the same pack, to the byte.
async fn gives_our_packs(host: &Host) {
    for (name, packs) in corpus() {
        let store = TestStore::new().await;
        store.push(&packs).await.unwrap();
        let ours = store.gc().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        // Their names say nothing of the order in which they were pushed.
        for (number, pack) in packs.iter().rev().enumerate() {
            std::fs::write(folder.path().join(format!("{number:02}.mpack")), pack).unwrap();
        }
        let (answer, pack) = host.consolidate(folder.path());
        assert_eq!(answer["key"], ours.consolidated_key.unwrap().to_string(), "{name}");
        assert_eq!(answer["key"], packhouse_tests::model::key(&pack), "{name}");
        let counts = ["bytes", "commits", "snapshots", "objects", "tags"]
            .map(|field| answer[field].as_u64().unwrap());
        assert_eq!(
            counts,
            [ours.bytes_after, ours.commits, ours.snapshots, ours.objects, ours.tags],
            "{name}"
        );
    }
}

/// Tapes of the native host replay on the other one; a changed tape is detected.
fn replays_our_tapes(host: &Host) {
    let folder = fixtures::folder().join("tapes");
    let mut tapes: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    tapes.retain(|tape| tape.extension().is_some_and(|ending| ending == "tape"));
    tapes.sort();
    let (code, answers) = host.replay(&tapes);
    let diverged: Vec<&Value> = answers.iter().filter(|answer| answer["ok"] != true).collect();
    assert_eq!((code, diverged.len(), answers.len()), (0, 0, tapes.len()), "{diverged:?}");
    let total: u64 = answers.iter().map(|answer| answer["calls"].as_u64().unwrap()).sum();
    assert!(total > tapes.len() as u64, "calls were made");

    let scratch = tempfile::tempdir().unwrap();
    let changed = scratch.path().join("changed.tape");
    let mut text = String::new();
    std::io::Read::read_to_string(
        &mut flate2::read::GzDecoder::new(
            std::fs::File::open(folder.join("seed-gc.tape")).unwrap(),
        ),
        &mut text,
    )
    .unwrap();
    let text = text.replacen("\"limit\":0", "\"limit\":7", 1);
    let mut to = flate2::write::GzEncoder::new(
        std::fs::File::create(&changed).unwrap(),
        flate2::Compression::default(),
    );
    std::io::Write::write_all(&mut to, text.as_bytes()).unwrap();
    to.finish().unwrap();
    let (code, answers) = host.replay(std::slice::from_ref(&changed));
    assert_eq!((code, &answers[0]["ok"]), (4, &Value::Bool(false)));
    assert!(answers[0]["divergence"].as_str().unwrap().contains("7"), "{}", answers[0]);
}

fn passes_its_own_tests(host: &Host) {
    let ran = host.run(host.tests);
    assert!(
        ran.status.success(),
        "{}{}",
        String::from_utf8_lossy(&ran.stdout),
        String::from_utf8_lossy(&ran.stderr)
    );
}

/// The example in Rust: the sandbox with packs in memory, without catalog and vault.
#[test]
fn rust_elsewhere_gives_our_packs() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.mpack");
    let ran = Command::new(binary::example("embed"))
        .arg(&out)
        .args(fixtures::muse_cli())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(
        packhouse_tests::model::key(&std::fs::read(&out).unwrap()),
        fixtures::CONSOLIDATED_KEY
    );
    let source = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/examples/embed.rs"),
    )
    .unwrap();
    assert!(source.lines().count() < 120, "an example is short");
}

#[tokio::test]
async fn node_gives_our_packs() {
    if let Some(host) = node() {
        gives_our_packs(&host).await;
    }
}

#[test]
fn node_replays_our_tapes() {
    node().iter().for_each(replays_our_tapes);
}

#[test]
fn node_passes_its_own_tests() {
    node().iter().for_each(passes_its_own_tests);
}

#[tokio::test]
async fn python_gives_our_packs() {
    if let Some(host) = python() {
        gives_our_packs(&host).await;
    }
}

#[test]
fn python_replays_our_tapes() {
    python().iter().for_each(replays_our_tapes);
}

#[test]
fn python_passes_its_own_tests() {
    python().iter().for_each(passes_its_own_tests);
}
