//! The vocabulary of the packhouse crates: names, errors, reports, progress. It depends on no
//! database, no network and no component.

pub mod access;
pub mod blocking;
pub mod client;
pub mod clock;
pub mod connection;
pub mod contents;
pub mod digest;
pub mod error;
pub mod files;
pub mod names;
pub mod operation;
pub mod progress;
pub mod report;
pub mod shared;
pub mod span;
pub mod text;
