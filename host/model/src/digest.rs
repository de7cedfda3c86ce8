//! SHA-256 digests as bytes.

use ring::digest::{Context, SHA256, digest};

/// The SHA-256 of no bytes: the digest of the empty object.
pub const EMPTY: [u8; 32] = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

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
