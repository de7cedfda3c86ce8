//! The packs of the real client, from `fixtures/muse-cli`.

use std::path::{Path, PathBuf};

/// The key that an independent implementation gave for the consolidated seven packs.
pub const CONSOLIDATED_KEY: &str =
    "sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0";
/// The size of that pack in bytes.
pub const CONSOLIDATED_BYTES: u64 = 791_982;

/// Where fixtures are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The component that does what a component must not.
pub fn hostile_component() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../components/hostile/hostile.wasm")
}

/// The seven files, in push order.
///
/// # Panics
/// When they are not there.
pub fn muse_cli() -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder().join("muse-cli")).expect("the fixtures are checked in");
    let mut files: Vec<PathBuf> =
        listed.map(|entry| entry.expect("a listed file is there").path()).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "mpack"));
    files.sort();
    assert_eq!(files.len(), 7, "the real client's packs are seven");
    files
}

/// Their bytes.
///
/// # Panics
/// When they can't be read.
pub fn muse_cli_packs() -> Vec<Vec<u8>> {
    muse_cli().iter().map(|file| std::fs::read(file).expect("the fixtures can be read")).collect()
}
