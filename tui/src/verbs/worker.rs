//! `packhouse worker`: runs jobs until it is stopped.

use std::path::PathBuf;
use std::sync::Arc;

use packhouse_host::worker::{Metrics, Stop, Worker, WorkerOptions};
use packhouse_host::{Error, JobEnded};
use tokio::signal::unix::{SignalKind, signal};

use crate::args;
use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::text::{duration, escaped};

/// Runs the worker. SIGTERM and Ctrl-C stop it; running jobs get time to finish, then they go back
/// to the queue.
pub(crate) async fn run(args: args::Worker, context: &Context) -> anyhow::Result<Exit> {
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
