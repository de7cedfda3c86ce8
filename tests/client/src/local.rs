//! A repository in memory: what a person at a Muse client has before anything is pushed.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Kind, Result};
use crate::id::{Id, snapshot_id};
use crate::record::{Commit, NewCommit, Object, Snapshot, Tag, Tree};

/// A tree with its contents: path to bytes.
pub type Files = BTreeMap<String, Bytes>;

/// How commits write their trees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Each tree whole.
    #[default]
    Full,
    /// As the difference to the first parent's tree. A first commit has no base.
    Delta,
}

/// The first commit's time: 1 March 2026.
const EPOCH: i64 = 1_772_323_200;

/// A repository in memory.
///
/// Nothing in it comes from a clock or from chance. The time goes on by a second with every commit,
/// and its fraction is the author's, so that two people who do the same thing at the same time
/// still make two commits.
#[derive(Clone, Debug)]
pub struct Local {
    pub(crate) repo_id: String,
    pub(crate) default_branch: Option<String>,
    pub(crate) objects: BTreeMap<Id, Bytes>,
    pub(crate) commits: BTreeMap<Id, Commit>,
    pub(crate) snapshots: BTreeMap<Id, Snapshot>,
    pub(crate) branches: BTreeMap<String, Id>,
    pub(crate) tags: BTreeMap<String, Tag>,
    /// Where the remote's branches were when they were last seen.
    pub(crate) tracking: BTreeMap<String, Id>,
    author: String,
    form: Form,
    odd: bool,
    time: Option<String>,
}

impl Local {
    /// An empty repository of an author. Its id is derived from the name.
    pub fn new(author: &str) -> Self {
        Local {
            repo_id: uuid(&Id::of(author.as_bytes())),
            default_branch: None,
            objects: BTreeMap::new(),
            commits: BTreeMap::new(),
            snapshots: BTreeMap::new(),
            branches: BTreeMap::new(),
            tags: BTreeMap::new(),
            tracking: BTreeMap::new(),
            author: author.to_owned(),
            form: Form::Full,
            odd: false,
            time: None,
        }
    }

    /// The same repository, used by another author.
    pub fn used_by(mut self, author: &str) -> Self {
        author.clone_into(&mut self.author);
        self
    }

    /// Writes trees in another form from here on.
    pub fn writing(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Writes commits from here on with a field that is longer than it need be. Such a record is
    /// valid; a server that re-encodes records changes it.
    pub fn writing_oddly(mut self) -> Self {
        self.odd = true;
        self
    }

    /// The next commit or tag has this time, in ISO-8601.
    pub fn set_time(&mut self, time: &str) {
        self.time = Some(time.to_owned());
    }

    /// Commits a whole tree on top of a branch, or as the first commit of a new one.
    pub fn commit(&mut self, branch: &str, files: Files, message: &str) -> Result<Id> {
        let parents = self.branches.get(branch).cloned().into_iter().collect();
        self.record(branch, parents, files, message)
    }

    /// Commits a whole tree on top of two branches. The other may be one of the remote, as
    /// `origin/NAME`.
    pub fn merge(&mut self, branch: &str, other: &str, files: Files, message: &str) -> Result<Id> {
        let parents = vec![self.head(branch)?.clone(), self.head(other)?.clone()];
        self.record(branch, parents, files, message)
    }

    /// Sets a branch, new or not, to the head of another one.
    pub fn branch(&mut self, name: &str, from: &str) -> Result<Id> {
        let head = self.head(from)?.clone();
        self.branches.insert(name.to_owned(), head.clone());
        Ok(head)
    }

    /// Names a commit.
    pub fn tag(&mut self, name: &str, commit: &Id) -> Result<Tag> {
        if !self.commits.contains_key(commit) {
            return Err(Error::missing(Kind::Commit, commit, format!("tag {name:?}")));
        }
        let time = self.next_time();
        let id = uuid(&Id::of([&self.repo_id, name, commit.as_str()].join("\0").as_bytes()));
        let tag = Tag::make(&id, &self.repo_id, commit, name, &time);
        self.tags.insert(id, tag.clone());
        Ok(tag)
    }

    /// The files at a branch, which may be one of the remote, as `origin/NAME`.
    pub fn checkout(&self, branch: &str) -> Result<Files> {
        self.files_at(self.head(branch)?)
    }

    /// The files at a commit.
    pub fn files_at(&self, commit: &Id) -> Result<Files> {
        let found = self
            .commits
            .get(commit)
            .ok_or_else(|| Error::missing(Kind::Commit, commit, "a checkout"))?;
        let content = |(path, id): (String, Id)| match self.objects.get(&id) {
            Some(content) => Ok((path, content.clone())),
            None => Err(Error::missing(
                Kind::Object,
                &id,
                format!("{path:?} of snapshot {}", found.snapshot),
            )),
        };
        self.tree(&found.snapshot)?.into_iter().map(content).collect()
    }

    /// The head of a branch; `origin/NAME` is a branch of the remote when it was last fetched.
    pub fn head(&self, branch: &str) -> Result<&Id> {
        let remote = || branch.strip_prefix("origin/").and_then(|name| self.tracking.get(name));
        self.branches
            .get(branch)
            .or_else(remote)
            .ok_or_else(|| Error::NoBranch { name: branch.to_owned() })
    }

    /// Its branches.
    pub fn branches(&self) -> &BTreeMap<String, Id> {
        &self.branches
    }

    /// Its commits.
    pub fn commits(&self) -> &BTreeMap<Id, Commit> {
        &self.commits
    }

    /// Its snapshots.
    pub fn snapshots(&self) -> &BTreeMap<Id, Snapshot> {
        &self.snapshots
    }

    /// Its objects.
    pub fn objects(&self) -> &BTreeMap<Id, Bytes> {
        &self.objects
    }

    /// Its tags, by id.
    pub fn tags(&self) -> &BTreeMap<String, Tag> {
        &self.tags
    }

    /// The branch that the remote says is the default, after a clone or pull.
    pub fn default_branch(&self) -> Option<&str> {
        self.default_branch.as_deref()
    }

    /// Which object is at which path of a snapshot.
    pub fn tree(&self, snapshot: &Id) -> Result<BTreeMap<String, Id>> {
        let (mut tree, mut deltas, mut seen) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
        let (mut next, mut needed_by) = (Some(snapshot), "a checkout".to_owned());
        while let Some(id) = next {
            if !seen.insert(id) {
                return Err(Error::Cycle { id: id.clone() });
            }
            let found = self
                .snapshots
                .get(id)
                .ok_or_else(|| Error::missing(Kind::Snapshot, id, needed_by))?;
            match &found.tree {
                Tree::Full(manifest) => tree = manifest.clone(),
                Tree::Delta { upsert, remove, .. } => deltas.push((upsert, remove)),
            }
            (next, needed_by) = (found.parent(), format!("snapshot {id}"));
        }
        for (upsert, remove) in deltas.into_iter().rev() {
            remove.iter().for_each(|path| _ = tree.remove(path));
            tree.extend(upsert.clone());
        }
        Ok(tree)
    }

    fn record(
        &mut self,
        branch: &str,
        parents: Vec<Id>,
        files: Files,
        message: &str,
    ) -> Result<Id> {
        let time = self.next_time();
        let mut tree = BTreeMap::new();
        for (path, content) in files {
            let object = Object::make(content);
            tree.insert(path, object.id.clone());
            self.objects.entry(object.id).or_insert(object.content);
        }
        let snapshot = self.snapshot(tree, parents.first(), &time)?;
        let (repo_id, author) = (&self.repo_id, &self.author);
        let new = NewCommit {
            repo_id,
            branch,
            parents,
            snapshot,
            message,
            author,
            committed_at: &time,
            odd: self.odd,
        };
        let commit = Commit::make(&new);
        let id = commit.id.clone();
        self.commits.entry(id.clone()).or_insert(commit);
        self.branches.insert(branch.to_owned(), id.clone());
        Ok(id)
    }

    /// Stores a tree. A known one keeps its record: a second one could be a delta on a tree that
    /// depends on the first.
    fn snapshot(
        &mut self,
        tree: BTreeMap<String, Id>,
        parent: Option<&Id>,
        time: &str,
    ) -> Result<Id> {
        let id = snapshot_id(&tree);
        if self.snapshots.contains_key(&id) {
            return Ok(id);
        }
        let tree = match self.form {
            Form::Full => Tree::Full(tree),
            Form::Delta => {
                let parent = parent
                    .and_then(|id| self.commits.get(id))
                    .map(|commit| commit.snapshot.clone());
                let before =
                    parent.as_ref().map(|id| self.tree(id)).transpose()?.unwrap_or_default();
                let remove =
                    before.keys().filter(|path| !tree.contains_key(*path)).cloned().collect();
                let upsert =
                    tree.into_iter().filter(|(path, id)| before.get(path) != Some(id)).collect();
                Tree::Delta { parent, upsert, remove }
            }
        };
        self.snapshots.insert(id.clone(), Snapshot::make(id.clone(), tree, time));
        Ok(id)
    }

    fn next_time(&mut self) -> String {
        if let Some(time) = self.time.take() {
            return time;
        }
        let fraction = Id::of(self.author.as_bytes())
            .as_str()
            .bytes()
            .fold(0, |sum, digit| (sum * 31 + i64::from(digit)) % 1_000_000);
        let since = SignedDuration::from_secs(EPOCH + self.commits.len() as i64)
            + SignedDuration::from_micros(fraction);
        let time = Timestamp::from_duration(since).unwrap_or(Timestamp::MAX);
        time.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
    }
}

/// The first digits of an id in the shape of a UUID.
fn uuid(id: &Id) -> String {
    let d = id.digits();
    format!("{}-{}-4{}-a{}-{}", &d[..8], &d[8..12], &d[13..16], &d[17..20], &d[20..32])
}
