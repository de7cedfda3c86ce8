//! The records of a history, each with its original bytes.
//!
//! A record is passed on byte for byte, so what is parsed is kept beside its bytes and never
//! written again.

use std::collections::BTreeMap;

use bytes::Bytes;
use rmpv::{Value, ValueRef};

use crate::error::{Error, Result};
use crate::id::{Id, commit_id, object_id};
use crate::wire::{Fields, Out};

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// Its id.
    pub id: Id,
    /// None, one or two commits, the first parent first.
    pub parents: Vec<Id>,
    /// Its tree.
    pub snapshot: Id,
    /// ISO-8601, as written.
    pub committed_at: String,
    /// The record as MessagePack.
    pub record: Bytes,
}

/// What the record of a commit is made of.
#[derive(Clone, Debug)]
pub struct NewCommit<'a> {
    /// The repository it is made in.
    pub repo_id: &'a str,
    /// The branch it is made on.
    pub branch: &'a str,
    /// The first parent, then the merged one. The record has two fields.
    pub parents: Vec<Id>,
    /// Its tree.
    pub snapshot: Id,
    /// What was done.
    pub message: &'a str,
    /// Who did it.
    pub author: &'a str,
    /// ISO-8601.
    pub committed_at: &'a str,
    /// Whether a field has a longer encoding than needed. It is valid, and shows which programs
    /// re-encode records.
    pub odd: bool,
}

impl Commit {
    /// Reads a record.
    pub fn read(record: Bytes) -> Result<Self> {
        let fields = Fields::of(&record, "commit")?;
        let parents =
            [fields.id_or_nil("parent_commit_id")?, fields.id_or_nil("parent2_commit_id")?];
        let (id, snapshot) = (fields.id("commit_id")?, fields.id("snapshot_id")?);
        let committed_at = fields.text("committed_at")?.to_owned();
        Ok(Commit {
            id,
            parents: parents.into_iter().flatten().collect(),
            snapshot,
            committed_at,
            record,
        })
    }

    /// Makes a record with the fields of the March 2026 client, in its order.
    pub fn make(new: &NewCommit<'_>) -> Self {
        let id = commit_id(&new.parents, &new.snapshot, new.message, new.committed_at);
        let mut out = Out::default();
        out.map(22)
            .text("commit_id")
            .text(id.as_str())
            .text("repo_id")
            .text(new.repo_id)
            .text("branch")
            .text(new.branch);
        out.text("snapshot_id").text(new.snapshot.as_str()).text("message").text(new.message);
        out.text("committed_at").text(new.committed_at);
        out.text("parent_commit_id").id_or_nil(new.parents.first());
        out.text("parent2_commit_id").id_or_nil(new.parents.get(1));
        out.text("author")
            .text(new.author)
            .text("metadata")
            .map(0)
            .text("structured_delta")
            .value(&Value::Nil);
        out.text("sem_ver_bump").text("none").text("breaking_changes").array(0);
        for empty in
            ["agent_id", "model_id", "toolchain_id", "prompt_hash", "signature", "signer_key_id"]
        {
            out.text(empty).text("");
        }
        out.text("format_version").value(&5.into()).text("reviewed_by").array(0).text("test_runs");
        if new.odd {
            out.verbatim(&[0xce, 0, 0, 0, 0]); // 0 as an unsigned 32-bit number
        } else {
            out.value(&0.into());
        }
        Commit {
            id,
            parents: new.parents.clone(),
            snapshot: new.snapshot.clone(),
            committed_at: new.committed_at.to_owned(),
            record: out.take(),
        }
    }
}

/// The two forms of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// All of it: path to object.
    Full(BTreeMap<String, Id>),
    /// What is other than in the parent, or than in an empty tree.
    Delta {
        /// The snapshot that it depends on.
        parent: Option<Id>,
        /// New and changed paths.
        upsert: BTreeMap<String, Id>,
        /// Paths that are gone.
        remove: Vec<String>,
    },
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its id.
    pub id: Id,
    /// Its tree.
    pub tree: Tree,
    /// The record as MessagePack.
    pub record: Bytes,
}

impl Snapshot {
    /// Reads a record. One that has a `manifest` is a whole tree, whatever else it has.
    pub fn read(record: Bytes) -> Result<Self> {
        let fields = Fields::of(&record, "snapshot")?;
        let id = fields.id("snapshot_id")?;
        let tree = if fields.get("manifest").is_some() {
            Tree::Full(fields.names("manifest")?)
        } else {
            let parent = fields.id_or_nil("parent_snapshot_id")?;
            Tree::Delta {
                parent,
                upsert: fields.names("delta_upsert")?,
                remove: fields.texts("delta_remove")?,
            }
        };
        Ok(Snapshot { id, tree, record })
    }

    /// Makes a record.
    pub fn make(id: Id, tree: Tree, created_at: &str) -> Self {
        let mut out = Out::default();
        match &tree {
            Tree::Full(manifest) => {
                out.map(3).text("snapshot_id").text(id.as_str()).text("manifest").names(manifest);
                out.text("created_at").text(created_at);
            }
            Tree::Delta { parent, upsert, remove } => {
                out.map(4)
                    .text("snapshot_id")
                    .text(id.as_str())
                    .text("parent_snapshot_id")
                    .id_or_nil(parent.as_ref());
                out.text("delta_upsert").names(upsert).text("delta_remove").array(remove.len());
                remove.iter().for_each(|path| _ = out.text(path));
            }
        }
        Snapshot { id, tree, record: out.take() }
    }

    /// The objects that the record names, by path.
    pub fn names(&self) -> &BTreeMap<String, Id> {
        match &self.tree {
            Tree::Full(manifest) => manifest,
            Tree::Delta { upsert, .. } => upsert,
        }
    }

    /// The base of a delta.
    pub fn parent(&self) -> Option<&Id> {
        match &self.tree {
            Tree::Full(_) => None,
            Tree::Delta { parent, .. } => parent.as_ref(),
        }
    }
}

/// An object: bytes with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its id.
    pub id: Id,
    /// Its bytes, of any number.
    pub content: Bytes,
}

impl Object {
    /// Names some bytes.
    pub fn make(content: Bytes) -> Self {
        Object { id: object_id(&content), content }
    }

    /// Reads an entry of a pack. The content is a part of the pack's memory, not a copy.
    pub fn read(entry: Bytes) -> Result<Self> {
        let fields = Fields::of(&entry, "object")?;
        let id = fields.id("object_id")?;
        match fields.get("content") {
            Some(ValueRef::Binary(content)) => Ok(Object { id, content: entry.slice_ref(content) }),
            _ => Err(fields.wrong("content", "no bytes")),
        }
    }

    /// An error unless the id names the content.
    pub fn check(&self) -> Result<()> {
        if self.id.names(&self.content) {
            return Ok(());
        }
        Err(Error::WrongContent { id: self.id.clone(), found: object_id(&self.content) })
    }
}

/// A name for a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its id: free text.
    pub id: String,
    /// The commit.
    pub commit: Id,
    /// The name.
    pub name: String,
    /// The record as MessagePack.
    pub record: Bytes,
}

impl Tag {
    /// Reads a record.
    pub fn read(record: Bytes) -> Result<Self> {
        let fields = Fields::of(&record, "tag")?;
        let (id, name) = (fields.text("tag_id")?.to_owned(), fields.text("tag")?.to_owned());
        Ok(Tag { id, commit: fields.id("commit_id")?, name, record })
    }

    /// Makes a record.
    pub fn make(id: &str, repo_id: &str, commit: &Id, name: &str, created_at: &str) -> Self {
        let mut out = Out::default();
        out.map(5)
            .text("tag_id")
            .text(id)
            .text("repo_id")
            .text(repo_id)
            .text("commit_id")
            .text(commit.as_str());
        out.text("tag").text(name).text("created_at").text(created_at);
        Tag { id: id.to_owned(), commit: commit.clone(), name: name.to_owned(), record: out.take() }
    }
}
