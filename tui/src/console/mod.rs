//! The console: a screen on a store, for an operator who wants to see how their repos are and to put them in order.
//!
//! In reading order:
//!
//! 1. [`backend`]: what the console needs of a store, and [`embedded`]: how the store on this machine gives it.
//! 2. [`state`]: what is known and where the operator is; [`msg`]: what can happen, and what can be asked for.
//! 3. [`update`]: what happens when something happens. No I/O: a message goes in, effects come out.
//! 4. [`view`]: how it looks. A file per screen, mirrored by name in [`state`].
//! 5. [`keys`]: the one table of keys, for handling, the footer and the help.
//! 6. [`effects`]: runs effects as tasks, whose ends come back as messages; [`app`]: the one loop that joins it all.
//! 7. [`terminal`]: owns the terminal's modes, and gives them back however the console ends.

mod app;
mod backend;
mod effects;
mod embedded;
mod keys;
mod msg;
mod state;
mod terminal;
mod update;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, bail};
use packhouse_host::Store;

use app::{App, Exit};
use embedded::Embedded;
use state::Model;
use terminal::Guard;
use view::Theme;

/// Shows the console until the operator leaves it.
///
/// A signal ends the process here, with 128 and the signal's number as the exit status: by then the terminal is as it
/// was, and work has been asked to stop at a safe point.
pub(crate) async fn run(store: Store) -> anyhow::Result<()> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        bail!("the console needs a terminal for its input and output; `packhouse repo list` works without one");
    }
    let inputs = terminal::inputs().context("listening for signals failed")?;
    let mut guard = Guard::enter().context("preparing the terminal failed")?;
    let exit = {
        let model = Model::new(Theme::from_env());
        let backend = Arc::new(Embedded::new(store));
        let mut app = App::new(model, backend, guard.terminal()?, inputs, terminal::is_ours)?;
        app.run().await
    };
    drop(guard);
    match exit? {
        Exit::Left => Ok(()),
        Exit::Signal(number) => std::process::exit(128 + number),
        Exit::TerminalGone => bail!("the terminal went away; work was asked to stop, and nothing is half-done"),
    }
}
