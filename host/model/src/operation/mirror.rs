//! Mirrors: repos that follow a repo on another server.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use super::seconds;
use crate::error::{Error, Result};
use crate::text::plain_url;

/// How to follow a repo on a Muse server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MirrorOptions {
    /// The repo there: `http(s)://HOST/OWNER/SLUG`, without a password.
    #[schema(pattern = "^https?://")]
    pub source: String,
    /// How long after an import the next one begins, in seconds.
    #[serde(rename = "every_seconds", with = "seconds")]
    #[schema(value_type = u64, minimum = 1, maximum = 9007199254740991u64)]
    pub every: Duration,
    /// Whether to move branches even when the heads here and there have diverged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

impl MirrorOptions {
    /// Refuses a malformed source, and a pause of less than a second.
    ///
    /// # Errors
    /// [`Error::Usage`] with what is expected.
    pub fn check(&self) -> Result<()> {
        source_url(&self.source)?;
        match self.every.as_secs() {
            0 => Err(Error::Usage("every_seconds is 0: expected at least 1".into())),
            _ => Ok(()),
        }
    }
}

/// Reads the URL of a repo on a Muse server: `http(s)://HOST/OWNER/SLUG`.
///
/// # Errors
/// [`Error::Usage`] for another one. URLs are stored and displayed, so one with a password is
/// refused.
pub fn source_url(url: &str) -> Result<Url> {
    let has_names = |url: &Url| url.path().split('/').filter(|name| !name.is_empty()).count() >= 2;
    plain_url(url).filter(has_names).ok_or_else(|| {
        Error::Usage(
            "the source: expected http(s)://HOST/OWNER/SLUG, without user, `?` and `#`; a token \
             belongs in a file: --token-file FILE, or --source-tokens FILE for a mirror"
                .to_owned(),
        )
    })
}
