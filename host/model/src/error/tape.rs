//! What can go wrong with tapes.

use std::path::PathBuf;

/// Why a tape is not written, read or replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TapeError {
    /// It is not a tape, or was truncated or changed.
    #[error("the tape {} is damaged: line {line}: {reason}. Record the run again, or copy the tape again", tape.display())]
    Damaged {
        /// The tape.
        tape: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong.
        reason: String,
    },

    /// Another packhouse recorded it, in another format.
    #[error(
        "{} is a tape of format {found}{}; this packhouse replays format {known}. Replay it with the packhouse that recorded it",
        tape.display(), made_by.as_ref().map_or_else(String::new, |by| format!(", recorded by {by}"))
    )]
    OtherVersion {
        /// The tape.
        tape: PathBuf,
        /// Its format.
        found: u32,
        /// The program that recorded it, and its version.
        made_by: Option<String>,
        /// The known format.
        known: u32,
    },

    /// It has its end already.
    #[error("the tape is already finished")]
    Finished,

    /// A component did something other than what is on the tape.
    #[error("{0}")]
    Diverged(String),

    /// The host failed when the run was recorded, and does in the replay. The message is on the
    /// tape.
    #[error("{0}")]
    Trapped(String),
}
