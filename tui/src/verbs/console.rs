//! `packhouse console`: hands the terminal to the console, if there is one.

use std::io::IsTerminal;

use packhouse_host::Error;

use crate::args::ConsoleArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::style::Environment;

/// Runs the console where it can be seen.
pub(crate) async fn run(args: &ConsoleArgs, context: &Context) -> anyhow::Result<Exit> {
    if context.output.json() {
        return Err(Error::Usage(
            "the console is for people; for programs there is: packhouse repo list --json".into(),
        )
        .into());
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let words = "the console needs a terminal, and this is none; `packhouse repo list` and `packhouse gc --all` do without";
        return Err(Error::Unsupported(words.into()).into());
    }
    if Environment::read().dumb {
        let words = "the console needs a terminal that can move its cursor, and TERM=dumb says that this one can't; \
                     `packhouse repo list` and `packhouse gc --all` do without";
        return Err(Error::Unsupported(words.into()).into());
    }
    crate::console::run(args, context).await
}
