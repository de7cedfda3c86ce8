//! What commits, snapshots and tags reach, read from their bytes.
//!
//! Only the fields that reach something are read. All others, nested to any depth that decoders
//! share, are stepped over and travel with the record.

use crate::id::{EntityId, Kind};
use crate::msgpack::{Cursor, MsgpackError};

/// A commit's reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commit {
    /// `commit_id`.
    pub id: EntityId,
    /// `parent_commit_id` and `parent2_commit_id`, where they are not nil.
    pub parents: [Option<EntityId>; 2],
    /// `snapshot_id`, where it is not nil.
    pub snapshot: Option<EntityId>,
}

/// Paths, as UTF-8 bytes, with the objects that stand there.
pub type Entries<'a> = Vec<(&'a [u8], EntityId)>;

/// A snapshot's reach, in either of its forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot<'a> {
    /// `snapshot_id`.
    pub id: EntityId,
    /// Whether it holds the whole tree (`manifest`) or changes against its parent.
    pub whole: bool,
    /// `parent_snapshot_id` of the delta form, where it is not nil.
    pub parent: Option<EntityId>,
    /// Paths and objects of `manifest` or `delta_upsert`, in the order of the paths' bytes.
    pub entries: Entries<'a>,
    /// Paths of `delta_remove`, in the order of their bytes.
    pub removed: Vec<&'a [u8]>,
}

/// A tag's reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// `tag_id`: free text.
    pub text: &'a str,
    /// `commit_id`: the commit it names.
    pub commit: EntityId,
}

/// Longest `tag_id`, in bytes.
pub const MAX_TAG_ID: usize = 256;

impl Commit {
    /// Reads a commit.
    ///
    /// # Errors
    /// [`MsgpackError`], with the offset in `bytes`, when a field it needs is absent, given twice
    /// or of the wrong type.
    pub fn parse(bytes: &[u8]) -> Result<Commit, MsgpackError> {
        let (mut id, mut first, mut second, mut snapshot) = Default::default();
        fields(bytes, Kind::Commit, |name, cursor, seen| {
            match name {
                b"commit_id" => id = Some(seen.id(cursor, 0, "commit_id")?),
                b"parent_commit_id" => first = seen.id_or_nil(cursor, 1, "parent_commit_id")?,
                b"parent2_commit_id" => second = seen.id_or_nil(cursor, 2, "parent2_commit_id")?,
                b"snapshot_id" => snapshot = seen.id_or_nil(cursor, 3, "snapshot_id")?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(Commit { id: need(id, Kind::Commit)?, parents: [first, second], snapshot })
    }
}

impl<'a> Snapshot<'a> {
    /// Reads a snapshot in either form.
    ///
    /// # Errors
    /// As [`Commit::parse`]; besides, when it has both forms at once, or a path twice.
    pub fn parse(bytes: &'a [u8]) -> Result<Snapshot<'a>, MsgpackError> {
        let mut id = None;
        let mut parent = None;
        let mut manifest = None;
        let mut upsert = None;
        let mut removed = Vec::new();
        fields(bytes, Kind::Snapshot, |name, cursor, seen| {
            match name {
                b"snapshot_id" => id = Some(seen.id(cursor, 0, "snapshot_id")?),
                b"parent_snapshot_id" => {
                    parent = seen.id_or_nil(cursor, 1, "parent_snapshot_id")?
                }
                b"manifest" => {
                    seen.once(cursor, 2, "manifest")?;
                    manifest = paths(cursor, "manifest")?;
                }
                b"delta_upsert" => {
                    seen.once(cursor, 3, "delta_upsert")?;
                    upsert = paths(cursor, "delta_upsert")?;
                }
                b"delta_remove" => {
                    seen.once(cursor, 4, "delta_remove")?;
                    if !cursor.nil()? {
                        for _ in 0..cursor.array("delta_remove")? {
                            removed.push(cursor.text("a path of delta_remove")?);
                        }
                    }
                }
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let id = need(id, Kind::Snapshot)?;
        removed.sort_unstable();
        match (manifest, upsert) {
            (Some(_), Some(_)) => Err(MsgpackError {
                offset: 0,
                reason:
                    "it has both `manifest` and `delta_upsert`, so it is ambiguous what it holds"
                        .into(),
            }),
            // A whole tree needs no parent; if one is noted, it is a field that we carry and don't
            // follow.
            (Some(entries), None) => {
                Ok(Snapshot { id, whole: true, parent: None, entries, removed: Vec::new() })
            }
            (None, upsert) => Ok(Snapshot {
                id,
                whole: false,
                parent,
                entries: upsert.unwrap_or_default(),
                removed,
            }),
        }
    }
}

impl<'a> Tag<'a> {
    /// Reads a tag.
    ///
    /// # Errors
    /// As [`Commit::parse`]; besides, when the id is no text of 1 to 256 bytes without control
    /// characters.
    pub fn parse(bytes: &'a [u8]) -> Result<Tag<'a>, MsgpackError> {
        let mut text = None;
        let mut commit = None;
        fields(bytes, Kind::Tag, |name, cursor, seen| {
            match name {
                b"tag_id" => {
                    seen.once(cursor, 0, "tag_id")?;
                    let at = cursor.position();
                    text = Some(
                        tag_id(cursor.text("tag_id")?)
                            .map_err(|reason| MsgpackError { offset: at, reason })?,
                    );
                }
                b"commit_id" => commit = Some(seen.id(cursor, 1, "commit_id")?),
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let commit = commit
            .ok_or_else(|| MsgpackError { offset: 0, reason: "it has no `commit_id`".into() })?;
        Ok(Tag { text: need(text, Kind::Tag)?, commit })
    }
}

/// Checks the text of a tag's id.
///
/// # Errors
/// What is wrong with it, in words.
pub fn tag_id(text: &[u8]) -> Result<&str, String> {
    if text.is_empty() || text.len() > MAX_TAG_ID {
        return Err(format!(
            "`tag_id` has {} bytes where 1 to {MAX_TAG_ID} are expected",
            text.len()
        ));
    }
    match std::str::from_utf8(text) {
        Ok(text) if text.chars().any(char::is_control) => {
            Err("`tag_id` has control characters".into())
        }
        Ok(text) => Ok(text),
        Err(_) => Err("`tag_id` is not UTF-8".into()),
    }
}

/// How two encodings of one commit differ in reach, if they do.
pub fn commits_disagree(a: &Commit, b: &Commit) -> Option<String> {
    let say = |id: Option<EntityId>| id.map_or_else(|| "none".to_string(), |id| id.to_string());
    let differ = |field: &str, a, b| {
        (a != b).then(|| format!("`{field}` is {} in one and {} in the other", say(a), say(b)))
    };
    differ("parent_commit_id", a.parents[0], b.parents[0])
        .or_else(|| differ("parent2_commit_id", a.parents[1], b.parents[1]))
        .or_else(|| differ("snapshot_id", a.snapshot, b.snapshot))
}

/// How two encodings of one snapshot differ in reach, if they do.
pub fn snapshots_disagree(a: &Snapshot<'_>, b: &Snapshot<'_>) -> Option<String> {
    if a.whole != b.whole {
        return Some("one holds a `manifest` and the other a delta".into());
    }
    if a.parent != b.parent {
        return Some("`parent_snapshot_id` differs".into());
    }
    if a.entries != b.entries {
        let path =
            first_difference(&a.entries, &b.entries).map(|(path, _)| *path).unwrap_or_default();
        return Some(format!(
            "they hold different objects, first at path `{}`",
            String::from_utf8_lossy(path)
        ));
    }
    if a.removed != b.removed {
        let path = first_difference(&a.removed, &b.removed).copied().unwrap_or_default();
        return Some(format!(
            "`delta_remove` differs, first at path `{}`",
            String::from_utf8_lossy(path)
        ));
    }
    None
}

/// How two encodings of one tag differ in reach, if they do.
pub fn tags_disagree(a: &Tag<'_>, b: &Tag<'_>) -> Option<String> {
    (a.commit != b.commit)
        .then(|| format!("`commit_id` is {} in one and {} in the other", a.commit, b.commit))
}

fn first_difference<'x, T: PartialEq>(a: &'x [T], b: &'x [T]) -> Option<&'x T> {
    let at = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    a.get(at).or_else(|| b.get(at))
}

fn need<T>(id: Option<T>, kind: Kind) -> Result<T, MsgpackError> {
    id.ok_or_else(|| MsgpackError { offset: 0, reason: format!("it has no `{}`", kind.id_field()) })
}

/// Which of the fields that matter have been met.
struct Seen(u8);

impl Seen {
    /// A field that is given twice would be read one way by us and another way by others.
    fn once(&mut self, cursor: &Cursor<'_>, bit: u8, name: &str) -> Result<(), MsgpackError> {
        if self.0 & (1 << bit) != 0 {
            return cursor.error(format!("`{name}` is given twice"));
        }
        self.0 |= 1 << bit;
        Ok(())
    }

    fn id(
        &mut self,
        cursor: &mut Cursor<'_>,
        bit: u8,
        name: &str,
    ) -> Result<EntityId, MsgpackError> {
        self.once(cursor, bit, name)?;
        id(cursor, name)
    }

    fn id_or_nil(
        &mut self,
        cursor: &mut Cursor<'_>,
        bit: u8,
        name: &str,
    ) -> Result<Option<EntityId>, MsgpackError> {
        self.once(cursor, bit, name)?;
        if cursor.nil()? { Ok(None) } else { id(cursor, name).map(Some) }
    }
}

fn id(cursor: &mut Cursor<'_>, name: &str) -> Result<EntityId, MsgpackError> {
    let offset = cursor.position();
    let text = cursor.text(name)?;
    EntityId::parse(text).map_err(|why| MsgpackError { offset, reason: bad_id(name, text, why) })
}

/// The message for an id that is none, with as much of it as fits a line.
pub fn bad_id(name: &str, text: &[u8], why: crate::id::IdError) -> String {
    let shown: String =
        String::from_utf8_lossy(text).chars().take(80).flat_map(char::escape_debug).collect();
    format!("`{name}` is no id: {why}: `{shown}`")
}

/// Walks the fields of a record; `each` answers whether it read the value.
fn fields<'a>(
    bytes: &'a [u8],
    kind: Kind,
    mut each: impl FnMut(&[u8], &mut Cursor<'a>, &mut Seen) -> Result<bool, MsgpackError>,
) -> Result<(), MsgpackError> {
    let mut cursor = Cursor::new(bytes);
    let mut seen = Seen(0);
    for _ in 0..cursor.map(&format!("a {kind}"))? {
        let name = match cursor.peek()? {
            crate::msgpack::Header::Str(_) => cursor.text("a field's name")?,
            _ => {
                cursor.skip()?;
                b""
            }
        };
        if !each(name, &mut cursor, &mut seen)? {
            cursor.skip()?;
        }
    }
    if cursor.position() == bytes.len() { Ok(()) } else { cursor.error("bytes follow the record") }
}

/// Reads `{path: object id}`, sorted by path; `None` for nil.
fn paths<'a>(cursor: &mut Cursor<'a>, name: &str) -> Result<Option<Entries<'a>>, MsgpackError> {
    if cursor.nil()? {
        return Ok(None);
    }
    let claimed = cursor.map(name)?;
    // A path and an id take 2 bytes at least: a claim beyond the record's end reserves nothing.
    let mut entries = Entries::with_capacity((claimed as usize).min(1 << 16));
    let mut sorted = true;
    for _ in 0..claimed {
        let at = cursor.position();
        let path = cursor.text("a path")?;
        if std::str::from_utf8(path).is_err() {
            return Err(MsgpackError {
                offset: at,
                reason: format!("a path of `{name}` is not UTF-8"),
            });
        }
        sorted &= entries.last().is_none_or(|(last, _)| *last < path);
        entries.push((path, id(cursor, name)?));
    }
    if !sorted {
        entries.sort_unstable_by_key(|(path, _)| *path);
        if let Some(twice) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return cursor.error(format!(
                "`{name}` gives path `{}` twice",
                String::from_utf8_lossy(twice[0].0)
            ));
        }
    }
    Ok(Some(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::msgpack::{put_array, put_map, put_str};

    fn hex(byte: u8) -> String {
        hex::encode([byte; 32])
    }

    /// A field: its name, and what writes its value.
    type Field<'f> = (&'f str, &'f dyn Fn(&mut Vec<u8>));

    fn map(fields: &[Field<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        put_map(&mut out, fields.len() as u32);
        for (name, value) in fields {
            put_str(&mut out, name);
            value(&mut out);
        }
        out
    }

    fn text(s: String) -> impl Fn(&mut Vec<u8>) {
        move |out| put_str(out, &s)
    }

    fn nil(out: &mut Vec<u8>) {
        out.push(0xc0);
    }

    #[test]
    fn a_commit_reaches_its_parents_and_its_snapshot() {
        let bytes = map(&[
            ("message", &text("hello".into())),
            ("parent_commit_id", &text(hex(2))),
            ("parent2_commit_id", &nil),
            ("commit_id", &text(format!("sha256:{}", hex(1)))),
            ("snapshot_id", &text(hex(3))),
        ]);
        let commit = Commit::parse(&bytes).unwrap();
        assert_eq!(commit.id.to_string(), format!("sha256:{}", hex(1)));
        assert_eq!(commit.parents[0].unwrap().to_string(), hex(2));
        assert_eq!(commit.parents[1], None);
        assert_eq!(commit.snapshot.unwrap().to_string(), hex(3));
    }

    #[test]
    fn a_snapshot_lists_its_objects_by_path() {
        let entries = |out: &mut Vec<u8>| {
            put_map(out, 3);
            for (path, byte) in [("b", 1), ("a", 2), ("a/z", 3)] {
                put_str(out, path);
                put_str(out, &hex(byte));
            }
        };
        let removed = |out: &mut Vec<u8>| {
            put_array(out, 1);
            put_str(out, "old");
        };
        let whole = map(&[("snapshot_id", &text(hex(9))), ("manifest", &entries)]);
        let whole = Snapshot::parse(&whole).unwrap();
        assert!(whole.whole);
        assert_eq!(
            whole.entries.iter().map(|(p, _)| *p).collect::<Vec<_>>(),
            [&b"a"[..], b"a/z", b"b"]
        );
        let delta = map(&[
            ("snapshot_id", &text(hex(9))),
            ("parent_snapshot_id", &text(hex(8))),
            ("delta_upsert", &entries),
            ("delta_remove", &removed),
        ]);
        let delta = Snapshot::parse(&delta).unwrap();
        assert_eq!(
            (delta.parent.unwrap().to_string(), delta.entries.len(), delta.removed.len()),
            (hex(8), 3, 1)
        );
        assert!(snapshots_disagree(&whole, &delta).is_some());
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let empty = |out: &mut Vec<u8>| put_map(out, 0);
        let twice_path = |out: &mut Vec<u8>| {
            put_map(out, 2);
            for _ in 0..2 {
                put_str(out, "a");
                put_str(out, &hex(1));
            }
        };
        let cases: [(Vec<u8>, &str); 5] = [
            (
                map(&[
                    ("snapshot_id", &text(hex(1))),
                    ("manifest", &empty),
                    ("delta_upsert", &empty),
                ]),
                "both",
            ),
            (map(&[("snapshot_id", &text(hex(1))), ("manifest", &twice_path)]), "twice"),
            (map(&[("snapshot_id", &text(hex(1))), ("snapshot_id", &text(hex(1)))]), "twice"),
            (map(&[("manifest", &empty)]), "no `snapshot_id`"),
            (map(&[("snapshot_id", &text(hex(0xab).to_uppercase()))]), "upper-case"),
        ];
        for (bytes, word) in cases {
            let error = Snapshot::parse(&bytes).unwrap_err();
            assert!(error.reason.contains(word), "{} lacks {word}", error.reason);
        }
        assert!(
            Tag::parse(&map(&[("tag_id", &text("a\nb".into())), ("commit_id", &text(hex(1)))]))
                .is_err()
        );
        assert!(Tag::parse(&map(&[("tag_id", &text("v1".into()))])).is_err());
    }
}
