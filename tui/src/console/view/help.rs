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
//!  / search  Esc back
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::parts::{room, scrolled, styled};
use crate::console::cells::{pad, wrap};
use crate::console::keys::{Action, Binding, Focus};
use crate::console::state::{Extent, Help, Model};
use crate::text::escaped;

/// Width of the keys, and in two columns.
const KEYS: usize = 17;
const NARROW: usize = 13;

/// With less room there is one column.
const TWO: usize = 76;

/// Draws the help instead of the body.
pub(super) fn draw(model: &Model, help: &Help, frame: &mut Frame, area: Rect) -> Extent {
    frame.render_widget(Clear, area);
    let (here, room) = (model.focus_below(), room(area));
    let mut lines = searched(model, help, room);
    let narrow = |focus| blocks(model, help, focus, KEYS, room).into_iter().flatten();
    if !rows(model, help, here).is_empty() {
        lines.extend(section(model, here, true));
        match room < TWO {
            true => lines.extend(narrow(here)),
            false => {
                let blocks = blocks(model, help, here, NARROW, room / 2);
                let page = usize::from(area.height).saturating_sub(lines.len());
                lines.extend(by_page(blocks, page, room / 2));
            }
        }
        lines.push(Line::default());
    }
    for focus in Focus::ALL.into_iter().filter(|focus| *focus != here) {
        let mut keys = narrow(focus).peekable();
        if keys.peek().is_some() {
            lines.extend(section(model, focus, false));
            lines.extend(keys);
            lines.push(Line::default());
        }
    }
    scrolled(frame, area, lines, help.top.at(usize::MAX))
}

/// What the help is searched for, and whether there is such a key.
fn searched(model: &Model, help: &Help, room: usize) -> Vec<Line<'static>> {
    let text = help.text();
    if text.is_empty() {
        return Vec::new();
    }
    let is_found = Focus::ALL.into_iter().any(|focus| !rows(model, help, focus).is_empty());
    let text = match is_found {
        true => format!("Matching “{}”", escaped(&text)),
        false => format!(
            "No key matches “{}”. Press {} to change the search.",
            escaped(&text),
            model.keymap.key_in(Focus::Help, Action::Filter)
        ),
    };
    let mut lines = styled(wrap(&text, room), model.styles.strong());
    lines.push(Line::default());
    lines
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
fn blocks(
    model: &Model,
    help: &Help,
    focus: Focus,
    width: usize,
    room: usize,
) -> Vec<Vec<Line<'static>>> {
    let block = |(keys, help): (Vec<String>, &str)| {
        let keys = wrap(&keys.join(" "), width - 3);
        let help = wrap(&escaped(help), room.saturating_sub(width));
        let height = keys.len().max(help.len());
        let cell = |texts: &[String], at: usize| texts.get(at).cloned().unwrap_or_default();
        let line = |at| {
            let keys = pad(&format!("  {}", cell(&keys, at)), width, false);
            Line::from(vec![Span::styled(keys, model.styles.strong()), Span::raw(cell(&help, at))])
        };
        (0..height).map(line).collect()
    };
    rows(model, help, focus).into_iter().map(block).collect()
}

/// Blocks in two columns of this width, as many on a page as it has room for: the first page has the
/// first ones.
fn by_page(blocks: Vec<Vec<Line<'static>>>, page: usize, width: usize) -> Vec<Line<'static>> {
    // The last line says how many follow, and the left column may be longer by a part of a block.
    let most = 2 * page.saturating_sub(2).max(1);
    let (mut lines, mut here, mut taken) = (Vec::new(), Vec::new(), 0);
    for block in blocks {
        if taken + block.len() > most {
            lines.extend(two_columns(std::mem::take(&mut here), width));
            taken = 0;
        }
        taken += block.len();
        here.push(block);
    }
    lines.extend(two_columns(here, width));
    lines
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

/// The order of the table, but with the keys of all screens together where the first of them is: before
/// rarer ones.
fn in_order(bindings: Vec<&Binding>) -> Vec<&Binding> {
    let digit = |binding: &&Binding| {
        let key = binding.keys.first().map(ToString::to_string)?;
        key.parse::<u8>().ok()
    };
    let at = bindings.iter().position(|it| digit(it).is_some()).unwrap_or_default();
    let (mut screens, mut ordered): (Vec<&Binding>, Vec<&Binding>) =
        bindings.into_iter().partition(|it| digit(it).is_some());
    screens.sort_by_key(digit);
    ordered.splice(at..at, screens);
    ordered
}

/// The rows of a focus that the search finds. Rows that differ only in their keys are joined.
fn rows<'a>(model: &'a Model, help: &Help, focus: Focus) -> Vec<(Vec<String>, &'a str)> {
    let mut rows: Vec<(Action, Vec<String>, &str)> = Vec::new();
    // A local store has no connection.
    let applies =
        |binding: &&Binding| model.connection.is_some() || binding.row.action != Action::LeaveNow;
    let lacks =
        |binding: &&Binding| focus == model.focus_below() && model.lacks(focus, binding.row.action);
    let bindings = model.keymap.in_focus(focus).filter(applies).filter(|it| !lacks(it));
    for binding in in_order(bindings.collect()) {
        let keys: Vec<String> = match binding.keys.is_empty() {
            true => vec![model.keymap.displayed(binding, &binding.row.works_in)],
            false => binding.keys.iter().map(ToString::to_string).collect(),
        };
        let texts = [focus.title(), &binding.row.name, &binding.row.help];
        if !help.fits(keys.iter().map(String::as_str).chain(texts)) {
            continue;
        }
        match rows.iter_mut().find(|(action, _, help)| {
            (*action, *help) == (binding.row.action, binding.row.help.as_ref())
        }) {
            Some((_, all, _)) => all.extend(keys),
            None => rows.push((binding.row.action, keys, &binding.row.help)),
        }
    }
    rows.into_iter().map(|(_, keys, help)| (keys, help)).collect()
}
