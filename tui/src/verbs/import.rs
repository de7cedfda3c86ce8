//! `packhouse import`: copies a repo from a Muse server, or repos from the database of a MuseHub.

mod musehub;

use std::time::Duration;

use clap::{Args, Subcommand};
use packhouse_host::import::{ImportOptions, import};
use packhouse_host::remote::MuseRemote;
use packhouse_host::{ImportReport, MirrorOptions, Operation, RepoName, Visibility};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::location;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{count, escaped, parse_duration, size};

/// `packhouse import …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(subcommand_help_heading = "Other sources", after_help = AFTER)]
pub(crate) struct Import {
    #[command(subcommand)]
    from: Option<From>,
    #[command(flatten)]
    remote: Option<FromRemote>,
}

const AFTER: &str = "\
The token for the source is read from --token-file, or from PACKHOUSE_SOURCE_TOKEN. With --remote, \
the token in PACKHOUSE_TOKEN is for that server only. A mirror is a job: see packhouse jobs.";

/// Other sources than a server.
#[derive(Debug, Subcommand)]
enum From {
    /// Import repos from a MuseHub's own database and object store
    Musehub(Box<musehub::Musehub>),
}

#[derive(Debug, Args)]
struct FromRemote {
    /// The repo on a Muse server: http(s)://HOST/OWNER/SLUG
    #[arg(value_name = "URL")]
    source: String,
    /// Name of the repo here; it is created if it does not exist
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// If the repo is created, make it private; the default with a token
    #[arg(long, conflicts_with = "public")]
    private: bool,
    /// If the repo is created, make it public; the default without a token
    #[arg(long)]
    public: bool,
    /// Move branches even if the heads here and at the source have diverged
    #[arg(long)]
    force: bool,
    /// Then go on importing what is new: a job does, where a worker runs. It takes the token for the
    /// source from its --source-tokens
    #[arg(long)]
    mirror: bool,
    /// How long after an import of a mirror the next one begins
    #[arg(long, value_name = "DURATION", default_value = "10m", requires = "mirror", value_parser = pause)]
    every: Duration,
}

/// A pause of a second or more.
fn pause(text: &str) -> Result<Duration, String> {
    let pause = parse_duration(text)?;
    if pause < Duration::from_secs(1) {
        return Err("expected at least one second".into());
    }
    Ok(pause)
}

/// Imports a repo.
pub(crate) async fn run(args: Import, context: &Context) -> anyhow::Result<Exit> {
    match (args.from, args.remote) {
        (Some(From::Musehub(args)), _) => musehub::run(*args, context).await,
        (None, Some(remote)) => from_remote(remote, context).await,
        // Clap requires one of them.
        (None, None) => Ok(Exit::Usage),
    }
}

async fn from_remote(args: FromRemote, context: &Context) -> anyhow::Result<Exit> {
    let token = location::source_token(&context.globals)?;
    let visibility = match args.private || (token.is_some() && !args.public) {
        true => Visibility::Private,
        false => Visibility::Public,
    };
    let source = MuseRemote::new(&args.source, token)?;
    let watch = context.bars.watch(BAR_DELAY);
    let (report, failed) = watched(&context.output, watch.progress(), async {
        // First, so that no store is created for a source that is not there.
        let heads = source.branch_heads().await?;
        let client = context.client_or_create().await?;
        let (repo, options) =
            (&args.repo, ImportOptions { create: Some(visibility), force: args.force });
        let import = import(&source, heads, client.as_ref(), repo, &options, watch.progress());
        let mut report = import.await?;
        let mut failed = None;
        if args.mirror {
            let source = source.url().to_owned();
            let mirror = MirrorOptions { source, every: args.every, force: args.force };
            match client.queue(Some(repo), Operation::Mirror(mirror)).await {
                Ok(queued) => report.job = Some(queued.job),
                Err(error) => failed = Some(error),
            }
        }
        Ok((report, failed))
    })
    .await?;
    drop(watch);
    print(&report, &context.output)?;
    // The repo was imported all the same.
    if let Some(failed) = failed {
        return Err(failed.into());
    }
    Ok(if report.problems.is_empty() { Exit::Done } else { Exit::Refused })
}

/// Prints a report, and what could not be taken.
pub(crate) fn print(report: &ImportReport, output: &Output) -> anyhow::Result<()> {
    if output.json() {
        return output.result(report, Vec::new);
    }
    use Side::{Left, Right};
    let mut table = Table::new(&[
        ("REPO", Left),
        ("PACKS", Right),
        ("SIZE", Right),
        ("COMMITS", Right),
        ("SNAPSHOTS", Right),
        ("OBJECTS", Right),
        ("TAGS", Right),
        ("BRANCHES", Right),
    ]);
    table.row([
        Cell::new(Tone::Name, report.repo.to_string()),
        count(report.packs).into(),
        size(report.bytes).into(),
        count(report.commits).into(),
        count(report.snapshots).into(),
        count(report.objects).into(),
        count(report.tags).into(),
        count(report.branch_heads.len() as u64).into(),
    ]);
    output.table(&table, 0)?;
    if let Some(job) = report.job {
        output.line(format!(
            "Job {job} goes on importing what is new, where a worker runs. To end it: packhouse jobs cancel {job}"
        ))?;
    }
    for problem in &report.problems {
        let named = problem.path.iter().chain(&problem.id).map(|name| escaped(name).to_string());
        let named: Vec<String> = named.collect();
        output.line(format!(
            "{} {} {}: {}",
            output.paint(Tone::Bad, "problem"),
            problem.kind,
            named.join(" "),
            problem.detail
        ))?;
    }
    Ok(())
}
