//! `packhouse console`: starts the console on a terminal.

use std::io::IsTerminal;

use packhouse_host::Error;

use crate::console::ConsoleArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::style::Environment;

/// Runs the console; refuses if there is no usable terminal.
pub(crate) async fn run(args: &ConsoleArgs, context: &Context) -> anyhow::Result<Exit> {
    if context.output.json() {
        return Err(Error::Usage(
            "the console has no JSON output; use `packhouse repo list --json`".into(),
        )
        .into());
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let message = "the console needs a terminal; `packhouse repo list` and `packhouse gc --all` work without one";
        return Err(Error::Unsupported(message.into()).into());
    }
    if Environment::read().dumb {
        let message = "the console needs a terminal that can move its cursor, and this one has TERM=dumb; \
                     `packhouse repo list` and `packhouse gc --all` work without one";
        return Err(Error::Unsupported(message.into()).into());
    }
    crate::console::run(args, context).await
}
