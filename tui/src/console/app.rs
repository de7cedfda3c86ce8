//! The one loop: inputs, answers and ticks become messages; messages change the model; a changed
//! model is drawn.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use crossterm::event::Event;
use futures::stream::{Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::Backend as Display;
use ratatui::layout::{Position, Rect};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::backend::{Backend, Connection};
use super::effects::Runner;
use super::inputs::Input;
use super::keys::Key;
use super::log_file;
use super::msg::{Effect, Msg};
use super::state::Model;
use super::terminal::Outlet;
use super::update::update;
use super::view::view;

/// Between two frames: at most 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// What is ready is handled before a frame is drawn, so that a paste or a key repeat costs one; but
/// no frame is held up longer.
const LATE: Duration = Duration::from_millis(100);

/// How long a signal waits for work to reach a safe point. What is cut off after that is what a
/// crash leaves: nothing that is published, and files that the next run clears away.
const PATIENCE: Duration = Duration::from_secs(3);

/// How long the signal of a terminal that is gone is waited for.
const HANG_UP: Duration = Duration::from_millis(300);

/// Why the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The operator left.
    Left,
    /// A signal asked for it, by number.
    Signal(u8),
    /// There is no terminal any more.
    TerminalGone,
}

/// The console, running.
pub(super) struct App<B: Backend, D: Display, I> {
    pub(super) model: Model,
    /// Comes before the picture, which would complain of a terminal that is gone.
    outlet: Box<dyn Outlet>,
    pub(super) terminal: Terminal<D>,
    runner: Runner<B>,
    messages: mpsc::UnboundedReceiver<Msg>,
    /// The line to a store that is elsewhere, for as long as somebody tells of it.
    connection: Option<watch::Receiver<Connection>>,
    inputs: I,
    tick: Interval,
    drawn: Option<Instant>,
    /// The terminal is lent to the shell, and the process stopped or about to be.
    suspended: bool,
}

impl<B, D, I> App<B, D, I>
where
    B: Backend,
    D: Display<Error: Send + Sync + 'static>,
    I: Stream<Item = Input> + Unpin,
{
    /// A console that is about to start. Must be called within a tokio runtime.
    pub(super) fn new(
        model: Model,
        backend: Arc<B>,
        terminal: Terminal<D>,
        inputs: I,
        outlet: Box<dyn Outlet>,
    ) -> anyhow::Result<Self> {
        let (sender, messages) = mpsc::unbounded_channel();
        sender.send(Msg::Started)?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = backend.connection();
        if let Some(connection) = &mut connection {
            connection.mark_changed();
        }
        let runner = Runner::new(backend, sender);
        Ok(App {
            model,
            outlet,
            terminal,
            runner,
            messages,
            connection,
            inputs,
            tick,
            drawn: None,
            suspended: false,
        })
    }

    /// Runs until the end.
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
        if !matches!(ended, Ok(Exit::Left)) {
            self.wind_down().await;
        }
        ended
    }

    /// A terminal that hangs up shows in two ways, and either may come first: whatever is tried
    /// with it fails, and SIGHUP says why.
    async fn signal_on_its_way(&mut self) -> Option<u8> {
        let until = Instant::now() + HANG_UP;
        loop {
            match tokio::time::timeout_at(until, self.inputs.next()).await {
                Ok(Some(Input::Signal(number))) => return Some(number),
                // That the terminal is gone is said again and again.
                Ok(Some(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
                Ok(None) | Err(_) => return None,
            }
            if Instant::now() >= until {
                return None;
            }
        }
    }

    /// Waits until one thing happens, and handles it.
    pub(super) async fn turn(&mut self) -> anyhow::Result<Option<Exit>> {
        if !self.suspended && !self.outlet.is_ours() {
            bail!("a part of the console has panicked; its message stands above");
        }
        let due = self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME);
        let drawing = self.model.dirty && !self.suspended;
        let mut inputs = pin!(&mut self.inputs);
        tokio::select! {
            biased;
            () = tokio::time::sleep_until(due + LATE), if drawing => self.draw(),
            input = inputs.next() => self.take(input.unwrap_or(Input::Gone)),
            ended = self.runner.ended(), if self.runner.in_flight() > 0 => {
                if let Err(error) = ended && error.is_panic() {
                    // A bug in a task is a bug of the console: it ends as one. The hook has
                    // restored the terminal.
                    std::panic::resume_unwind(error.into_panic());
                }
                Ok(None)
            }
            connection = moved(&mut self.connection) => self.apply(Msg::Connection(connection)),
            Some(msg) = self.messages.recv() => self.apply(msg),
            () = tokio::time::sleep_until(due), if drawing => self.draw(),
            _ = self.tick.tick() => self.apply(Msg::Tick),
        }
    }

    /// Handles what came from outside.
    fn take(&mut self, input: Input) -> anyhow::Result<Option<Exit>> {
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

    /// Whether nothing is left to do until something comes from outside, or from as many tasks as
    /// are held back.
    #[cfg(test)]
    pub(super) fn is_idle_but_for(&self, held: usize) -> bool {
        let unchanged = self
            .connection
            .as_ref()
            .is_none_or(|connection| !connection.has_changed().unwrap_or(false));
        !self.model.dirty
            && unchanged
            && self.messages.is_empty()
            && self.runner.in_flight() == held
    }

    /// Tells the model, and does what follows. What concerns the terminal is done here, all else by
    /// the runner.
    fn apply(&mut self, msg: Msg) -> anyhow::Result<Option<Exit>> {
        self.model.now = self.runner.backend().now();
        let mut exit = None;
        // The line comes before what is told over it: whatever fails because it is down is known
        // to.
        let mut effects = news(&mut self.connection)
            .map(|connection| update(&mut self.model, Msg::Connection(connection)))
            .unwrap_or_default();
        effects.extend(update(&mut self.model, msg));
        self.model.log.unwritten().for_each(|line| log_file::write(&line));
        for effect in effects {
            match effect {
                Effect::Quit => exit = Some(Exit::Left),
                Effect::Copy(text) => self.outlet.copy(&text)?,
                Effect::Suspend => exit = exit.or(self.suspend()?),
                effect => self.runner.start(effect),
            }
        }
        Ok(exit)
    }

    /// Stops the process, and all that runs with it, until the shell lets it go on.
    fn suspend(&mut self) -> anyhow::Result<Option<Exit>> {
        self.suspended = self.outlet.suspend()?;
        if self.suspended { Ok(None) } else { self.apply(Msg::Resumed(false)) }
    }

    /// Empties the screen, so that all of the next frame is drawn. [`Terminal::clear`] would ask
    /// the terminal where its cursor is, and wait for the answer among the inputs.
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

    /// Stops what runs, as far as patience goes.
    async fn wind_down(&mut self) {
        self.runner.cancel_all();
        let all =
            async { while self.runner.in_flight() > 0 && self.runner.ended().await.is_ok() {} };
        // Out of patience: see there.
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }
}

/// The line, if it is another than when it was last looked at.
fn news(connection: &mut Option<watch::Receiver<Connection>>) -> Option<Connection> {
    let connection = connection.as_mut()?;
    connection.has_changed().ok()?.then(|| connection.borrow_and_update().clone())
}

/// Waits until the line is another; for ever where there is none, or nobody tells of it any more.
async fn moved(connection: &mut Option<watch::Receiver<Connection>>) -> Connection {
    if let Some(receiver) = connection {
        if receiver.changed().await.is_ok() {
            return receiver.borrow_and_update().clone();
        }
        *connection = None;
    }
    std::future::pending().await
}
