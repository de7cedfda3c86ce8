//! Packs as bytes: reading those that nobody vouches for, and writing those that can be trusted.
//!
//! - [`scan`]: one pass over a pack that finds its records, hashes every object and trusts nothing.
//! - [`directory`]: the rows that a scan found, kept beside the pack.
//! - [`pipeline`]: write, hash and read back at once; a push and a consolidation go through the
//!   same one.
//! - [`splice`]: the bytes of a plan, gathered from source packs.

pub mod directory;
pub mod pipeline;
pub mod scan;
pub mod splice;
mod window;

pub use directory::Directory;
pub use pipeline::{WrittenPack, write_and_read_back};
pub use scan::{BadPack, ScannedPack};
