//! A probe of a bucket: whether it stores and returns what is sent to it, whether it detects
//! corruption in transit, and with which checksums.

use std::sync::Arc;
use std::time::Duration;

use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{ObjectStoreExt, PutPayload};
use packhouse_model::error::{Error, Result};

use super::client::{Bucket, connect, connect_to_corrupt};
use super::failed::is_gone;
use super::options::{S3Checksum, S3Options};

/// Bytes of what is sent.
const BYTES: usize = 4096;

/// The timeout of one step: a user waits.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);

/// What a trial has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProbe {
    /// Where the bucket is.
    pub place: String,
    /// Whether the server refuses an upload that was corrupted in transit.
    pub notices_changes: bool,
}

/// Writes two small objects under the prefix, one of them in parts, reads them back, compares and
/// removes them. Then sends one whose bytes don't match their signature. `name` must be unused: 16
/// random bytes.
///
/// # Errors
/// [`Error::Storage`] when a request fails or other bytes come back; if other checksums would work,
/// it names the setting.
pub async fn probe(options: &S3Options, name: [u8; 16]) -> Result<StorageProbe> {
    let options =
        S3Options { retry_timeout: options.retry_timeout.min(RETRY_TIMEOUT), ..options.clone() };
    let bytes: Vec<u8> = (0..BYTES).map(|n| (n % 251) as u8 ^ name[n % name.len()]).collect();
    let bucket = connect(&options)?;
    let object = bucket.place.within(&Key::from_iter(["trial", &hex::encode(name)]));
    if let Err(error) = round_trip(&bucket, &object, &bytes).await {
        return Err(named(error, &options, &object, &bytes).await);
    }
    let mut changed = bytes.clone();
    changed[BYTES / 2] ^= 1;
    let corrupting = connect_to_corrupt(&options, Arc::from(changed))?;
    let notices_changes = corrupting.store.put(&object, PutPayload::from(bytes)).await.is_err();
    remove(&bucket, &object).await?;
    let place = format!("{} ({})", bucket.place.all(), bucket.place.server());
    Ok(StorageProbe { place, notices_changes })
}

/// Sends, reads, compares and removes an object, in one request and in parts.
async fn round_trip(bucket: &Bucket, object: &Key, bytes: &[u8]) -> Result<()> {
    let (place, store) = (&bucket.place, &bucket.store);
    let sending = |e| bucket.failed("writing", object, e);
    for in_parts in [false, true] {
        let payload = PutPayload::from(bytes.to_vec());
        if in_parts {
            let id = store.create_multipart(object).await.map_err(sending)?;
            let part = store.put_part(object, &id, 0, payload).await;
            let sent = match part {
                Ok(part) => store.complete_multipart(object, &id, vec![part]).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                let _ = store.abort_multipart(object, &id).await;
                return Err(sending(error));
            }
        } else {
            store.put(object, payload).await.map_err(sending)?;
        }
        let read = async { store.get(object).await?.bytes().await };
        let back = read.await.map_err(|e| bucket.failed("reading", object, e));
        // Whatever it gave back, it goes.
        let removed = remove(bucket, object).await;
        if back? != bytes {
            return Err(Error::Storage {
                doing: "reading",
                place: place.object(object),
                server: place.server().to_owned(),
                reason: "the bytes that were read differ from those written".into(),
                way_out: "Don't store packs there: the server, or something between it and this machine, changes them",
            });
        }
        removed?;
    }
    Ok(())
}

async fn remove(bucket: &Bucket, object: &Key) -> Result<()> {
    match bucket.store.delete(object).await {
        Err(error) if !is_gone(&error) => Err(bucket.failed("removing", object, error)),
        _ => Ok(()),
    }
}

/// The error of a trial; where it succeeds with other checksums, with the setting that says so.
async fn named(error: Error, options: &S3Options, object: &Key, bytes: &[u8]) -> Error {
    let Error::Storage { doing, place, server, reason, .. } = &error else { return error };
    for checksum in S3Checksum::ALL.into_iter().filter(|other| *other != options.checksum) {
        let other = S3Options { checksum, ..options.clone() };
        let Ok(bucket) = connect(&other) else { continue };
        if round_trip(&bucket, object, bytes).await.is_ok() {
            let (doing, place, server, reason) =
                (*doing, place.clone(), server.clone(), reason.clone());
            return Error::Storage { doing, place, server, reason, way_out: checksum.setting() };
        }
    }
    error
}
