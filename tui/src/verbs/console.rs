//! `packhouse console`: hands the terminal to the console, if there is one.

use std::io::IsTerminal;

use packhouse_host::Error;

use crate::context::Context;
use crate::exit::Exit;

/// Opens the store and runs the console on it.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    if context.output.json() {
        return Err(Error::Usage("the console is for people; for programs there is: packhouse repo list --json".into()).into());
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let words = "the console needs a terminal, and this is none; `packhouse repo list` and `packhouse gc --all` do without";
        return Err(Error::Unsupported(words.into()).into());
    }
    crate::console::run(context.open().await?).await?;
    Ok(Exit::Done)
}
