//! What `benches/console.rs` measures: a console with many repos, without event loop and terminal.

use jiff::{SignedDuration, Timestamp};
use packhouse_host::RepoSummary;
use packhouse_host::sample::Random;
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::keys::{Key, Keymap};
use super::msg::{Effect, Msg};
use super::state::{Model, PAGE};
use super::theme::{Styles, Theme};
use super::update::{reload_list, update};
use super::view::view;

/// A console that has loaded many repos.
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
    /// If drawing fails.
    pub fn new(repos: usize, columns: u16, rows: u16) -> Bench {
        let mut random = Random::new(1);
        let repos: Vec<RepoSummary> =
            (0..repos).map(|number| summary(number, &mut random)).collect();
        let mut pages: Vec<Vec<RepoSummary>> =
            repos.chunks(PAGE as usize).map(<[RepoSummary]>::to_vec).collect();
        // A full page is not the last one.
        if pages.last().is_none_or(|page| page.len() == PAGE as usize) {
            pages.push(Vec::new());
        }
        let terminal =
            Terminal::new(TestBackend::new(columns, rows)).expect("a terminal in memory");
        let mut bench = Bench { model: model(), terminal, pages };
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

/// A repo: most have some packs, some have one, a few have hundreds.
fn summary(number: usize, random: &mut Random) -> RepoSummary {
    let packs = match random.below(100) {
        0..2 => 180 + random.below(400) as u64,
        2..60 => 2 + random.below(40) as u64,
        _ => 1,
    };
    let bytes = packs * (4096 + random.below(12 << 20) as u64);
    RepoSummary {
        repo: format!("owner-{:03}/takes-{number:06}", number / 500)
            .parse()
            .expect("letters and digits are a name"),
        packs,
        objects: packs * 16,
        commits: packs * 2,
        snapshots: packs * 2,
        tags: 0,
        bytes,
        stored_bytes: bytes,
        duplicate_bytes: if packs > 1 { bytes / 100 * random.below(60) as u64 } else { 0 },
        superseded_bytes: 0,
        last_gc: None,
        damaged: 0,
        created_at: NOW - SignedDuration::from_hours(random.below(20_000) as i64),
    }
}

/// The time of the benchmark.
const NOW: Timestamp = Timestamp::constant(1_782_907_200, 0);

fn model() -> Model {
    let styles = Styles { theme: Theme::Default, ascii: false };
    let mut model = Model::new(styles, Keymap::new(false), false, "bench".to_owned());
    model.now = NOW;
    model
}
