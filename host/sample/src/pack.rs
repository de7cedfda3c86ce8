//! One pack, as the client writes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use packhouse_core::Kind;
use rmp::encode;

use super::value::{Value, in_memory};

/// How ids are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IdForm {
    /// 64 hexadecimal digits.
    #[default]
    Bare,
    /// `sha256:` in front of them.
    Prefixed,
}

impl IdForm {
    /// The id of some bytes.
    pub fn id_of(self, bytes: &[u8]) -> String {
        let digits = hex::encode(ring::digest::digest(&ring::digest::SHA256, bytes));
        match self {
            IdForm::Bare => digits,
            IdForm::Prefixed => format!("sha256:{digits}"),
        }
    }
}

/// The several encodings that clients give one record. All of them reach the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As the client of March 2026 writes it.
    #[default]
    Client,
    /// Keys the other way round: as long, other bytes.
    Reversed,
    /// With a field that a newer client adds: longer.
    Newer,
}

impl Encoding {
    fn apply(self, value: Value) -> Vec<u8> {
        let Value::Map(mut fields) = value else { return value.encode() };
        match self {
            Encoding::Client => {}
            Encoding::Reversed => fields.reverse(),
            Encoding::Newer => fields.push(newer_field()),
        }
        Value::Map(fields).encode()
    }
}

fn newer_field() -> (String, Value) {
    (
        "origin".into(),
        Value::map([
            ("client", Value::text("2026.9")),
            ("hops", Value::Array(vec![Value::Int(1), Value::Nil])),
        ]),
    )
}

/// A commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitSpec {
    /// `commit_id`.
    pub id: String,
    /// `repo_id`.
    pub repo_id: String,
    /// `branch`.
    pub branch: String,
    /// `snapshot_id`.
    pub snapshot_id: Option<String>,
    /// `message`.
    pub message: String,
    /// `committed_at`, ISO 8601.
    pub committed_at: String,
    /// `parent_commit_id` and `parent2_commit_id`.
    pub parents: [Option<String>; 2],
    /// `author`.
    pub author: String,
    /// `metadata`: anything, nested.
    pub metadata: Value,
    /// `structured_delta`: anything, nested.
    pub structured_delta: Value,
}

impl CommitSpec {
    /// A commit whose id is derived as the client derives it: over parents, snapshot, message and
    /// time.
    pub fn new(
        form: IdForm,
        parents: [Option<&str>; 2],
        snapshot_id: &str,
        message: &str,
        committed_at: &str,
    ) -> Self {
        let mut sorted: Vec<&str> = parents.into_iter().flatten().collect();
        sorted.sort_unstable();
        let id = form
            .id_of([&sorted.join("\0"), snapshot_id, message, committed_at].join("\0").as_bytes());
        CommitSpec {
            id,
            repo_id: "1a0cfd2c-0291-4e2d-9ad8-7a06abc37a0b".into(),
            branch: "main".into(),
            snapshot_id: Some(snapshot_id.into()),
            message: message.into(),
            committed_at: committed_at.into(),
            parents: parents.map(|p| p.map(str::to_owned)),
            author: "gabriel".into(),
            metadata: Value::Map(Vec::new()),
            structured_delta: Value::Nil,
        }
    }

    /// The record, with the client's fields in the client's order.
    pub fn value(&self) -> Value {
        let text = |text: &str| Value::text(text);
        Value::map([
            ("commit_id", text(&self.id)),
            ("repo_id", text(&self.repo_id)),
            ("branch", text(&self.branch)),
            ("snapshot_id", Value::text_or_nil(self.snapshot_id.as_deref())),
            ("message", text(&self.message)),
            ("committed_at", text(&self.committed_at)),
            ("parent_commit_id", Value::text_or_nil(self.parents[0].as_deref())),
            ("parent2_commit_id", Value::text_or_nil(self.parents[1].as_deref())),
            ("author", text(&self.author)),
            ("metadata", self.metadata.clone()),
            ("structured_delta", self.structured_delta.clone()),
            ("sem_ver_bump", text("none")),
            ("breaking_changes", Value::Array(Vec::new())),
            ("agent_id", text("")),
            ("model_id", text("")),
            ("toolchain_id", text("")),
            ("prompt_hash", text("")),
            ("signature", text("")),
            ("signer_key_id", text("")),
            ("format_version", Value::Int(5)),
            ("reviewed_by", Value::Array(Vec::new())),
            ("test_runs", Value::Int(0)),
        ])
    }
}

/// A snapshot in either form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotSpec {
    /// The whole tree.
    Whole {
        /// `snapshot_id`.
        id: String,
        /// `manifest`: path to object id, in the order given.
        manifest: Vec<(String, String)>,
        /// `created_at`.
        created_at: String,
    },
    /// Changes against a parent.
    Delta {
        /// `snapshot_id`.
        id: String,
        /// `parent_snapshot_id`.
        parent: Option<String>,
        /// `delta_upsert`: path to object id, in the order given.
        upsert: Vec<(String, String)>,
        /// `delta_remove`.
        remove: Vec<String>,
    },
}

impl SnapshotSpec {
    /// The id that the client derives for a tree.
    pub fn id_of(form: IdForm, tree: &BTreeMap<String, String>) -> String {
        let mut parts: Vec<String> =
            tree.iter().map(|(path, object)| format!("{path}\0{object}")).collect();
        parts.sort_unstable();
        form.id_of(parts.join("\0").as_bytes())
    }

    /// `snapshot_id`.
    pub fn id(&self) -> &str {
        match self {
            SnapshotSpec::Whole { id, .. } | SnapshotSpec::Delta { id, .. } => id,
        }
    }

    /// The record, with the client's fields in the client's order.
    pub fn value(&self) -> Value {
        let paths = |entries: &[(String, String)]| {
            Value::map(entries.iter().map(|(path, id)| (path.clone(), Value::text(id))))
        };
        match self {
            SnapshotSpec::Whole { id, manifest, created_at } => Value::map([
                ("snapshot_id", Value::text(id)),
                ("manifest", paths(manifest)),
                ("created_at", Value::text(created_at)),
            ]),
            SnapshotSpec::Delta { id, parent, upsert, remove } => Value::map([
                ("snapshot_id", Value::text(id)),
                ("parent_snapshot_id", Value::text_or_nil(parent.as_deref())),
                ("delta_upsert", paths(upsert)),
                ("delta_remove", Value::Array(remove.iter().map(Value::text).collect())),
            ]),
        }
    }
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagSpec {
    /// `tag_id`: free text.
    pub id: String,
    /// `commit_id`.
    pub commit_id: String,
    /// `tag`: the name.
    pub tag: String,
    /// `created_at`.
    pub created_at: String,
}

impl TagSpec {
    /// The record, with the client's fields in the client's order.
    pub fn value(&self) -> Value {
        Value::map([
            ("tag_id", Value::text(&self.id)),
            ("repo_id", Value::text("1a0cfd2c-0291-4e2d-9ad8-7a06abc37a0b")),
            ("commit_id", Value::text(&self.commit_id)),
            ("tag", Value::text(&self.tag)),
            ("created_at", Value::text(&self.created_at)),
        ])
    }
}

/// An object's record under any id, true or not.
pub fn object_record(id: &str, content: &[u8], encoding: Encoding) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + 128);
    let write_id = |out: &mut Vec<u8>| {
        in_memory(encode::write_str(out, "object_id"));
        in_memory(encode::write_str(out, id));
    };
    let write_content = |out: &mut Vec<u8>| {
        in_memory(encode::write_str(out, "content"));
        in_memory(encode::write_bin(out, content));
    };
    in_memory(encode::write_map_len(&mut out, if encoding == Encoding::Newer { 3 } else { 2 }));
    if encoding == Encoding::Reversed {
        write_content(&mut out);
        write_id(&mut out);
    } else {
        write_id(&mut out);
        write_content(&mut out);
    }
    if encoding == Encoding::Newer {
        let (key, value) = newer_field();
        in_memory(encode::write_str(&mut out, &key));
        value.write(&mut out);
    }
    out
}

/// Writes one pack. Commits are added oldest first and written newest first; snapshots and objects
/// are written by id.
#[derive(Clone, Debug, Default)]
pub struct PackBuilder {
    form: IdForm,
    commits: Vec<Vec<u8>>,
    snapshots: Vec<(String, Vec<u8>)>,
    objects: BTreeMap<String, Vec<u8>>,
    tags: Vec<Vec<u8>>,
    raw: BTreeMap<u8, Vec<Vec<u8>>>,
    heads: BTreeMap<String, String>,
    left_out: BTreeSet<&'static str>,
}

impl PackBuilder {
    /// A pack with bare ids.
    pub fn new() -> Self {
        PackBuilder::default()
    }

    /// A pack whose object ids have a form.
    pub fn with_ids(form: IdForm) -> Self {
        PackBuilder { form, ..PackBuilder::default() }
    }

    /// Adds a commit, newer than those before it.
    pub fn commit(&mut self, commit: &CommitSpec) -> &mut Self {
        self.commit_as(commit, Encoding::Client)
    }

    /// Adds a commit in some encoding.
    pub fn commit_as(&mut self, commit: &CommitSpec, encoding: Encoding) -> &mut Self {
        self.commits.push(encoding.apply(commit.value()));
        self
    }

    /// Adds a snapshot.
    pub fn snapshot(&mut self, snapshot: &SnapshotSpec) -> &mut Self {
        self.snapshot_as(snapshot, Encoding::Client)
    }

    /// Adds a snapshot in some encoding.
    pub fn snapshot_as(&mut self, snapshot: &SnapshotSpec, encoding: Encoding) -> &mut Self {
        self.snapshots.push((snapshot.id().to_owned(), encoding.apply(snapshot.value())));
        self
    }

    /// Adds an object, and answers its id. One that the pack has already is not repeated.
    pub fn object(&mut self, content: &[u8]) -> String {
        self.object_as(content, Encoding::Client)
    }

    /// Adds an object in some encoding, and answers its id.
    pub fn object_as(&mut self, content: &[u8], encoding: Encoding) -> String {
        let id = self.form.id_of(content);
        self.objects.entry(id.clone()).or_insert_with(|| object_record(&id, content, encoding));
        id
    }

    /// Adds a tag.
    pub fn tag(&mut self, tag: &TagSpec) -> &mut Self {
        self.tag_as(tag, Encoding::Client)
    }

    /// Adds a tag in some encoding.
    pub fn tag_as(&mut self, tag: &TagSpec, encoding: Encoding) -> &mut Self {
        self.tags.push(encoding.apply(tag.value()));
        self
    }

    /// Names a branch head.
    pub fn branch_head(
        &mut self,
        branch: impl Into<String>,
        commit: impl Into<String>,
    ) -> &mut Self {
        self.heads.insert(branch.into(), commit.into());
        self
    }

    /// Adds a record as it is, behind the others of its kind. It can be anything: that is the
    /// point.
    pub fn raw(&mut self, kind: Kind, record: impl Into<Vec<u8>>) -> &mut Self {
        self.raw.entry(kind as u8).or_default().push(record.into());
        self
    }

    /// Leaves out a key of the pack's map.
    pub fn without(&mut self, section: &'static str) -> &mut Self {
        self.left_out.insert(section);
        self
    }

    /// The pack.
    pub fn finish(self) -> Vec<u8> {
        let mut out = Vec::new();
        in_memory(self.write_to(&mut out));
        out
    }

    /// Writes the pack, record by record.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(mut self, out: &mut impl Write) -> io::Result<()> {
        self.commits.reverse();
        self.snapshots.sort_by(|a, b| a.0.cmp(&b.0));
        let PackBuilder { commits, snapshots, objects, tags, mut raw, heads, left_out, .. } = self;
        let records: [(Kind, Vec<Vec<u8>>); 4] = [
            (Kind::Commit, commits),
            (Kind::Snapshot, snapshots.into_iter().map(|(_, bytes)| bytes).collect()),
            (Kind::Object, objects.into_values().collect()),
            (Kind::Tag, tags),
        ];
        let mut sections = Vec::new();
        for (kind, mut records) in records {
            records.append(&mut raw.remove(&(kind as u8)).unwrap_or_default());
            if !left_out.contains(kind.section()) && (kind != Kind::Tag || !records.is_empty()) {
                sections.push((kind.section(), records));
            }
        }
        let with_heads = !left_out.contains("branch_heads");
        encode::write_map_len(out, sections.len() as u32 + u32::from(with_heads))?;
        for (name, records) in sections {
            encode::write_str(out, name)?;
            encode::write_array_len(out, records.len() as u32)?;
            for record in records {
                out.write_all(&record)?;
            }
        }
        if with_heads {
            encode::write_str(out, "branch_heads")?;
            let heads =
                Value::map(heads.into_iter().map(|(branch, commit)| (branch, Value::Text(commit))));
            out.write_all(&heads.encode())?;
        }
        Ok(())
    }
}
