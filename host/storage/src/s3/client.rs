//! Where the bucket is, and the client that asks it: settings, retries, counting.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::client::{
    ClientConfigKey, ClientOptions, HttpClient, HttpConnector, HttpError, HttpRequest,
    HttpRequestBody, HttpResponse, HttpService, ReqwestConnector,
};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, RetryConfig};
use packhouse_model::error::{Error, Result};
use packhouse_model::text::escaped;
use packhouse_vault::Traffic;

use super::failed::failed;

/// Default limit of the cache, in bytes.
const BUDGET: u64 = 16 << 30;

/// Default timeout of retries.
const RETRY_TIMEOUT: Duration = Duration::from_secs(60);

/// How long one request may take: its answer is at most a part of a few MiB.
const ONE_REQUEST: &str = "120 seconds";

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
fn split(url: &str) -> Result<(String, Key)> {
    let usage = |why: &str| {
        Error::Usage(format!("--storage {url}: {why}; expected s3://BUCKET or s3://BUCKET/PREFIX"))
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

/// Where the packs are.
#[derive(Clone, Debug)]
pub(super) struct BucketPath {
    bucket: String,
    prefix: Key,
    /// The server, where it is not Amazon's.
    endpoint: Option<String>,
}

impl BucketPath {
    /// A key within the prefix.
    pub(super) fn within(&self, key: &Key) -> Key {
        Key::from_iter(self.prefix.parts().chain(key.parts()))
    }

    /// An object, for messages.
    pub(super) fn object(&self, key: &Key) -> String {
        format!("s3://{}/{key}", self.bucket)
    }

    /// All of it, for messages.
    pub(super) fn all(&self) -> String {
        if self.prefix == Key::default() {
            format!("s3://{}", self.bucket)
        } else {
            self.object(&self.prefix)
        }
    }

    /// The server, for messages.
    pub(super) fn server(&self) -> &str {
        self.endpoint.as_deref().unwrap_or("Amazon S3")
    }
}

/// Makes the client of a bucket; asks it nothing.
pub(super) fn connect(options: &S3Options) -> Result<(BucketPath, AmazonS3, Arc<RequestMeter>)> {
    client(options, None)
}

/// A client that corrupts uploads of one object: `instead` is sent, of the same length. For probes
/// of a server.
pub(super) fn connect_to_corrupt(
    options: &S3Options,
    instead: Arc<[u8]>,
) -> Result<(BucketPath, AmazonS3, Arc<RequestMeter>)> {
    client(options, Some(instead))
}

fn client(
    options: &S3Options,
    instead: Option<Arc<[u8]>>,
) -> Result<(BucketPath, AmazonS3, Arc<RequestMeter>)> {
    // Another caller may have installed the same provider already: there is one for the process. It
    // is needed for the first connection.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (bucket, prefix) = split(&options.url)?;
    let mut builder = AmazonS3Builder::from_env();
    for (name, value) in &options.settings {
        let key: AmazonS3ConfigKey = name
            .to_ascii_lowercase()
            .parse()
            .map_err(|_| Error::Usage(format!("{name} is not an S3 setting")))?;
        builder = builder.with_config(key, value);
    }
    let endpoint = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint]
        .iter()
        .find_map(|key| builder.get_config_value(key));
    let place = BucketPath { bucket: bucket.clone(), prefix, endpoint };
    let time = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
    if std::env::var_os("AWS_TIMEOUT").is_none() {
        builder = builder.with_config(time, ONE_REQUEST);
    }
    if place.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        builder = builder.with_allow_http(true);
    }
    let meter = Arc::<RequestMeter>::default();
    let builder = match options.checksum {
        S3Checksum::Sha256 => builder.with_checksum_algorithm(Checksum::SHA256),
        S3Checksum::Crc64Nvme => builder.with_checksum_algorithm(Checksum::CRC64NVME),
        S3Checksum::None => builder,
    };
    let builder = builder
        .with_bucket_name(bucket)
        .with_conditional_put(S3ConditionalPut::Disabled)
        // One DELETE an object: not every store knows how to delete many at once.
        .with_disable_bulk_delete(true)
        .with_http_connector(MeteredClient { meter: meter.clone(), instead });
    let failing = |e| failed("opening", place.all(), &place, e);
    // Credentials may have to be fetched. If there are none, that fails early.
    let asking = builder
        .clone()
        .with_retry(retries(options.retry_timeout.min(Duration::from_secs(5))))
        .build()
        .map_err(failing)?;
    let store = builder
        .with_credentials(asking.credentials().clone())
        .with_retry(retries(options.retry_timeout))
        .build()
        .map_err(failing)?;
    Ok((place, store, meter))
}

/// Exponential backoff, until the timeout.
fn retries(retry_timeout: Duration) -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(100),
        max_backoff: (retry_timeout / 4).clamp(Duration::from_millis(200), Duration::from_secs(8)),
        base: 2.0,
    };
    RetryConfig { backoff, max_retries: 1000, retry_timeout }
}

/// Counts requests and bytes.
#[derive(Debug, Default)]
pub(super) struct RequestMeter {
    requests: AtomicU64,
    write_requests: AtomicU64,
    up: AtomicU64,
    down: AtomicU64,
}

impl RequestMeter {
    pub(super) fn read(&self) -> Traffic {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Traffic {
            requests: of(&self.requests),
            write_requests: of(&self.write_requests),
            bytes_up: of(&self.up),
            bytes_down: of(&self.down),
        }
    }
}

/// Makes clients that count.
#[derive(Debug)]
struct MeteredClient {
    meter: Arc<RequestMeter>,
    /// What is sent instead of what was signed.
    instead: Option<Arc<[u8]>>,
}

impl HttpConnector for MeteredClient {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Counting {
            client,
            meter: self.meter.clone(),
            instead: self.instead.clone(),
        }))
    }
}

#[derive(Debug)]
struct Counting {
    client: HttpClient,
    meter: Arc<RequestMeter>,
    instead: Option<Arc<[u8]>>,
}

#[async_trait]
impl HttpService for Counting {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(instead) =
            self.instead.as_ref().filter(|instead| request.body().content_length() == instead.len())
        {
            *request.body_mut() = HttpRequestBody::from(instead.to_vec());
        }
        let add = |count: &AtomicU64, n: u64| count.fetch_add(n, Ordering::Relaxed);
        let method = request.method().as_str();
        let (reads, removes) = (method == "GET", method == "DELETE");
        let lists = reads && request.uri().query().is_some_and(|query| query.contains("list-type"));
        add(&self.meter.requests, 1);
        // Deleting is free.
        add(
            &self.meter.write_requests,
            u64::from(lists || !(reads || removes || method == "HEAD")),
        );
        add(&self.meter.up, request.body().content_length() as u64);
        let response = self.client.execute(request).await?;
        let response = if lists { without_foreign(response).await? } else { response };
        // The length of what a HEAD is about is not sent.
        let length = response.headers().get("content-length").filter(|_| reads);
        let length =
            length.and_then(|length| length.to_str().ok()).and_then(|length| length.parse().ok());
        add(&self.meter.down, length.unwrap_or(0));
        Ok(response)
    }
}

/// A listing without foreign objects that would be in the way: those that the client can't name,
/// such as `packs//x`, would fail all of it; the markers of folders, such as `packs/`, would look
/// like something else.
async fn without_foreign(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let (mut parts, body) = response.into_parts();
    let body = body.bytes().await?;
    let listed = match std::str::from_utf8(&body) {
        Ok(text) if text.contains("<Contents>") => named(text).into(),
        _ => body,
    };
    parts.headers.remove("content-length");
    Ok(HttpResponse::from_parts(parts, listed.into()))
}

/// A page of a listing without such entries.
fn named(page: &str) -> String {
    let mut entries = page.split_inclusive("</Contents>");
    let mut kept = String::with_capacity(page.len());
    for entry in &mut entries {
        let start = entry.find("<Contents>").unwrap_or(entry.len());
        let (before, contents) = entry.split_at(start);
        kept.push_str(before);
        let key = contents
            .split_once("<Key>")
            .and_then(|(_, rest)| rest.split_once("</Key>"))
            .map(|(key, _)| key);
        match key.filter(|key| key.ends_with('/') || Key::parse(key).is_err()) {
            Some(foreign) => tracing::debug!(
                "`{}` is not an object of packhouse; it is ignored",
                escaped(foreign)
            ),
            None => kept.push_str(contents),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_is_without_what_would_be_in_the_way() {
        let entry = |key: &str| format!("<Contents><Key>{key}</Key><Size>1</Size></Contents>");
        let page = |keys: &[&str]| {
            format!(
                "<ListBucketResult><Name>b</Name>{}<KeyCount>1</KeyCount></ListBucketResult>",
                keys.iter().copied().map(entry).collect::<String>()
            )
        };
        let all = [
            "p/packs/",
            "p/packs//x",
            "p/packs/ab/c.mpack",
            "p/packs/../x",
            "p/a&amp;b",
            "p/packs/ab//",
        ];
        assert_eq!(named(&page(&all)), page(&["p/packs/ab/c.mpack", "p/a&amp;b"]));
        assert_eq!(named(&page(&[])), page(&[]));
    }

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
