//! What happened since the console started, with times: what the operator did, how it ended, and
//! what the host logged.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::Cursor;

/// Lines that are kept. The log's file has them, too, as far as it was asked for.
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
pub(in crate::console) struct LogLine {
    pub(in crate::console) at: Timestamp,
    pub(in crate::console) level: Level,
    /// May hold anything: escape it before drawing.
    pub(in crate::console) text: String,
}

/// The log.
#[derive(Debug, Default)]
pub(in crate::console) struct Log {
    lines: VecDeque<LogLine>,
    /// Those that are not in the log's file yet.
    unwritten: VecDeque<LogLine>,
    pub(in crate::console) cursor: Cursor,
}

impl Log {
    /// Takes a line of the console's own.
    pub(in crate::console) fn say(&mut self, at: Timestamp, level: Level, text: impl Into<String>) {
        let line = LogLine { at, level, text: text.into() };
        keep(&mut self.unwritten, line.clone());
        keep(&mut self.lines, line);
    }

    /// Takes a line that came from below, by way of the log's file.
    pub(in crate::console) fn hear(&mut self, at: Timestamp, level: Level, text: String) {
        keep(&mut self.lines, LogLine { at, level, text });
    }

    /// What is to be written to the log's file, each line once.
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
