//! Objects of a bucket that other programs write: they are read, and nothing else.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as Key;
use packhouse_model::error::Result;

use super::client::{Bucket, connect};
use super::failed::{failed, is_gone};
use super::options::S3Options;

/// The objects of a bucket.
#[derive(Clone, Debug)]
pub struct S3Objects(Bucket);

/// An object, while it is read.
pub struct ReadObject {
    /// Its size in bytes.
    pub bytes: u64,
    /// Its bytes.
    pub stream: BoxStream<'static, Result<Bytes>>,
}

impl S3Objects {
    /// Makes the client of a bucket; asks it nothing.
    ///
    /// # Errors
    /// [`packhouse_model::error::Error::Usage`] for a malformed URL.
    pub fn connect(options: &S3Options) -> Result<S3Objects> {
        connect(options).map(S3Objects)
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.0.place.bucket
    }

    /// The prefix; empty if there is none.
    pub fn prefix(&self) -> &str {
        self.0.place.prefix.as_ref()
    }

    /// An object by its whole key; none if there is none, or if no object can have this key.
    ///
    /// # Errors
    /// [`packhouse_model::error::Error::Storage`] when the bucket does not answer, or refuses.
    pub async fn read(&self, key: &str) -> Result<Option<ReadObject>> {
        let Ok(key) = Key::parse(key) else { return Ok(None) };
        let bucket = &self.0;
        let found = match bucket.store.get(&key).await {
            Ok(found) => found,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(bucket.failed("reading", &key, error)),
        };
        let (bytes, place) = (found.meta.size, bucket.place.clone());
        let stream = found
            .into_stream()
            .map_err(move |error| failed("reading", place.object(&key), &place, error));
        Ok(Some(ReadObject { bytes, stream: stream.boxed() }))
    }
}

impl std::fmt::Debug for ReadObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadObject").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
