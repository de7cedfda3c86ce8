//! Output: results to stdout, everything else to stderr.
//!
//! With `--json`, stdout has one document per line and nothing else. If writing to stdout fails,
//! the work continues without output, and the call reports it at its end ([`Output::end`]). A
//! closed pipe is not reported.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use serde::Serialize;

use crate::exit::Exit;
use crate::globals::Globals;
use crate::style::{Style, Tone};
use crate::table::Table;
use crate::text::escaped;

/// Writes results, notes and errors. Cheap to clone; clones share their state.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    styles: (Style, Style),
    /// The progress bars, which are hidden while a line is written.
    multi: MultiProgress,
    /// Why stdout is no longer written.
    closed: Arc<OnceLock<Closed>>,
}

/// Why stdout is no longer written.
#[derive(Debug)]
enum Closed {
    /// The pipe was closed.
    BrokenPipe,
    /// Writing failed.
    Failed(std::io::Error),
}

impl Output {
    /// Takes the styles of stdout and stderr.
    pub(crate) fn new(globals: &Globals, styles: (Style, Style), multi: MultiProgress) -> Output {
        Output { json: globals.json, quiet: globals.quiet, styles, multi, closed: Arc::default() }
    }

    /// The same output with other styles and progress bars.
    pub(crate) fn restyled(&self, styles: (Style, Style), multi: MultiProgress) -> Output {
        Output { styles, multi, ..self.clone() }
    }

    /// Whether results are JSON.
    pub(crate) const fn json(&self) -> bool {
        self.json
    }

    /// The colours of stdout.
    pub(crate) const fn style(&self) -> Style {
        self.styles.0
    }

    /// A coloured text for stdout.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        self.styles.0.paint(tone, text)
    }

    /// The exit of a call that ended with `exit`: an error if its output was incomplete.
    pub(crate) fn end(&self, exit: Exit) -> Exit {
        let Some(Closed::Failed(error)) = self.closed.get() else { return exit };
        let work = if exit == Exit::Done {
            "the command itself succeeded"
        } else {
            "other errors are reported above"
        };
        self.write_error(&format!(
            "{} writing the output failed: {error}; {work}",
            self.styles.1.paint(Tone::Bad, "error:")
        ));
        exit.max(Exit::Refused)
    }

    /// Prints a result: as JSON, or the lines of `human`.
    pub(crate) fn result<T: Serialize>(
        &self,
        result: &T,
        human: impl FnOnce() -> Vec<String>,
    ) -> anyhow::Result<()> {
        match self.json {
            true => self.write(&[serde_json::to_string(result)?]),
            false => self.write(&human()),
        }
        Ok(())
    }

    /// Prints a line; nothing with `--json`.
    pub(crate) fn line(&self, line: impl Into<String>) -> anyhow::Result<()> {
        if !self.json {
            self.write(&[line.into()]);
        }
        Ok(())
    }

    /// Prints a table; nothing with `--json`, or if it has no rows.
    pub(crate) fn table(&self, table: &Table, indent: usize) -> anyhow::Result<()> {
        if !self.json && !table.is_empty() {
            self.write(&table.lines(self.styles.0, indent));
        }
        Ok(())
    }

    /// Prints text as it is, for other programs.
    pub(crate) fn raw(&self, text: &str) -> anyhow::Result<()> {
        self.write_bytes(text.as_bytes());
        Ok(())
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        self.write_bytes(bytes);
    }

    /// Whether nothing more can be printed: what would be computed for it is not needed.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get().is_some()
    }

    /// Prints a note to stderr, unless `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.write_error(&self.styles.1.paint(Tone::Dim, escaped(text.as_ref())));
        }
    }

    /// Prints a warning to stderr, unless `--quiet`.
    pub(crate) fn warning(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.write_error(&format!(
                "{} {}",
                self.styles.1.paint(Tone::Warn, "warning:"),
                escaped(text.as_ref())
            ));
        }
    }

    /// Prints an error, and returns its exit.
    pub(crate) fn failure(&self, error: &anyhow::Error) -> Exit {
        self.failure_of(None, error)
    }

    /// The same, for one of several repos.
    pub(crate) fn failure_of(&self, repo: Option<&str>, error: &anyhow::Error) -> Exit {
        let mut text = chain(error);
        if let Some(repo) = repo.filter(|repo| !text.contains(*repo)) {
            text = format!("{repo}: {text}");
        }
        self.write_error(&format!(
            "{} {}",
            self.styles.1.paint(Tone::Bad, "error:"),
            escaped(&text)
        ));
        Exit::of(error)
    }

    fn write_error(&self, line: &str) {
        // Nothing is left to do if stderr is closed, too.
        self.multi.suspend(|| drop(writeln!(std::io::stderr().lock(), "{line}")));
    }

    fn write(&self, lines: &[String]) {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        self.write_bytes(text.as_bytes());
    }

    /// After a failure nothing more is written: half a document may have been.
    fn write_bytes(&self, bytes: &[u8]) {
        if self.closed.get().is_some() {
            return;
        }
        let written = self.multi.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            let closed = match error.kind() {
                ErrorKind::BrokenPipe => Closed::BrokenPipe,
                _ => Closed::Failed(error),
            };
            // Another thread may have set it already.
            let _ = self.closed.set(closed);
        }
    }
}

/// The error and its causes in one line. A cause that is already quoted is left out.
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
    fn causes_are_printed_once() {
        let error = anyhow::Error::from(std::io::Error::other("no such thing"))
            .context("looking")
            .context("setting out");
        assert_eq!(chain(&error), "setting out: looking: no such thing");
        let io = packhouse_host::Error::Io {
            doing: "reading",
            path: "f".into(),
            source: std::io::Error::other("went wrong"),
        };
        assert_eq!(chain(&io.into()), "reading f failed: went wrong");
    }
}
