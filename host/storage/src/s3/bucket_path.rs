//! Where objects are in a bucket, for requests and for messages.

use object_store::path::Path as Key;

/// Where the packs are.
#[derive(Clone, Debug)]
pub(super) struct BucketPath {
    pub(super) bucket: String,
    pub(super) prefix: Key,
    /// The server, where it is not Amazon's.
    pub(super) endpoint: Option<String>,
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
