//! Where a bucket is, and how it is asked.

use std::path::PathBuf;
use std::time::Duration;

use object_store::path::Path as Key;
use packhouse_model::error::{Error, Result};

/// Default limit of the cache, in bytes.
const BUDGET: u64 = 16 << 30;

/// Default timeout of retries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// Where packs are in a bucket, and how it is asked.
#[derive(Clone)]
pub struct S3Options {
    /// `s3://BUCKET` or `s3://BUCKET/PREFIX`.
    pub url: String,
    /// Folder on the local disk for copies of packs, and for packs that are being made. Stores may
    /// share it.
    pub spool: PathBuf,
    /// Bytes of copies that are kept there.
    pub budget: u64,
    /// How long a request that fails is tried again, with growing pauses, before it is an error.
    pub retry_timeout: Duration,
    /// What is sent along with an upload, so that the server can see whether it came as it was.
    pub checksum: S3Checksum,
    /// `AWS_…` variables that go before those of the environment.
    pub settings: Vec<(String, String)>,
}

/// Checksums of uploads. Not every server knows all of them, and some refuse those that they don't
/// know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum S3Checksum {
    /// SHA-256.
    #[default]
    Sha256,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// None but the one that the signature holds.
    None,
}

impl S3Checksum {
    /// All of them, the best first.
    pub const ALL: [S3Checksum; 3] = [S3Checksum::Sha256, S3Checksum::Crc64Nvme, S3Checksum::None];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            S3Checksum::Sha256 => "sha256",
            S3Checksum::Crc64Nvme => "crc64nvme",
            S3Checksum::None => "none",
        }
    }

    /// What to do where a server takes this one only, as a sentence.
    pub(super) const fn setting(self) -> &'static str {
        match self {
            S3Checksum::Sha256 => {
                "The server accepts this checksum: set PACKHOUSE_S3_CHECKSUM=sha256"
            }
            S3Checksum::Crc64Nvme => {
                "The server accepts other checksums: set PACKHOUSE_S3_CHECKSUM=crc64nvme"
            }
            S3Checksum::None => {
                "The server accepts only uploads without checksums: set PACKHOUSE_S3_CHECKSUM=none"
            }
        }
    }

    fn from_env() -> Result<S3Checksum> {
        let Some(value) = std::env::var_os("PACKHOUSE_S3_CHECKSUM") else {
            return Ok(S3Checksum::default());
        };
        let known = value
            .to_str()
            .and_then(|value| S3Checksum::ALL.into_iter().find(|one| one.as_str() == value.trim()));
        known.ok_or_else(|| {
            Error::Usage(format!(
                "PACKHOUSE_S3_CHECKSUM is {}: expected sha256, crc64nvme or none",
                value.to_string_lossy()
            ))
        })
    }
}

/// Without the settings: there are secrets among them.
impl std::fmt::Debug for S3Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Options")
            .field("url", &self.url)
            .field("spool", &self.spool)
            .field("budget", &self.budget)
            .finish_non_exhaustive()
    }
}

impl S3Options {
    /// A bucket with the settings of the environment: `AWS_…`, and `PACKHOUSE_SPOOL_BYTES`,
    /// `PACKHOUSE_S3_PATIENCE` (seconds) and `PACKHOUSE_S3_CHECKSUM`.
    ///
    /// # Errors
    /// [`Error::Usage`] when the URL or a variable is not understood.
    pub fn from_env(url: &str, spool: PathBuf) -> Result<S3Options> {
        let (budget, retry_timeout) =
            (number("PACKHOUSE_SPOOL_BYTES")?, number("PACKHOUSE_S3_PATIENCE")?);
        let options = S3Options {
            url: url.to_owned(),
            spool,
            budget: budget.unwrap_or(BUDGET),
            retry_timeout: retry_timeout.map_or(RETRY_TIMEOUT, Duration::from_secs),
            checksum: S3Checksum::from_env()?,
            settings: Vec::new(),
        };
        split(url).map(|_| options)
    }
}

fn number(variable: &str) -> Result<Option<u64>> {
    let Some(value) = std::env::var_os(variable) else { return Ok(None) };
    let number = value.to_str().and_then(|value| value.trim().parse().ok());
    number.map(Some).ok_or_else(|| {
        Error::Usage(format!("{variable} is {}: expected an integer", value.to_string_lossy()))
    })
}

/// Bucket and prefix of a URL.
pub(super) fn split(url: &str) -> Result<(String, Key)> {
    let usage = |why: &str| {
        Error::Usage(format!("{url}: {why}; expected s3://BUCKET or s3://BUCKET/PREFIX"))
    };
    let rest = url.strip_prefix("s3://").ok_or_else(|| usage("it does not begin with s3://"))?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty()
        || !bucket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    {
        return Err(usage("this is not a bucket name"));
    }
    if prefix.contains(['?', '#', '%']) {
        return Err(usage("a prefix can't have `?`, `#` or `%`"));
    }
    let prefix = Key::parse(prefix).map_err(|_| usage("this is not a valid prefix"))?;
    Ok((bucket.to_owned(), prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_bucket_and_a_prefix() {
        for (url, bucket, prefix) in [
            ("s3://b", "b", ""),
            ("s3://b/", "b", ""),
            ("s3://my.bucket-1/packs/of/all/", "my.bucket-1", "packs/of/all"),
        ] {
            let (found, key) = split(url).unwrap();
            assert_eq!((found.as_str(), key.as_ref()), (bucket, prefix), "{url}");
        }
        for bad in [
            "s3:b",
            "s3://",
            "s3:///p",
            "s3://u@h/p",
            "s3://h:80/p",
            "s3://b/p?x",
            "s3://b/a//b",
            "s3://b/../c",
            "file:///b",
        ] {
            assert!(matches!(split(bad), Err(Error::Usage(_))), "{bad}");
        }
    }

    #[test]
    fn options_are_shown_without_their_secrets() {
        let settings = vec![("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())];
        let options =
            S3Options { settings, ..S3Options::from_env("s3://b/p", "spool".into()).unwrap() };
        assert!(!format!("{options:?}").contains("hush"));
    }
}
