//! Scrubbing: checking packs that no request reads.

use jiff::Timestamp;

use crate::names::MpackKey;

/// How long the packs of a store have not been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubState {
    /// When the pack that was read longest ago was last read and found intact, or stored. None:
    /// there are no packs.
    pub oldest: Option<Timestamp>,
    /// Packs that were not read since the time in question.
    pub due: u64,
}

/// What a scrub has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScrubReport {
    /// Packs that were read whole.
    pub packs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Those that are missing or damaged.
    pub damaged: Vec<MpackKey>,
}
