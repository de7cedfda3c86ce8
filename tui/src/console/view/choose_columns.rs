//! The columns of a table, to choose some.
//!
//! ```text
//!  packhouse › packs › columns
//!  PACK is always displayed, as the first
//!     COLUMN
//! ▸ ✓ SIZE
//!     STATE
//!   ✓ NEEDED
//!   - STORED: no room in 60 columns
//!
//!  To keep this, write in ~/.config/packhouse/console.toml:
//!  [columns]
//!  packs = ["pack", "size", "needed"]
//!
//!  Space show/hide  Esc back  K up  J down
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::columns::Columns;
use super::parts::{inner, room, split, styled};
use super::table::list;
use super::{jobs, pack_list};
use crate::console::cells::{fit, wrap};
use crate::console::state::{Cursor, Extent, Model, TableName};
use crate::text::escaped;

/// Draws the screen. In a low terminal the list matters more than the setting.
pub(super) fn draw(
    model: &Model,
    table: TableName,
    cursor: Cursor,
    frame: &mut Frame,
    area: Rect,
) -> Extent {
    let (styles, columns) = (model.styles, model.columns.of(table));
    let mut kept = vec![Line::default()];
    let file = model.config.as_deref().unwrap_or("console.toml");
    let keep = format!("To keep this, write in {}:", escaped(file));
    kept.extend(styled(wrap(&keep, room(area)), styles.quiet()));
    let setting = wrap(&model.columns.setting(table), room(area));
    kept.extend(std::iter::once("[columns]".to_owned()).chain(setting).map(Line::raw));
    let entries = columns.entries();
    let height = usize::from(area.height);
    let rows = (entries.len() + 2).min(height.saturating_sub(kept.len()).max(height / 2));
    let [top, below] = split(area, rows);
    frame.render_widget(Paragraph::new(kept), inner(below));
    let [above, rows] = split(top, 1);
    let always = format!("{} is always displayed, as the first", table.first());
    frame.render_widget(Paragraph::new(Line::styled(always, styles.quiet())), inner(above));
    let width = usize::from(area.width).saturating_sub(2);
    let fitting = fitting(model, table, usize::from(area.width).saturating_sub(1));
    let row = |_, (head, shown): &(&'static str, bool), selected: bool| {
        let sign = if selected { "▸" } else { " " };
        let fits = fitting.contains(head);
        let text = match (*shown, fits) {
            (true, true) => format!("✓ {head}"),
            (true, false) => format!("- {head}: no room in {} columns", area.width),
            (false, _) => format!("  {head}"),
        };
        let text = fit(&text, width);
        let style = if (*shown && fits) || selected { Style::new() } else { styles.quiet() };
        let line = Line::from(vec![Span::raw(format!("{sign} ")), Span::styled(text, style)]);
        if selected { line.style(styles.selected()) } else { line }
    };
    list(frame, rows, Line::styled("    COLUMN", styles.quiet()), cursor, entries.iter(), row)
}

/// The chosen columns that fit into a list of this width.
fn fitting(model: &Model, table: TableName, width: usize) -> Vec<&'static str> {
    let heads = model.columns.of(table).shown();
    match table {
        TableName::Repos => Columns::of(width, model.repos.longest_name(), &heads).heads(),
        TableName::Packs => pack_list::table(&heads, width).heads(),
        TableName::Jobs => jobs::fitting(&heads, width),
    }
}
