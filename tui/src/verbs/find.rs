//! `packhouse find`: where the records with an ID are.

use anyhow::bail;
use clap::Args;
use packhouse_host::RepoName;

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::{goes_on, watched};
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, plural};
use crate::verbs::repos;

/// `packhouse find …`
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// ID of a commit, snapshot or object, or its first 4 digits or more; of a tag, its text
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Repos to search [default: all]
    #[arg(value_name = "OWNER/SLUG")]
    repos: Vec<RepoName>,
}

/// Prints a line for each record.
pub(crate) async fn run(args: Find, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let client = context.client_to_read().await?;
    let watch = context.bars.watch(BAR_DELAY);
    let (mut searched, mut any) = (0, false);
    watched(output, watch.progress(), async {
        let names = match args.repos.is_empty() {
            true => repos::names(client.as_ref()).await?,
            false => args.repos.clone(),
        };
        for repo in &names {
            if !goes_on(output, watch.progress())? {
                break;
            }
            for found in client.find(repo, &args.id).await? {
                any = true;
                output.result(&found, || {
                    let place = format!(
                        "{} at byte {}, {}",
                        found.mpack_key,
                        found.offset,
                        plural(found.length, "byte")
                    );
                    vec![format!(
                        "{}  {} {}  {}",
                        output.paint(Tone::Name, &found.repo),
                        found.kind,
                        escaped(&found.id),
                        output.paint(Tone::Dim, place)
                    )]
                })?;
            }
            searched += 1;
        }
        anyhow::Ok(())
    })
    .await?;
    if !any {
        bail!(
            "no record with ID `{}` in {}; an ID is given whole, or by its first 4 digits or more",
            escaped(&args.id),
            plural(searched, "repo")
        );
    }
    Ok(Exit::Done)
}
