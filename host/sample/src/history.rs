//! Generates a history from a seed, push by push.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use packhouse_model::error::{Error, Result};

use super::pack::{CommitSpec, Encoding, IdForm, PackBuilder, SnapshotSpec, TagSpec};
use super::random::Random;
use super::value::Value;

/// The form of snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotForm {
    /// All have the whole tree.
    #[default]
    Whole,
    /// All but the first have the changes to their parent.
    Delta,
    /// Every third has the whole tree.
    Mixed,
}

/// Which branch heads packs name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HeadStyle {
    /// All branches, with their heads after the push, as the client does.
    #[default]
    Client,
    /// A separate branch for each push, so that packs can be pushed in any order without a
    /// conflict.
    OwnBranch,
    /// None.
    Absent,
}

/// Options of a history. Contents, paths and messages follow from the seed.
#[derive(Clone, Debug)]
pub struct HistoryOptions {
    /// Another seed gives another history.
    pub seed: u64,
    /// Number of packs.
    pub pushes: usize,
    /// New commits in each, with a snapshot each.
    pub commits_per_push: usize,
    /// New objects of each commit.
    pub objects_per_commit: usize,
    /// Their sizes in bytes.
    pub object_bytes: Range<usize>,
    /// Whether a side branch, `bridge`, is pushed and merged sometimes.
    pub merges: bool,
    /// The form of the snapshots.
    pub form: SnapshotForm,
    /// Whether each push tags its last commit.
    pub tags: bool,
    /// Whether packs repeat records of earlier ones: as many objects as they have new ones, and the
    /// commits, snapshots and tags of the push before; some in other encodings.
    pub overlap: bool,
    /// Whether ids have the prefix `sha256:`.
    pub prefixed_ids: bool,
    /// Size in bytes of one more object, in the push in the middle.
    pub large_object: Option<usize>,
    /// Which branch heads packs name.
    pub heads: HeadStyle,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        HistoryOptions {
            seed: 1,
            pushes: 6,
            commits_per_push: 2,
            objects_per_commit: 8,
            object_bytes: 64..4096,
            merges: true,
            form: SnapshotForm::Mixed,
            tags: true,
            overlap: true,
            prefixed_ids: false,
            large_object: None,
            heads: HeadStyle::Client,
        }
    }
}

/// The packs of a history, in push order.
pub fn history(options: &HistoryOptions) -> Vec<Vec<u8>> {
    History::new(options.clone()).map(PackBuilder::finish).collect()
}

/// Writes the packs of a history to `dir`, which must exist, and returns the files in push order.
/// Keeps one pack in memory at a time.
///
/// # Errors
/// When a file can't be written.
pub fn write_history(dir: impl AsRef<Path>, options: &HistoryOptions) -> Result<Vec<PathBuf>> {
    let mut files = Vec::with_capacity(options.pushes);
    for (number, pack) in History::new(options.clone()).enumerate() {
        let path = dir.as_ref().join(format!("{:05}.mpack", number + 1));
        let file = File::create(&path).map_err(Error::io("creating", &path))?;
        let mut out = BufWriter::with_capacity(1 << 18, file);
        pack.write_to(&mut out).and_then(|()| out.flush()).map_err(Error::io("writing", &path))?;
        files.push(path);
    }
    Ok(files)
}

/// The state of a branch while the history is generated.
#[derive(Clone, Debug, Default)]
struct Line {
    tip: Option<String>,
    snapshot: Option<String>,
    tree: BTreeMap<String, String>,
}

/// Generates the packs of a history one after the other.
#[derive(Debug)]
pub struct History {
    options: HistoryOptions,
    form: IdForm,
    random: Random,
    pushes: usize,
    commits: u64,
    objects: u64,
    lines: BTreeMap<&'static str, Line>,
    seen: BTreeSet<String>,
    last: Pushed,
}

/// The content of a push, for the next one to repeat.
#[derive(Debug, Default)]
struct Pushed {
    commits: Vec<CommitSpec>,
    snapshots: Vec<SnapshotSpec>,
    tags: Vec<TagSpec>,
}

const MAIN: &str = "main";
const BRIDGE: &str = "bridge";
/// The real client lists every operation; a sample's commits stay small even where they add
/// thousands of objects.
const MAX_OPS: usize = 12;

impl History {
    /// The history of some options.
    pub fn new(options: HistoryOptions) -> Self {
        History {
            form: if options.prefixed_ids { IdForm::Prefixed } else { IdForm::Bare },
            random: Random::stream(options.seed, u64::MAX),
            pushes: 0,
            commits: 0,
            objects: 0,
            lines: BTreeMap::from([(MAIN, Line::default())]),
            seen: BTreeSet::new(),
            last: Pushed::default(),
            options,
        }
    }

    /// Content of object number `number`: a line of text, then bytes that don't compress.
    fn content(&self, number: u64, size: Option<usize>) -> Vec<u8> {
        let mut random = Random::stream(self.options.seed, number);
        let Range { start, end } = self.options.object_bytes;
        let size = size.unwrap_or_else(|| start + random.below(end.saturating_sub(start)));
        let mut content = vec![0; size];
        random.fill(&mut content);
        let title = format!("take {number} of {}\n", self.options.seed);
        if size > 2 * title.len() {
            content[..title.len()].copy_from_slice(title.as_bytes());
        }
        content
    }

    fn push(&mut self) -> PackBuilder {
        let mut pack = PackBuilder::with_ids(self.form);
        let mut pushed = Pushed::default();
        // Before the new records, because packs are filled oldest first.
        if self.options.overlap {
            self.repeat(&mut pack);
        }
        let round = if self.options.merges { self.pushes % 4 } else { 0 };
        let branch = if round == 1 { BRIDGE } else { MAIN };
        for nth in 0..self.options.commits_per_push {
            let merging = round == 3 && nth == 0;
            let large = self
                .options
                .large_object
                .filter(|_| nth == 0 && self.pushes == self.options.pushes / 2);
            self.commit(branch, merging, large, &mut pack, &mut pushed);
        }
        if self.options.tags
            && let Some(commit) = pushed.commits.last()
        {
            let tag = self.tag(&commit.id, &commit.committed_at);
            pack.tag(&tag);
            pushed.tags.push(tag);
        }
        match self.options.heads {
            HeadStyle::Client => {
                for (branch, line) in &self.lines {
                    if let Some(tip) = &line.tip {
                        pack.branch_head(*branch, tip);
                    }
                }
            }
            HeadStyle::OwnBranch => {
                if let Some(tip) = &self.lines[branch].tip {
                    pack.branch_head(format!("push-{:05}", self.pushes + 1), tip);
                }
            }
            HeadStyle::Absent => {
                pack.without("branch_heads");
            }
        }
        self.last = pushed;
        self.pushes += 1;
        pack
    }

    fn commit(
        &mut self,
        branch: &'static str,
        merging: bool,
        large: Option<usize>,
        pack: &mut PackBuilder,
        pushed: &mut Pushed,
    ) {
        let main = self.lines[MAIN].clone();
        let mut line = self.lines.entry(branch).or_insert(main).clone();
        let before = line.tree.clone();
        let mut second = None;
        if merging && let Some(side) = self.lines.get(BRIDGE) {
            line.tree.extend(side.tree.clone());
            second = side.tip.clone();
        }
        let mut upsert = changed(&before, &line.tree);
        upsert.extend(self.new_objects(large, pack));
        line.tree.extend(upsert.iter().cloned());
        let remove = self.removed(&mut line.tree, &upsert);

        let at = time_of(self.commits);
        let id = SnapshotSpec::id_of(self.form, &line.tree);
        let ops = operations(&before, &upsert, &remove);
        // A tree that occurred before keeps its snapshot, and therefore the form of its record.
        if self.seen.insert(id.clone()) {
            let snapshot = self.snapshot(&id, &line, upsert, remove, &at);
            pack.snapshot(&snapshot);
            pushed.snapshots.push(snapshot);
        }

        let parents = [line.tip.as_deref(), second.as_deref()];
        let message = match second {
            Some(_) => format!("bridge joins at bar {}", self.commits),
            None => format!("bar {}", self.commits),
        };
        let mut commit = CommitSpec::new(self.form, parents, &id, &message, &at);
        commit.branch = branch.into();
        commit.structured_delta =
            Value::map([("domain", Value::text("code")), ("ops", Value::Array(ops))]);
        if self.commits % 5 == 2 {
            commit.metadata = metadata(self.commits);
        }
        pack.commit(&commit);
        line.tip = Some(commit.id.clone());
        line.snapshot = Some(id);
        pushed.commits.push(commit);
        self.lines.insert(branch, line);
        self.commits += 1;
    }

    /// New objects, and the paths that they get.
    fn new_objects(
        &mut self,
        large: Option<usize>,
        pack: &mut PackBuilder,
    ) -> Vec<(String, String)> {
        let mut upsert = Vec::new();
        let slots = (2 * self.options.objects_per_commit).max(24);
        let first = self.random.below(slots);
        for i in 0..self.options.objects_per_commit {
            let content = self.content(self.objects, None);
            self.objects += 1;
            let slot = (first + i) % slots;
            let ending = ["md", "py", "txt", "wav"][slot % 4];
            let path = format!("part{}/sheet_{slot:04}.{ending}", slot % 5);
            upsert.push((path, pack.object(&content)));
        }
        if let Some(size) = large {
            let content = self.content(u64::MAX - 1, Some(size));
            upsert.push(("audio/take.wav".into(), pack.object(&content)));
        }
        upsert
    }

    /// Removes a path of a third of the trees: one that was not just written.
    fn removed(
        &mut self,
        tree: &mut BTreeMap<String, String>,
        upsert: &[(String, String)],
    ) -> Vec<String> {
        if self.random.below(3) == 0
            && let Some(path) = tree.keys().nth(self.random.below(tree.len())).cloned()
            && !upsert.iter().any(|(p, _)| *p == path)
        {
            tree.remove(&path);
            return vec![path];
        }
        Vec::new()
    }

    fn snapshot(
        &mut self,
        id: &str,
        line: &Line,
        upsert: Vec<(String, String)>,
        remove: Vec<String>,
        at: &str,
    ) -> SnapshotSpec {
        let id = id.to_owned();
        let whole = match self.options.form {
            SnapshotForm::Whole => true,
            SnapshotForm::Delta => false,
            SnapshotForm::Mixed => self.commits.is_multiple_of(3),
        };
        if whole {
            let mut manifest: Vec<(String, String)> = line.tree.clone().into_iter().collect();
            self.random.shuffle(&mut manifest);
            return SnapshotSpec::Whole { id, manifest, created_at: at.to_owned() };
        }
        let upsert: BTreeMap<String, String> = upsert.into_iter().collect();
        let mut upsert: Vec<(String, String)> = upsert.into_iter().collect();
        self.random.shuffle(&mut upsert);
        SnapshotSpec::Delta { id, parent: line.snapshot.clone(), upsert, remove }
    }

    fn tag(&mut self, commit: &str, at: &str) -> TagSpec {
        let (a, b) = (self.random.next(), self.random.next());
        let id = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            a >> 32,
            a >> 16 & 0xffff,
            a & 0xfff,
            b >> 52,
            b & 0xffff_ffff_ffff
        );
        TagSpec {
            id,
            commit_id: commit.into(),
            tag: format!("emotion:take-{}", self.pushes + 1),
            created_at: at.into(),
        }
    }

    /// Repeats records of earlier pushes, some in other encodings.
    fn repeat(&mut self, pack: &mut PackBuilder) {
        let known = self.objects;
        let encoding = |number: u64| match number % 8 {
            3 => Encoding::Newer,
            5 => Encoding::Reversed,
            _ => Encoding::Client,
        };
        for _ in
            0..(self.options.commits_per_push * self.options.objects_per_commit).min(known as usize)
        {
            let number = self.random.below(known as usize) as u64;
            let content = self.content(number, None);
            pack.object_as(&content, encoding(number + self.pushes as u64));
        }
        let Pushed { commits, snapshots, tags } = &self.last;
        let mut shift = self.pushes as u64;
        let mut next = || {
            shift += 3;
            encoding(shift)
        };
        for commit in commits {
            pack.commit_as(commit, next());
        }
        for snapshot in snapshots {
            pack.snapshot_as(snapshot, next());
        }
        for tag in tags {
            pack.tag_as(tag, next());
        }
    }
}

impl Iterator for History {
    type Item = PackBuilder;

    fn next(&mut self) -> Option<PackBuilder> {
        (self.pushes < self.options.pushes).then(|| self.push())
    }
}

/// What a tree has that it did not have before.
fn changed(
    before: &BTreeMap<String, String>,
    tree: &BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let is_new = |(path, id): &(&String, &String)| before.get(*path) != Some(*id);
    tree.iter().filter(is_new).map(|(path, id)| (path.clone(), id.clone())).collect()
}

/// When a commit was made.
fn time_of(commit: u64) -> String {
    let start: Timestamp = "2026-03-02T09:00:00Z".parse().expect("a fixed date is one");
    let at = start + SignedDuration::from_secs(commit as i64 * 433);
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}

/// What some commits carry besides.
fn metadata(commit: u64) -> Value {
    let tempo =
        Value::map([("bpm", Value::Int(60 + (commit % 90) as i64)), ("swing", Value::Bool(false))]);
    Value::map([("tempo", tempo), ("takes", Value::Array(vec![Value::Int(1), Value::Nil]))])
}

/// The changes, as the client records them in `structured_delta`.
fn operations(
    before: &BTreeMap<String, String>,
    upsert: &[(String, String)],
    remove: &[String],
) -> Vec<Value> {
    let op = |word: &str, path: &str| {
        vec![("op", Value::text(word)), ("address", Value::text(path)), ("position", Value::Nil)]
    };
    let changed = upsert.iter().map(|(path, id)| {
        let mut fields;
        match before.get(path) {
            Some(old) => {
                fields = op("replace", path);
                fields.push(("old_content_id", Value::text(old)));
                fields.push(("new_content_id", Value::text(id)));
                fields.push(("old_summary", Value::text(format!("{path} (before)"))));
                fields.push(("new_summary", Value::text(format!("{path} (after)"))));
            }
            None => {
                fields = op("insert", path);
                fields.push(("content_id", Value::text(id)));
                fields.push(("content_summary", Value::text(format!("added {path}"))));
            }
        }
        Value::map(fields)
    });
    let removed = remove.iter().map(|path| Value::map(op("delete", path)));
    changed.chain(removed).take(MAX_OPS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_one_history_and_another_gives_another() {
        let options = HistoryOptions { large_object: Some(100_000), ..HistoryOptions::default() };
        let packs = history(&options);
        assert_eq!(packs.len(), options.pushes);
        assert_eq!(packs, history(&options));
        assert_ne!(packs, history(&HistoryOptions { seed: 2, ..options.clone() }));
        let dir = tempfile::tempdir().unwrap();
        let files = write_history(dir.path(), &options).unwrap();
        let written: Vec<Vec<u8>> = files.iter().map(|f| std::fs::read(f).unwrap()).collect();
        assert_eq!(written, packs);
    }

    #[test]
    fn a_pack_is_shaped_as_the_client_shapes_it() {
        let mut pack = PackBuilder::new();
        let id = pack.object(b"");
        assert_eq!(id, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let bytes = pack.finish();
        let mut expected = vec![0x84];
        expected
            .extend(b"\xa7commits\x90\xa9snapshots\x90\xa7objects\x91\x82\xa9object_id\xd9\x40");
        expected.extend(id.as_bytes());
        expected.extend(b"\xa7content\xc4\x00\xacbranch_heads\x80");
        assert_eq!(bytes, expected);
    }
}
