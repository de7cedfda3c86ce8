//! `packhouse completions`: prints a shell completion script.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;
use crate::context::Context;
use crate::exit::Exit;

/// Prints the script; with `--json`, as `script` of one document.
pub(crate) fn run(shell: Shell, context: &Context) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "packhouse", &mut script);
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
