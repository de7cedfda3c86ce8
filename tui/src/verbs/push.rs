//! `packhouse push`: stores files as packs of a repo, all or none.

use std::path::PathBuf;

use clap::Args;
use packhouse_host::{Error, PushOptions, PushReport, PushStatus, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{count, escaped, short_id, size};
use crate::verbs::record::{self, Recorder};

/// `packhouse push …`
#[derive(Debug, Args)]
pub(crate) struct Push {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// Pack files written by a Muse client
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Move branches even if their heads have diverged; the head in the last file wins
    #[arg(long)]
    force: bool,
    /// Store the files now, and queue a job to index them
    #[arg(long = "async", conflicts_with = "record")]
    later: bool,
    /// Record the planning to a tape, for `packhouse replay`
    #[arg(long, value_name = "TAPE")]
    record: Option<PathBuf>,
}

/// Pushes files.
pub(crate) async fn run(args: Push, context: &Context) -> anyhow::Result<Exit> {
    let watch = context.bars.watch(BAR_DELAY);
    let reports = watched(&context.output, watch.progress(), async {
        let tape = args
            .record
            .as_deref()
            .map(|record| record::of_repo(record, &args.repo, false))
            .transpose()?;
        let client = context.client().await.map_err(|error| without_store(error, &args.repo))?;
        let recorder = Recorder::new(&client, tape, context)?;
        let store = recorder.client();
        let (options, progress) = (PushOptions { force: args.force }, watch.progress());
        let reports = match args.later {
            false => store.push(&args.repo, &args.files, options, progress).await,
            true => store.push_async(&args.repo, &args.files, options, progress).await,
        };
        recorder.print_tape(&context.output);
        Ok(reports?)
    })
    .await?;
    drop(watch);
    print(&reports, &context.output)?;
    Ok(Exit::Done)
}

/// Without a store there is no repo either. The error for a missing repo names the command that
/// creates both.
fn without_store(error: anyhow::Error, repo: &RepoName) -> anyhow::Error {
    match error.downcast_ref() {
        Some(Error::NoStore { .. }) => Error::UnknownRepo(repo.clone()).into(),
        _ => error,
    }
}

fn print(reports: &[PushReport], output: &Output) -> anyhow::Result<()> {
    if output.json() {
        return reports.iter().try_for_each(|report| output.result(report, Vec::new));
    }
    use Side::{Left, Right};
    let mut table = Table::new(&[
        ("FILE", Left),
        ("STATUS", Left),
        ("PACK", Left),
        ("SIZE", Right),
        ("COMMITS", Right),
        ("SNAPSHOTS", Right),
        ("OBJECTS", Right),
        ("NEW", Right),
    ]);
    for report in reports {
        let status = match report.status {
            PushStatus::Stored => Cell::new(Tone::Good, "stored"),
            PushStatus::Unchanged => Cell::new(Tone::Dim, "unchanged"),
            PushStatus::Queued => Cell::new(Tone::Warn, "queued"),
        };
        table.row([
            report.file.as_str().into(),
            status,
            Cell::new(Tone::Name, short_id(&report.mpack_key.to_string())),
            size(report.bytes).into(),
            count(report.commits).into(),
            count(report.snapshots).into(),
            count(report.objects).into(),
            count(report.new_objects).into(),
        ]);
    }
    output.table(&table, 0)?;
    if let Some(job) = reports.iter().find_map(|report| report.job) {
        output.line(format!(
            "{} {job} indexes the queued files; see: packhouse jobs show {job}",
            output.paint(Tone::Dim, "job")
        ))?;
        return Ok(());
    }
    // The heads are decided once for all files, so every report has them.
    let heads = reports.first().map(|report| &report.branch_heads).into_iter().flatten();
    for (branch, head) in heads {
        output.line(format!(
            "{} {} at {head}",
            output.paint(Tone::Dim, "branch"),
            escaped(branch)
        ))?;
    }
    Ok(())
}
