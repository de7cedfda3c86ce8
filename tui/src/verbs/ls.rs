//! `packhouse ls`: the files of a commit.

use clap::Args;
use packhouse_host::{FilesQuery, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::{goes_on, watched};
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, short_id};

/// `packhouse ls …`
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// ID of a commit, its first 4 digits or more, or the name of a branch
    #[arg(value_name = "COMMIT", allow_hyphen_values = true)]
    commit: String,
    /// Only this file, or the files in this folder
    #[arg(value_name = "PATH", allow_hyphen_values = true)]
    path: Option<String>,
}

/// Prints files by path.
pub(crate) async fn run(args: Ls, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let client = context.client_to_read().await?;
    let watch = context.bars.watch(BAR_DELAY);
    let mut query =
        FilesQuery { commit: args.commit, path: args.path, after: None, limit: u32::MAX };
    let mut missing = None;
    watched(output, watch.progress(), async {
        while goes_on(output, watch.progress())? {
            let page = client.files(&args.repo, &query).await?;
            for file in &page.files {
                output.result(file, || {
                    let object = output.paint(Tone::Dim, short_id(&file.object));
                    vec![format!("{object}  {}", escaped(&file.path))]
                })?;
            }
            missing = page.missing_snapshot;
            if page.next.is_none() {
                break;
            }
            query.after = page.next;
        }
        anyhow::Ok(())
    })
    .await?;
    if let Some(snapshot) = missing {
        output.warning(format!(
            "the history of {} is shallow: files that only snapshot {snapshot} lists are left out",
            args.repo
        ));
    }
    Ok(Exit::Done)
}
