//! Ids, and how the client of March 2026 makes them.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The name of a commit, a snapshot or an object, exactly as it was written: with and without
/// `sha256:` are two ids.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// The bare hex SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Id(hex::encode(Sha256::digest(bytes)))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hex digits, without a prefix.
    pub fn digits(&self) -> &str {
        self.0.strip_prefix("sha256:").unwrap_or(&self.0)
    }

    /// Whether this is what the bytes hash to, prefixed or not.
    pub fn names(&self, bytes: &[u8]) -> bool {
        self.digits() == Id::of(bytes).0
    }
}

impl From<&str> for Id {
    fn from(text: &str) -> Self {
        Id(text.to_owned())
    }
}

impl From<String> for Id {
    fn from(text: String) -> Self {
        Id(text)
    }
}

impl Borrow<str> for Id {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an object: the SHA-256 of its content.
pub fn object_id(content: &[u8]) -> Id {
    Id::of(content)
}

/// The id of a snapshot: the SHA-256 of the NUL-joined, sorted list of `path NUL object_id` of the
/// whole tree, a delta's too.
pub fn snapshot_id(tree: &BTreeMap<String, Id>) -> Id {
    // Sorted as whole entries, as the page has it: a path's order alone is the same, as no path
    // holds a NUL.
    let mut entries: Vec<String> = tree.iter().map(|(path, id)| format!("{path}\0{id}")).collect();
    entries.sort_unstable();
    Id::of(entries.join("\0").as_bytes())
}

/// The id of a commit: the SHA-256 of its NUL-joined, sorted parents, its snapshot, its message and
/// its time, NUL-joined.
pub fn commit_id(parents: &[Id], snapshot: &Id, message: &str, committed_at: &str) -> Id {
    let mut parents: Vec<&str> = parents.iter().map(Id::as_str).collect();
    parents.sort_unstable();
    Id::of([&parents.join("\0"), snapshot.as_str(), message, committed_at].join("\0").as_bytes())
}
