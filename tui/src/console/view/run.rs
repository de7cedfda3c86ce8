//! Work that goes on.
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Phase       splicing
//!  Done        ████████████████░░░░░░░░░░░░░░░░░░░░  43 %
//!  Bytes       340.2 KiB of 791.9 KiB
//!  Running for 12 s
//!
//!  The store stays as it is until everything is proven. You can leave this screen; the work goes on.
//!
//!  c cancel  Esc leave it running
//! ```

use packhouse_host::Event;
use ratatui::text::{Line, Span};

use super::{fact, plain};
use crate::console::state::{Model, Run, Work};
use crate::console::words::{lasting, percent, size, wrap};

/// The body.
pub(super) fn lines(model: &Model, run: &Run, step: Option<&Event>, stopping: bool, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let seconds = model.now.as_second().saturating_sub(run.started.as_second()).max(0).unsigned_abs();
    let phase = step.map_or("starting", |step| step.phase.label());
    let (done, total) = step.map_or((0, 0), |step| (step.done, step.total));
    let bytes = match (done, total) {
        (0, 0) => "not counted in this phase".to_owned(),
        (done, 0) => size(done),
        (done, total) => format!("{} of {}", size(done), size(total)),
    };
    let mut lines = vec![
        fact(theme, "Phase", phase, room).patch_style(theme.busy()),
        bar(model, percent(done, total), room),
        fact(theme, "Bytes", &bytes, room),
        fact(theme, "Running for", &if seconds < 60 { format!("{seconds} s") } else { lasting(seconds * 1000) }, room),
        Line::default(),
    ];
    let words = match (stopping, run.work) {
        (true, _) => "Stopping at the next safe point; nothing is half-done.",
        (false, Work::Consolidate) => {
            "The store stays as it is until everything is proven. You can leave this screen; the work goes on."
        }
        (false, Work::Verify) => "Nothing is changed. You can leave this screen; the work goes on.",
    };
    lines.extend(plain(wrap(words, room)));
    lines
}

fn bar(model: &Model, percent: Option<u64>, room: usize) -> Line<'static> {
    let Some(percent) = percent else { return fact(model.theme, "Done", "…", room) };
    let cells = room.saturating_sub(12 + 6).min(60);
    let full = cells * percent as usize / 100;
    let mut line = fact(model.theme, "Done", "", room);
    line.spans.push(Span::styled("█".repeat(full), model.theme.busy()));
    line.spans.push(Span::styled("░".repeat(cells - full), model.theme.quiet()));
    line.spans.push(Span::raw(format!(" {percent:>3} %")));
    line
}
