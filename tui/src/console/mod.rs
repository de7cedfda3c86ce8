//! The console: a screen on a store, for an operator who wants to see how their repos are and to
//! put them in order.
//!
//! In reading order:
//!
//! 1. [`backend`]: what the console needs of a store, and [`local`]: how the store on this
//!    machine gives it.
//! 2. [`state`]: what is known and where the operator is; [`msg`]: what can happen, and what can be
//!    asked for.
//! 3. [`update`]: what happens when something happens. No I/O: a message goes in, effects come out.
//! 4. [`view`]: how it looks. A file per screen, mirrored by name in [`state`].
//! 5. [`keys`]: the one table of keys, for handling, the footer and the help.
//! 6. [`effects`]: runs effects as tasks, whose ends come back as messages; [`app`]: the one loop
//!    that joins it all.
//! 7. [`terminal`]: owns the terminal's modes, and gives them back however the console ends;
//!    [`inputs`]: what comes in.
//! 8. [`settings`]: how the operator wants it; [`log_file`]: where the log goes meanwhile.

mod app;
mod backend;
#[doc(hidden)]
pub mod bench;
mod cells;
mod demo;
mod effects;
mod inputs;
mod keys;
mod local;
mod log_file;
#[cfg(test)]
mod manual;
mod msg;
#[cfg(test)]
mod picture;
mod remote;
mod settings;
mod state;
mod terminal;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use anyhow::{Context as _, bail};
use packhouse_host::world::{SystemWorld, World};
use packhouse_host::{Error, Remote, RemoteOptions};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::args::ConsoleArgs;
use crate::context::Context;
use crate::exit::Exit;
use crate::place;
use app::App;
use backend::Backend;
use demo::{Demo, Pace};
use keys::Keymap;
use local::LocalBackend;
use log_file::LogMessage;
use remote::RemoteBackend;
use settings::{Hints, Settings, ThemeName};
use state::Model;
use terminal::Guard;
use view::{Styles, Theme};

/// Every demo is the same, so that what is said of it can be found again.
const SEED: u64 = 1;

/// Shows the console until the operator leaves it.
///
/// After a signal this returns like any other end: the terminal is as it was, and work was asked to
/// stop at a safe point.
pub(crate) async fn run(args: &ConsoleArgs, context: &Context) -> anyhow::Result<Exit> {
    let settings = Settings::read(args, context.globals.color, Hints::read())?;
    let keymap = Keymap::with(&settings.keys, settings.read_only)
        .map_err(|error| Error::Usage(error.to_string()))?;
    // A console that finds no store ends before it takes the screen or begins a log.
    if !settings.demo && context.globals.remote.is_none() {
        refuse_none(context).await?;
    }
    let logged = log_file::start(context, args.log.as_deref())?;
    if settings.demo {
        show(Demo::new(demo::REPOS, SEED, Pace::Live, SystemWorld.now()), settings, keymap, logged)
            .await
    } else if let Some(options) = context.remote_options()? {
        // Whoever looks at a console waits for its server as long as they like.
        let remote = Remote::new(RemoteOptions { patience: None, ..options })?;
        show(RemoteBackend::new(remote), settings, keymap, logged).await
    } else {
        show(LocalBackend::new(context.open("console").await?), settings, keymap, logged).await
    }
}

/// Who is at a console for the first time may not have a store yet.
async fn refuse_none(context: &Context) -> anyhow::Result<()> {
    let Some(absent) = place::options(&context.globals)?.absent().await? else { return Ok(()) };
    Err(Error::Unsupported(format!(
        "{absent}. To look around in one that is made up: packhouse console --demo"
    ))
    .into())
}

async fn show(
    backend: impl Backend,
    settings: Settings,
    keymap: Keymap,
    logged: UnboundedReceiver<LogMessage>,
) -> anyhow::Result<Exit> {
    let theme = match settings.theme {
        ThemeName::Default => Theme::Default,
        ThemeName::Light => Theme::Light,
        ThemeName::Mono => Theme::Mono,
    };
    let model = Model::new(
        Styles { theme, ascii: settings.ascii },
        keymap,
        settings.read_only,
        backend.place(),
    );
    let inputs = inputs::inputs(logged).context("listening for signals failed")?;
    // Whether there are colours was decided with the theme. Left to itself, crossterm would write
    // empty ones under `NO_COLOR`, which take weights away.
    crossterm::style::force_color_output(true);
    let guard = Guard::enter(settings.mouse).context("preparing the terminal failed")?;
    let terminal = guard.terminal()?;
    let exit = App::new(model, Arc::new(backend), terminal, inputs, Box::new(guard))?.run().await?;
    match exit {
        app::Exit::Left => Ok(Exit::Done),
        app::Exit::Signal(number) => Ok(Exit::Signal(number)),
        app::Exit::TerminalGone => {
            bail!("the terminal went away; work was asked to stop, and nothing is half-done")
        }
    }
}
