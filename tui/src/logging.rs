//! The log to stderr, at the level of `-v` or `PACKHOUSE_LOG`. The console has its own log.

use std::io::{self, Write};

use indicatif::MultiProgress;
use packhouse_host::{Error, span::TARGET};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::context::Context;

/// The log filter. `PACKHOUSE_LOG` takes the directives of `tracing`, such as
/// `packhouse=debug`, and overrides `-v`.
pub(crate) fn filter(context: &Context) -> anyhow::Result<EnvFilter> {
    let directives = match std::env::var("PACKHOUSE_LOG") {
        // Until 0.1 the host was one crate.
        Ok(directives) if !directives.is_empty() => {
            directives.replace("packhouse_host", "packhouse")
        }
        _ => level(context.globals.quiet, context.globals.verbose).to_owned(),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Error::Usage(format!("PACKHOUSE_LOG={directives}: {error}; an example is packhouse=debug"))
    })?;
    // Spans for tracing repeat what the log says.
    Ok(filter.add_directive(format!("{TARGET}=off").parse()?))
}

/// Starts logging to stderr, and passing spans to `traces`.
pub(crate) fn start(
    context: &Context,
    traces: Option<impl Layer<Registry> + Send + Sync>,
) -> anyhow::Result<()> {
    let multi = context.bars.multi().clone();
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(context.bars.style().coloured())
        .with_target(context.globals.verbose > 1)
        // A closed stderr is no reason to panic.
        .log_internal_errors(false)
        .with_writer(move || StderrWriter(multi.clone()))
        .with_filter(filter(context)?);
    tracing_subscriber::registry()
        .with(traces)
        .with(log)
        .try_init()
        .map_err(|error| anyhow::anyhow!("starting the log failed: {error}"))
}

const fn level(quiet: bool, verbose: u8) -> &'static str {
    match (quiet, verbose) {
        (true, _) => "error",
        (_, 0) => "warn",
        // Matches all targets with this prefix: this crate and those of the host.
        (_, 1) => "warn,packhouse=info",
        (_, 2) => "info,packhouse=debug",
        (_, _) => "debug,packhouse=trace",
    }
}

/// Writes to stderr without disturbing the progress bars.
struct StderrWriter(MultiProgress);

impl Write for StderrWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_a_filter() {
        for (quiet, verbose) in [(true, 0), (false, 0), (false, 1), (false, 2), (false, 9)] {
            assert!(EnvFilter::try_new(level(quiet, verbose)).is_ok());
        }
    }
}
