//! The log while the console has the screen: everything goes to a file, and important messages also
//! to the log screen.

use std::fmt::{self, Write};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use directories::BaseDirs;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, Targets};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::state::{Level, LogLine};
use crate::context::Context;
use crate::logging;
use crate::text::escaped;

/// A larger file is rotated when the console starts.
const MAX_BYTES: u64 = 5 * 1024 * 1024;

/// Target of the console's own log lines, which the log screen already has.
const OWN: &str = "packhouse::console";

/// A message for the log screen.
pub(super) type LogMessage = (Level, String);

/// Starts logging to `path`, or else to the default file. Without a file, only the log screen has
/// the log, and it says why.
pub(super) fn start(
    context: &Context,
    path: Option<&Path>,
) -> anyhow::Result<UnboundedReceiver<LogMessage>> {
    let (sender, messages) = unbounded_channel();
    let file = match path
        .map_or_else(default_file, |path| Ok(path.to_owned()))
        .and_then(|path| open(&path))
    {
        Ok(file) => Some(file),
        Err(error) => {
            // The receiver is still here.
            let _ = sender.send((Level::Warning, format!("Logging to a file failed: {error}")));
            None
        }
    };
    subscriber(logging::filter(context)?, file, sender)
        .try_init()
        .map_err(|error| anyhow::anyhow!("starting the log failed: {error}"))?;
    Ok(messages)
}

/// The default log file of this user. Creates its folder.
fn default_file() -> io::Result<PathBuf> {
    let dirs = BaseDirs::new()
        .ok_or_else(|| io::Error::other("there is no home folder; name a file with --log FILE"))?;
    let folder = dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()).join("packhouse");
    std::fs::create_dir_all(&folder).map_err(|error| failed("creating", &folder, &error))?;
    Ok(folder.join("console.log"))
}

/// Opens a file for appending, and rotates it first if it is too large. Another console that is
/// still writing to the old file continues there.
fn open(path: &Path) -> io::Result<File> {
    if std::fs::metadata(path).is_ok_and(|file| file.is_file() && file.len() > MAX_BYTES) {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".1");
        std::fs::rename(path, aside).map_err(|error| failed("rotating", path, &error))?;
    }
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|error| failed("opening", path, &error))
}

fn failed(doing: &str, path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{doing} {} failed: {error}", path.display()))
}

/// Writes a line of the console's own log to the file, if its level is enabled.
pub(super) fn write(line: &LogLine) {
    let text = escaped(&line.text);
    match line.level {
        Level::Note => tracing::info!(target: OWN, "{text}"),
        Level::Warning => tracing::warn!(target: OWN, "{text}"),
        Level::Error => tracing::error!(target: OWN, "{text}"),
    }
}

fn subscriber(
    filter: EnvFilter,
    file: Option<File>,
    messages: UnboundedSender<LogMessage>,
) -> impl Subscriber + Send + Sync {
    let file = file.map(|file| {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Arc::new(file));
        // Errors, such as a full disk, must not be printed over the screen.
        lines.log_internal_errors(false).with_filter(filter)
    });
    let matters =
        Targets::new().with_default(LevelFilter::WARN).with_target("packhouse", LevelFilter::INFO);
    let matters = matters.with_target(OWN, LevelFilter::OFF);
    tracing_subscriber::registry().with(file).with(ToConsole(messages).with_filter(matters))
}

/// Sends events to the console.
struct ToConsole(UnboundedSender<LogMessage>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for ToConsole {
    fn on_event(&self, event: &Event<'_>, _: LayerContext<'_, S>) {
        let level = match *event.metadata().level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            _ => Level::Note,
        };
        let mut text = MessageText::default();
        event.record(&mut text);
        // The receiver is gone when the console quits.
        let _ = self.0.send((level, text.0));
    }
}

/// The message of an event, and its fields.
#[derive(Default)]
struct MessageText(String);

impl Visit for MessageText {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a string can't fail.
        let _ = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{rest}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of some events, and the content of the file.
    fn logged(filter: &str, events: impl FnOnce()) -> (Vec<LogMessage>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let (sender, mut messages) = unbounded_channel();
        let subscriber = subscriber(EnvFilter::new(filter), Some(open(&path).unwrap()), sender);
        tracing::subscriber::with_default(subscriber, events);
        (
            std::iter::from_fn(|| messages.try_recv().ok()).collect(),
            std::fs::read_to_string(&path).unwrap(),
        )
    }

    #[test]
    fn important_messages_reach_the_console_and_the_filter_decides_about_the_file() {
        let (messages, file) = logged("warn,packhouse_store=trace", || {
            tracing::info!(target: "packhouse_store::gc", repo = "a/b", "merged");
            tracing::trace!(target: "packhouse_store::gc", "a step");
            tracing::info!(target: "sqlx", "a query");
            tracing::warn!(target: "sqlx", rows = 3, "a slow query");
            tracing::error!("wrong");
        });
        let line = |level, text: &str| (level, text.to_owned());
        let expected = [
            line(Level::Note, "merged repo=\"a/b\""),
            line(Level::Warning, "a slow query rows=3"),
            line(Level::Error, "wrong"),
        ];
        assert_eq!(messages, expected);
        assert_eq!(file.lines().count(), 4, "{file}");
        assert!(
            file.contains("a step") && !file.contains("a query") && !file.contains('\x1b'),
            "{file}"
        );
        assert!(
            file.lines().all(|line| line.starts_with("20") && line.contains('T')),
            "lines begin with a time: {file}"
        );
    }

    #[test]
    fn lines_of_the_console_are_written_and_not_sent_back() {
        let say = || {
            for (level, text) in [(Level::Note, "a note"), (Level::Error, "dam\u{1b}age")] {
                write(&LogLine {
                    at: crate::console::tests::fake::now(),
                    level,
                    text: text.to_owned(),
                });
            }
        };
        for (filter, lines) in [("warn", 1), ("warn,packhouse=info", 2)] {
            let (messages, file) = logged(filter, say);
            assert_eq!((messages, file.lines().count()), (vec![], lines), "{file}");
            assert!(file.contains("ERROR") && file.contains("dam\\u{1b}age"), "{file}");
        }
    }

    #[test]
    fn a_file_is_appended_to_until_it_is_rotated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("console.log");
        let aside = folder.path().join("console.log.1");
        for _ in 0..2 {
            io::Write::write_all(&mut open(&path).unwrap(), b"line\n").unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "line\nline\n");
        assert!(!aside.exists());
        File::options().write(true).open(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        std::fs::write(&aside, "the one before").unwrap();
        open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(std::fs::metadata(&aside).unwrap().len(), MAX_BYTES + 1);
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = open(&folder.path().join("no").join("console.log")).unwrap_err().to_string();
        assert!(error.starts_with("opening ") && error.contains("console.log"), "{error}");
        assert!(open(folder.path()).is_err());
    }
}
