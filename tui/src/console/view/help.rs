//! The help: the table of keys, beginning with the current focus.
//!
//! ```text
//!  packhouse › help
//!  REPOS, current screen
//!    Enter          Open the selected item
//!    g              Plan a consolidation of the repo or the marked repos, and ask to confirm it
//!    ↑ k            Move up
//!    …
//!
//!  Esc back
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::parts::{room, scrolled};
use crate::console::cells::{pad, wrap};
use crate::console::keys::{Action, Binding, Focus};
use crate::console::state::{Cursor, Extent, Model};

/// Width of the keys.
const KEYS: usize = 17;

/// Draws the help instead of the body.
pub(super) fn draw(model: &Model, top: Cursor, frame: &mut Frame, area: Rect) -> Extent {
    frame.render_widget(Clear, area);
    let here = model.focus_below();
    let others = Focus::ALL.into_iter().filter(|focus| *focus != here);
    let lines = std::iter::once(here)
        .chain(others)
        .flat_map(|focus| lines(model, focus, focus == here, room(area)))
        .collect();
    scrolled(frame, area, lines, top.at(usize::MAX))
}

fn lines(model: &Model, focus: Focus, here: bool, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut title = vec![Span::styled(focus.title().to_uppercase(), styles.strong())];
    if here {
        title.push(Span::styled(", current screen", styles.quiet()));
    }
    let mut lines = vec![Line::from(title)];
    for (keys, help) in rows(model, focus) {
        let mut keys = wrap(&keys.join(" "), KEYS - 3).into_iter();
        let mut help = wrap(help, room.saturating_sub(KEYS)).into_iter();
        loop {
            let (keys, help) = (keys.next(), help.next());
            if keys.is_none() && help.is_none() {
                break;
            }
            let keys = pad(&format!("  {}", keys.unwrap_or_default()), KEYS, false);
            lines.push(Line::from(vec![
                Span::styled(keys, styles.strong()),
                Span::raw(help.unwrap_or_default()),
            ]));
        }
    }
    lines.push(Line::default());
    lines
}

/// The rows of a focus. Rows that differ only in their keys are joined.
fn rows(model: &Model, focus: Focus) -> Vec<(Vec<String>, &'static str)> {
    let mut rows: Vec<(Action, Vec<String>, &'static str)> = Vec::new();
    // A local store has no connection.
    let applies =
        |binding: &&Binding| model.connection.is_some() || binding.row.action != Action::LeaveNow;
    for binding in model.keymap.in_focus(focus).filter(applies) {
        let keys = binding.keys.iter().map(ToString::to_string);
        match rows
            .iter_mut()
            .find(|(action, _, help)| (*action, *help) == (binding.row.action, binding.row.help))
        {
            Some((_, all, _)) => all.extend(keys),
            None => rows.push((binding.row.action, keys.collect(), binding.row.help)),
        }
    }
    rows.into_iter().map(|(_, keys, help)| (keys, help)).collect()
}
