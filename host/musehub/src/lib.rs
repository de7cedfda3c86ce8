//! Imports repos from a MuseHub's own database and object store.
//!
//! ```text
//!   musehub_repos, _branches, _releases, _wire_tags        heads · pins
//!   musehub_commits ──▶ graph: what they reach             graph
//!                          │  minus what the store has     known
//!                          ▼
//!   _commits, _snapshots, _objects ──▶ steps of records    steps, record
//!   objects: a folder, or a bucket         │               objects
//!                                          ├──▶ check: every byte is read and hashed
//!                                          └──▶ packs, pushed one after the other
//! ```
//!
//! All that is read from the database of a repo is one state of it: one transaction. First, every
//! object is read and hashed, and nothing is changed; if something is missing, the repo is left out.
//! Then the same steps are written as packs and pushed, children after their parents, and the last
//! push moves the branches. A run that was stopped is continued by the next one, which asks the store
//! what it has.

mod check;
mod database;
mod graph;
mod heads;
mod import;
mod known;
mod objects;
mod pack;
mod pins;
mod problem;
mod record;
mod rows;
mod steps;

pub use database::{Hub, HubOptions, HubRepo};
pub use import::{ImportOptions, import};
