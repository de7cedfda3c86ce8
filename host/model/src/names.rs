//! Newtypes for everything that has a name. Strings only at the edges.

mod branch;
mod error;

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

pub use branch::BranchName;
pub use branch::{in_the_way, same_name, unusable};
pub use error::NameError;

/// Length of a token's id in hexadecimal digits.
pub const TOKEN_ID_DIGITS: usize = 16;

/// The name of a pack: `sha256:` and the hex of the SHA-256 of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MpackKey([u8; 32]);

impl MpackKey {
    /// The key of a digest.
    pub const fn new(digest: [u8; 32]) -> Self {
        MpackKey(digest)
    }

    /// The digest.
    pub const fn digest(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest in hexadecimal, without the prefix: the stem of the pack's file name.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }
}

impl fmt::Display for MpackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", hex::encode(self.0))
    }
}

impl fmt::Debug for MpackKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MpackKey {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut digest = [0; 32];
        text.strip_prefix("sha256:")
            .filter(|hex| !hex.bytes().any(|b| b.is_ascii_uppercase()))
            .and_then(|hex| hex::decode_to_slice(hex, &mut digest).ok())
            .map(|()| MpackKey(digest))
            .ok_or_else(|| NameError::MpackKey(text.to_owned()))
    }
}

impl Serialize for MpackKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for MpackKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// `OWNER/SLUG`.
///
/// Either part: 1 to 100 characters out of letters, digits, `.`, `_` and `-`, starting with a
/// letter or a digit. Therefore a name is never a path to another place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoName {
    owner: String,
    slug: String,
}

impl RepoName {
    /// The part before the slash.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The part after the slash.
    pub fn slug(&self) -> &str {
        &self.slug
    }

    /// Whether a new repo may have this name. Existing repos keep theirs.
    ///
    /// # Errors
    /// For a name that is a path of the server, or that not every file system can hold.
    pub fn check_new(&self) -> Result<(), NameError> {
        if RESERVED_OWNERS.contains(&self.owner()) {
            return Err(NameError::ReservedOwner(self.clone()));
        }
        if [self.owner(), self.slug()].iter().any(|part| part.ends_with('.')) {
            return Err(NameError::TrailingDot(self.clone()));
        }
        Ok(())
    }
}

/// Owners that no new repo may have: the first parts of the server's other paths.
pub const RESERVED_OWNERS: [&str; 1] = ["admin"];

impl FromStr for RepoName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let valid = |part: &str| {
            (1..=100).contains(&part.len())
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        match text.split_once('/') {
            Some((owner, slug)) if valid(owner) && valid(slug) => {
                Ok(RepoName { owner: owner.into(), slug: slug.into() })
            }
            _ => Err(NameError::Repo(text.to_owned())),
        }
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.slug)
    }
}

impl Serialize for RepoName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RepoName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// The public id of a repo: 32 hexadecimal digits, random.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RepoId(pub String);

impl fmt::Display for RepoId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A slot that index rows of a repo point to; it holds one pack at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShelfId(pub i64);

/// Who may read a repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Anyone.
    Public,
    /// Its owner.
    Private,
}

impl Visibility {
    /// Its name in the catalog and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Visibility::Public => "public",
            Visibility::Private => "private",
        }
    }
}

/// Describes an id as a string of a pattern.
macro_rules! described {
    ($($id:ident: $pattern:expr, $example:expr, $words:expr;)*) => {$(
        impl utoipa::PartialSchema for $id {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                let text = utoipa::openapi::ObjectBuilder::new().schema_type(utoipa::openapi::Type::String);
                text.pattern(Some($pattern)).examples([$example]).description(Some($words)).into()
            }
        }

        impl utoipa::ToSchema for $id {}
    )*};
}
pub(crate) use described;

described! {
    MpackKey: "^sha256:[0-9a-f]{64}$", format!("sha256:{}", "0".repeat(64)), "The key of a pack: `sha256:` and the SHA-256 of its bytes.";
    RepoName: concat!("^[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "/", "[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"), "gabriel/notes", "`OWNER/SLUG`.";
    RepoId: "^[0-9a-f]{32}$", "0".repeat(32), "The public id of a repo.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_a_grammar() {
        for good in ["a/b", "gabriel/pg-test.1", "0/_".replace('_', "x_").as_str()] {
            assert_eq!(good.parse::<RepoName>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "a",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "../b",
            "a/..",
            "a/b\n",
            "a b/c",
            "ä/b",
            &format!("a/{}", "x".repeat(101)),
        ] {
            assert!(bad.parse::<RepoName>().is_err(), "{bad:?} passed");
        }
    }

    #[test]
    fn a_new_repo_shadows_no_route_of_the_server() {
        for bad in ["admin/v1", "admin/x", "a/b.", "a./b"] {
            assert!(bad.parse::<RepoName>().unwrap().check_new().is_err(), "{bad}");
        }
        for good in ["a/admin", "Admin/v1", "administrator/x"] {
            good.parse::<RepoName>().unwrap().check_new().unwrap();
        }
    }

    #[test]
    fn keys_read_back() {
        let key = MpackKey::new([0xab; 32]);
        assert_eq!(key.to_string().parse::<MpackKey>().unwrap(), key);
        assert!(key.hex().parse::<MpackKey>().is_err());
        assert!(key.to_string().to_uppercase().parse::<MpackKey>().is_err());
    }
}
