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

/// Objects of a commit of [`line_of_commits`].
pub const OBJECTS: usize = 10;

/// A file of a commit of [`line_of_commits`]: its path and its content.
pub type NewFile = (String, [u8; 16]);

/// A line of commits, in packs that continue each other: each commit has ten objects of 16 bytes at
/// new paths, and a snapshot that is a delta. The number and the files of each commit are handed to
/// `each`. Returns the ids of the commits as well, oldest first.
pub fn line_of_commits(
    commits: usize,
    packs: usize,
    each: impl FnMut(usize, &[NewFile]),
) -> (Vec<Vec<u8>>, Vec<String>) {
    line_of_commits_in(&even_packs(commits, packs), each)
}

/// How many commits each of some packs has, so that these are about as large.
pub fn even_packs(commits: usize, packs: usize) -> Vec<usize> {
    (0..packs).map(|n| (n + 1) * commits / packs - n * commits / packs).collect()
}

/// The same, with so many commits in each pack.
pub fn line_of_commits_in(
    packs: &[usize],
    mut each: impl FnMut(usize, &[NewFile]),
) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut random = Random::new(15);
    let (mut ids, mut tree): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut next = 0..;
    let packs = packs.iter().map(|commits| {
        let mut pack = PackBuilder::new();
        for number in next.by_ref().take(*commits) {
            let file = |n| {
                let mut content = [0; 16];
                random.fill(&mut content);
                (path_of(number, n), content)
            };
            let files: Vec<NewFile> = (0..OBJECTS).map(file).collect();
            each(number, &files);
            let upsert =
                files.into_iter().map(|(path, content)| (path, pack.object(&content))).collect();
            let id = IdForm::Bare.id_of(format!("tree {number}").as_bytes());
            let parent = tree.replace(id.clone());
            pack.snapshot(&SnapshotSpec::Delta { id: id.clone(), parent, upsert, remove: vec![] });
            let parent = ids.last().map(String::as_str);
            let (message, at) = (format!("commit {number}"), "2026-01-01T00:00:00+00:00");
            let commit = CommitSpec::new(IdForm::Bare, [parent, None], &id, &message, at);
            pack.commit(&commit);
            ids.push(commit.id);
        }
        if let Some(head) = ids.last() {
            pack.branch_head("main", head);
        }
        pack.finish()
    });
    let packs = packs.collect();
    (packs, ids)
}

/// Where a commit of [`line_of_commits`] has a file: no folder has more than 640 entries.
fn path_of(commit: usize, file: usize) -> String {
    format!("{:03x}/{:02x}/{:02x}-{file}", commit >> 12, (commit >> 6) & 63, commit & 63)
}
