//! Generated packs: for the demo, the tests and the benchmarks.
//!
//! [`PackBuilder`] writes one pack, byte for byte as the Muse client of March 2026; [`History`]
//! generates the packs of a history from a seed, one after the other, and holds one at a time. Both
//! are deterministic: the same options give the same bytes on any machine.

mod history;
mod pack;
mod random;
mod value;

pub use history::{HeadStyle, History, HistoryOptions, SnapshotForm, history, write_history};
pub use pack::{CommitSpec, Encoding, IdForm, PackBuilder, SnapshotSpec, TagSpec, object_record};
pub use random::Random;
pub use value::Value;
