//! The quit dialog, while runs are active.
//!
//! ```text
//!  ┌ Quit while runs are active? ─────────────────────────────────────┐
//!  │ gabriel/notes: writing 43 %                                      │
//!  │ 12 more queued                                                   │
//!  │                                                                  │
//!  │ [ Stay ]  Esc    Wait, then quit    w    Cancel all, then quit    x
//!  └──────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::buttons::Buttons;
use super::dialog;
use super::parts::plain;
use crate::console::cells::{fit, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Leave, Model, Target};
use crate::text::{count, escaped};

/// Draws the dialog above the body. Returns its buttons.
pub(super) fn draw(model: &Model, leave: Leave, frame: &mut Frame, area: Rect) -> Vec<Target> {
    let (styles, room) = (model.styles, dialog::room(area));
    let (title, note) = match leave {
        Leave::Asking => ("Quit while runs are active?", ""),
        Leave::Waiting => ("Quitting when all runs have finished", ""),
        Leave::Stopping => (
            "Quitting when all runs have stopped",
            "Runs stop at their next safe point; nothing is left half-done.",
        ),
    };
    let disconnected = "Disconnected. If you quit now, the results are in the history later.";
    let note = if model.is_disconnected() { disconnected } else { note };
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
    let buttons = Buttons::of(model, Focus::Leave, room, label);
    let kept = buttons.lines.len();
    lines.extend(buttons.lines.iter().cloned());
    let place = dialog::draw(frame, area, title, styles, lines, kept);
    buttons.placed(place)
}

fn label(action: Action) -> String {
    let label = match action {
        Action::Wait => "Wait, then quit",
        Action::Stop => "Cancel all, then quit",
        Action::LeaveNow => "Quit now",
        _ => "Stay",
    };
    label.to_owned()
}
