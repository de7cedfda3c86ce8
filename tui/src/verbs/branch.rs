//! `packhouse branch list|delete`.

use clap::Subcommand;
use packhouse_host::{BranchReport, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::escaped;
use crate::verbs::confirm::{confirm, require_yes};

/// `packhouse branch …`
#[derive(Debug, Subcommand)]
pub(crate) enum Branch {
    /// List the branches of a repo and their heads
    List {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
    },
    /// Delete a branch. Its commits stay until `packhouse gc --expire-unreachable AGE` drops them
    Delete {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: RepoName,
        /// Name of the branch, or its escaped form as shown by `packhouse branch list`
        #[arg(value_name = "NAME", allow_hyphen_values = true)]
        name: String,
        /// Skip the confirmation; required without a terminal
        #[arg(long)]
        yes: bool,
    },
}

/// Lists branches, or deletes one.
pub(crate) async fn run(args: Branch, context: &Context) -> anyhow::Result<Exit> {
    if let Branch::Delete { repo, name, yes } = &args {
        require_yes(*yes, &format!("branch {} of {repo}", escaped(name)))?;
    }
    let store = context.client_for(matches!(args, Branch::List { .. })).await?;
    let output = &context.output;
    match args {
        Branch::List { repo } => {
            let branches = store.branches(&repo).await?;
            if output.json() {
                branches.iter().try_for_each(|branch| output.result(branch, Vec::new))?;
            } else if branches.is_empty() {
                output.note(format!(
                    "{repo} has no branches yet; push packs with: packhouse push {repo} FILE…"
                ));
            } else {
                output.table(&list(&branches), 0)?;
            }
        }
        Branch::Delete { repo, name, yes } => {
            let branches = if yes { Vec::new() } else { store.branches(&repo).await? };
            // One that is not there is refused below.
            if let Some(branch) =
                branches.iter().find(|branch| branch.name == name || escaped(&branch.name) == name)
            {
                let shown = escaped(&branch.name);
                confirm(&shown, &format!("branch {shown} of {repo} (at {})", branch.head))?;
            }
            let deleted = store.delete_branch(&repo, &name).await?;
            output.result(&deleted, || {
                let name = output.paint(Tone::Name, escaped(&deleted.name));
                vec![
                    format!("Deleted branch {name} of {} (was {})", deleted.repo, deleted.head),
                    format!("The default branch is {}", escaped(&deleted.default_branch)),
                ]
            })?;
        }
    }
    Ok(Exit::Done)
}

fn list(branches: &[BranchReport]) -> Table {
    use Side::Left;
    let mut table = Table::new(&[("BRANCH", Left), ("HEAD", Left), ("", Left)]);
    for branch in branches {
        let note = match (&branch.problem, branch.default) {
            (Some(problem), _) => Cell::new(Tone::Bad, format!("hidden from clients: {problem}")),
            (None, true) => Cell::new(Tone::Dim, "default"),
            (None, false) => "".into(),
        };
        table.row([Cell::new(Tone::Name, &branch.name), branch.head.as_str().into(), note]);
    }
    table
}
