//! Tapes: recorded runs of a component, and their replay. `docs/replay.md` describes what a tape is
//! for, and its format line by line.
//!
//! In reading order:
//!
//! 1. `call` and [`format`](mod@format): the lines as types.
//! 2. [`record`]: a host that records its results.
//! 3. `reader`: a tape, line by line, trusting nothing.
//! 4. `player`: a host that returns exactly the results on a tape.
//! 5. `data` and `host`: a host from the data on a tape, for components that diverge.
//! 6. [`replay`](mod@replay): the replay, and the verdict.

mod call;
mod data;
pub mod format;
mod host;
mod player;
mod reader;
pub mod record;
pub mod replay;

pub use format::{EngineSettings, Header, Outcome, Question, plan_digest};
pub use record::Recorded;
pub use replay::{Replay, Verdict, dump, replay};
