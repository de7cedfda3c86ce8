//! The client of a bucket: settings and retries.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, Checksum, S3ConditionalPut};
use object_store::client::ClientConfigKey;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, RetryConfig};
use packhouse_model::error::{Error, Result};

use super::bucket_path::BucketPath;
use super::failed::failed;
use super::meter::{MeteredClient, RequestMeter};
use super::options::{S3Checksum, S3Options, split};

/// How long one request may take: its answer is at most a part of a few MiB.
const ONE_REQUEST: &str = "120 seconds";

/// A bucket that is asked.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    pub(super) place: BucketPath,
    pub(super) store: Arc<AmazonS3>,
    pub(super) meter: Arc<RequestMeter>,
}

impl Bucket {
    /// Translates an error about an object.
    pub(super) fn failed(
        &self,
        doing: &'static str,
        object: &Key,
        error: object_store::Error,
    ) -> Error {
        failed(doing, self.place.object(object), &self.place, error)
    }
}

/// Makes the client of a bucket; asks it nothing.
pub(super) fn connect(options: &S3Options) -> Result<Bucket> {
    client(options, None)
}

/// A client that corrupts uploads of one object: `instead` is sent, of the same length. For probes
/// of a server.
pub(super) fn connect_to_corrupt(options: &S3Options, instead: Arc<[u8]>) -> Result<Bucket> {
    client(options, Some(instead))
}

fn client(options: &S3Options, instead: Option<Arc<[u8]>>) -> Result<Bucket> {
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
    Ok(Bucket { place, store: Arc::new(store), meter })
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
