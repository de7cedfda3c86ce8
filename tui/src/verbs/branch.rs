//! `packhouse branch list|delete`.

use packhouse_host::BranchReport;

use crate::args::Branch;
use crate::context::Context;
use crate::exit::Exit;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::escaped;
use crate::verbs::confirm::{confirm, require_yes};

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
