//! The quit dialog, while runs are active.
//!
//! ```text
//!  ┌ Quit while runs are active? ─────────────────────────────────────┐
//!  │ gabriel/notes: writing 43 %                                      │
//!  │ 12 more queued                                                   │
//!  │                                                                  │
//!  │ [ Stay ]  Esc     wait, then quit  w     cancel all, then quit  x │
//!  └──────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::dialog;
use super::parts::{answers, plain};
use crate::console::cells::{fit, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Leave, Model};
use crate::text::{count, escaped};

/// Draws the dialog above the body.
pub(super) fn draw(model: &Model, leave: Leave, frame: &mut Frame, area: Rect) {
    let (styles, room) = (model.styles, dialog::room(area));
    let key = |action| model.keymap.key_in(Focus::Leave, action);
    let wait = ("wait, then quit", key(Action::Wait));
    let (title, note, mut keys) = match leave {
        Leave::Asking => (
            "Quit while runs are active?",
            "",
            vec![wait, ("cancel all, then quit", key(Action::Stop))],
        ),
        Leave::Waiting => (
            "Quitting when all runs have finished",
            "",
            vec![("cancel all, then quit", key(Action::Stop))],
        ),
        Leave::Stopping => (
            "Quitting when all runs have stopped",
            "Runs stop at their next safe point; nothing is left half-done.",
            Vec::new(),
        ),
    };
    let disconnected = "Disconnected. If you quit now, the results are in the history later.";
    let note = if model.is_disconnected() { disconnected } else { note };
    if model.is_disconnected() {
        keys.push(("quit now", key(Action::LeaveNow)));
    }
    // Only a few runs are active at once, but any number may be queued.
    let running = model
        .runs
        .running()
        .map(|run| format!("{}: {}", run.of(), model.step_text(run).unwrap_or_default()));
    let mut lines = plain(running.map(|text| fit(&escaped(&text), room)).collect());
    match model.runs.queued().count() as u64 {
        0 => {}
        queued => lines.push(Line::raw(format!("{} more queued", count(queued)))),
    }
    lines.extend(plain(wrap(note, room)));
    lines.push(Line::default());
    let before = lines.len();
    let stay = vec![
        Span::styled("[ Stay ]", styles.selected()),
        Span::styled(format!("  {}", key(Action::Decline)), styles.strong()),
    ];
    let rest = keys.into_iter().map(|(label, key)| {
        vec![Span::raw(label), Span::styled(format!("  {key}"), styles.strong())]
    });
    lines.extend(answers(stay, rest, room));
    let kept = lines.len() - before;
    dialog::draw(frame, area, title, styles.warn(), lines, kept);
}
