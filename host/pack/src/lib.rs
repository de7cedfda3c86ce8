//! Packs as bytes: reading untrusted packs, and writing packs that can be trusted.
//!
//! - [`scan`]: one pass over a pack that finds its records, hashes every object and trusts nothing.
//! - [`directory`]: the rows of a scan, stored next to the pack.
//! - [`examine`]: a scan of a stored pack, with its key.
//! - [`frame`]: the bytes of a pack that are not of a record.
//! - [`gather`]: records of several packs, put together into a new one.
//! - [`pieces`]: reads of what lies near each other, in one go.
//! - [`pipeline`]: write, hash and read back in parallel; used by pushes and consolidations.
//! - [`references()`]: what a record names.
//! - [`splice`]: the bytes of a plan, gathered from source packs.
//! - [`verified`]: checks the bytes of records while they pass.

pub mod directory;
mod examine;
pub mod frame;
pub mod gather;
pub mod pieces;
pub mod pipeline;
mod references;
pub mod scan;
pub mod splice;
#[cfg(test)]
mod testing;
pub mod verified;
mod window;

pub use directory::Directory;
pub use examine::{ExaminedPack, examine};
pub use pipeline::{WrittenPack, write_and_read_back};
pub use references::references;
pub use scan::{BadPack, ScannedPack};
pub use verified::{Expected, Verifier, WrongRecord};
