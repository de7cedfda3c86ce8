//! Histories for the tests of this folder.

use bytes::Bytes;
use packhouse_muse_client::{Files, Form, Local};

/// Some bytes that don't repeat themselves.
pub(crate) fn noise(seed: u64, bytes: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = (0..bytes.div_ceil(8)).flat_map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(bytes).collect()
}

/// Files, from paths and contents.
pub(crate) fn files(entries: &[(&str, &Bytes)]) -> Files {
    entries.iter().map(|(path, content)| ((*path).to_owned(), (*content).clone())).collect()
}

/// Merges, tags, deletions, empty files, whole trees and deltas; and files of `large` bytes, one of
/// which changes.
pub(crate) fn rich(large: usize) -> Local {
    let (empty, text) = (Bytes::new(), Bytes::from_static(b"one\ntwo\n"));
    let (first, second, third) = (noise(1, large), noise(2, large), noise(3, 70_000));
    let mut local = Local::new("gabriel");
    let base = local
        .commit("main", files(&[("a.txt", &text), ("empty", &empty), ("big.bin", &first)]), "begin")
        .unwrap();
    local.tag("v1", &base).unwrap();
    local.branch("feature/x", "main").unwrap();
    local
        .commit(
            "feature/x",
            files(&[("a.txt", &text), ("empty", &empty), ("big.bin", &first), ("mid", &third)]),
            "mid",
        )
        .unwrap();
    // Deletes one, changes another.
    local = local.writing(Form::Delta);
    local.commit("main", files(&[("empty", &empty), ("big.bin", &second)]), "shrink").unwrap();
    local = local.writing(Form::Full).writing_oddly();
    let merged = local
        .merge(
            "main",
            "feature/x",
            files(&[("empty", &empty), ("big.bin", &second), ("mid", &third), ("größe/ü", &text)]),
            "merge",
        )
        .unwrap();
    local.tag("v2", &merged).unwrap();
    local
}

/// A history of so many commits, each with a file of its own.
pub(crate) fn long(author: &str, commits: usize, files_each: usize) -> Local {
    let mut local = Local::new(author);
    let mut tree = Files::new();
    for n in 0..commits {
        for file in 0..files_each {
            let seed = packhouse_muse_client::object_id(format!("{author} {n} {file}").as_bytes());
            let seed = u64::from_str_radix(&seed.as_str()[..16], 16).unwrap();
            tree.insert(format!("{author}/{n}/{file}"), noise(seed, 200 + 37 * file));
        }
        local.commit("main", tree.clone(), &format!("{author} {n}")).unwrap();
    }
    local
}
