//! A dialog box in the middle of the body.

use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

use crate::console::cells::fit;
use crate::console::theme::Styles;
use crate::text::escaped;

/// Width of the text in a dialog.
pub(super) fn room(area: Rect) -> usize {
    usize::from(outer(area)).saturating_sub(4)
}

fn outer(area: Rect) -> u16 {
    area.width.saturating_sub(4).min(78)
}

/// Draws a dialog. If there are too many lines, the last `kept` stay, which have the buttons. Returns
/// where these are.
pub(super) fn draw(
    frame: &mut Frame,
    area: Rect,
    title: &str,
    styles: Styles,
    mut lines: Vec<Line<'static>>,
    kept: usize,
) -> Rect {
    let fits = usize::from(area.height.saturating_sub(2));
    if lines.len() > fits {
        let from = fits.saturating_sub(kept).min(lines.len());
        let to = lines.len().saturating_sub(kept).max(from);
        lines.drain(from..to);
    }
    let height = (lines.len() as u16).saturating_add(2);
    let place = area.centered(Constraint::Length(outer(area)), Constraint::Length(height));
    let title = format!(" {} ", fit(&escaped(title), room(area)));
    let block = Block::bordered()
        .title(Span::styled(title, styles.strong()))
        .border_style(styles.warn())
        .padding(Padding::horizontal(1));
    let inside = block.inner(place);
    let above = (lines.len().saturating_sub(kept) as u16).min(inside.height);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
    Rect { y: inside.y + above, height: inside.height - above, ..inside }
}
