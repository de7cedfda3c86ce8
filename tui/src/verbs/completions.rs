//! `packhouse completions`: prints a shell completion script.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::context::Context;
use crate::exit::Exit;

/// `packhouse completions …`
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Shell to complete for
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script; with `--json`, as `script` of one document.
pub(crate) fn run(
    args: &Completions,
    packhouse: &mut Command,
    context: &Context,
) -> anyhow::Result<Exit> {
    let shell = args.shell;
    let mut script = Vec::new();
    clap_complete::generate(shell, packhouse, "packhouse", &mut script);
    let script = String::from_utf8(script)?;
    match context.output.json() {
        true => context.output.result(
            &serde_json::json!({ "shell": shell.to_string(), "script": script }),
            Vec::new,
        )?,
        false => context.output.raw(&script)?,
    }
    Ok(Exit::Done)
}
