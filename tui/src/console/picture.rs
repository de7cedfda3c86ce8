//! The picture of the console in the README: a frame of the demo store as SVG. To update it after
//! an intended change: `UPDATE_PICTURE=1 cargo test -p packhouse picture`.

mod svg;

use jiff::SignedDuration;
use packhouse_host::{Event, Phase, RepoName, RepoSummary};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use super::demo::{Demo, PLACE, REPOS};
use super::keys::{Action, Keymap};
use super::state::{Call, Column, Model, PAGE, Work};
use super::tests::fake::now;
use super::theme::{Styles, Theme};
use super::view::view;
use svg::svg;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/console.svg");

/// The console with the demo store, sorted by reclaimable bytes: some repos are marked, and one is
/// being consolidated.
async fn console() -> Model {
    let demo = Demo::build(REPOS, 1, now()).await.expect("a store in memory");
    let styles = Styles { theme: Theme::Default, ascii: false };
    let mut model = Model::new(styles, Keymap::new(false), false, PLACE.to_owned());
    model.now = now();
    let ticket = model.ticket();
    model.repos.begin(ticket, now());
    let repos = demo.store.summaries(None, PAGE).await.expect("a list");
    model.repos.take(Ok(repos), now());
    while model.repos.sorted().0 != Column::Reclaimable {
        model.repos.sort(Action::SortNext, now());
    }
    let of = |(line, repo): (usize, &RepoSummary)| {
        (line, repo.repo.clone(), repo.bytes - repo.duplicate_bytes)
    };
    let fragmented: Vec<(usize, RepoName, u64)> =
        model.repos.from(0).enumerate().filter(|(_, repo)| repo.packs > 1).map(of).collect();
    start_consolidation(&mut model, fragmented[2].1.clone(), fragmented[2].2);
    for (line, ..) in [0, 1, 4].map(|nth| &fragmented[nth]) {
        model.repos.select(*line);
        model.repos.mark();
    }
    model.repos.select(fragmented[5].0);
    model
}

/// Adds a running consolidation. Its call is a verification, because without a confirmation there
/// is no permit for a consolidation.
fn start_consolidation(model: &mut Model, repo: RepoName, total: u64) {
    let ticket = model.ticket();
    model.runs.ask(ticket, repo.clone(), Work::Consolidate, Call::Verify, now());
    model.runs.start(now());
    let step = |done| Event { repo: repo.to_string(), phase: Phase::Splice, done, total };
    model.runs.step(ticket, step(0), now() - SignedDuration::from_secs(9));
    model.runs.step(ticket, step(total / 1000 * 435), now());
}

async fn frame(columns: u16, rows: u16) -> Buffer {
    let mut terminal =
        Terminal::new(TestBackend::new(columns, rows)).expect("a terminal in memory");
    let model = console().await;
    terminal.draw(|frame| _ = view(&model, frame)).expect("a frame in memory");
    terminal.backend().buffer().clone()
}

#[tokio::test]
async fn the_picture_matches_the_console() {
    let drawn = svg(
        &frame(100, 26).await,
        "The packhouse console: repos sorted by reclaimable bytes, three marked, one being consolidated",
    );
    assert!(drawn.len() < 40_000, "{} bytes", drawn.len());
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(FILE, &drawn).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        kept == drawn,
        "docs/console.svg does not match the console; check it, and update it with UPDATE_PICTURE=1"
    );
}
