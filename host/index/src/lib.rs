//! The index of a repo as immutable sorted *runs*: what they look like in bytes, how a key is found
//! in them, and how they are merged. No database, no async: the caller reads and writes the blocks.
//!
//! A push writes one run; the newest run that has a key decides. A run is a tree of three levels:
//!
//! ```text
//! root                      which node has a key; stored beside the number of the run
//!  └─ node × any            which leaf has it; of each row, 16 bits of its ID
//!      └─ leaf × 14         rows, in columns, ascending
//! ```
//!
//! So a key that a run does not have costs a node, which stays in a cache, and no leaf. A run of one
//! leaf has that leaf as its root. All blocks have the same size; where a block is in the tree
//! follows from its number ([`BlockId`]). Each begins with a checksum and its ID, which every read
//! compares: damage is a [`BlockFault`], never a wrong row.
//!
//! - [`row`](Row): what a run says of a key.
//! - [`block`](BlockId): heads, checksums and numbers of blocks.
//! - [`leaf`](Leaf) and [`node`](Node): the two kinds of blocks.
//! - [`run`](Run): a run as it is read, by its root.
//! - [`build`](RunBuilder): a run as it is written, row by row.
//! - [`lookup`](Lookup): many keys in all runs of a repo, in two reads.
//! - [`merge`](Merge): the newest row of each key of several runs, in order.
//! - [`policy`](runs_due): which runs are merged, and when.

mod block;
mod build;
mod leaf;
mod lookup;
mod merge;
mod node;
mod policy;
mod row;
mod run;
mod separators;
#[cfg(test)]
mod tests;

pub use block::{BLOCK_BYTES, BlockFault, BlockId, Fault, RunId};
pub use build::{Chunk, Outline, RunBuilder, Unordered};
pub use leaf::Leaf;
pub use lookup::Lookup;
pub use merge::{Clash, Merge, Step};
pub use node::Node;
pub use policy::{all_runs_due, merged_by_push, runs_due};
pub use row::{Change, Key, Row};
pub use run::Run;
