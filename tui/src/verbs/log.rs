//! `packhouse log`: the commits that a branch reaches.

use clap::Args;
use packhouse_host::{LogQuery, LoggedCommit, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::{goes_on, watched};
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, short_id};

/// Commits that are read at once.
const PAGE: u32 = 500;

/// `packhouse log …`
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// The branch to start with [default: the default branch]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    branch: Option<String>,
    /// Print at most this many commits
    #[arg(long, short = 'n', value_name = "N", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

/// Prints commits, each before its parents.
pub(crate) async fn run(args: Log, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let client = context.client_to_read().await?;
    let watch = context.bars.watch(BAR_DELAY);
    let mut query = LogQuery { branch: args.branch, from: Vec::new(), limit: PAGE };
    let mut left = args.limit;
    let mut is_empty = true;
    watched(output, watch.progress(), async {
        while left > 0 && goes_on(output, watch.progress())? {
            query.limit = PAGE.min(u32::try_from(left).unwrap_or(PAGE));
            let page = client.log(&args.repo, &query).await?;
            is_empty &= page.commits.is_empty();
            for commit in page.commits.iter().take(usize::try_from(left).unwrap_or(usize::MAX)) {
                output.result(commit, || vec![line(commit, output)])?;
            }
            left = left.saturating_sub(page.commits.len() as u64);
            if page.next.is_empty() {
                break;
            }
            query.from = page.next;
        }
        anyhow::Ok(())
    })
    .await?;
    if is_empty {
        output.note(format!("{} has no commits there", args.repo));
    }
    Ok(Exit::Done)
}

/// `293c2e0f1a2b  2026-03-01T10:00  ines  mix the chorus  (main, tag v1)`
fn line(commit: &LoggedCommit, output: &Output) -> String {
    let text = |text: &Option<String>| escaped(text.as_deref().unwrap_or_default());
    let message = commit.message.as_deref().unwrap_or_default();
    let subject = escaped(message.lines().next().unwrap_or_default());
    let day: String = text(&commit.committed_at).chars().take(16).collect();
    let tags = commit.tags.iter().map(|tag| format!("tag {}", escaped(tag)));
    let names: Vec<String> = commit.branches.iter().map(|name| escaped(name)).chain(tags).collect();
    let mut parts = vec![output.paint(Tone::Name, short_id(&commit.commit))];
    parts.extend((!day.is_empty()).then(|| output.paint(Tone::Dim, day)));
    parts.extend([text(&commit.author), subject].into_iter().filter(|part| !part.is_empty()));
    parts.extend(
        (!names.is_empty()).then(|| output.paint(Tone::Good, format!("({})", names.join(", ")))),
    );
    parts.join("  ")
}
