//! The help: the keys of the current screen in two columns, then those of all others.
//!
//! ```text
//!  packhouse › help
//!  REPOS, current screen
//!    Enter      Open the selected item          c          Copy the selected name, key, ID or
//!    g          Plan a consolidation of the                command
//!               repo or the marked repos, …     r          Reload from the store
//!
//!  REPO
//!    Enter          Open the selected item
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

/// Width of the keys, and in two columns.
const KEYS: usize = 17;
const NARROW: usize = 13;

/// With less room there is one column.
const TWO: usize = 76;

/// Draws the help instead of the body.
pub(super) fn draw(model: &Model, top: Cursor, frame: &mut Frame, area: Rect) -> Extent {
    frame.render_widget(Clear, area);
    let (here, room) = (model.focus_below(), room(area));
    let others = Focus::ALL.into_iter().filter(|focus| *focus != here);
    let mut lines = section(model, here, true);
    match room < TWO {
        true => lines.extend(blocks(model, here, KEYS, room).into_iter().flatten()),
        false => lines.extend(two_columns(blocks(model, here, NARROW, room / 2), room / 2)),
    }
    lines.push(Line::default());
    for focus in others {
        lines.extend(section(model, focus, false));
        lines.extend(blocks(model, focus, KEYS, room).into_iter().flatten());
        lines.push(Line::default());
    }
    scrolled(frame, area, lines, top.at(usize::MAX))
}

/// The heading of a focus.
fn section(model: &Model, focus: Focus, here: bool) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut title = vec![Span::styled(focus.title().to_uppercase(), styles.strong())];
    if here {
        let note = ", current screen; the keys of all others are below";
        title.push(Span::styled(note, styles.quiet()));
    }
    vec![Line::from(title)]
}

/// The lines of each row, with keys of this width.
fn blocks(model: &Model, focus: Focus, width: usize, room: usize) -> Vec<Vec<Line<'static>>> {
    let block = |(keys, help): (Vec<String>, &str)| {
        let keys = wrap(&keys.join(" "), width - 3);
        let help = wrap(help, room.saturating_sub(width));
        let height = keys.len().max(help.len());
        let cell = |texts: &[String], at: usize| texts.get(at).cloned().unwrap_or_default();
        let line = |at| {
            let keys = pad(&format!("  {}", cell(&keys, at)), width, false);
            Line::from(vec![Span::styled(keys, model.styles.strong()), Span::raw(cell(&help, at))])
        };
        (0..height).map(line).collect()
    };
    rows(model, focus).into_iter().map(block).collect()
}

/// Blocks in two columns of this width, the first half at the left.
fn two_columns(blocks: Vec<Vec<Line<'static>>>, width: usize) -> Vec<Line<'static>> {
    let half = blocks.iter().map(Vec::len).sum::<usize>().div_ceil(2);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for block in blocks {
        match left.len() < half {
            true => left.extend(block),
            false => right.extend(block),
        }
    }
    left.resize(left.len().max(right.len()), Line::default());
    let mut right = right.into_iter();
    for line in &mut left {
        if let Some(beside) = right.next() {
            let blank = width.saturating_sub(line.width());
            line.spans.push(Span::raw(" ".repeat(blank)));
            line.spans.extend(beside.spans);
        }
    }
    left
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
