//! Law 9: memory is bounded by the number of records, never by payload. The binary gets less memory
//! than the payload has bytes, by a limit of the system, and does all its verbs. The memory of a
//! consolidation, host and component together, grows by few bytes a record.

use std::path::Path;
use std::process::Command;

use packhouse_host::sample::{HeadStyle, HistoryOptions, SnapshotForm, write_history};
use packhouse_host::sandbox::{Planner, Sandbox, SandboxLimits};
use packhouse_host::{Class, Error, GcOptions, Progress};
use packhouse_tests::binary::{Packhouse, program};
use packhouse_tests::cases::line_of_commits;
use packhouse_tests::faulty;
use packhouse_tests::rows::ScatteredObjects;
use packhouse_tests::store::{TestStore, options};

/// Data that a process may have, in KiB: threads' stacks, the component's compiled code and its
/// memory count as well.
const LIMIT: u32 = 100 << 10;

#[test]
fn law_9_memory_is_bounded_by_records_and_not_by_payload() {
    let store = Packhouse::with_repo();
    let options = HistoryOptions {
        pushes: 2,
        commits_per_push: 1,
        objects_per_commit: 4,
        object_bytes: 1 << 20..2 << 20,
        form: SnapshotForm::Whole,
        large_object: Some(120 << 20),
        heads: HeadStyle::OwnBranch,
        overlap: false,
        ..HistoryOptions::default()
    };
    let files = write_history(store.scratch(), &options).unwrap();
    let quoted: Vec<String> = files.iter().map(|file| format!("'{}'", file.display())).collect();
    for verb in [&format!("push a/b {}", quoted.join(" ")), "gc a/b", "fetch a/b", "verify a/b"] {
        let line = format!(
            "ulimit -d {LIMIT}; exec '{}' --data '{}' --json {verb}",
            program().display(),
            store.data().display()
        );
        let out = Command::new("sh").args(["-c", &line]).output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(0), "`{verb}` with {LIMIT} KiB: {said}");
    }
    assert_eq!(store.show()["packs"], 1);
    assert!(store.show()["bytes"].as_u64().unwrap() > 120 << 20);
}

/// Counted by the linear memory of the component, which never shrinks: it is the peak.
#[test]
fn law_9_a_component_plans_with_70_bytes_a_record() {
    let packs = ScatteredObjects { packs: 20, objects: 10_000 };
    let planned = |memory_per_record| {
        let limits =
            SandboxLimits { memory: 3 << 20, memory_per_record, ..SandboxLimits::default() };
        let sandbox = Sandbox::reference(None).unwrap().with_limits(limits);
        sandbox.consolidate(Box::new(packs.host()), packs.records())
    };
    let plan = planned(70).unwrap();
    assert_eq!(plan.records.total(), packs.records());
    assert!(plan.steps.len() as u64 > packs.records() / 20 * 19, "nearly each record is a step");
    let error = planned(50).unwrap_err().to_string();
    assert!(error.contains("of memory"), "the limit holds: {error}");
}

/// Records of a commit of [`line_of_commits`].
const RECORDS: u64 = 12;

/// The store in which [`consolidates_in_a_process_of_its_own`] consolidates.
const STORE: &str = "PACKHOUSE_TEST_LAW_9_STORE";

/// The difference of two sizes counts: what a process takes in any case is in both.
#[tokio::test]
async fn law_9_a_consolidation_takes_at_most_250_bytes_a_record() {
    let mut peaks = Vec::new();
    for commits in [7_000, 21_000] {
        let store = TestStore::new().await;
        let (packs, _) = line_of_commits(commits, 6, |_, _| ());
        store.push(&packs).await.unwrap();
        // The first process compiles the component for all.
        let both = [(); 2].map(|()| peak_of_consolidation(&store.data()));
        peaks.push((RECORDS * commits as u64, both[0].min(both[1])));
    }
    let [(fewer, small), (more, large)] = peaks[..] else { panic!("{peaks:?}") };
    let each = large.saturating_sub(small) / (more - fewer);
    // It is 129 with three million. So few records leave an error of 50 for what varies in any case.
    assert!(each <= 250, "{each} bytes a record: {peaks:?}");
}

/// Plans and applies in a process of its own, on a copy of a store. Returns its peak in bytes.
fn peak_of_consolidation(data: &Path) -> u64 {
    let copy = tempfile::tempdir().unwrap();
    let copied = Command::new("cp").arg("-r").arg(data).arg(copy.path()).status().unwrap();
    assert!(copied.success());
    let out = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "law_9::consolidates_in_a_process_of_its_own", "--ignored"])
        .arg("--nocapture")
        .env(STORE, copy.path().join(data.file_name().unwrap()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let peak = said.lines().find_map(|line| line.split("peak: ").nth(1)?.parse().ok());
    peak.unwrap_or_else(|| panic!("{said}\n{}", String::from_utf8_lossy(&out.stderr)))
}

#[tokio::test]
#[ignore = "a part of law_9_a_consolidation_takes_at_most_250_bytes_a_record"]
async fn consolidates_in_a_process_of_its_own() {
    let data = std::env::var_os(STORE).unwrap();
    let cache = std::env::current_exe().unwrap().with_extension("cache");
    let mut options = options(Path::new(&data));
    options.cache = Some(cache);
    let store = options.open().await.unwrap();
    let repo = "a/b".parse().unwrap();
    let report = store.gc(&repo, GcOptions::default(), &Progress::silent()).await.unwrap();
    assert_eq!(report.packs_after, 1);
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    println!("\npeak: {}", kib << 10);
}

#[tokio::test]
async fn more_records_than_a_component_can_plan_are_refused_before_anything_is_read() {
    let store = TestStore::new().await;
    let (packs, _) = line_of_commits(20, 4, |_, _| ());
    store.push(&packs).await.unwrap();
    let limits = SandboxLimits { records: 239, ..SandboxLimits::default() };
    let sandbox = Sandbox::load(packhouse_artifact::COMPONENT, None, limits).unwrap();
    let limited =
        faulty::open(options(&store.data()), sandbox, &faulty::Fault::never()).await.unwrap();
    let gc = async |options| limited.gc(&store.repo, options, &Progress::silent()).await;
    // Directories and packs are not read: they are not even there.
    let stored = store.data().join("packs");
    std::fs::rename(&stored, store.data().join("elsewhere")).unwrap();
    let error = gc(GcOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::TooManyRecords { records: 240, most: 239, .. }), "{error:?}");
    assert_eq!(error.class(), Class::Refused);
    let way_out = "packhouse gc a/b --geometric --max-bytes";
    assert!(error.to_string().contains(way_out), "{error}");
    std::fs::rename(store.data().join("elsewhere"), &stored).unwrap();
    let some = GcOptions { geometric: Some(2), max_bytes: Some(30_000), ..GcOptions::default() };
    let done = gc(some).await.unwrap();
    assert!(!done.skipped && done.packs_after > 1, "{done:?}");
}
