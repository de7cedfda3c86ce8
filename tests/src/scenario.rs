//! Scenarios: histories and what is done with them, as data. See `fixtures/scenarios/README.md`.

use std::collections::BTreeMap;

use packhouse_host::sample::{CommitSpec, IdForm, PackBuilder, SnapshotSpec, TagSpec};
use serde::Deserialize;

/// A scenario file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about, in a sentence.
    pub about: String,
    /// Whether snapshots are deltas.
    #[serde(default)]
    pub delta: bool,
    /// Whether ids are prefixed.
    #[serde(default)]
    pub prefixed: bool,
    /// The packs, by name.
    pub packs: BTreeMap<String, PackText>,
    /// What is done with them.
    pub steps: Vec<Step>,
}

/// A pack in short form.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackText {
    /// Commits, each as `name` or `name < parent` or `name < parent other`, oldest first. A parent
    /// that no pack gives is unknown.
    #[serde(default)]
    pub commits: Vec<String>,
    /// Branch heads.
    #[serde(default)]
    pub heads: BTreeMap<String, String>,
    /// Tags: name to commit.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Commits whose object is not in this pack.
    #[serde(default)]
    pub without_objects: Vec<String>,
    /// Contents of objects that no snapshot holds.
    #[serde(default)]
    pub loose: Vec<String>,
}

/// One step. Exactly one of `push`, `gc` and `fetch`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Packs to push together.
    pub push: Option<Vec<String>>,
    /// Whether to push by force.
    #[serde(default)]
    pub force: bool,
    /// Statuses that the push answers.
    pub status: Option<Vec<String>>,
    /// New objects that the push answers, for each file.
    pub new_objects: Option<Vec<u64>>,
    /// All heads of the repo after the step.
    pub heads: Option<BTreeMap<String, String>>,
    /// Consolidates, and expects this.
    pub gc: Option<GcText>,
    /// Fetches, and expects this.
    pub fetch: Option<FetchText>,
    /// The step fails.
    pub error: Option<ErrorText>,
}

/// What a consolidation answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcText {
    /// Packs before.
    pub before: u64,
    /// Packs after.
    pub after: u64,
    /// Whether there was nothing to do.
    #[serde(default)]
    pub skipped: bool,
    /// Duplicates dropped.
    pub duplicates: Option<u64>,
}

/// What is fetched, and what is answered.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FetchText {
    /// Commits to get; empty: every head.
    #[serde(default)]
    pub want: Vec<String>,
    /// Existing commits.
    #[serde(default)]
    pub have: Vec<String>,
    /// Commits in the answer.
    pub commits: Option<u64>,
    /// Snapshots in the answer.
    pub snapshots: Option<u64>,
    /// Objects in the answer.
    pub objects: Option<u64>,
    /// Tags in the answer.
    pub tags: Option<u64>,
    /// Ids that are missing.
    pub missing: Option<u64>,
    /// Whether a stored pack was the answer.
    pub reused: Option<bool>,
}

/// How a step fails.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorText {
    /// `refused`, `conflict`, `usage` or `damage`.
    pub class: String,
    /// Texts in the message. Names of commits in braces mean their ids.
    #[serde(default)]
    pub says: Vec<String>,
}

/// The packs of a scenario, made.
#[derive(Debug)]
pub struct Made {
    /// By name.
    pub packs: BTreeMap<String, Vec<u8>>,
    form: IdForm,
    commits: BTreeMap<String, Commit>,
}

#[derive(Clone, Debug)]
struct Commit {
    spec: CommitSpec,
    snapshot: SnapshotSpec,
    tree: BTreeMap<String, String>,
}

const AT: &str = "2026-03-02T09:00:00+00:00";

impl Scenario {
    /// All of `fixtures/scenarios`, by name.
    ///
    /// # Panics
    /// When one can't be read.
    pub fn all() -> Vec<(String, Scenario)> {
        let listed = std::fs::read_dir(crate::fixtures::folder().join("scenarios"))
            .expect("the scenarios are checked in");
        let mut files: Vec<_> =
            listed.map(|entry| entry.expect("a listed file is there").path()).collect();
        files.retain(|file| file.extension().is_some_and(|ending| ending == "toml"));
        files.sort();
        assert!(files.len() >= 8, "the scenarios are not there");
        let read = |file: std::path::PathBuf| {
            let text = std::fs::read_to_string(&file).expect("a scenario can be read");
            let scenario =
                toml::from_str(&text).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
            (file.file_stem().expect("a file has a name").to_string_lossy().into_owned(), scenario)
        };
        files.into_iter().map(read).collect()
    }

    /// Makes the packs.
    ///
    /// # Panics
    /// When a commit is its own ancestor, or given with two lists of parents.
    pub fn make(&self) -> Made {
        let form = if self.prefixed { IdForm::Prefixed } else { IdForm::Bare };
        let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in self.packs.values().flat_map(|pack| &pack.commits) {
            let (name, parents) = read_line(line);
            let met = lines.insert(name, parents.clone());
            assert!(
                met.is_none_or(|met| met == parents),
                "`{line}` is given with other parents as well"
            );
        }
        let mut made = Made { packs: BTreeMap::new(), form, commits: BTreeMap::new() };
        while made.commits.len() < lines.len() {
            let before = made.commits.len();
            for (name, parents) in &lines {
                let ready =
                    parents.iter().all(|p| made.commits.contains_key(p) || !lines.contains_key(p));
                if ready && !made.commits.contains_key(name) {
                    let commit = made.commit(name, parents, self.delta);
                    made.commits.insert(name.clone(), commit);
                }
            }
            assert!(made.commits.len() > before, "a commit is its own ancestor");
        }
        for (name, text) in &self.packs {
            let pack = made.pack(text);
            made.packs.insert(name.clone(), pack);
        }
        made
    }
}

fn read_line(line: &str) -> (String, Vec<String>) {
    let (name, parents) = line.split_once('<').unwrap_or((line, ""));
    (name.trim().to_owned(), parents.split_whitespace().map(str::to_owned).collect())
}

impl Made {
    /// The id of a name, also when no pack has it.
    pub fn id(&self, name: &str) -> String {
        self.commits.get(name).map_or_else(
            || self.form.id_of(format!("unknown {name}").as_bytes()),
            |c| c.spec.id.clone(),
        )
    }

    /// The ids of names.
    pub fn ids(&self, names: &[String]) -> Vec<String> {
        names.iter().map(|name| self.id(name)).collect()
    }

    fn commit(&self, name: &str, parents: &[String], delta: bool) -> Commit {
        let known: Vec<&Commit> = parents.iter().filter_map(|p| self.commits.get(p)).collect();
        let mut tree: BTreeMap<String, String> =
            known.iter().flat_map(|c| c.tree.clone()).collect();
        let own = (format!("{name}.txt"), self.form.id_of(content(name).as_bytes()));
        tree.extend([own.clone()]);
        let id = SnapshotSpec::id_of(self.form, &tree);
        let snapshot = if delta {
            let parent = known.first().map(|c| c.spec.snapshot_id.clone().unwrap_or_default());
            let mut upsert: BTreeMap<String, String> =
                known.iter().skip(1).flat_map(|c| c.tree.clone()).collect();
            upsert.extend([own]);
            SnapshotSpec::Delta {
                id: id.clone(),
                parent,
                upsert: upsert.into_iter().collect(),
                remove: Vec::new(),
            }
        } else {
            SnapshotSpec::Whole {
                id: id.clone(),
                manifest: tree.clone().into_iter().collect(),
                created_at: AT.into(),
            }
        };
        let ids = self.ids(parents);
        let parents = [ids.first().map(String::as_str), ids.get(1).map(String::as_str)];
        Commit { spec: CommitSpec::new(self.form, parents, &id, name, AT), snapshot, tree }
    }

    fn pack(&self, text: &PackText) -> Vec<u8> {
        let mut pack = PackBuilder::with_ids(self.form);
        for line in &text.commits {
            let (name, _) = read_line(line);
            let commit = &self.commits[&name];
            pack.commit(&commit.spec).snapshot(&commit.snapshot);
            if !text.without_objects.contains(&name) {
                pack.object(content(&name).as_bytes());
            }
        }
        for loose in &text.loose {
            pack.object(loose.as_bytes());
        }
        for (tag, commit) in &text.tags {
            pack.tag(&TagSpec {
                id: tag.clone(),
                commit_id: self.id(commit),
                tag: tag.clone(),
                created_at: AT.into(),
            });
        }
        for (branch, commit) in &text.heads {
            pack.branch_head(branch, self.id(commit));
        }
        pack.finish()
    }
}

fn content(name: &str) -> String {
    format!("what {name} brought")
}
