//! The log since the start of the console: runs, their results, and messages of the host.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::cursor::Cursor;

/// Number of lines that are kept.
const KEPT: usize = 2000;

/// The level of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::console) enum Level {
    Note,
    Warning,
    Error,
}

impl Level {
    /// The name of the level.
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
pub(in crate::console) struct LogLine {
    pub(in crate::console) at: Timestamp,
    pub(in crate::console) level: Level,
    /// Untrusted text: escape it before drawing.
    pub(in crate::console) text: String,
}

/// The log.
#[derive(Debug, Default)]
pub(in crate::console) struct Log {
    lines: VecDeque<LogLine>,
    /// Lines that are not in the log file yet.
    unwritten: VecDeque<LogLine>,
    pub(in crate::console) cursor: Cursor,
}

impl Log {
    /// Adds a line of the console.
    pub(in crate::console) fn say(&mut self, at: Timestamp, level: Level, text: impl Into<String>) {
        let line = LogLine { at, level, text: text.into() };
        keep(&mut self.unwritten, line.clone());
        keep(&mut self.lines, line);
    }

    /// Adds a message of the host, which is already in the log file.
    pub(in crate::console) fn add_logged(&mut self, at: Timestamp, level: Level, text: String) {
        keep(&mut self.lines, LogLine { at, level, text });
    }

    /// Takes the lines for the log file.
    pub(in crate::console) fn unwritten(&mut self) -> impl Iterator<Item = LogLine> + '_ {
        self.unwritten.drain(..)
    }

    /// All lines, newest first.
    pub(in crate::console) fn newest(&self) -> impl ExactSizeIterator<Item = &LogLine> {
        self.lines.iter().rev()
    }
}

fn keep(lines: &mut VecDeque<LogLine>, line: LogLine) {
    lines.push_back(line);
    if lines.len() > KEPT {
        lines.pop_front();
    }
}
