//! The help: the table of keys, the place one is in first.
//!
//! ```text
//!  packhouse › help
//!  List of repos
//!    Enter          open the repo
//!    g              plan to merge the packs into one, and ask
//!    …
//!
//!  Esc back
//! ```

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::{room, scrolled};
use crate::console::keys::{Place, of_place};
use crate::console::msg::Extent;
use crate::console::state::Model;
use crate::console::words::{fit, pad};

/// Draws it in place of the body.
pub(super) fn draw(model: &Model, top: usize, frame: &mut Frame, area: Rect) -> Extent {
    frame.render_widget(Clear, area);
    let here = model.place_under_help();
    let others = Place::ALL.into_iter().filter(|place| *place != here);
    let lines = std::iter::once(here).chain(others).flat_map(|place| lines(model, place, room(area))).collect();
    scrolled(frame, area, lines, top)
}

fn lines(model: &Model, place: Place, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled(place.title(), model.theme.strong())];
    lines.extend(of_place(place).map(|binding| {
        let keys: Vec<String> = binding.keys.iter().map(ToString::to_string).collect();
        let keys = pad(&format!("  {}", keys.join(" ")), 17, false);
        Line::from(vec![Span::styled(keys, model.theme.strong()), Span::raw(fit(binding.help, room.saturating_sub(17)))])
    }));
    lines.push(Line::default());
    lines
}
