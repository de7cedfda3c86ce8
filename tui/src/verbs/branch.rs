//! `packhouse branch list|delete`: the branches of a repo.

use packhouse_host::BranchReport;

use crate::args::Branch;
use crate::context::Context;
use crate::exit::Exit;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::escaped;

/// Lists, or deletes one.
pub(crate) async fn run(args: Branch, context: &Context) -> anyhow::Result<Exit> {
    let store = context.client().await?;
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
        Branch::Delete { repo, name } => {
            let gone = store.delete_branch(&repo, &name).await?;
            output.result(&gone, || {
                let name = output.paint(Tone::Name, escaped(&gone.name));
                vec![
                    format!("deleted branch {name} of {}, which was at {}", gone.repo, gone.head),
                    format!("the default branch is {}", escaped(&gone.default_branch)),
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
            (Some(problem), _) => {
                Cell::new(Tone::Bad, format!("clients are not given it: {problem}"))
            }
            (None, true) => Cell::new(Tone::Dim, "default"),
            (None, false) => "".into(),
        };
        table.row([Cell::new(Tone::Name, &branch.name), branch.head.as_str().into(), note]);
    }
    table
}
