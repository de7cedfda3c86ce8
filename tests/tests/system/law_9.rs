//! Law 9: memory is bounded by the number of records, never by payload. The binary gets less memory
//! than the payload has bytes, by a limit of the system, and does all its verbs.

use std::process::Command;

use packhouse_host::sample::{HeadStyle, HistoryOptions, SnapshotForm, write_history};
use packhouse_tests::binary::{Packhouse, program};

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
