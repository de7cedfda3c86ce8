//! `packhouse worker`: runs jobs until it is stopped.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use packhouse_host::remote::SourceTokens;
use packhouse_host::worker::{Metrics, Stop, Worker, WorkerOptions};
use packhouse_host::{Error, JobEnded};
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::text::{duration, escaped, parse_duration};

/// `packhouse worker …`
#[derive(Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Number of concurrent jobs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    concurrency: u8,
    /// Name of the worker in the list of jobs [default: host and process ID]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// How long a job stays assigned to a worker that no longer renews it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = at_least_a_second)]
    lease: Duration,
    /// Maximum number of attempts per job
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    attempts: u32,
    /// How often to check repos against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration, conflicts_with = "no_policies")]
    policies: Duration,
    /// Run queued jobs only; ignore policies
    #[arg(long)]
    no_policies: bool,
    /// Exit when no job is left
    #[arg(long)]
    drain: bool,
    /// How long jobs may take to finish on shutdown before they go back to the queue
    #[arg(long, alias = "patience", value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    shutdown_timeout: Duration,
    /// Write metrics to this file, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    jobs: JobArgs,
}

/// What jobs need, wherever they run.
#[derive(Debug, Args)]
pub(super) struct JobArgs {
    /// Stop an attempt at a job that takes longer; it counts as one that failed, and is retried
    /// [default: none]
    #[arg(long, value_name = "DURATION", value_parser = at_least_a_second)]
    pub(super) job_timeout: Option<Duration>,
    /// File with the tokens for the sources of mirrors: a URL and a token on each line; a token is for
    /// all that is below its URL
    #[arg(long, value_name = "FILE", env = "PACKHOUSE_SOURCE_TOKENS", hide_env_values = true)]
    source_tokens: Option<PathBuf>,
}

impl JobArgs {
    /// The file of tokens, which was read once: a wrong one is named now, and not when a mirror is due.
    pub(super) fn checked_tokens(self) -> anyhow::Result<Option<PathBuf>> {
        if let Some(file) = &self.source_tokens {
            SourceTokens::read(file)?;
        }
        Ok(self.source_tokens)
    }
}

/// A time that is long enough to be useful: a lease has to be renewed in it.
fn at_least_a_second(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        time if time < Duration::from_secs(1) => Err("expected at least one second".into()),
        time => Ok(time),
    }
}

/// Runs the worker. SIGTERM and Ctrl-C stop it; running jobs get time to finish, then they go back
/// to the queue.
pub(crate) async fn run(args: WorkerArgs, context: &Context) -> anyhow::Result<Exit> {
    // First of all, so that signals count while the store is opened, too.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let store = context.open("worker").await?;
    let options = WorkerOptions {
        name: args.name.unwrap_or_else(own_name),
        concurrency: args.concurrency.into(),
        lease: args.lease,
        policies: (!args.no_policies).then_some(args.policies),
        attempts: args.attempts,
        shutdown_timeout: args.shutdown_timeout,
        drain: args.drain,
        job_timeout: args.jobs.job_timeout,
        source_tokens: args.jobs.checked_tokens()?,
        ..WorkerOptions::default()
    };
    let stop = Stop::default();
    let (stopping, output) = (stop.clone(), context.output.clone());
    let shutdown_timeout = options.shutdown_timeout;
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        output.note(format!(
            "Shutting down: running jobs have {} to finish",
            duration(shutdown_timeout.as_millis() as u64)
        ));
        stopping.ask();
    });
    context.output.note(format!(
        "Worker {} runs jobs of {}; press Ctrl-C to stop",
        options.name,
        store.catalog_place()
    ));
    let metrics = Arc::new(Metrics::new(store.component_digest()));
    let (output, kept, file) = (context.output.clone(), metrics.clone(), args.metrics.clone());
    write_metrics(&metrics, file.as_ref())?;
    let on_end = move |ended: &JobEnded| {
        kept.count(ended);
        let written = output
            .result(ended, || vec![line(ended, &output)])
            .and_then(|()| write_metrics(&kept, file.as_ref()));
        if let Err(error) = written {
            output.note(format!("{error:#}"));
        }
    };
    Worker::new(store, options, stop).run(on_end).await?;
    Ok(Exit::Done)
}

fn write_metrics(metrics: &Metrics, file: Option<&PathBuf>) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    metrics.write(file).map_err(|source| Error::Io {
        doing: "writing",
        path: file.clone(),
        source,
    })?;
    Ok(())
}

/// The default name of a worker in lists of jobs.
pub(super) fn own_name() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}", std::process::id())
}

/// Describes an ended attempt in one line.
pub(super) fn line(ended: &JobEnded, output: &Output) -> String {
    let job = &ended.job;
    let tone = match ended.outcome {
        "done" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Warn,
    };
    let of = job.repo.as_ref().map_or_else(|| "the store".into(), ToString::to_string);
    let packs = match (ended.packs_before, ended.packs_after) {
        (Some(before), Some(after)) => format!("  {before} → {after} packs"),
        _ => String::new(),
    };
    let why = job.reason.as_deref().map_or_else(String::new, |why| format!("  {}", escaped(why)));
    format!(
        "job {}  {}  {}  {}{packs}  {}{why}",
        job.id,
        job.operation.job_type(),
        output.paint(Tone::Name, of),
        output.paint(tone, ended.outcome),
        output.paint(Tone::Dim, duration(ended.elapsed_ms)),
    )
}
