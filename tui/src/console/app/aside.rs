//! While a command of the config has the terminal, the console is in the background: it draws nothing and
//! takes no keys, but its runs go on.

use std::time::Duration;

use crossterm::event::{Event, KeyCode};
use futures::stream::Stream;
use ratatui::backend::Backend;
use tokio::time::Instant;

use super::{App, Exit};
use crate::console::inputs::Input;
use crate::console::keys::Key;
use crate::console::msg::{Ended, Msg};
use crate::console::state::CommandLine;
use crate::console::terminal::Running;

/// The number of SIGINT. Ctrl-C sends it to the command, and to the console with it.
const SIGINT: u8 = 2;

/// It may arrive after the end of the command that it has ended, but not much later. Ctrl-C on a
/// screen of the console is a key, and no signal.
const LATE_SIGINT: Duration = Duration::from_secs(1);

/// A command that has the terminal.
pub(super) struct Aside {
    name: String,
    /// Whether its output stays, also if it succeeds.
    wait: bool,
    /// `None` if it has ended, and its output is being read.
    running: Option<Running>,
}

/// Waits for the end of the command; forever if none is running.
pub(super) async fn ended(aside: &mut Option<Aside>) -> Result<Ended, String> {
    match aside.as_mut().and_then(|aside| aside.running.as_mut()) {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
}

impl<D, I> App<D, I>
where
    D: Backend<Error: Send + Sync + 'static>,
    I: Stream<Item = Input> + Unpin,
{
    /// Gives the terminal to a command.
    pub(super) fn give_terminal(&mut self, line: CommandLine) -> anyhow::Result<Option<Exit>> {
        match self.outlet.run(&line) {
            Ok(running) => {
                let CommandLine { name, wait, .. } = line;
                self.aside = Some(Aside { name, wait, running: Some(running) });
                Ok(None)
            }
            Err(error) => {
                self.return_to_screen()?;
                let error = format!("starting `{}` failed: {error}", line.program);
                self.apply(Msg::CommandEnded(line.name, Err(error)))
            }
        }
    }

    /// The command has ended: returns, or waits for Enter if its output is to be read.
    pub(super) fn command_ended(
        &mut self,
        ended: Result<Ended, String>,
    ) -> anyhow::Result<Option<Exit>> {
        let Some(aside) = &mut self.aside else { return Ok(None) };
        aside.running = None;
        self.last_command = Some(Instant::now());
        let name = aside.name.clone();
        let is_ok = ended.as_ref().is_ok_and(|ended| ended.is_ok());
        if aside.wait || !is_ok {
            let how = ended.as_ref().map_or_else(Clone::clone, ToString::to_string);
            self.outlet.ask_to_return(&format!("{name}: {how}. Press Enter to return "))?;
        } else {
            self.return_to_screen()?;
        }
        self.apply(Msg::CommandEnded(name, ended))
    }

    /// An input that the console handles, too; `None` if it is only for the command, or if it was
    /// Enter.
    pub(super) fn input_aside(&mut self, input: Input) -> anyhow::Result<Option<Input>> {
        let Some(aside) = &self.aside else {
            let is_late = self.last_command.is_some_and(|ended| ended.elapsed() < LATE_SIGINT);
            return Ok(Some(input).filter(|input| !is_late || *input != Input::Signal(SIGINT)));
        };
        let is_enter = |key: Key| key.code == KeyCode::Enter;
        let returns = match &input {
            Input::Event(Event::Key(event)) => {
                aside.running.is_none() && Key::of(event).is_some_and(is_enter)
            }
            Input::Event(_) | Input::Signal(SIGINT) => false,
            // The shell continues the command with the console, and the terminal stays with it.
            Input::Continued => {
                self.suspended = false;
                false
            }
            _ => return Ok(Some(input)),
        };
        if returns {
            self.return_to_screen()?;
        }
        Ok(None)
    }

    /// Takes the terminal back, and draws everything again.
    fn return_to_screen(&mut self) -> anyhow::Result<()> {
        self.aside = None;
        self.outlet.resume()?;
        self.model.dirty = true;
        self.wipe()
    }
}
