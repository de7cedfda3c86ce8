//! The tests of the console: [`update`] for messages, [`offers`] for enabled actions, [`safety`]
//! for confirmations, [`screens`] for snapshots, [`drive`], [`journeys`], [`jobs`], [`prune`],
//! [`policies`], [`buttons`], [`changes`], [`narrow`], [`expected`], [`contents`], [`packs`], [`tokens`], [`workers`] and [`many`] for the real loop, [`connection`] for a remote store,
//! [`columns`] for columns of tables, [`commands`] for commands of the config, [`backends`] for stores, [`panic`] for bugs.
//!
//! Stores: [`fake_store`] is one of round numbers, [`demo`] the demo, which is a real one; both are
//! under the control of a test, as [`script`] says.
//!
//! Here: a console with such a store and a terminal in memory, driven by the real event loop. It
//! waits until the loop is idle or something is on the screen, never for a time.

mod backends;
mod buttons;
mod changes;
mod columns;
mod commands;
mod comparison;
mod connection;
mod contents;
mod drive;
mod expected;
pub(in crate::console) mod fake;
mod fake_contents;
mod fake_store;
mod filters;
mod jobs;
mod journeys;
mod many;
mod narrow;
mod offers;
mod packs;
mod panic;
mod policies;
mod prune;
mod records;
mod safety;
mod screens;
mod script;
mod script_contents;
mod server;
mod tokens;
pub(in crate::console) mod update;
mod workers;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures::stream::{self, Stream};
use packhouse_host::{Inspect, Store};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tokio::sync::{OnceCell, oneshot};

use super::app::{App, Exit};
use super::backend::Backend;
use super::demo::{Demo, REPOS};
use super::inputs::Input;
use super::keys::{Key, Keymap};
use super::msg::Ended;
use super::state::{CommandLine, Model};
use super::terminal::{Outlet, Running};
use super::theme::{Styles, Theme};
use fake::now;
use fake_store::FakeStore;
use script::Scripted;

/// A timeout that only a hanging test reaches.
const HUNG: Duration = Duration::from_secs(60);

type Inputs = Pin<Box<dyn Stream<Item = Input> + Send>>;

/// A console under test.
struct Console<B = FakeStore> {
    app: App<TestBackend, Inputs>,
    store: Arc<Scripted<B>>,
    pending: Arc<Mutex<VecDeque<Input>>>,
    /// Copied texts, the latest last.
    copied: Arc<Mutex<Vec<String>>>,
    /// The commands of the config that were run.
    commands: Arc<Mutex<Commands>>,
    exit: Option<Exit>,
}

/// A fake terminal that can't be suspended.
struct Paper {
    copied: Arc<Mutex<Vec<String>>>,
    commands: Arc<Mutex<Commands>>,
}

/// What the fake terminal does with commands.
#[derive(Default)]
struct Commands {
    /// The programs and arguments that were started.
    started: Vec<Vec<String>>,
    /// How the next commands end; without one, starting fails.
    ends: VecDeque<oneshot::Receiver<Ended>>,
    /// What was printed below the output.
    printed: Vec<String>,
    /// How often the terminal was taken back.
    resumed: usize,
}

impl Outlet for Paper {
    fn is_ours(&self) -> bool {
        true
    }

    fn copy(&mut self, text: &str) -> std::io::Result<()> {
        self.copied.lock().unwrap().push(text.to_owned());
        Ok(())
    }

    fn suspend(&mut self) -> std::io::Result<bool> {
        Ok(false)
    }

    fn resume(&mut self) -> std::io::Result<()> {
        self.commands.lock().unwrap().resumed += 1;
        Ok(())
    }

    fn run(&mut self, line: &CommandLine) -> std::io::Result<Running> {
        let mut commands = self.commands.lock().unwrap();
        let program = std::iter::once(&line.program);
        commands.started.push(program.chain(&line.arguments).cloned().collect());
        let end = commands.ends.pop_front().ok_or(std::io::ErrorKind::NotFound)?;
        Ok(Box::pin(async { end.await.map_err(|error| error.to_string()) }))
    }

    fn ask_to_return(&mut self, text: &str) -> std::io::Result<()> {
        self.commands.lock().unwrap().printed.push(text.to_owned());
        Ok(())
    }
}

impl<B: Backend + Clone + 'static> Console<B> {
    /// A console with a store, once it is loaded.
    async fn on(store: Scripted<B>, columns: u16, rows: u16) -> Console<B> {
        Console::open(store, columns, rows, false).await
    }

    /// A read-only console.
    async fn read_only(store: Scripted<B>, columns: u16, rows: u16) -> Console<B> {
        Console::open(store, columns, rows, true).await
    }

    async fn open(store: Scripted<B>, columns: u16, rows: u16, read_only: bool) -> Console<B> {
        let model = model_of(&store, read_only);
        let store = Arc::new(store);
        let pending = Arc::<Mutex<VecDeque<Input>>>::default();
        let queue = pending.clone();
        // Needs no waker: tests only add inputs between two turns of the loop.
        let inputs = stream::poll_fn(move |_| {
            queue
                .lock()
                .unwrap()
                .pop_front()
                .map_or(Poll::Pending, |input| Poll::Ready(Some(input)))
        });
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let copied = Arc::<Mutex<Vec<String>>>::default();
        let commands = Arc::<Mutex<Commands>>::default();
        let outlet = Box::new(Paper { copied: copied.clone(), commands: commands.clone() });
        let (clock, inputs) = (store.clock(), Box::pin(inputs) as Inputs);
        let app = App::new(model, store.clone(), clock, terminal, inputs, outlet).unwrap();
        let mut console = Console { app, store, pending, copied, commands, exit: None };
        console.settle().await;
        console
    }

    /// Presses keys, and waits after each until the console is idle.
    async fn press(&mut self, keys: &[&str]) {
        for name in keys {
            self.send([Input::Event(Event::Key(event(name)))]);
            self.settle().await;
        }
    }

    /// Presses keys whose hints are in the footer, as in `g consolidate`.
    async fn press_shown(&mut self, hints: &[&str]) {
        for hint in hints {
            let screen = self.screen();
            let footer = screen.lines().last().unwrap_or_default();
            assert!(
                format!("{footer} ").contains(&format!(" {hint} ")),
                "“{hint}” is not in the footer of:\n{screen}"
            );
            self.press(&[hint.split(' ').next().unwrap()]).await;
        }
    }

    /// Types a text, key by key.
    async fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            let name = if c == ' ' { "Space".to_owned() } else { c.to_string() };
            self.press(&[&name]).await;
        }
    }

    fn send(&mut self, inputs: impl IntoIterator<Item = Input>) {
        self.pending.lock().unwrap().extend(inputs);
    }

    /// Turns the loop until nothing is left to do, except for calls that the test holds.
    async fn settle(&mut self) {
        self.turn_until(|console| {
            let quiet = console.pending.lock().unwrap().is_empty() && console.store.is_seen();
            quiet && console.app.is_idle_but_for(console.store.held())
        })
        .await;
    }

    /// Turns the loop until a text is on the screen.
    async fn until_seen(&mut self, text: &str) {
        self.turn_until(|console| !console.app.model.dirty && console.screen().contains(text))
            .await;
    }

    async fn turn_until(&mut self, done: impl Fn(&Console<B>) -> bool) {
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
    fn shows(&self, text: &str) {
        assert!(self.screen().contains(text), "“{text}” is missing on:\n{}", self.screen());
    }

    #[track_caller]
    fn hides(&self, text: &str) {
        assert!(!self.screen().contains(text), "“{text}” is on:\n{}", self.screen());
    }

    /// The calls of a method.
    fn calls(&self, verb: &str) -> Vec<String> {
        let about = |call: String| call.strip_prefix(verb)?.strip_prefix(' ').map(str::to_owned);
        self.store.calls().into_iter().filter_map(about).collect()
    }
}

/// The demo, for tests that only read it.
async fn demo() -> Scripted<Store> {
    static DEMO: OnceCell<Demo> = OnceCell::const_new();
    let build = || async { Demo::build(REPOS, 1, now()).await.unwrap() };
    let demo = DEMO.get_or_init(build).await;
    Scripted::new(demo.store.clone(), demo.clock.clone())
}

/// A demo of its own, with the first `repos` repos.
async fn own_demo(repos: usize) -> Scripted<Store> {
    let demo = Demo::build(repos, 1, now()).await.unwrap();
    Scripted::new(demo.store, demo.clock)
}

/// An empty model of a console with a store.
fn model_of<B: Backend + Clone + 'static>(store: &Scripted<B>, read_only: bool) -> Model {
    let styles = Styles { theme: Theme::Mono, ascii: false };
    let mut model = Model::new(styles, Keymap::new(read_only), read_only, store.place());
    model.now = store.now();
    model
}

/// The text of a terminal, without trailing blanks.
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
    let code: KeyCode = name.parse::<Key>().unwrap().code;
    KeyEvent::new(code, modifiers)
}

fn key(name: &str) -> Key {
    Key::of(&event(name)).unwrap()
}
