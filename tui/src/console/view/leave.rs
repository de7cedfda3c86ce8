//! The question before leaving, while work is running.
//!
//! ```text
//!  ┌ Leave while work is running? ────────────────────────────────────┐
//!  │ gabriel/notes: splicing 43 %                                     │
//!  │                                                                  │
//!  │ [ Stay ]   w wait, then leave   c cancel the work, then leave    │
//!  └──────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{dialog, plain};
use crate::console::state::{Leave, Model};
use crate::console::words::{fit, safe, wrap};

/// More than these are only counted.
const NAMED: usize = 4;

/// Draws it over the body.
pub(super) fn draw(model: &Model, leave: Leave, frame: &mut Frame, area: Rect) {
    let room = dialog::room(area);
    let (title, said, keys) = match leave {
        Leave::Asking => ("Leave while work is running?", "", "w wait, then leave   c cancel the work, then leave"),
        Leave::Waiting => ("Leaving when the work has ended", "", "c cancel the work"),
        Leave::Stopping => ("Leaving when the work has stopped", "It stops at its next safe point; nothing is half-done.", ""),
    };
    let going: Vec<String> = model
        .runs
        .going()
        .map(|run| fit(&safe(&format!("{}: {}", run.repo, run.step_words().unwrap_or_default())), room))
        .collect();
    let more = going.len().saturating_sub(NAMED) as u64;
    let mut lines = plain(going.into_iter().take(NAMED).collect());
    if more > 0 {
        lines.push(Line::raw(format!("and {more} more")));
    }
    lines.extend(plain(wrap(said, room)));
    lines.push(Line::default());
    let stay = Span::styled("[ Stay ]", model.theme.pointed());
    let keys = wrap(keys, room.saturating_sub(11));
    let kept = 1 + keys.len().max(1);
    let mut keys = keys.into_iter().map(|words| format!("   {words}"));
    lines.push(Line::from(vec![stay, Span::raw(keys.next().unwrap_or_default())]));
    lines.extend(keys.map(|words| Line::raw(format!("        {words}"))));
    dialog::draw(frame, area, title, model.theme.warn(), lines, kept);
}
