//! Tokens of a MuseHub, accepted while its users move here: JWTs (RFC 7519), signed with HS256 and
//! the secret of the MuseHub. `sub` is the ID of a user; a file says which repos that user has.
//!
//! The token itself is not stored. Its ID here, which is in signed URLs and counts requests, is made
//! of its user and its end. It is good until then, or until its user is no longer in the file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use packhouse_model::access::{Caller, Reach, Scope};
use packhouse_model::error::{Error, Result};
use packhouse_model::text::pairs;
use serde::Deserialize;

use super::options::HubTokenFiles;

/// IDs of the tokens of the store don't begin with that. The end is behind a dot: see
/// [`Caller::counted_as`].
const PREFIX: &str = "hub-";
/// Longest ID of a user, in bytes: UUIDs have 36.
const MAX_USER: usize = 64;

/// Verifies tokens of a MuseHub.
pub(super) struct HubTokens {
    key: DecodingKey,
    validation: Validation,
    /// The repos of each user.
    repos: BTreeMap<String, Vec<Reach>>,
}

/// Without the key.
impl fmt::Debug for HubTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HubTokens").field("users", &self.repos.len()).finish_non_exhaustive()
    }
}

/// The claims that count here.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Seconds since 1970: it ends then.
    exp: i64,
    /// It begins then, if it says so.
    nbf: Option<i64>,
    /// What it is for. One that says so is for access.
    r#type: Option<String>,
}

/// Why a token of a MuseHub is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is not one, or has another signature, or has expired.
    Unknown,
    /// It is one of a user who is not in the file.
    NoRepos(String),
}

impl HubTokens {
    /// Reads the secret, and the file with a user and `OWNER/SLUG` or `OWNER/*` on each line. Empty
    /// lines and lines that begin with `#` are ignored.
    ///
    /// # Errors
    /// [`Error::Io`] if a file can't be read; [`Error::Usage`] for an empty secret, and for a line
    /// that is something else.
    pub(super) fn read(files: &HubTokenFiles) -> Result<HubTokens> {
        let HubTokenFiles { secret, repos } = files;
        let key = std::fs::read(secret).map_err(Error::io("reading the secret in", secret))?;
        let key = key.trim_ascii();
        if key.is_empty() {
            let file = secret.display();
            return Err(Error::Usage(format!(
                "{file} is empty: expected the ACCESS_TOKEN_SECRET of the MuseHub"
            )));
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // By the clock of the store, as for other tokens.
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        Ok(HubTokens { key: DecodingKey::from_secret(key), validation, repos: read_repos(repos)? })
    }

    /// The bearer of a token.
    pub(super) fn caller(&self, text: &str, now: Timestamp) -> Result<Caller, Refused> {
        let decoded = decode::<Claims>(text, &self.key, &self.validation);
        let Claims { sub, exp, nbf, r#type } = decoded.map_err(|_| Refused::Unknown)?.claims;
        let now = now.as_second();
        let is_now = now < exp && nbf.is_none_or(|begin| begin <= now);
        if !is_now || !is_user(&sub) || r#type.is_some_and(|what| what != "access") {
            return Err(Refused::Unknown);
        }
        self.of_user(&sub, exp).ok_or(Refused::NoRepos(sub))
    }

    /// Whether the ID of a token is of a token of a MuseHub.
    pub(super) fn is_id(id: &str) -> bool {
        id.starts_with(PREFIX)
    }

    /// The bearer of a token that was accepted, by the ID that it has here, if it still is.
    pub(super) fn caller_still(&self, id: &str, now: Timestamp) -> Option<Caller> {
        let (user, exp) = id.strip_prefix(PREFIX)?.split_once('.')?;
        let exp: i64 = exp.parse().ok()?;
        if now.as_second() < exp { self.of_user(user, exp) } else { None }
    }

    fn of_user(&self, user: &str, exp: i64) -> Option<Caller> {
        Some(Caller::Bearer {
            token: format!("{PREFIX}{user}.{exp}"),
            scope: Scope::Push,
            repos: self.repos.get(user)?.clone(),
        })
    }
}

/// Whether a text may be the ID of a user.
fn is_user(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !text.is_empty() && text.len() <= MAX_USER && text.bytes().all(is_plain)
}

fn read_repos(file: &Path) -> Result<BTreeMap<String, Vec<Reach>>> {
    let text = std::fs::read_to_string(file).map_err(Error::io("reading the users in", file))?;
    let mut repos = BTreeMap::<_, Vec<_>>::new();
    for (number, pair) in pairs(&text) {
        let found = pair.and_then(|(user, repos)| {
            let reach: Reach = repos.parse().ok()?;
            (is_user(user) && reach != Reach::All).then(|| (user.to_owned(), reach))
        });
        let Some((user, reach)) = found else {
            return Err(Error::Usage(format!(
                "{}, line {number}: expected the ID of a user, and OWNER/SLUG or OWNER/*",
                file.display()
            )));
        };
        repos.entry(user).or_default().push(reach);
    }
    Ok(repos)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    const SECRET: &str = "a secret of the hub";
    const USER: &str = "6c1cc1ae-5a87-4f2f-9a59-5a54f0f4a1de";

    fn hub(repos: &str) -> Result<HubTokens> {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let secret = file("secret", &format!("{SECRET}\n"));
        HubTokens::read(&HubTokenFiles { secret, repos: file("repos", repos) })
    }

    fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes()))
            .unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_good_for_the_repos_of_its_user_until_it_ends() {
        let hub = hub(&format!("# user repos\n{USER} ines/*\n{USER} choir/score\nother zoe/*\n"))
            .unwrap();
        let token = signed(Algorithm::HS256, SECRET, &json!({"sub": USER, "exp": 100, "iat": 1}));
        let caller = hub.caller(&token, at(99)).unwrap();
        let Caller::Bearer { token: id, scope, repos } = &caller else { panic!("{caller:?}") };
        assert_eq!(*scope, Scope::Push);
        let texts = ["ines/*", "choir/score"];
        assert_eq!(repos.iter().map(ToString::to_string).collect::<Vec<_>>(), texts);
        // Other tokens of the user count with it.
        let other = signed(Algorithm::HS256, SECRET, &json!({"sub": USER, "exp": 101}));
        let other = hub.caller(&other, at(99)).unwrap();
        assert!(other != caller && other.counted_as() == caller.counted_as());
        assert!(caller.counted_as().unwrap().ends_with(USER));
        assert_eq!(hub.caller_still(id, at(99)), Some(caller.clone()));
        assert_eq!(hub.caller_still(id, at(100)), None);
        assert_eq!(hub.caller(&token, at(100)), Err(Refused::Unknown));
        for id in ["", "hub-", "hub-other", "hub-other.x", "other", "hub-unknown.100"] {
            assert_eq!(hub.caller_still(id, at(9)), None, "{id}");
        }
    }

    #[test]
    fn another_signature_algorithm_or_user_is_refused() {
        let hub = hub(&format!("{USER} ines/*\n")).unwrap();
        let claims = json!({"sub": USER, "exp": 100});
        let good = signed(Algorithm::HS256, SECRET, &claims);
        let (head, rest) = good.split_once('.').unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", rest.split_once('.').unwrap().0);
        for token in [
            signed(Algorithm::HS256, "another secret", &claims),
            signed(Algorithm::HS512, SECRET, &claims),
            signed(Algorithm::HS256, SECRET, &json!({"sub": USER})),
            signed(Algorithm::HS256, SECRET, &json!({"exp": 100})),
            signed(Algorithm::HS256, SECRET, &json!({"sub": "../x", "exp": 100})),
            signed(Algorithm::HS256, SECRET, &json!({"sub": USER, "exp": 100, "nbf": 10})),
            signed(Algorithm::HS256, SECRET, &json!({"sub": USER, "exp": 100, "type": "refresh"})),
            format!("{head}.{rest}x"),
            unsigned,
            "phk_1_2".into(),
            String::new(),
        ] {
            assert_eq!(hub.caller(&token, at(9)), Err(Refused::Unknown), "{token}");
        }
        for more in [json!({"nbf": 9}), json!({"type": "access"})] {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            assert!(
                hub.caller(&signed(Algorithm::HS256, SECRET, &claims), at(9)).is_ok(),
                "{more}"
            );
        }
        let stranger = signed(Algorithm::HS256, SECRET, &json!({"sub": "nobody", "exp": 100}));
        assert_eq!(hub.caller(&stranger, at(9)), Err(Refused::NoRepos("nobody".into())));
    }

    #[test]
    fn a_malformed_line_is_named() {
        for line in ["ines/*", " ines/*", "user ../x", "us/er ines/*", "user ines", "user *"] {
            let error = hub(&format!("{USER} ines/*\n\n{line}\n")).unwrap_err().to_string();
            assert!(error.contains("line 3"), "{error}");
        }
    }
}
