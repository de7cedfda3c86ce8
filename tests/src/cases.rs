//! Repos of a size, for benchmarks.

use std::fs::File;
use std::path::{Path, PathBuf};

use packhouse_host::sample::{CommitSpec, IdForm, PackBuilder, Random, SnapshotSpec};

/// A case: so many packs of so many objects.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// Packs, a commit each.
    pub packs: usize,
    /// Objects in each.
    pub objects: usize,
    /// Size of an object's content in bytes.
    pub bytes: usize,
    /// Half of each pack's objects are those of the pack before.
    pub duplicates: bool,
}

/// Writes the packs of a case: one commit a pack, on top of the last; its snapshot lists the pack's
/// objects as a delta.
///
/// # Panics
/// When they can't be written.
pub fn write_case(folder: &Path, case: &Case) -> Vec<PathBuf> {
    std::fs::create_dir_all(folder).expect("files can be written");
    let mut random = Random::new(7);
    let mut before: Vec<Vec<u8>> = Vec::new();
    let (mut parent, mut tree): (Option<String>, Option<String>) = (None, None);
    let mut paths = Vec::new();
    for i in 0..case.packs {
        let mut pack = PackBuilder::new();
        let mut upsert = Vec::new();
        let fresh = if case.duplicates { case.objects / 2 } else { case.objects };
        let again = std::mem::take(&mut before);
        for j in 0..fresh {
            let mut content = vec![0; case.bytes];
            random.fill(&mut content);
            upsert.push((format!("part{}/file-{i}-{j}.bin", j % 16), pack.object(&content)));
            if case.duplicates {
                before.push(content);
            }
        }
        for content in again {
            pack.object(&content);
        }
        let id = IdForm::Bare.id_of(format!("tree {i} of {}", case.name).as_bytes());
        let snapshot = SnapshotSpec::Delta {
            id: id.clone(),
            parent: tree.replace(id.clone()),
            upsert,
            remove: vec![],
        };
        let commit = CommitSpec::new(
            IdForm::Bare,
            [parent.as_deref(), None],
            &id,
            &format!("push {i}"),
            "2026-01-01T00:00:00+00:00",
        );
        pack.snapshot(&snapshot).commit(&commit).branch_head("main", &commit.id);
        parent = Some(commit.id);
        let path = folder.join(format!("{i:04}.mpack"));
        std::fs::write(&path, pack.finish()).expect("files can be written");
        paths.push(path);
    }
    // On disk before the clock starts, so that the measured runs don't pay for it.
    for path in &paths {
        File::open(path).expect("files can be written").sync_all().expect("files can be written");
    }
    paths
}
