//! SHA-256 digests as bytes.

use ring::digest::{Context, SHA256, digest};

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    bytes_of(digest(&SHA256, bytes))
}

/// The SHA-256 of all that was hashed.
pub fn finish(sum: Context) -> [u8; 32] {
    bytes_of(sum.finish())
}

fn bytes_of(sum: ring::digest::Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(sum.as_ref());
    bytes
}
