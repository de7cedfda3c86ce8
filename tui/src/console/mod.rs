//! The console: a full-screen interface for operators who want to inspect and consolidate repos.
//!
//! In reading order:
//!
//! 1. The store is a [`Backend`]: one on this machine, a server, or the [`demo`]. [`failure`]: why
//!    a call to it failed.
//! 2. [`state`]: the model, plain data; [`msg`]: messages and effects.
//! 3. [`update`]: applies a message to the model, and returns effects, which only it makes. No I/O.
//! 4. [`view`]: draws the model, in the styles of [`theme`]. One file per screen, with the same
//!    names as in [`state`].
//! 5. [`keys`]: the table of keys, for input, the footer and the help.
//! 6. [`effects`]: runs effects as tasks, which end with a message; [`app`]: the event loop.
//! 7. [`terminal`]: sets the modes of the terminal, and restores them however the console ends;
//!    [`inputs`]: keys, signals and other inputs.
//! 8. [`settings`]: options and the config file; [`store_names`]: the store for commands of the
//!    config; [`log_file`]: the log.

mod app;
mod args;
mod backend;
#[doc(hidden)]
pub mod bench;
mod cells;
mod demo;
mod effects;
mod failure;
mod inputs;
mod keys;
mod log_file;
#[cfg(test)]
mod manual;
mod msg;
#[cfg(test)]
mod picture;
mod settings;
mod state;
mod store_names;
mod terminal;
mod theme;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use app::App;
use backend::Backend;
use demo::DemoBackend;
use keys::Keymap;
use log_file::LogMessage;
use packhouse_host::clock::{Clock, SystemClock};
use packhouse_host::{Error, Remote, RemoteOptions};
use settings::{Hints, Settings};
use state::{Model, StorePlace};
use store_names::StoreNames;
use terminal::Guard;
use theme::Styles;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::context::Context;
use crate::exit::Exit;
use crate::location;

pub(crate) use args::ConsoleArgs;

/// Runs the console until the operator quits.
///
/// After a signal it returns as usual: the terminal is restored, and runs were cancelled at a safe
/// point.
pub(crate) async fn run(args: &ConsoleArgs, context: &Context) -> anyhow::Result<Exit> {
    let mut settings = Settings::read(args, context.globals.color, Hints::read())?;
    let commands = std::mem::take(&mut settings.commands);
    let keymap = Keymap::with(&settings.keys, commands, settings.read_only)
        .map_err(|error| Error::Usage(error.to_string()))?;
    // Without a store, fail before taking the screen and starting the log.
    if !settings.demo && context.globals.remote.is_none() {
        require_store(context).await?;
    }
    let logged = log_file::start(context, args.log.as_deref())?;
    let store: Arc<dyn Backend> = if settings.demo {
        Arc::new(DemoBackend::new())
    } else if let Some(options) = context.remote_options()? {
        // The console waits for its server without a limit.
        Arc::new(Remote::new(RemoteOptions { reconnect_timeout: None, ..options })?)
    } else {
        Arc::new(context.open("console").await?)
    };
    show(store, settings, keymap, StoreNames::of(&context.globals), logged).await
}

/// Refuses to start without a store, and points new users to the demo.
async fn require_store(context: &Context) -> anyhow::Result<()> {
    let Some(absent) = location::options(&context.globals)?.absent().await? else { return Ok(()) };
    bail!("{absent}. To try the console without a store: packhouse console --demo")
}

async fn show(
    store: Arc<dyn Backend>,
    settings: Settings,
    keymap: Keymap,
    names: StoreNames,
    logged: UnboundedReceiver<LogMessage>,
) -> anyhow::Result<Exit> {
    let mut model = Model::new(
        Styles { theme: settings.theme, ascii: settings.ascii },
        keymap,
        settings.read_only,
        store.place(),
    );
    model.repos.named.entries = settings.filters;
    model.columns = settings.columns;
    model.config = settings.config.map(|path| path.display().to_string());
    model.log_notes_of_keys(SystemClock.now());
    update::apply_columns(&mut model);
    model.place = StorePlace { in_memory: settings.demo, ..names.place };
    let (inputs, keys) = inputs::inputs(logged).context("listening for signals failed")?;
    // The theme decides about colours. On its own, crossterm would write empty colours under
    // `NO_COLOR`, which also reset bold and dim.
    crossterm::style::force_color_output(true);
    let guard = Guard::enter(settings.mouse, keys, names.variables)
        .context("preparing the terminal failed")?;
    let terminal = guard.terminal()?;
    let (clock, outlet) = (Arc::new(SystemClock), Box::new(guard));
    let exit = App::new(model, store, clock, terminal, inputs, outlet)?.run().await?;
    match exit {
        app::Exit::Quit => Ok(Exit::Done),
        app::Exit::Signal(number) => Ok(Exit::Signal(number)),
        app::Exit::TerminalGone => {
            bail!("the terminal is gone; runs were stopped, and nothing is left half-done")
        }
    }
}
