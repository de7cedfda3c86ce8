//! What is written where: results to stdout, all else to stderr.
//!
//! With `--json`, stdout holds one document per result, one a line, and nothing else. A reader of stdout who goes away
//! stops the telling and not the work: the exit code stays true.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use indicatif::MultiProgress;
use serde::Serialize;

use crate::args::Globals;
use crate::exit::Exit;
use crate::format::shown;
use crate::style::{Style, Tone};
use crate::table::Table;

/// Writes results, notes and errors. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    styles: (Style, Style),
    /// The bars step aside while a line is written.
    multi: MultiProgress,
    /// Nobody reads stdout any more.
    gone: Arc<AtomicBool>,
}

impl Output {
    /// Styles are those of stdout and of stderr.
    pub(crate) fn new(globals: &Globals, styles: (Style, Style), multi: MultiProgress) -> Output {
        Output { json: globals.json, quiet: globals.quiet, styles, multi, gone: Arc::default() }
    }

    /// Whether results are JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// The colours of stdout.
    pub(crate) const fn style(&self) -> Style {
        self.styles.0
    }

    /// A text in its colour, for stdout.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        self.styles.0.paint(tone, text)
    }

    /// A result: its JSON, or what `human` says of it.
    pub(crate) fn result<T: Serialize>(&self, result: &T, human: impl FnOnce() -> Vec<String>) -> anyhow::Result<()> {
        if self.json { self.write(&[serde_json::to_string(result)?]) } else { self.write(&human()) }
    }

    /// A line for people; nothing with `--json`.
    pub(crate) fn line(&self, line: impl Into<String>) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { self.write(&[line.into()]) }
    }

    /// A table for people; nothing with `--json`, nor when it has no rows.
    pub(crate) fn table(&self, table: &Table, indent: usize) -> anyhow::Result<()> {
        if self.json || table.is_empty() { Ok(()) } else { self.write(&table.lines(self.styles.0, indent)) }
    }

    /// Text as it is, for other programs.
    pub(crate) fn raw(&self, text: &str) -> anyhow::Result<()> {
        self.write_bytes(text.as_bytes())
    }

    /// A word to the user that is no result: to stderr, unless `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.complain(&self.styles.1.paint(Tone::Dim, shown(text.as_ref())));
        }
    }

    /// Something that is not as it should be, while the work goes on: to stderr, unless `--quiet`.
    pub(crate) fn warning(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.complain(&format!("{} {}", self.styles.1.paint(Tone::Warn, "warning:"), shown(text.as_ref())));
        }
    }

    /// Tells why something failed, and says what that amounts to.
    pub(crate) fn failure(&self, error: &anyhow::Error) -> Exit {
        self.failure_of(None, error)
    }

    /// The same for one repo among several.
    pub(crate) fn failure_of(&self, repo: Option<&str>, error: &anyhow::Error) -> Exit {
        let mut text = chain(error);
        if let Some(repo) = repo.filter(|repo| !text.contains(*repo)) {
            text = format!("{repo}: {text}");
        }
        self.complain(&format!("{} {}", self.styles.1.paint(Tone::Bad, "error:"), shown(&text)));
        Exit::of(error)
    }

    fn complain(&self, line: &str) {
        // Where stderr is closed there is nobody to tell.
        self.multi.suspend(|| drop(writeln!(std::io::stderr().lock(), "{line}")));
    }

    fn write(&self, lines: &[String]) -> anyhow::Result<()> {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        self.write_bytes(text.as_bytes())
    }

    fn write_bytes(&self, bytes: &[u8]) -> anyhow::Result<()> {
        if self.gone.load(Ordering::Relaxed) {
            return Ok(());
        }
        let written = self.multi.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        });
        match written {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.gone.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other.context("writing the answer to stdout failed"),
        }
    }
}

/// The error and its causes in one line. Messages that quote their cause are not followed by it again.
fn chain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::Error::from(std::io::Error::other("no such thing")).context("looking").context("setting out");
        assert_eq!(chain(&error), "setting out: looking: no such thing");
        let io = packhouse_host::Error::Io { doing: "reading", path: "f".into(), source: std::io::Error::other("went wrong") };
        assert_eq!(chain(&io.into()), "reading f failed: went wrong");
    }
}
