//! Packs as the seed's tests make them: prefixed ids that are not derived from records, every
//! snapshot a delta.

use packhouse_host::sample::{IdForm, Value};

/// A chain of commits with what they reach: `_make_commit_chain` of the seed.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The pack, its branch `main` at the tip.
    pub pack: Vec<u8>,
    /// The last commit.
    pub tip: String,
    /// Ids of the objects.
    pub objects: Vec<String>,
}

fn blob_id(text: &str) -> String {
    IdForm::Prefixed.id_of(text.as_bytes())
}

/// `n` commits, each with one object, after `parent`.
pub fn chain(n: usize, seed: &str, parent: Option<&str>) -> Chain {
    let text = |text: &str| Value::text(text);
    let none = || Value::Array(Vec::new());
    let mut parent = parent.map(str::to_owned);
    let (mut commits, mut snapshots, mut objects, mut ids) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for i in 0..n {
        let content = format!("{seed}-obj-{i}");
        let object = blob_id(&content);
        let snapshot = blob_id(&format!("{seed}-snap-{i}"));
        objects.push(Value::map([
            ("object_id", text(&object)),
            ("content", Value::Bytes(content.into_bytes())),
        ]));
        snapshots.push(Value::map([
            ("snapshot_id", text(&snapshot)),
            ("parent_snapshot_id", Value::Nil),
            ("delta_upsert", Value::map([(format!("file_{i}.txt"), text(&object))])),
            ("delta_remove", none()),
        ]));
        let commit = blob_id(&format!("{seed}-commit-{i}-p={parent:?}"));
        commits.push(Value::map([
            ("commit_id", text(&commit)),
            ("branch", text("main")),
            ("message", Value::text(format!("commit {i}"))),
            ("author", text("gabriel")),
            ("committed_at", text("2025-01-01T00:00:00+00:00")),
            ("parent_commit_id", Value::text_or_nil(parent)),
            ("parent2_commit_id", Value::Nil),
            ("snapshot_id", text(&snapshot)),
            ("agent_id", text("")),
            ("model_id", text("")),
            ("toolchain_id", text("")),
            ("sem_ver_bump", text("none")),
            ("breaking_changes", none()),
            ("signature", text("")),
            ("signer_key_id", text("")),
            ("signer_public_key", text("")),
            ("prompt_hash", text("")),
        ]));
        parent = Some(commit);
        ids.push(object);
    }
    let tip = parent.expect("a chain has a commit");
    let pack = Value::map([
        ("commits", Value::Array(commits)),
        ("snapshots", Value::Array(snapshots)),
        ("objects", Value::Array(objects)),
        ("branch_heads", Value::map([("main", text(&tip))])),
    ]);
    Chain { pack: pack.encode(), tip, objects: ids }
}
