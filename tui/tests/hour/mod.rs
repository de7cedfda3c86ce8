//! An operator's hour: a store with a damaged repo, a failed job and packs to prune is put in order
//! with the console, by what it says on its screens, in a terminal of 80×24.
//!
//! What the operator does in another terminal is done with the binary: pushing a pack again, and
//! running a worker.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::SignedDuration;
use packhouse_host::clock::{Clock, FixedClock, SystemClock};
use packhouse_host::sample::{HistoryOptions, write_history};
use packhouse_host::{GcOptions, Progress, PushOptions, StoreOptions, Visibility};

use crate::pty::{PACKHOUSE, Terminal};

/// How long ago packs were replaced: longer than the grace period of a prune.
const PAST: SignedDuration = SignedDuration::from_hours(20 * 24);

/// The store of the hour.
struct Scene {
    data: tempfile::TempDir,
    /// The file of the damaged pack, as the client has it.
    pushed: PathBuf,
}

impl Scene {
    /// A store in which something was consolidated 20 days ago, then a pack was damaged, and the job
    /// that met it failed.
    async fn build() -> Scene {
        let data = tempfile::tempdir().unwrap();
        consolidated_in_the_past(&data.path().join("store")).await;
        let scene = Scene { pushed: data.path().join("choir/00004.mpack"), data };
        scene.push("city/archive", "archive", 2, 3);
        scene.push("ines/choir", "choir", 3, 4);
        scene.run(&["repo", "create", "zoe/empty"]);
        scene.damage();
        scene.run(&["gc", "--async", "ines/choir"]);
        scene.work();
        scene
    }

    fn store(&self) -> PathBuf {
        self.data.path().join("store")
    }

    /// Runs the binary on the store.
    fn call(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PACKHOUSE);
        command.arg("--data").arg(self.store()).arg("--json").args(arguments);
        command.env("HOME", self.data.path()).output().unwrap()
    }

    /// Runs the binary, which must succeed, and returns what it prints.
    fn run(&self, arguments: &[&str]) -> String {
        let ended = self.call(arguments);
        let (printed, error) = (text(&ended.stdout), text(&ended.stderr));
        assert!(ended.status.success(), "{arguments:?}: {printed}{error}");
        printed
    }

    /// Runs all queued jobs. One attempt each: what is damaged stays so.
    fn work(&self) {
        self.call(&["worker", "--drain", "--no-policies", "--attempts", "1"]);
    }

    /// Creates a repo, and pushes a history to it.
    fn push(&self, repo: &str, folder: &str, seed: u64, pushes: usize) {
        let folder = self.data.path().join(folder);
        std::fs::create_dir(&folder).unwrap();
        let options = HistoryOptions { seed, pushes, overlap: false, ..HistoryOptions::default() };
        let files = write_history(&folder, &options).unwrap();
        self.run(&["repo", "create", repo]);
        let files = files.iter().map(|file| file.to_str().unwrap());
        self.run(&["push", repo].into_iter().chain(files).collect::<Vec<_>>());
    }

    /// Overwrites some bytes of the pack that was pushed last.
    fn damage(&self) {
        let bytes = std::fs::read(&self.pushed).unwrap();
        let stored = packs(&self.store().join("packs"));
        let file = stored.iter().find(|file| std::fs::read(file).unwrap() == bytes).unwrap();
        let mut permissions = std::fs::metadata(file).unwrap().permissions();
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o644);
        std::fs::set_permissions(file, permissions).unwrap();
        let middle = bytes.len() / 2;
        std::fs::write(file, [&bytes[..middle], b"XXXX", &bytes[middle + 4..]].concat()).unwrap();
    }
}

/// A repo whose packs were replaced long enough ago.
async fn consolidated_in_the_past(data: &Path) {
    let then = SystemClock.now() - PAST;
    let clock = Arc::new(FixedClock::starting_at(then));
    let store = StoreOptions { clock, ..StoreOptions::embedded(data) }.open().await.unwrap();
    let (repo, silent) = ("studio/album".parse().unwrap(), Progress::silent());
    let folder = tempfile::tempdir().unwrap();
    let files = write_history(folder.path(), &HistoryOptions::default()).unwrap();
    store.create_repo(&repo, Visibility::Public).await.unwrap();
    store.push(&repo, &files, PushOptions::default(), &silent).await.unwrap();
    store.gc(&repo, GcOptions::default(), &silent).await.unwrap();
}

/// All packs below a folder.
fn packs(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| if path.is_dir() { packs(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|ending| ending == "mpack")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Someone at the console, who presses keys and reads.
struct Operator {
    terminal: Terminal,
    keys: usize,
}

impl Operator {
    /// Types keys, each of one character, and reads until a text is on the screen.
    fn press(&mut self, keys: &str, text: &str) {
        self.keys += keys.chars().count();
        self.terminal.type_keys(keys);
        self.terminal.until_shown(text);
    }

    /// Reads: the text is on the screen, or will be.
    fn reads(&mut self, text: &str) {
        self.terminal.until_shown(text);
    }
}

const ENTER: &str = "\r";
const CTRL_U: &str = "\x15";
const CTRL_C: &str = "\x03";

#[tokio::test]
async fn an_operators_hour_puts_the_store_in_order() {
    let scene = Scene::build().await;
    assert_eq!(scene.call(&["doctor"]).status.code(), Some(4), "there is damage");
    let mut terminal =
        Terminal::call(&scene.store(), &[], &[("HOME", scene.data.path().to_str().unwrap())]);
    terminal.resize(24, 80);
    let mut operator = Operator { terminal, keys: 0 };

    // What is wrong? The header says it, and Health leads to the repo.
    operator.reads("✗ 1 damaged  ✗ 1 job");
    operator.press("3", "R repairs what has intact copies in the store, A all damaged");
    operator.press(ENTER, "found by gc");
    operator.press("v", "1 problem found in 4 packs");
    operator.reads("damaged pack: its bytes don't match its key");
    // It says how to heal it: first in the store, then from where the pack came.
    operator.reads("Press R to repair it");
    operator.press("R", "Repair ines/choir?");
    operator.press("y", "1 problem left in 5 packs");
    operator.reads("packhouse push ines/choir FILE");
    scene.run(&["push", "ines/choir", scene.pushed.to_str().unwrap()]);
    operator.press("v", "No problems: all packs are present and intact.");
    operator.terminal.until_gone("damaged");

    // The failed job is done by a worker.
    operator.press("2", "▸ines/choir");
    operator.press("r", "Retry job 1, gc of ines/choir?");
    operator.press("y", "Job 1 is queued again");
    scene.work();
    operator.reads("done");
    operator.terminal.until_gone("✗");

    // A policy.
    operator.press("5", "city/archive");
    operator.press("e", "Policy of city/archive: the default, until it is set");
    operator.press(CTRL_U, "none");
    operator.press("20", "it has more than 20 packs");
    operator.press(ENTER, "Set the policy of city/archive?");
    operator.press("y", "The policy of city/archive is set");
    assert!(scene.run(&["policy", "show", "city/archive"]).contains("\"max_packs\":20"));

    // Packs that no repo needs.
    operator.press("4", "6 packs");
    operator.press("p", "To confirm, type 6 and press Enter:");
    operator.press("6", "type 6 and press Enter: 6");
    operator.press(ENTER, "6 packs deleted");

    // A token.
    operator.press("7", "Press n to create one.");
    operator.press("n", "read|push|admin REPOS");
    operator.press("push ines/* 90d laptop", "90d laptop");
    operator.press(ENTER, "Create a token?");
    operator.press("y", "It is not shown again.");
    assert!(scene.run(&["token", "list"]).contains("laptop"));

    // One object.
    operator.press("1", "zoe/empty");
    operator.press("/", "filter:");
    operator.press("choir", "filter: choir");
    operator.press(ENTER, "matching");
    operator.press("b", "8 commits");
    operator.press(ENTER, "OBJECT");
    operator.press(ENTER, "Place ");

    operator.keys += 1;
    operator.terminal.type_keys(CTRL_C);
    assert_eq!(operator.terminal.ended().exit_code(), 0);
    println!("the operator's hour: {} keys", operator.keys);
    assert!(operator.keys <= 60, "{} keys: it was less before", operator.keys);
    let doctor = scene.call(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", text(&doctor.stdout));
    assert!(!text(&doctor.stdout).contains("\"fail\""), "{}", text(&doctor.stdout));
    scene.run(&["verify"]);
}
