//! Tapes: a run of a component, written down and run again. `docs/replay.md` tells what a tape is
//! for, and its format line by line.
//!
//! In reading order:
//!
//! 1. `call` and [`format`](mod@format): the lines in types.
//! 2. [`record`]: a host that notes what it answers.
//! 3. `reader`: a tape, line by line, believing nothing.
//! 4. `player`: a host that answers from a tape, and from nothing else.
//! 5. `memory`: what a tape knows, for components that ask otherwise.
//! 6. [`replay`](mod@replay): a run again, and the verdict.

mod call;
pub mod format;
mod host;
mod player;
mod reader;
pub mod record;
pub mod replay;

pub use format::{EngineSettings, Header, Outcome, Question, plan_digest};
pub use record::Recorded;
pub use replay::{Replay, Verdict, dump, replay};
