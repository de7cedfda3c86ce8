//! `packhouse import musehub`: copies repos from a MuseHub's own database and object store.

use std::sync::Arc;

use clap::{ArgGroup, Args};
use packhouse_host::musehub::{Hub, HubOptions, ImportOptions, import};
use packhouse_host::{Client, Error, OpenError, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::progress::BAR_DELAY;
use crate::verbs::each::each_of_several;
use crate::verbs::import::print;

/// `packhouse import musehub …`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["repos", "all"])))]
pub(crate) struct Musehub {
    /// Repos of the MuseHub to import, under the same names
    #[arg(value_name = "OWNER/SLUG")]
    repos: Vec<RepoName>,
    /// Import all repos that the MuseHub has not deleted
    #[arg(long)]
    all: bool,
    /// The MuseHub's database: postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, value_name = "URL", env = "PACKHOUSE_HUB_DATABASE_URL", hide_env_values = true)]
    hub_database: String,
    /// Where the MuseHub keeps its objects: its MUSEHUB_OBJECTS_DIR, or s3://BUCKET/PREFIX
    #[arg(long, value_name = "DIR|URL")]
    hub_objects: String,
    /// Read and hash everything that would be imported, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Of several rows of a branch whose heads don't lead to each other, take the one with this head
    #[arg(long = "branch", value_name = "NAME=COMMIT", value_parser = name_and_commit)]
    branches: Vec<(String, String)>,
    /// Also take what the MuseHub stores under a private repo of another owner
    #[arg(long)]
    allow_private: bool,
    /// Import repos although commits, snapshots or objects are lost: without these
    #[arg(long)]
    shallow: bool,
    /// Number of repos that are imported at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    concurrency: u8,
}

fn name_and_commit(text: &str) -> Result<(String, String), String> {
    let (name, commit) = text.split_once('=').ok_or("expected NAME=COMMIT")?;
    Ok((name.to_owned(), commit.to_owned()))
}

/// Imports repos, several at a time. A repo that is left out does not stop the others.
pub(super) async fn run(args: Musehub, context: &Context) -> anyhow::Result<Exit> {
    let hub = HubOptions { database: args.hub_database, objects: args.hub_objects };
    let options = ImportOptions {
        dry_run: args.dry_run,
        allow_private: args.allow_private,
        shallow: args.shallow,
        branches: args.branches.into_iter().collect(),
        ..ImportOptions::default()
    };
    let watch = context.bars.watch(BAR_DELAY);
    watched(&context.output, watch.progress(), async {
        // First, so that no store is created for a MuseHub that is not there.
        let hub = Hub::open(&hub).await?;
        let repos = match args.all {
            true => hub.repos().await?,
            false => hub.named(&args.repos).await?,
        };
        if repos.is_empty() {
            context.output.note("The MuseHub has no repos");
        }
        let client = client(options.dry_run, context).await?;
        let each = watch.repos("importing repos", repos.len());
        each_of_several(
            &repos,
            args.concurrency.into(),
            context,
            async |repo| {
                let watch = each.next(repo);
                Ok(import(&hub, repo, client.as_deref(), &options, watch.progress()).await?)
            },
            |report| {
                print(&report, &context.output)?;
                Ok(if report.left_out { Exit::Refused } else { Exit::Done })
            },
        )
        .await
        .map(|ended| ended.exit)
    })
    .await
}

/// The store. A dry run needs none.
async fn client(dry_run: bool, context: &Context) -> anyhow::Result<Option<Arc<dyn Client>>> {
    if !dry_run {
        return context.client_or_create().await.map(Some);
    }
    match context.client_to_read().await {
        Err(error) if is_missing(&error) => Ok(None),
        opened => opened.map(Some),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Open(OpenError::NoStore { .. })))
}
