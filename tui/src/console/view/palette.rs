//! The command palette: the available actions, above the input line.
//!
//! ```text
//!  ┌ Commands ────────────────────────────────────────────────────────┐
//!  │▸consolidate   g      Plan a consolidation of the repo or the mar…│
//!  │ mark          Space  Mark or unmark the repo                     │
//!  └──────────────────────────────────────────────────────────────────┘
//!  :cons▏ Enter run  Esc cancel
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

use crate::console::cells::{fit, pad};
use crate::console::keys::Binding;
use crate::console::state::{Extent, Model, Palette};
use crate::text::escaped;

/// The maximum size of the box.
const COLUMNS: u16 = 110;
const ROWS: u16 = 16;
const NAMES: usize = 16;
const KEYS: usize = 12;

/// Draws the palette above the lower part of the body.
pub(super) fn draw(model: &Model, palette: &Palette, frame: &mut Frame, area: Rect) -> Extent {
    let styles = model.styles;
    let fitting = palette.fitting(&model.keymap);
    let lines = u16::try_from(fitting.len().max(1)).unwrap_or(u16::MAX);
    let rows = lines.saturating_add(2).min(ROWS).min(area.height);
    let columns = area.width.min(COLUMNS);
    let place = Rect { y: area.y + area.height - rows, height: rows, width: columns, ..area };
    let mut block = Block::bordered()
        .title(Span::styled(" Commands ", styles.strong()))
        .border_style(styles.quiet());
    let inner = block.inner(place);
    let (content, height) = (fitting.len(), usize::from(inner.height));
    let (first, selected) = (palette.cursor.first(content, height), palette.cursor.at(content));
    let below = content.saturating_sub(first + height);
    if below > 0 {
        block = block.title_bottom(format!(" ↓ {below} more "));
    }
    frame.render_widget(Clear, place);
    frame.render_widget(block, place);
    let room = usize::from(inner.width);
    let rows = fitting.iter().enumerate().skip(first).take(height);
    let mut lines: Vec<Line> =
        rows.map(|(at, binding)| row(model, binding, at == selected, room)).collect();
    if fitting.is_empty() {
        lines.push(Line::raw(fit(" No matching command.", room)));
    }
    frame.render_widget(Paragraph::new(lines), inner);
    Extent { content, height, first, row: inner.y, ..Extent::default() }
}

fn row(model: &Model, binding: &Binding, selected: bool, room: usize) -> Line<'static> {
    let styles = model.styles;
    let keys: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
    let keys = pad(&keys.join(" "), KEYS, false);
    let help = pad(&escaped(&binding.row.help), room.saturating_sub(1 + NAMES + KEYS + 2), false);
    let sign = if selected { "▸" } else { " " };
    let name = pad(&binding.row.name, NAMES, false);
    let line = Line::from(vec![
        Span::styled(format!("{sign}{name} "), styles.strong()),
        Span::raw(format!("{keys} ")),
        Span::styled(help, if selected { styles.bar() } else { styles.quiet() }),
    ]);
    if selected { line.style(styles.selected()) } else { line }
}
