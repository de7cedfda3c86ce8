//! Packs in a bucket: S3, or a compatible server.
//!
//! ```text
//! PREFIX/packs/ab/abcd….mpack     a pack, by its key
//! PREFIX/packs/ab/abcd….dir       its directory
//! PREFIX/answers/REPO/abcd….mpack an assembled answer
//! PREFIX/catalogs/abcd…           where a catalog is that has packs here
//! PREFIX/storage-id               which vault it is, for catalogs to know it by
//! ```
//!
//! A pack is written and verified in staging, on the local disk, and uploaded when its key is
//! known: in one request, or in parts that become an object when all are there. Copies of packs are
//! the [vault](packhouse_vault)'s: here are requests. See `docs/decisions/0010-s3.md`.

mod bucket_path;
mod client;
mod failed;
mod meter;
mod objects;
mod options;
mod packs;
mod probe;
mod upload;

pub use self::objects::{ReadObject, S3Objects};
pub use self::options::{S3Checksum, S3Options};
pub use self::packs::{S3Packs, ask, inspect, spool};
pub use self::probe::{StorageProbe, probe};
