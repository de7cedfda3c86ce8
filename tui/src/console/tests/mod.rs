//! The console's tests: [`update`] for what happens, [`screens`] for how it looks, [`drive`] for the real loop, [`panic`] for bugs.
//!
//! Here: a console on a [`fake::Fake`] store and a terminal in memory, driven by the loop that runs for real. It waits
//! for the loop to be idle, or for something to be on the screen; never for a time.

mod drive;
mod fake;
mod panic;
mod screens;
mod update;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures::stream::{self, Stream};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::app::{App, Exit};
use super::keys::Key;
use super::state::Model;
use super::terminal::Input;
use super::view::Theme;
use fake::Fake;

/// Long after what any test needs on any machine: only a hanging test gets there.
const HUNG: Duration = Duration::from_secs(60);

type Inputs = Pin<Box<dyn Stream<Item = Input> + Send>>;

/// A console under test.
struct Console {
    app: App<Fake, TestBackend, Inputs>,
    fake: Arc<Fake>,
    pending: Arc<Mutex<VecDeque<Input>>>,
    exit: Option<Exit>,
}

impl Console {
    /// A console on a fake store, once it has read it.
    async fn on(fake: Fake, columns: u16, rows: u16) -> Console {
        let fake = Arc::new(fake);
        let pending = Arc::<Mutex<VecDeque<Input>>>::default();
        let queue = pending.clone();
        // Never woken: the tests only add inputs between two turns of the loop.
        let inputs =
            stream::poll_fn(move |_| queue.lock().unwrap().pop_front().map_or(Poll::Pending, |input| Poll::Ready(Some(input))));
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let app = App::new(Model::new(Theme::Mono), fake.clone(), terminal, Box::pin(inputs) as Inputs, || true).unwrap();
        let mut console = Console { app, fake, pending, exit: None };
        console.settle().await;
        console
    }

    /// Presses keys one after the other; after each, waits until the console is idle.
    async fn press(&mut self, keys: &[&str]) {
        for name in keys {
            self.send([Input::Event(Event::Key(event(name)))]);
            self.settle().await;
        }
    }

    fn send(&mut self, inputs: impl IntoIterator<Item = Input>) {
        self.pending.lock().unwrap().extend(inputs);
    }

    /// Turns the loop until nothing is left to do but what the fake holds back.
    async fn settle(&mut self) {
        self.turn_until(|console| console.pending.lock().unwrap().is_empty() && console.app.is_idle_but_for(console.fake.held()))
            .await;
    }

    /// Turns the loop until words are on the screen.
    async fn until_seen(&mut self, words: &str) {
        self.turn_until(|console| !console.app.model.dirty && console.screen().contains(words)).await;
    }

    async fn turn_until(&mut self, done: impl Fn(&Console) -> bool) {
        let turning = async {
            while self.exit.is_none() && !done(self) {
                self.exit = self.app.turn().await.unwrap();
            }
        };
        if tokio::time::timeout(HUNG, turning).await.is_err() {
            panic!("the console hangs on:\n{}", self.screen());
        }
    }

    fn screen(&self) -> String {
        text(self.app.terminal.backend())
    }

    #[track_caller]
    fn shows(&self, words: &str) {
        assert!(self.screen().contains(words), "“{words}” is missing on:\n{}", self.screen());
    }

    #[track_caller]
    fn hides(&self, words: &str) {
        assert!(!self.screen().contains(words), "“{words}” stands on:\n{}", self.screen());
    }
}

/// What a terminal shows, without the blanks at the ends of its lines.
fn text(terminal: &TestBackend) -> String {
    let buffer = terminal.buffer();
    let rows = buffer.content().chunks(usize::from(buffer.area.width).max(1));
    let mut text = String::new();
    for row in rows {
        let line: String = row.iter().map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A key by its name: `g`, `Enter`, `Ctrl-c`.
fn event(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.strip_prefix("Ctrl-") {
        Some(name) => (KeyModifiers::CONTROL, name),
        None => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "PageUp" => KeyCode::PageUp,
        "PageDown" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Backspace" => KeyCode::Backspace,
        one => KeyCode::Char(one.chars().next().unwrap()),
    };
    KeyEvent::new(code, modifiers)
}

fn key(name: &str) -> Key {
    Key::of(&event(name)).unwrap()
}
