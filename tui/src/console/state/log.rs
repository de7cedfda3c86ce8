//! What happened since the console started, with times: what the operator did, how it ended, and what the host logged.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::Cursor;

/// Lines that are kept. All of them are in the log's file, too, as far as the host logged them.
const KEPT: usize = 2000;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    /// In a word.
    pub(in crate::console) const fn word(self) -> &'static str {
        match self {
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        }
    }
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::console) struct Line {
    pub(in crate::console) at: Timestamp,
    pub(in crate::console) level: Level,
    /// May hold anything: escape it before drawing.
    pub(in crate::console) text: String,
}

/// The log.
#[derive(Debug, Default)]
pub(in crate::console) struct Log {
    lines: VecDeque<Line>,
    pub(in crate::console) cursor: Cursor,
}

impl Log {
    /// Takes a line.
    pub(in crate::console) fn say(&mut self, at: Timestamp, level: Level, text: impl Into<String>) {
        self.lines.push_back(Line { at, level, text: text.into() });
        if self.lines.len() > KEPT {
            self.lines.pop_front();
        }
    }

    /// All lines, newest first.
    pub(in crate::console) fn newest(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.lines.iter().rev()
    }
}
