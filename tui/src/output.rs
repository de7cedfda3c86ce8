//! What is written where: results to stdout, all else to stderr.
//!
//! With `--json`, stdout holds one document per result, one a line, and nothing else. A stdout that
//! can't be written stops no work: nothing more is written to it, and the call says so at its end
//! ([`Output::end`]). A reader who goes away has read enough: that is said to nobody.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, OnceLock};

use indicatif::MultiProgress;
use serde::Serialize;

use crate::args::Globals;
use crate::exit::Exit;
use crate::style::{Style, Tone};
use crate::table::Table;
use crate::text::escaped;

/// Writes results, notes and errors. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    styles: (Style, Style),
    /// The bars step aside while a line is written.
    multi: MultiProgress,
    /// Why nothing more is written to stdout.
    cut: Arc<OnceLock<Cut>>,
}

/// Why nothing more is written to stdout.
#[derive(Debug)]
enum Cut {
    /// Its reader has gone.
    Gone,
    /// It can't be written.
    Failed(std::io::Error),
}

impl Output {
    /// Styles are those of stdout and of stderr.
    pub(crate) fn new(globals: &Globals, styles: (Style, Style), multi: MultiProgress) -> Output {
        Output { json: globals.json, quiet: globals.quiet, styles, multi, cut: Arc::default() }
    }

    /// The same output in other styles, beside other bars.
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

    /// A text in its colour, for stdout.
    pub(crate) fn paint(&self, tone: Tone, text: impl Display) -> String {
        self.styles.0.paint(tone, text)
    }

    /// How a call ends that would end like that: one whose output was cut has not told all that it
    /// did.
    pub(crate) fn end(&self, exit: Exit) -> Exit {
        let Some(Cut::Failed(error)) = self.cut.get() else { return exit };
        let work = if exit == Exit::Done {
            "the work itself was done"
        } else {
            "what failed besides is said above"
        };
        self.complain(&format!(
            "{} the output could not be written: {error}; {work}",
            self.styles.1.paint(Tone::Bad, "error:")
        ));
        exit.max(Exit::Refused)
    }

    /// A result: its JSON, or what `human` says of it.
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

    /// A line for people; nothing with `--json`.
    pub(crate) fn line(&self, line: impl Into<String>) -> anyhow::Result<()> {
        if !self.json {
            self.write(&[line.into()]);
        }
        Ok(())
    }

    /// A table for people; nothing with `--json`, nor when it has no rows.
    pub(crate) fn table(&self, table: &Table, indent: usize) -> anyhow::Result<()> {
        if !self.json && !table.is_empty() {
            self.write(&table.lines(self.styles.0, indent));
        }
        Ok(())
    }

    /// Text as it is, for other programs.
    pub(crate) fn raw(&self, text: &str) -> anyhow::Result<()> {
        self.write_bytes(text.as_bytes());
        Ok(())
    }

    /// A word to the user that is no result: to stderr, unless `--quiet`.
    pub(crate) fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.complain(&self.styles.1.paint(Tone::Dim, escaped(text.as_ref())));
        }
    }

    /// Something that is not as it should be, while the work goes on: to stderr, unless `--quiet`.
    pub(crate) fn warning(&self, text: impl AsRef<str>) {
        if !self.quiet {
            self.complain(&format!(
                "{} {}",
                self.styles.1.paint(Tone::Warn, "warning:"),
                escaped(text.as_ref())
            ));
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
        self.complain(&format!("{} {}", self.styles.1.paint(Tone::Bad, "error:"), escaped(&text)));
        Exit::of(error)
    }

    fn complain(&self, line: &str) {
        // Where stderr is closed there is nobody to tell.
        self.multi.suspend(|| drop(writeln!(std::io::stderr().lock(), "{line}")));
    }

    fn write(&self, lines: &[String]) {
        let mut text = lines.join("\n");
        if !lines.is_empty() {
            text.push('\n');
        }
        self.write_bytes(text.as_bytes());
    }

    /// Where it fails, half a document may have been written: nothing may follow that.
    fn write_bytes(&self, bytes: &[u8]) {
        if self.cut.get().is_some() {
            return;
        }
        let written = self.multi.suspend(|| {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())
        });
        if let Err(error) = written {
            let cut =
                if error.kind() == ErrorKind::BrokenPipe { Cut::Gone } else { Cut::Failed(error) };
            // Another thread may have found the same.
            let _ = self.cut.set(cut);
        }
    }
}

/// The error and its causes in one line. Messages that quote their cause are not followed by it
/// again.
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
