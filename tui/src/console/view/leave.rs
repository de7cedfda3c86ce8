//! The question before leaving, while there is work.
//!
//! ```text
//!  ┌ Leave while work is running? ────────────────────────────────────┐
//!  │ gabriel/notes: splicing 43 %                                     │
//!  │ 12 more wait for their turn                                      │
//!  │                                                                  │
//!  │ [ Stay ]  Esc     wait, then leave  w     cancel the work, then  │
//!  │ leave  x                                                         │
//!  └──────────────────────────────────────────────────────────────────┘
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::parts::answers;
use super::{dialog, key_in, plain};
use crate::console::cells::{fit, wrap};
use crate::console::keys::{Action, Place};
use crate::console::state::{Leave, Model};
use crate::text::{count, escaped};

/// Over the body.
pub(super) fn draw(model: &Model, leave: Leave, frame: &mut Frame, area: Rect) {
    let (styles, room) = (model.styles, dialog::room(area));
    let key = |action| key_in(model, Place::Leave, action);
    let wait = ("wait, then leave", key(Action::Wait));
    let (title, said, mut keys) = match leave {
        Leave::Asking => (
            "Leave while work is running?",
            "",
            vec![wait, ("cancel all work, then leave", key(Action::Stop))],
        ),
        Leave::Waiting => (
            "Leaving when the work has ended",
            "",
            vec![("cancel all work, then leave", key(Action::Stop))],
        ),
        Leave::Stopping => (
            "Leaving when the work has stopped",
            "It stops at its next safe point; nothing is left half-done.",
            Vec::new(),
        ),
    };
    let cut_off = "The line is down. Who leaves now finds in the history what became of it.";
    let said = if model.is_disconnected() { cut_off } else { said };
    if model.is_disconnected() {
        keys.push(("leave now", key(Action::LeaveNow)));
    }
    // At most a few go on at once; any number may wait.
    let going = model
        .runs
        .running()
        .map(|run| format!("{}: {}", run.repo, model.step_words(run).unwrap_or_default()));
    let mut lines = plain(going.map(|words| fit(&escaped(&words), room)).collect());
    match model.runs.queued().count() as u64 {
        0 => {}
        1 => lines.push(Line::raw("1 more waits for its turn")),
        waiting => lines.push(Line::raw(format!("{} more wait for their turn", count(waiting)))),
    }
    lines.extend(plain(wrap(said, room)));
    lines.push(Line::default());
    let before = lines.len();
    let stay = vec![
        Span::styled("[ Stay ]", styles.pointed()),
        Span::styled(format!("  {}", key(Action::Decline)), styles.strong()),
    ];
    let rest = keys.into_iter().map(|(words, key)| {
        vec![Span::raw(words), Span::styled(format!("  {key}"), styles.strong())]
    });
    lines.extend(answers(stay, rest, room));
    let kept = lines.len() - before;
    dialog::draw(frame, area, title, styles.warn(), lines, kept);
}
