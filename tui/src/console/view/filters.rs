//! The filters of the config.
//!
//! ```text
//!  packhouse › filters
//!  NAME      FILTER
//! ▸@big      size>1G packs>50
//!  @worn     gc>30d reclaim>30%
//!
//!  Enter open  Esc back
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::table::list;
use crate::console::cells::{fit, pad};
use crate::console::state::{Extent, Model, NamedFilter};
use crate::text::escaped;

/// Most cells of a name.
const NAME: usize = 24;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, named) = (model.styles, &model.repos.named);
    let longest = named.entries.iter().map(|filter| filter.name.len() + 1).max().unwrap_or(0);
    let name = longest.clamp("NAME".len(), NAME);
    let room = usize::from(area.width).saturating_sub(2);
    let text = |first: &str, rest: &str| {
        let first = pad(&fit(first, name), name, false);
        fit(&format!("{first}  {rest}"), room)
    };
    let head = Line::styled(format!(" {}", text("NAME", "FILTER")), styles.quiet());
    let row = |_, filter: &NamedFilter, selected: bool| {
        let sign = if selected { "▸" } else { " " };
        let text = text(&format!("@{}", filter.name), &escaped(&filter.text));
        let line = Line::raw(format!("{sign}{}", pad(&text, room, false)));
        if selected { line.style(styles.selected()) } else { line }
    };
    list(frame, area, head, named.cursor, named.entries.iter(), row)
}
