//! `packhouse manual`: writes the manual pages, one for the program and one for each verb. Packages
//! are built with it; it is not in `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};
use clap_mangen::Man;
use packhouse_host::Error;
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;

/// `packhouse manual …`
#[derive(Debug, Args)]
pub(crate) struct Manual {
    /// An existing folder
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

#[derive(Serialize)]
struct Report {
    /// The names of the files in the folder.
    pages: Vec<String>,
}

/// Writes the pages, and prints their names.
pub(crate) fn run(args: &Manual, packhouse: Command, context: &Context) -> anyhow::Result<Exit> {
    let mut pages = Vec::new();
    for command in commands(packhouse) {
        pages.push(write(command, &args.folder)?);
    }
    let report = Report { pages };
    context.output.result(&report, || report.pages.clone())?;
    Ok(Exit::Done)
}

/// The program, its verbs and their subcommands, with the options of every verb.
fn commands(packhouse: Command) -> Vec<Command> {
    let mut packhouse = packhouse.disable_help_subcommand(true);
    // The whole text is the description; the name is explained in one line.
    let about = packhouse.get_about().map(ToString::to_string).unwrap_or_default();
    let line = about.lines().next().unwrap_or_default().trim_end_matches('.').to_owned();
    packhouse = packhouse.about(line).long_about(about);
    packhouse.build();
    let mut all = vec![packhouse];
    let mut next = 0;
    while let Some(command) = all.get(next) {
        let shown = command.get_subcommands().filter(|verb| !verb.is_hide_set());
        let subcommands: Vec<Command> = shown.cloned().collect();
        all.extend(subcommands);
        next += 1;
    }
    all
}

/// Writes the page of a command; its name is that of the command with hyphens, and the section.
fn write(command: Command, folder: &Path) -> anyhow::Result<String> {
    let source = concat!("packhouse ", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command).source(source).manual("packhouse manual");
    let name = page.get_filename();
    let path = folder.join(&name);
    let mut text = Vec::new();
    page.render(&mut text)
        .and_then(|()| std::fs::write(&path, &text))
        .map_err(|source| Error::Io { doing: "writing", path, source })?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn there_is_a_page_for_the_program_and_for_every_verb() {
        let folder = tempfile::tempdir().unwrap();
        let pages: Vec<String> = commands(crate::args::Args::command())
            .into_iter()
            .map(|command| write(command, folder.path()).unwrap())
            .collect();
        for page in ["packhouse.1", "packhouse-serve.1", "packhouse-repo-create.1"] {
            assert!(pages.iter().any(|name| name == page), "{page}: {pages:?}");
        }
        assert!(!pages.iter().any(|name| name.contains("manual")), "{pages:?}");
        let packhouse = std::fs::read_to_string(folder.path().join("packhouse.1")).unwrap();
        assert!(packhouse.contains("Muse\n.SH SYNOPSIS"), "{packhouse}");
        let serve = std::fs::read_to_string(folder.path().join("packhouse-serve.1")).unwrap();
        assert!(serve.contains("max\\-upload"), "{serve}");
    }
}
