//! `packhouse copy`: copies repos to another store, of the same kind or another.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use packhouse_host::{CopyReport, CopyStatus, RepoName, StoreOptions};

use crate::context::Context;
use crate::exit::Exit;
use crate::globals::Globals;
use crate::interrupt::watched;
use crate::location;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{plural, size};
use crate::verbs::each::each;

/// `packhouse copy …`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["repos", "all"])))]
#[command(group(ArgGroup::new("to").required(true).args(["to_data", "to_database"])))]
#[command(after_help = AFTER)]
pub(crate) struct Copy {
    /// Repos to copy
    #[arg(value_name = "OWNER/SLUG")]
    repos: Vec<RepoName>,
    /// Copy all repos, the access tokens and the default policy
    #[arg(long)]
    all: bool,
    /// Folder of the other store, with its catalog and packs; it is created if it does not exist
    #[arg(long, value_name = "DIR", conflicts_with = "to_storage")]
    to_data: Option<PathBuf>,
    /// Catalog of the other store, as --database
    #[arg(long, value_name = "URL", requires = "to_storage")]
    to_database: Option<String>,
    /// Pack storage of the other store, as --storage
    #[arg(long, value_name = "URL", requires = "to_database")]
    to_storage: Option<String>,
}

const AFTER: &str = "\
Both stores can be used during a copy. Run it again to copy what is new: the last time after the \
server of this store was stopped. Branches, releases, policies and the history of consolidations \
come with each repo; branches that were deleted here are deleted there.";

/// Copies repos.
pub(crate) async fn run(args: Copy, context: &Context) -> anyhow::Result<Exit> {
    let watch = context.bars.watch(BAR_DELAY);
    let output = &context.output;
    watched(output, watch.progress(), async {
        let from = context.open("copy").await?;
        // What is staged for a bucket; its name has no part in the other store.
        let staging = tempfile::tempdir().context("creating a temporary folder")?;
        let to = target(&args, context, staging.path().to_owned())?.open().await?;
        let repos = match args.all {
            true => super::repos::names(&from).await?,
            false => args.repos,
        };
        let watches = watch.repos("copying repos", repos.len());
        let exit = each(&repos, context, async |repo| {
            let watch = watches.next(repo);
            let report = from.copy_repo(repo, &to, watch.progress()).await?;
            drop(watch);
            output.result(&report, || describe(&report, output))?;
            Ok(Exit::Done)
        })
        .await;
        if args.all && exit.is_ok() && from.copy_access(&to).await? {
            output.note("Copied the access tokens and the default policy.");
        }
        to.checkpoint().await?;
        exit.map(|ended| ended.exit)
    })
    .await
}

/// Where the other store is: only what the arguments say, and nothing that names this one.
fn target(args: &Copy, context: &Context, staging: PathBuf) -> anyhow::Result<StoreOptions> {
    let globals = Globals {
        data: Some(args.to_data.clone().unwrap_or(staging)),
        database: args.to_database.clone(),
        storage: args.to_storage.clone(),
        component: context.globals.component.clone(),
        ..Globals::default()
    };
    let mut options = location::options(&globals)?;
    options.cache = location::options(&context.globals)?.cache;
    Ok(options)
}

fn describe(report: &CopyReport, output: &Output) -> Vec<String> {
    let status = match report.status {
        CopyStatus::Copied => output.paint(Tone::Good, "copied"),
        CopyStatus::Unchanged => output.paint(Tone::Dim, "unchanged"),
    };
    vec![format!(
        "{}  {status}  {}, {}",
        output.paint(Tone::Name, &report.repo),
        plural(report.packs, "pack"),
        size(report.bytes),
    )]
}
