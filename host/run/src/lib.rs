//! What a component sees of a repo: the packs of one run, and the index as of its start.
//!
//! [`RunHost`] implements the core's ports for consolidations and pushes, [`FetchHost`] for fetches.
//! The sandbox connects them to the WIT; tests can pass them to the native core. A fault of the host
//! (a missing pack, a failed database) is stored and ends the run: a component can't handle it, and
//! must not see it.

mod answer;
mod base;
mod calls;
mod damage;
mod directories;
mod fetch_host;
mod heads;
mod host;
mod index;
mod known_rows;
mod locate;
mod open_packs;
mod packs_only;
mod planner;
mod read_ahead;
mod reader;
mod row_cursor;
mod run_host;
mod run_rows;
mod spans;
#[cfg(test)]
mod testing;

pub use answer::AnswerSource;
pub use base::BasePack;
pub use damage::{changed_pack, damaged_pack, missing_pack};
pub use directories::{Directories, keep_directory, put_directory};
pub use fetch_host::{FetchHost, Loan, Planned};
pub use heads::{DirectoryHeads, HEADS_BYTES};
pub use host::Host;
pub use index::SeenHistory;
pub use locate::{LocatedRow, Locator};
pub use packs_only::PacksOnly;
pub use planner::{Indexed, Planner, RunError, SandboxLimits};
pub use reader::{PackReader, RunPack};
pub use row_cursor::RowCursor;
pub use run_host::RunHost;
pub use run_rows::RowSource;
pub use spans::{SpanReader, read_ranges};
