//! A queued or active run. [`super::result`] draws ended runs.
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Phases      ✓ planning  ▸ writing  · verifying  · publishing
//!  Progress    ████████████████░░░░░░░░░░░░░░░░░░░░  43 %
//!  Bytes       340.2 KiB of 791.9 KiB
//!  Time left   about 12 s of writing
//!  Running for 9 s
//!  Speed       38.1 KiB/s; peak 41.7 KiB/s
//!              ▂▅██▇▆
//!              ██████
//!
//!  The store does not change until the new pack is verified. You can leave this screen; the run
//!  continues.
//!
//!  x cancel run  Esc back
//! ```
//!
//! ```text
//!  packhouse › zoe/loops › consolidation
//!  Position    3 runs ahead
//!  Queued      2 minutes ago
//!
//!  The run starts automatically. You can leave this screen.
//! ```

use jiff::Timestamp;
use packhouse_host::{Event, Phase};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::parts::{fact, long_fact, plain, room, scrolled, styled};
use super::result;
use crate::console::cells::{pad, wrap};
use crate::console::state::{Extent, Model, RECONNECTING, Run, RunState, Work};
use crate::text::{self, ago, duration, percent, plural, size};

/// Width of the names of facts.
const NAMES: usize = 12;
/// Maximum width of a bar.
const BAR: usize = 60;
/// Rows of the speed curve, if there is room.
const CURVE: usize = 3;

/// Draws the screen.
pub(super) fn draw(model: &Model, run: &Run, frame: &mut Frame, area: Rect) -> Extent {
    let lines = match &run.state {
        RunState::Queued(_) => waiting(model, run, room(area)),
        RunState::Running { .. } => going(model, run, area),
        RunState::Ended(end) => return result::draw(model, run, end, frame, area),
    };
    scrolled(frame, area, lines, run.top.at(usize::MAX))
}

fn waiting(model: &Model, run: &Run, room: usize) -> Vec<Line<'static>> {
    let before = model.runs.queued().take_while(|other| other.ticket != run.ticket).count() as u64;
    let busy = model.runs.running().find(|other| other.repo == run.repo);
    let why = match (before, busy) {
        (_, Some(other)) => format!("after the {} of this repo", other.work.noun()),
        (0, None) => "next".to_owned(),
        (before, None) => format!("{} ahead", plural(before, "run")),
    };
    let mut lines = long_fact(model.styles, "Position", &why, room);
    lines.push(fact(model.styles, "Queued", &ago(model.now, run.queued_at), room));
    lines.push(Line::default());
    let message = "The run starts automatically. You can leave this screen.";
    lines.extend(plain(wrap(message, room)));
    lines
}

fn going(model: &Model, run: &Run, area: Rect) -> Vec<Line<'static>> {
    let RunState::Running { step, speed, stopping } = &run.state else { return Vec::new() };
    let (styles, room, step) = (model.styles, room(area), step.as_ref());
    let (done, total) = step.map_or((0, 0), |step| (step.done, step.total));
    let bytes = match (done, total) {
        (0, 0) => "not counted in this phase".to_owned(),
        (done, 0) => size(done),
        (done, total) => format!("{} of {}", size(done), size(total)),
    };
    let mut lines = vec![
        phases(model, run, step, room),
        bar(model, percent(done, total), room),
        fact(styles, "Bytes", &bytes, room),
    ];
    if model.is_disconnected() {
        lines.push(fact(styles, "Time left", RECONNECTING, room));
    } else if !stopping {
        let left = step.and_then(|step| Some((step, speed.left(step)?)));
        let left = match left {
            None => "unknown".to_owned(),
            Some((step, 0)) => format!("{} is almost done", text::phase(step.phase)),
            Some((step, left)) => format!("about {} of {}", seconds(left), text::phase(step.phase)),
        };
        lines.push(fact(styles, "Time left", &left, room));
    }
    lines.push(fact(styles, "Running for", &seconds(since(model, run.began)), room));
    let samples: Vec<u64> = speed.samples().collect();
    if let (Some(rate), Some(most)) = (speed.rate(), samples.iter().max()) {
        lines.push(fact(
            styles,
            "Speed",
            &format!("{}/s; peak {}/s", size(rate), size(*most)),
            room,
        ));
        let rows = if usize::from(area.height) >= lines.len() + CURVE + 3 { CURVE } else { 1 };
        let curve = curve(&samples, room.saturating_sub(NAMES), rows).into_iter();
        lines.extend(curve.map(|row| {
            Line::from(vec![Span::raw(" ".repeat(NAMES)), Span::styled(row, styles.busy())])
        }));
    }
    lines.push(Line::default());
    lines.extend(match (stopping, run.work) {
        _ if model.is_disconnected() => styled(wrap(cut_off(*stopping), room), styles.warn()),
        (true, _) => styled(wrap("Stopping at the next safe point; nothing is left half-done.", room), styles.warn()),
        (false, Work::Consolidate) => {
            let message = "The store does not change until the new pack is verified. You can leave this screen; the run continues.";
            plain(wrap(message, room))
        }
        (false, Work::Prune) => plain(wrap("The packs that replace them are read first. What may be the last good copy is kept. You can leave this screen; the run continues.", room)),
        (false, Work::Repair) => plain(wrap("Intact data is not changed. You can leave this screen; the run continues.", room)),
        (false, Work::Verify) => plain(wrap("Verification changes nothing. You can leave this screen; the run continues.", room)),
    });
    lines
}

/// The note on a run while disconnected.
fn cut_off(stopping: bool) -> &'static str {
    if stopping {
        "Disconnected: this is the last known state. The run is cancelled after reconnecting."
    } else {
        "Disconnected: this is the last known state. You can leave this screen."
    }
}

/// All phases in order: done, current, pending.
fn phases(model: &Model, run: &Run, step: Option<&Event>, room: usize) -> Line<'static> {
    let all: &[Phase] = match run.work {
        Work::Consolidate => &[Phase::Plan, Phase::Splice, Phase::Prove, Phase::Publish],
        Work::Verify | Work::Repair => &[Phase::Verify],
        Work::Prune => &[Phase::Verify, Phase::Delete],
    };
    let at = step.and_then(|step| all.iter().position(|phase| *phase == step.phase));
    // A confirmed plan was planned before.
    let through = at.unwrap_or(usize::from(run.planned));
    let takes: usize = all.iter().map(|phase| text::phase(*phase).len() + 4).sum();
    let between = if takes <= room.saturating_sub(NAMES) + 2 { "  " } else { " " };
    let mut spans = vec![Span::styled(pad("Phases", NAMES, false), model.styles.quiet())];
    for (nth, phase) in all.iter().enumerate() {
        let (mark, style) = match nth {
            nth if Some(nth) == at => ("▸", model.styles.busy()),
            nth if nth < through => ("✓", model.styles.good()),
            _ => ("·", model.styles.quiet()),
        };
        spans.push(Span::styled(format!("{mark} {}", text::phase(*phase)), style));
        spans.push(Span::raw(between));
    }
    Line::from(spans)
}

fn bar(model: &Model, percent: Option<u64>, room: usize) -> Line<'static> {
    let Some(percent) = percent else { return fact(model.styles, "Progress", "…", room) };
    let cells = room.saturating_sub(NAMES + 6).min(BAR);
    let full = cells * percent.min(100) as usize / 100;
    let mut line = fact(model.styles, "Progress", "", room);
    line.spans.push(Span::styled("█".repeat(full), model.styles.busy()));
    line.spans.push(Span::styled("░".repeat(cells - full), model.styles.quiet()));
    line.spans.push(Span::raw(format!(" {percent:>3} %")));
    line
}

/// The last samples as columns of `rows` rows, relative to the largest.
pub(super) fn curve(samples: &[u64], room: usize, rows: usize) -> Vec<String> {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let seen = &samples[samples.len().saturating_sub(room)..];
    let most = u128::from(seen.iter().copied().max().unwrap_or(0).max(1));
    let row = |row: usize| {
        let below = 8 * (rows - 1 - row);
        let cell = |sample: &u64| {
            let eighths = (u128::from(*sample) * (8 * rows) as u128).div_ceil(most) as usize;
            EIGHTHS[eighths.saturating_sub(below).min(8)]
        };
        seen.iter().map(cell).collect()
    };
    (0..rows).map(row).collect()
}

/// Seconds since a time; 0 before it, or if the clock went back.
pub(super) fn since(model: &Model, began: Option<Timestamp>) -> u64 {
    began.map_or(0, |began| u64::try_from(model.now.duration_since(began).as_secs()).unwrap_or(0))
}

/// A duration in seconds, in its two largest units: `12 s`, `3 min 5 s`, `2 h 10 min`, `3 days`.
pub(super) fn seconds(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => duration(seconds * 1000),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => plural(seconds / 86_400, "day"),
    }
}
