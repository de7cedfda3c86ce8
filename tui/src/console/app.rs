//! The one loop: inputs, answers and ticks become messages; messages change the model; a changed model is drawn.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use futures::stream::{Stream, StreamExt};
use ratatui::Terminal;
use ratatui::backend::Backend as Display;
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::backend::Backend;
use super::effects::Runner;
use super::keys::Key;
use super::msg::{Effect, Msg};
use super::state::Model;
use super::terminal::Input;
use super::update::update;
use super::view::view;

/// Between two frames: at most 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// How long a signal waits for work to reach a safe point. What is cut off after that is what a crash leaves: nothing
/// that is published, and files that the next run clears away.
const PATIENCE: Duration = Duration::from_secs(3);

/// Why the console ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// The operator left.
    Left,
    /// A signal asked for it, by number.
    Signal(i32),
    /// There is no terminal any more.
    TerminalGone,
}

/// The console, running.
pub(super) struct App<B: Backend, D: Display, I> {
    pub(super) model: Model,
    pub(super) terminal: Terminal<D>,
    runner: Runner<B>,
    messages: mpsc::UnboundedReceiver<Msg>,
    inputs: I,
    tick: Interval,
    drawn: Option<Instant>,
    /// Whether the terminal may still be drawn on.
    drawable: fn() -> bool,
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
        drawable: fn() -> bool,
    ) -> anyhow::Result<Self> {
        let (sender, messages) = mpsc::unbounded_channel();
        sender.send(Msg::Started)?;
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let runner = Runner::new(backend, sender);
        Ok(App { model, terminal, runner, messages, inputs, tick, drawn: None, drawable })
    }

    /// Runs until the end.
    pub(super) async fn run(&mut self) -> anyhow::Result<Exit> {
        loop {
            if let Some(exit) = self.turn().await? {
                if exit != Exit::Left {
                    self.wind_down().await;
                }
                return Ok(exit);
            }
        }
    }

    /// Waits until one thing happens, and handles it.
    pub(super) async fn turn(&mut self) -> anyhow::Result<Option<Exit>> {
        let due = self.drawn.map_or_else(Instant::now, |drawn| drawn + FRAME);
        let mut inputs = pin!(&mut self.inputs);
        let msg = tokio::select! {
            input = inputs.next() => match input.unwrap_or(Input::Gone) {
                Input::Signal(number) => return Ok(Some(Exit::Signal(number))),
                Input::Gone => return Ok(Some(Exit::TerminalGone)),
                Input::Event(event) => match message_of(&event) {
                    Some(msg) => msg,
                    None => return Ok(None),
                }
            },
            Some(msg) = self.messages.recv() => msg,
            ended = self.runner.ended(), if self.runner.in_flight() > 0 => {
                if let Err(error) = ended && error.is_panic() {
                    // A bug in a task is a bug of the console: it ends as one. The hook has restored the terminal.
                    std::panic::resume_unwind(error.into_panic());
                }
                return Ok(None);
            }
            () = tokio::time::sleep_until(due), if self.model.dirty => {
                self.draw()?;
                return Ok(None);
            }
            _ = self.tick.tick() => Msg::Tick,
        };
        if matches!(msg, Msg::Resized) {
            self.terminal.clear()?;
        }
        Ok(self.apply(msg))
    }

    /// Whether nothing is left to do until something comes from outside, or from as many tasks as are held back.
    #[cfg(test)]
    pub(super) fn is_idle_but_for(&self, held: usize) -> bool {
        !self.model.dirty && self.messages.is_empty() && self.runner.in_flight() == held
    }

    fn apply(&mut self, msg: Msg) -> Option<Exit> {
        self.model.now = self.runner.backend().now();
        let mut exit = None;
        for effect in update(&mut self.model, msg) {
            if effect == Effect::Quit {
                exit = Some(Exit::Left);
            }
            self.runner.start(effect);
        }
        exit
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        if !(self.drawable)() {
            bail!("a part of the console has panicked; its message stands above");
        }
        let mut extent = None;
        self.terminal.draw(|frame| extent = Some(view(&self.model, frame)))?;
        self.drawn = Some(Instant::now());
        self.model.dirty = false;
        if let Some(extent) = extent {
            self.apply(Msg::Drawn(extent));
        }
        Ok(())
    }

    /// Stops what runs, as far as patience goes.
    async fn wind_down(&mut self) {
        self.runner.cancel_all();
        let all = async { while self.runner.in_flight() > 0 && self.runner.ended().await.is_ok() {} };
        // Out of patience: see there.
        let _ = tokio::time::timeout(PATIENCE, all).await;
    }
}

fn message_of(event: &crossterm::event::Event) -> Option<Msg> {
    match event {
        crossterm::event::Event::Key(key) => Key::of(key).map(Msg::Key),
        crossterm::event::Event::Resize(..) => Some(Msg::Resized),
        _ => None,
    }
}
