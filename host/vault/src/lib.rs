//! The vault: packs as bytes, under their keys.
//!
//! ```text
//!                        Vault                     what the verbs use
//!             ┌────────────┼────────────────┐
//!          Staging    FilePackStore    cache: a spool of copies
//!       being made,    packs open as        │
//!       on this disk   files           RemotePackStore
//!             │            │           packs are downloaded in parts
//!       StagingFolder  LocalPacks           │
//!                                      S3 (a crate of its own)
//! ```
//!
//! **Laws**, which every adapter keeps:
//! - A pack is visible under its key complete, verified and durable, or not at all. Unfinished
//!   files are in staging, which no one reads; a crash leaves at most a staged file, which
//!   [`Vault::sweep`] removes.
//! - Packs never change. Storing an existing one replaces the old bytes by the new, verified ones.
//! - A directory is a cache: it may be missing at any time.
//! - A remote vault keeps copies on the local disk, and may lose them at any time. It evicts none
//!   that may be the last good one ([`Vault::consult`]). [`Vault::open`] never returns a copy of a
//!   deleted pack; [`Vault::open_uncached`] never returns a copy.
//!
//! One conformance suite checks them over each adapter, with and without the cache. The ports are
//! explained in `docs/decisions/0022-vault-ports.md`.

mod cache;
mod contents;
mod copies;
pub mod local;
pub mod memory;
mod notes;
pub mod objects;
mod packs;
mod parts;
mod ranges;
mod staging;
mod vault;

pub use self::cache::{DownloadEstimate, KnownPacks, PrefetchRequest};
pub use self::contents::StorageContents;
pub use self::packs::{
    FilePackStore, ListedPack, ObjectInfo, ObjectPart, PackStore, RemotePackStore, StoredPack,
    Traffic,
};
pub use self::staging::{StagedFile, Staging, StagingFolder, SweepResult};
pub use self::vault::Vault;
