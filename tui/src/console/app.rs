//! The event loop: inputs, results and ticks become messages; messages change the model; a changed
//! model is drawn. [`aside`]: while a command of the config has the terminal.

mod aside;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use crossterm::event::Event;
use futures::stream::{Stream, StreamExt};
use packhouse_host::ConnectionStatus;
use packhouse_host::clock::Clock;
use ratatui::Terminal;
use ratatui::backend::Backend;
use ratatui::layout::{Position, Rect};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::backend;
use super::effects::Runner;
use super::inputs::Input;
use super::keys::Key;
use super::log_file;
use super::msg::{Effect, Msg};
use super::state::Model;
use super::terminal::Outlet;
use super::update::update;
use super::view::view;
use aside::Aside;

/// Time between two frames: at most 30 per second.
const FRAME: Duration = Duration::from_millis(33);

/// Pending messages are handled before a frame is drawn, so that a paste or a key repeat costs one
/// frame; but no frame is delayed longer than this.
const LATE: Duration = Duration::from_millis(100);

/// How long runs may take to reach a safe point after a signal. After that they are aborted, as in
/// a crash: nothing is published, and the next run removes leftover files.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// How long to wait for SIGHUP when the terminal is gone.
const HANG_UP: Duration = Duration::from_millis(300);

/// Why the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The operator quit.
    Quit,
    /// A signal, by number.
    Signal(u8),
    /// The terminal is gone.
    TerminalGone,
}

/// The console, running.
pub(super) struct App<D: Backend, I> {
    pub(super) model: Model,
    /// Dropped before `terminal`, which would report an error if the terminal is gone.
    outlet: Box<dyn Outlet>,
    pub(super) terminal: Terminal<D>,
    /// The console reads no other clock.
    clock: Arc<dyn Clock>,
    runner: Runner,
    messages: mpsc::UnboundedReceiver<Msg>,
    /// State of the connection to a remote store, while someone reports it.
    connection: Option<watch::Receiver<ConnectionStatus>>,
    inputs: I,
    tick: Interval,
    drawn: Option<Instant>,
    /// The shell has the terminal, and the process is stopped or about to be.
    suspended: bool,
    /// A command of the config has the terminal.
    aside: Option<Aside>,
    /// When the last of them ended.
    last_command: Option<Instant>,
}

impl<D, I> App<D, I>
where
    D: Backend<Error: Send + Sync + 'static>,
    I: Stream<Item = Input> + Unpin,
{
    /// Creates a console. Must be called within a tokio runtime.
    pub(super) fn new(
        model: Model,
        store: Arc<dyn backend::Backend>,
        clock: Arc<dyn Clock>,
        terminal: Terminal<D>,
        inputs: I,
        outlet: Box<dyn Outlet>,
    ) -> anyhow::Result<Self> {
        let (sender, messages) = mpsc::unbounded_channel();
        sender.send(Msg::Started)?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = store.connection();
        if let Some(connection) = &mut connection {
            connection.mark_changed();
        }
        let runner = Runner::new(store, sender);
        Ok(App {
            model,
            outlet,
            terminal,
            clock,
            runner,
            messages,
            connection,
            inputs,
            tick,
            drawn: None,
            suspended: false,
            aside: None,
            last_command: None,
        })
    }

    /// Runs the loop until the console ends.
    pub(super) async fn run(&mut self) -> anyhow::Result<Exit> {
        let mut ended = loop {
            match self.turn().await {
                Ok(None) => {}
                Ok(Some(exit)) => break Ok(exit),
                Err(error) => break Err(error),
            }
        };
        let gone = match &ended {
            Ok(exit) => *exit == Exit::TerminalGone,
            Err(error) => error.is::<std::io::Error>(),
        };
        if gone && let Some(number) = self.signal_on_its_way().await {
            ended = Ok(Exit::Signal(number));
        }
        if !matches!(ended, Ok(Exit::Quit)) {
            self.wind_down().await;
        }
        ended
    }

    /// A hang-up has two effects in any order: terminal I/O fails, and SIGHUP arrives.
    async fn signal_on_its_way(&mut self) -> Option<u8> {
        let until = Instant::now() + HANG_UP;
        loop {
            match tokio::time::timeout_at(until, self.inputs.next()).await {
                Ok(Some(Input::Signal(number))) => return Some(number),
                // `Input::Gone` repeats.
                Ok(Some(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                Ok(None) | Err(_) => return None,
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Waits for one event, and handles it.
    pub(super) async fn turn(&mut self) -> anyhow::Result<Option<Exit>> {
        if !self.suspended && self.aside.is_none() && !self.outlet.is_ours() {
            bail!("a thread of the console panicked; its message is above");
        }
        let due = self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME);
        let drawing = self.model.dirty && !self.suspended && self.aside.is_none();
        let mut inputs = pin!(&mut self.inputs);
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(due + LATE), if drawing => self.draw(),
            input = inputs.next() => self.take(input.unwrap_or(Input::Gone)),
            ended = self.runner.ended(), if self.runner.in_flight() > 0 => {
                if let Err(error) = ended && error.is_panic() {
                    // A panic in a task ends the console. The hook has restored the terminal.
                    std::panic::resume_unwind(error.into_panic());
                }
                Ok(None)
            }
            ended = aside::ended(&mut self.aside) => self.command_ended(ended),
            connection = next_connection(&mut self.connection) => self.apply(Msg::Connection(connection)),
            Some(msg) = self.messages.recv() => self.apply(msg),
            () = tokio::time::sleep_until(due), if drawing => self.draw(),
            _ = self.tick.tick() => self.apply(Msg::Tick),
        }
    }

    /// Handles an input.
    fn take(&mut self, input: Input) -> anyhow::Result<Option<Exit>> {
        let Some(input) = self.input_aside(input)? else { return Ok(None) };
        let msg = match input {
            Input::Signal(number) => return Ok(Some(Exit::Signal(number))),
            Input::Gone => return Ok(Some(Exit::TerminalGone)),
            Input::Suspend => return self.suspend(),
            Input::Continued => {
                self.outlet.resume()?;
                self.suspended = false;
                self.wipe()?;
                Msg::Resumed(true)
            }
            Input::Logged(level, text) => Msg::Logged(level, text),
            Input::Event(Event::Resize(..)) => {
                self.wipe()?;
                Msg::Resized
            }
            Input::Event(Event::Key(key)) => match Key::of(&key) {
                Some(key) => Msg::Key(key),
                None => return Ok(None),
            },
            Input::Event(Event::Paste(text)) => Msg::Paste(text),
            Input::Event(Event::Mouse(event)) => Msg::Mouse(event),
            Input::Event(Event::FocusGained | Event::FocusLost) => return Ok(None),
        };
        self.apply(msg)
    }

    /// Whether nothing is left to do, except for input and the tasks that a test holds.
    #[cfg(test)]
    pub(super) fn is_idle_but_for(&self, held: usize) -> bool {
        let unchanged = self
            .connection
            .as_ref()
            .is_none_or(|connection| !connection.has_changed().unwrap_or(false));
        (!self.model.dirty || self.aside.is_some())
            && unchanged
            && self.messages.is_empty()
            && self.runner.in_flight() == held
    }

    /// Applies a message to the model, and starts its effects: those of the terminal here, all
    /// others in the runner.
    fn apply(&mut self, msg: Msg) -> anyhow::Result<Option<Exit>> {
        self.model.now = self.clock.now();
        let mut exit = None;
        // The connection comes first, so that the model knows why a call failed.
        let mut effects = changed_connection(&mut self.connection)
            .map(|connection| update(&mut self.model, Msg::Connection(connection)))
            .unwrap_or_default();
        effects.extend(update(&mut self.model, msg));
        self.model.log.unwritten().for_each(|line| log_file::write(&line));
        for effect in effects {
            match effect {
                Effect::Quit => exit = Some(Exit::Quit),
                Effect::Copy(text) => self.outlet.copy(&text)?,
                Effect::Suspend => exit = exit.or(self.suspend()?),
                Effect::Command(line) => exit = exit.or(self.give_terminal(*line)?),
                effect => self.runner.start(effect),
            }
        }
        Ok(exit)
    }

    /// Stops the process, with all its threads, until the shell continues it.
    fn suspend(&mut self) -> anyhow::Result<Option<Exit>> {
        self.suspended = self.outlet.suspend()?;
        if self.suspended { Ok(None) } else { self.apply(Msg::Resumed(false)) }
    }

    /// Clears the screen, so that the next frame is drawn completely. [`Terminal::clear`] would ask
    /// the terminal for its cursor position, and wait for the reply among the inputs.
    fn wipe(&mut self) -> anyhow::Result<()> {
        let size = self.terminal.size()?;
        Ok(self.terminal.resize(Rect::from((Position::ORIGIN, size)))?)
    }

    fn draw(&mut self) -> anyhow::Result<Option<Exit>> {
        let mut extent = None;
        self.terminal.draw(|frame| extent = Some(view(&self.model, frame)))?;
        self.drawn = Some(Instant::now());
        self.model.dirty = false;
        match extent {
            Some(extent) => self.apply(Msg::Drawn(extent)),
            None => Ok(None),
        }
    }

    /// Cancels all runs, and waits for them up to the timeout.
    async fn wind_down(&mut self) {
        self.runner.cancel_all();
        let all =
            async { while self.runner.in_flight() > 0 && self.runner.ended().await.is_ok() {} };
        // After the timeout the runs are aborted.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, all).await;
    }
}

/// The connection, if it has changed since the last call.
fn changed_connection(
    connection: &mut Option<watch::Receiver<ConnectionStatus>>,
) -> Option<ConnectionStatus> {
    let connection = connection.as_mut()?;
    connection.has_changed().ok()?.then(|| connection.borrow_and_update().clone())
}

/// Waits until the connection changes; forever if there is none.
async fn next_connection(
    connection: &mut Option<watch::Receiver<ConnectionStatus>>,
) -> ConnectionStatus {
    if let Some(receiver) = connection {
        if receiver.changed().await.is_ok() {
            return receiver.borrow_and_update().clone();
        }
        *connection = None;
    }
    std::future::pending().await
}
