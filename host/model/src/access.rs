//! Who may do what: scopes, the repos of a token, and its caller.
//!
//! A token is `phk_ID_SECRET`. The id is not secret, and is the key of its row. Only the SHA-256 of
//! the secret is stored, and compared in constant time. The text of a token is shown once, when it
//! is created, and never stored by packhouse.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::names::{RepoName, TOKEN_ID_DIGITS};
use crate::text::escaped;

/// The scope of a token; each includes those before it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// To read repos.
    Read,
    /// To push to them.
    Push,
    /// Everything: creating, consolidating and deleting them, jobs, policies, tokens.
    Admin,
}

impl Scope {
    /// All of them.
    pub const ALL: [Scope; 3] = [Scope::Read, Scope::Push, Scope::Admin];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Push => "push",
            Scope::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
        known.ok_or_else(|| {
            Error::Usage(format!(
                "`{}` is not a scope: expected read, push or admin",
                escaped(text)
            ))
        })
    }
}

/// Repos of a token: `OWNER/SLUG`, `OWNER/*` or `*`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// One repo.
    Repo(RepoName),
    /// All repos of an owner, also future ones.
    Owner(String),
    /// All repos.
    All,
}

impl Reach {
    /// Whether it includes a repo.
    pub fn has(&self, repo: &RepoName) -> bool {
        match self {
            Reach::Repo(name) => name == repo,
            Reach::Owner(owner) => owner == repo.owner(),
            Reach::All => true,
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Repo(name) => write!(f, "{name}"),
            Reach::Owner(owner) => write!(f, "{owner}/*"),
            Reach::All => f.write_str("*"),
        }
    }
}

impl FromStr for Reach {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "*" {
            return Ok(Reach::All);
        }
        match text.strip_suffix("/*") {
            // An owner has the grammar of a name's first part.
            Some(owner) => {
                Ok(Reach::Owner(format!("{owner}/x").parse::<RepoName>()?.owner().to_owned()))
            }
            None => Ok(Reach::Repo(text.parse()?)),
        }
    }
}

impl Serialize for Reach {
    fn serialize<S: serde::Serializer>(
        &self,
        serializer: S,
    ) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reach {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A client without a token.
    Anyone,
    /// The bearer of a token.
    Bearer {
        /// The token's id.
        token: String,
        /// What it allows.
        scope: Scope,
        /// Where.
        repos: Vec<Reach>,
    },
    /// Allowed to do everything: the operator allows all requests (--insecure-loopback).
    Trusted,
}

impl Caller {
    /// Whether they have the scope for a repo. Public repos are handled elsewhere.
    pub fn may(&self, scope: Scope, repo: &RepoName) -> bool {
        match self {
            Caller::Anyone => false,
            Caller::Bearer { scope: has, repos, .. } => {
                *has >= scope && repos.iter().any(|reach| reach.has(repo))
            }
            Caller::Trusted => true,
        }
    }

    /// What their requests are counted by, if they bear a token: its ID, or what the tokens of one user
    /// of a MuseHub have in common, which is before the dot. IDs of the store have none.
    pub fn counted_as(&self) -> Option<&str> {
        match self {
            Caller::Bearer { token, .. } => token.split('.').next(),
            Caller::Anyone | Caller::Trusted => None,
        }
    }

    /// Whether they have the scope for the whole store: jobs of the store, tokens.
    pub fn may_everywhere(&self, scope: Scope) -> bool {
        match self {
            Caller::Anyone => false,
            Caller::Bearer { scope: has, repos, .. } => {
                *has >= scope && repos.contains(&Reach::All)
            }
            Caller::Trusted => true,
        }
    }
}

/// The two parts of a token's text.
#[derive(Clone)]
pub struct TokenText {
    id: String,
    secret: String,
}

/// Length of a secret in hexadecimal digits: 256 bits.
const SECRET_DIGITS: usize = 64;

impl TokenText {
    /// A token of fresh random bytes.
    pub fn of(random: [[u8; 16]; 3]) -> TokenText {
        let [id, first, second] = random.map(hex::encode);
        // The last digits: those differ between the ids of a fixed clock.
        TokenText {
            id: id[id.len() - TOKEN_ID_DIGITS..].to_owned(),
            secret: format!("{first}{second}"),
        }
    }

    /// The id of its row. Not secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The stored hash.
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.secret.as_bytes())
    }

    /// Whether it has this hash; in constant time.
    pub fn is(&self, kept: &[u8; 32]) -> bool {
        self.hash().ct_eq(kept).into()
    }

    /// The whole text, with its secret: to show it once.
    pub fn reveal(&self) -> String {
        format!("phk_{}_{}", self.id, self.secret)
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenText").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromStr for TokenText {
    type Err = ();

    /// Gives no details: a text that is almost a token may contain a secret.
    fn from_str(text: &str) -> std::result::Result<Self, ()> {
        let (id, secret) =
            text.strip_prefix("phk_").and_then(|rest| rest.split_once('_')).ok_or(())?;
        let digits = |part: &str, length| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let sound = digits(id, TOKEN_ID_DIGITS) && digits(secret, SECRET_DIGITS);
        sound.then(|| TokenText { id: id.to_owned(), secret: secret.to_owned() }).ok_or(())
    }
}

/// A token without its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenReport {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// Where.
    pub repos: Vec<Reach>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; none for never.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked, if so.
    pub revoked_at: Option<Timestamp>,
    /// The whole token: only in the response that creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// Without its text.
impl fmt::Debug for TokenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenReport")
            .field("id", &self.id)
            .field("scope", &self.scope)
            .field("repos", &self.repos)
            .finish_non_exhaustive()
    }
}

/// A token to create.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// Its name. Visible characters only.
    #[serde(default)]
    #[schema(max_length = 100, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub name: String,
    /// What it allows.
    pub scope: Scope,
    /// Where: `OWNER/SLUG`, `OWNER/*` or `*`.
    #[schema(min_items = 1)]
    pub repos: Vec<Reach>,
    /// Its lifetime in seconds; none to keep it valid until it is revoked.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 100000000000u64)]
    pub expires_in_seconds: Option<u64>,
}

crate::names::described! {
    Reach: r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,99}/(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,99}))$", "gabriel/*", "`OWNER/SLUG`, `OWNER/*` or `*`.";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> TokenText {
        TokenText::of([[1; 16], [2; 16], [3; 16]])
    }

    #[test]
    fn a_token_reads_back_and_shows_its_secret_to_nobody_else() {
        let text = token().reveal();
        let read: TokenText = text.parse().unwrap();
        assert_eq!(read.id(), "0101010101010101");
        assert!(read.is(&token().hash()) && !read.is(&[0; 32]));
        assert!(!format!("{read:?}").contains("0202"));
        for bad in [
            "",
            "phk_",
            "phk__",
            &text[..text.len() - 1],
            &text.to_uppercase(),
            &text.replace("phk", "ghp"),
        ] {
            assert!(bad.parse::<TokenText>().is_err(), "{bad}");
        }
    }

    #[test]
    fn scopes_include_each_other_and_reach_ends_where_it_says() {
        let caller = |scope, repos: &[&str]| Caller::Bearer {
            token: "t".into(),
            scope,
            repos: repos.iter().map(|text| text.parse().unwrap()).collect(),
        };
        let repo: RepoName = "a/b".parse().unwrap();
        assert!(caller(Scope::Push, &["a/b"]).may(Scope::Read, &repo));
        assert!(!caller(Scope::Push, &["a/b"]).may(Scope::Admin, &repo));
        assert!(caller(Scope::Admin, &["a/*"]).may(Scope::Admin, &repo));
        assert!(!caller(Scope::Admin, &["aa/*", "a/bb"]).may(Scope::Read, &repo));
        assert!(caller(Scope::Read, &["*"]).may_everywhere(Scope::Read));
        assert!(!caller(Scope::Admin, &["a/*"]).may_everywhere(Scope::Read));
        assert!(
            !Caller::Anyone.may(Scope::Read, &repo) && Caller::Trusted.may_everywhere(Scope::Admin)
        );
    }

    #[test]
    fn reaches_have_a_grammar() {
        for good in ["a/b", "a/*", "*"] {
            assert_eq!(good.parse::<Reach>().unwrap().to_string(), good);
        }
        for bad in ["", "a", "*/b", "**", "../*", "a/*/*", "/*"] {
            assert!(bad.parse::<Reach>().is_err(), "{bad}");
        }
    }
}
