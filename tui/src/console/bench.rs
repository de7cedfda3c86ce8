//! What `benches/console.rs` measures: a console on a large demo store, without event loop and
//! terminal.

use futures::FutureExt;
use packhouse_host::RepoSummary;
use packhouse_host::clock::{Clock, SystemClock};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::backend::Backend;
use super::demo::{Demo, Pace};
use super::keys::{Key, Keymap};
use super::msg::{Effect, Msg};
use super::state::{Model, PAGE};
use super::theme::{Styles, Theme};
use super::update::{reload_list, update};
use super::view::view;

/// A console that has loaded a demo store.
pub struct Bench {
    model: Model,
    terminal: Terminal<TestBackend>,
    pages: Vec<Vec<RepoSummary>>,
}

impl std::fmt::Debug for Bench {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bench").field("pages", &self.pages.len()).finish_non_exhaustive()
    }
}

impl Bench {
    /// A console on `repos` repos, in a terminal of this size.
    ///
    /// # Panics
    /// If the demo store does not list at once.
    pub fn new(repos: usize, columns: u16, rows: u16) -> Bench {
        let demo = Demo::new(repos, 1, Pace::Live, SystemClock.now());
        let mut pages: Vec<Vec<RepoSummary>> = Vec::new();
        loop {
            let last = pages.last().and_then(|page| page.last()).map(|repo| repo.repo.clone());
            let page = demo
                .list(last.as_ref(), PAGE)
                .now_or_never()
                .and_then(Result::ok)
                .expect("the demo lists at once");
            let ended = page.len() < PAGE as usize;
            pages.push(page);
            if ended {
                break;
            }
        }
        let terminal =
            Terminal::new(TestBackend::new(columns, rows)).expect("a terminal in memory");
        let mut bench = Bench { model: model(&demo), terminal, pages };
        bench.read(bench.pages.clone());
        bench.draw();
        bench
    }

    /// The pages of the list.
    pub fn pages(&self) -> Vec<Vec<RepoSummary>> {
        self.pages.clone()
    }

    /// Loads the list again, page by page.
    pub fn read(&mut self, pages: Vec<Vec<RepoSummary>>) {
        let Effect::List(ticket, _) = reload_list(&mut self.model) else { return };
        for page in pages {
            update(&mut self.model, Msg::Listed(ticket, Ok(page)));
        }
    }

    /// Clears the list, as if the console had just started.
    pub fn forget(&mut self) {
        self.model.repos = Default::default();
    }

    /// Presses keys, separated by spaces.
    ///
    /// # Panics
    /// If a name is not a key.
    pub fn press(&mut self, keys: &str) {
        for name in keys.split(' ') {
            let key: Key = name.parse().expect("benchmarks name keys");
            update(&mut self.model, Msg::Key(key));
        }
    }

    /// Draws a frame.
    ///
    /// # Panics
    /// If drawing fails.
    pub fn draw(&mut self) {
        let (model, mut extent) = (&self.model, None);
        self.terminal.draw(|frame| extent = Some(view(model, frame))).expect("a frame in memory");
        if let Some(extent) = extent {
            update(&mut self.model, Msg::Drawn(extent));
        }
    }

    /// Draws every cell of a frame, as after a resize.
    ///
    /// # Panics
    /// If clearing fails.
    pub fn redraw(&mut self) {
        self.terminal.clear().expect("a screen in memory");
        self.draw();
    }
}

fn model(demo: &Demo) -> Model {
    let styles = Styles { theme: Theme::Default, ascii: false };
    let mut model = Model::new(styles, Keymap::new(false), false, demo.place());
    model.now = demo.now();
    model
}
