//! Records of commits, snapshots and tags, in the bytes that a MuseHub's own `/fetch` sends.

use packhouse_core::record;
use rmpv::Value;

use crate::rows::{CommitRow, SnapshotRow, TagRow};

/// A commit: 22 fields. The first nine are columns, the others are from `commit_meta`.
///
/// # Errors
/// Why there can be no such record.
pub(crate) fn commit(row: &CommitRow) -> Result<Vec<u8>, String> {
    let meta = json("commit_meta", &row.commit_meta)?;
    let meta = |name: &str| member(&meta, name);
    let [first, second] = parents(&row.parent_ids)?;
    let fields = [
        ("commit_id", text(&row.commit_id)),
        ("repo_id", text(&row.repo_id)),
        ("branch", text(&row.branch)),
        ("snapshot_id", or_nil(row.snapshot_id.as_deref())),
        ("message", text(&row.message)),
        ("committed_at", text(&iso(&row.committed_at))),
        ("parent_commit_id", or_nil(first.as_deref())),
        ("parent2_commit_id", or_nil(second.as_deref())),
        ("author", text(&row.author)),
        ("metadata", map_of_texts(meta("metadata"))),
        ("structured_delta", meta("structured_delta").cloned().unwrap_or(Value::Nil)),
        ("sem_ver_bump", text_or(meta("sem_ver_bump"), "none")),
        ("breaking_changes", list_of_texts(meta("breaking_changes"))),
        ("agent_id", text_or(meta("agent_id"), "")),
        ("model_id", text_or(meta("model_id"), "")),
        ("toolchain_id", text_or(meta("toolchain_id"), "")),
        ("prompt_hash", text_or(meta("prompt_hash"), "")),
        ("signature", text_or(meta("signature"), "")),
        ("signer_key_id", text_or(meta("signer_key_id"), "")),
        ("format_version", integer_or(meta("format_version"), 1)),
        ("reviewed_by", list_of_texts(meta("reviewed_by"))),
        ("test_runs", integer_or(meta("test_runs"), 0)),
    ];
    let bytes = encoded(&map(fields))?;
    record::Commit::parse(&bytes).map_err(|error| error.reason)?;
    Ok(bytes)
}

/// The first two parents of a commit: others are not sent.
///
/// # Errors
/// If one of them is no text.
pub(crate) fn parents(parent_ids: &str) -> Result<[Option<String>; 2], String> {
    let Value::Array(parents) = json("parent_ids", parent_ids)? else { return Ok([None, None]) };
    let parent = |number: usize| match parents.get(number) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::String(id)) => Ok(id.as_str().map(str::to_owned)),
        Some(other) => Err(format!("parent_ids: {other} is no ID")),
    };
    Ok([parent(0)?, parent(1)?])
}

/// A snapshot, with the paths and the object IDs of its manifest.
pub(crate) struct Manifest {
    record: Value,
}

impl Manifest {
    /// # Errors
    /// If the manifest is not JSON, or does not map texts to texts.
    pub(crate) fn read(row: &SnapshotRow) -> Result<Manifest, String> {
        let manifest = match json("manifest", &row.manifest)? {
            Value::Map(entries) => Value::Map(entries),
            _ => Value::Map(Vec::new()),
        };
        let record = map([
            ("snapshot_id", text(&row.snapshot_id)),
            ("manifest", manifest),
            ("created_at", text(&iso(&row.created_at))),
        ]);
        Ok(Manifest { record })
    }

    /// Paths and object IDs, in the order of the database.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &str)> {
        let entries = member(&self.record, "manifest").and_then(Value::as_map);
        entries.into_iter().flatten().map(|(path, object)| {
            (path.as_str().unwrap_or_default(), object.as_str().unwrap_or_default())
        })
    }

    /// The record.
    ///
    /// # Errors
    /// Why there can be no such record.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, String> {
        let bytes = encoded(&self.record)?;
        record::Snapshot::parse(&bytes).map_err(|error| error.reason)?;
        Ok(bytes)
    }
}

/// A tag.
///
/// # Errors
/// Why there can be no such record.
pub(crate) fn tag(row: &TagRow) -> Result<Vec<u8>, String> {
    let bytes = encoded(&map([
        ("tag_id", text(&row.tag_id)),
        ("repo_id", text(&row.repo_id)),
        ("commit_id", text(&row.commit_id)),
        ("tag", text(&row.tag)),
        ("created_at", text(&iso(&row.created_at))),
    ]))?;
    record::Tag::parse(&bytes).map_err(|error| error.reason)?;
    Ok(bytes)
}

/// A time as Python's `isoformat` writes it: without a fraction if that is zero.
fn iso(time: &str) -> String {
    format!("{}+00:00", time.strip_suffix(".000000").unwrap_or(time))
}

/// JSON, with the keys of maps in their order.
fn json(what: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{what}: {error}"))
}

fn encoded(value: &Value) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_map()?;
    fields.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value)
}

fn text(text: &str) -> Value {
    text.into()
}

fn or_nil(text: Option<&str>) -> Value {
    text.map_or(Value::Nil, Value::from)
}

/// A value as a text, as Python's `str` writes it.
fn as_text(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        Value::Nil => "None".into(),
        Value::Boolean(true) => "True".into(),
        Value::Boolean(false) => "False".into(),
        other => other.to_string().into(),
    }
}

/// A value as a text; the default for what Python takes for false.
fn text_or(value: Option<&Value>, default: &str) -> Value {
    let is_false = |value: &&Value| match value {
        Value::Nil => true,
        Value::Boolean(is) => !is,
        Value::String(text) => text.as_bytes().is_empty(),
        Value::Integer(_) | Value::F32(_) | Value::F64(_) => value.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Map(fields) => fields.is_empty(),
        Value::Binary(_) | Value::Ext(..) => false,
    };
    value.filter(|value| !is_false(value)).map_or_else(|| default.into(), as_text)
}

fn list_of_texts(value: Option<&Value>) -> Value {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    Value::Array(items.map(as_text).collect())
}

fn map_of_texts(value: Option<&Value>) -> Value {
    let fields = value.and_then(Value::as_map).into_iter().flatten();
    Value::Map(fields.map(|(name, value)| (name.clone(), as_text(value))).collect())
}

fn integer_or(value: Option<&Value>, default: i64) -> Value {
    match value {
        Some(integer @ Value::Integer(_)) => integer.clone(),
        #[expect(clippy::cast_possible_truncation, reason = "as Python's int does")]
        Some(Value::F64(number)) => (*number as i64).into(),
        Some(Value::Boolean(is)) => i64::from(*is).into(),
        _ => default.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(parent_ids: &str, commit_meta: &str) -> CommitRow {
        CommitRow {
            commit_id: "1".repeat(64),
            repo_id: "r".into(),
            branch: "main".into(),
            snapshot_id: Some("2".repeat(64)),
            message: "take".into(),
            committed_at: "2026-11-26T09:59:30.658749".into(),
            parent_ids: parent_ids.into(),
            author: String::new(),
            commit_meta: commit_meta.into(),
        }
    }

    fn fields(bytes: &[u8]) -> Vec<(String, String)> {
        let read = rmpv::decode::read_value(&mut &*bytes).unwrap();
        let text = |value: &Value| value.to_string();
        read.as_map().unwrap().iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    #[test]
    fn a_commit_has_22_fields_in_the_order_of_the_server_with_its_defaults() {
        let read = fields(&commit(&row("[]", "{}")).unwrap());
        let names: Vec<&str> = read.iter().map(|(name, _)| name.trim_matches('"')).collect();
        let expected = "commit_id repo_id branch snapshot_id message committed_at parent_commit_id \
            parent2_commit_id author metadata structured_delta sem_ver_bump breaking_changes \
            agent_id model_id toolchain_id prompt_hash signature signer_key_id format_version \
            reviewed_by test_runs";
        assert_eq!(names, expected.split_whitespace().collect::<Vec<_>>());
        let values: Vec<&str> = read.iter().skip(5).map(|(_, value)| value.as_str()).collect();
        let time = "\"2026-11-26T09:59:30.658749+00:00\"";
        let empty = "\"\"";
        assert_eq!(
            values,
            [
                time, "nil", "nil", empty, "{}", "nil", "\"none\"", "[]", empty, empty, empty,
                empty, empty, empty, "1", "[]", "0"
            ]
        );
    }

    #[test]
    fn a_delta_keeps_the_order_of_its_keys() {
        let meta =
            r#"{"structured_delta": {"z": 1, "a": {"y": null, "b": 1.5}}, "test_runs": 2.9}"#;
        let read = fields(&commit(&row("[]", meta)).unwrap());
        let value =
            |name: &str| &read.iter().find(|(key, _)| key.trim_matches('"') == name).unwrap().1;
        assert_eq!(value("structured_delta"), r#"{"z": 1, "a": {"y": nil, "b": 1.5}}"#);
        assert_eq!(value("test_runs"), "2");
    }

    #[test]
    fn a_full_second_has_no_fraction() {
        assert_eq!(iso("2026-11-26T09:59:30.000000"), "2026-11-26T09:59:30+00:00");
        assert_eq!(iso("2026-11-26T09:59:30.100000"), "2026-11-26T09:59:30.100000+00:00");
    }

    #[test]
    fn two_parents_are_sent_and_what_is_no_id_is_refused() {
        let id = |digit: &str| digit.repeat(64);
        let three = format!("[\"{}\", \"{}\", \"{}\"]", id("a"), id("b"), id("c"));
        assert_eq!(parents(&three).unwrap(), [Some(id("a")), Some(id("b"))]);
        assert_eq!(parents("{}").unwrap(), [None, None]);
        assert!(parents("[1]").is_err());
        assert!(commit(&row("[\"seed\"]", "{}")).unwrap_err().contains("seed"));
    }
}
