//! What a server answers, as types.

use std::collections::BTreeMap;
use std::io::Cursor;

use rmpv::Value;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::id::Id;

/// The answer to `GET /refs`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Branches {
    /// The repository's id.
    pub repo_id: String,
    /// What kind of thing it holds.
    pub domain: Option<String>,
    /// The branch to check out.
    pub default_branch: Option<String>,
    /// Branch to commit.
    pub branch_heads: BTreeMap<String, Id>,
}

/// The answer to `POST /filter-objects`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Missing {
    /// Those of the ids that the repository does not hold.
    pub missing: Vec<Id>,
}

/// What a presigned URL is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To send an object.
    Put,
    /// To get one.
    Get,
}

/// The answer to `POST /presign`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Presigned {
    /// Object to URL.
    pub presigned: BTreeMap<Id, String>,
    /// Those that have no URL, and go through `/push/objects`.
    pub inline: Vec<Id>,
}

/// The answer to `POST /push/objects`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Stored {
    /// How many are new.
    pub stored: u64,
    /// How many were there already.
    pub skipped: u64,
}

/// The answer to `POST /push`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pushed {
    /// Whether it was taken.
    pub ok: bool,
    /// For people.
    pub message: String,
    /// All branches of the repository.
    pub branch_heads: BTreeMap<String, Id>,
    /// The head of the branch that was pushed.
    pub remote_head: Option<Id>,
}

/// The answer to `POST /negotiate`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Negotiated {
    /// The haves that the server knows.
    pub ack: Vec<Id>,
    /// A commit that both sides have.
    pub common_base: Option<Id>,
    /// Whether it is time to fetch.
    pub ready: bool,
}

/// The answer to `POST /tags`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub struct TagsStored {
    /// How many.
    pub stored: u64,
}

/// The answer to `POST /releases`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ReleasePushed {
    pub(crate) release_id: String,
}

/// The answer to `GET /releases`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct ReleasesListed {
    pub(crate) releases: Vec<serde_json::Value>,
}

/// The answer to `POST /fetch/mpack`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FetchedMpack {
    /// Where the pack is; none if there is nothing to fetch.
    pub mpack_url: Option<String>,
    /// How many objects the pack holds.
    pub object_count: u64,
    /// What else the server says: the protocol leaves it open.
    #[serde(flatten)]
    pub more: BTreeMap<String, Value>,
}

impl FetchedMpack {
    /// The SHA-256 that the pack must have, in bare hex: from a field `mpack_key`, or from the URL
    /// where that names a key.
    pub fn key(&self) -> Option<Id> {
        let field = self.more.get("mpack_key").and_then(Value::as_str);
        field.and_then(key_in).or_else(|| self.mpack_url.as_deref().and_then(key_in))
    }
}

/// The digits of the first `sha256:` key in a text, its colon as it is or percent-encoded.
fn key_in(text: &str) -> Option<Id> {
    let (_, rest) = text.split_once("sha256")?;
    let rest = [":", "%3A", "%3a"].iter().find_map(|colon| rest.strip_prefix(colon))?;
    let digits = rest.get(..64)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| Id::from(digits.to_ascii_lowercase()))
}

/// Reads an answer: one MessagePack map, nothing after it. JSON is not looked for, as no client
/// does.
pub(crate) fn decode<T: DeserializeOwned>(request: &str, body: &[u8]) -> Result<T> {
    let bad = |why: String| Error::Answer { request: request.to_owned(), why };
    // rmp-serde takes an array for a struct; the protocol has maps.
    if !matches!(body.first(), Some(0x80..=0x8f | 0xde | 0xdf)) {
        return Err(bad(format!("not a MessagePack map, but {:?}", text_of(body))));
    }
    let mut reader = rmp_serde::Deserializer::new(Cursor::new(body));
    let answer = T::deserialize(&mut reader).map_err(|e| bad(e.to_string()))?;
    match body.len() as u64 - reader.position() {
        0 => Ok(answer),
        left => Err(bad(format!("{left} bytes follow it"))),
    }
}

/// What a refusal says: JSON, whatever the client accepts. The real client prints the body as it
/// is, so another form is shown as its text.
pub(crate) fn detail(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Detail {
        detail: String,
    }
    let read: Result<Detail, _> = serde_json::from_slice(body);
    read.map_or_else(|_| text_of(body), |read| read.detail)
}

/// The beginning of a body, for people.
fn text_of(body: &[u8]) -> String {
    String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned()
}
