//! The log since the start of the console, newest first; the selected line is displayed in full
//! below.
//!
//! ```text
//!  packhouse › log                                                                  /srv/store
//!  TIME (UTC)  LEVEL    WHAT
//!  12:03:41    note     gabriel/notes: consolidated 7 packs into one, sha256:055b71f6f6aab46dd15…
//! ▸12:01:10    error    aster-studio/film-score-north: consolidation failed: writing a pack in /…
//!
//!  2026-07-01 12:01:10 UTC · error
//!  aster-studio/film-score-north: consolidation failed: writing a pack in /srv/packs failed:
//!  no space left on device; free some and try again
//!
//!  Esc back
//! ```

use jiff::Timestamp;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line as Text, Span};
use ratatui::widgets::Paragraph;

use super::parts::{inner, plain, room, say_more, split, styled};
use super::table::list;
use crate::console::cells::{fit, pad, wrap};
use crate::console::state::{Extent, Level, LogLine, Model};
use crate::text::escaped;

/// Minimum rows of the list with its head, however long the selected line is.
const LIST: usize = 5;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let lines = || model.log.newest();
    let Some(selected) = lines().nth(model.log.cursor.at(lines().len())) else {
        frame.render_widget(
            Paragraph::new(plain(wrap("The log is empty.", room(area)))),
            inner(area),
        );
        return Extent { row: area.y, ..Extent::default() };
    };
    let (height, room) = (usize::from(area.height), room(area));
    let title =
        format!("{} · {}", time(selected.at, "%Y-%m-%d %H:%M:%S UTC"), selected.level.word());
    let mut details = [
        styled(wrap(&title, room), style(model, selected.level)),
        plain(wrap(&escaped(&selected.text), room)),
    ]
    .concat();
    let full =
        if height <= LIST { 0 } else { (details.len() + 1).max(height / 3).min(height - LIST) };
    let [top, below] = split(area, height - full);
    let head = Text::styled(fit(" TIME (UTC)  LEVEL    WHAT", room + 1), model.styles.quiet());
    let extent = list(frame, top, head, model.log.cursor, lines(), |_, line, selected| {
        row(model, line, room, selected)
    });
    let rows = full.saturating_sub(1);
    let hidden = details.len().saturating_sub(rows);
    details.truncate(rows);
    say_more(&mut details, hidden);
    let [_, details_area] = split(below, 1);
    frame.render_widget(Paragraph::new(details), inner(details_area));
    extent
}

/// A line, cut to the width. Its date is only displayed below.
fn row(model: &Model, line: &LogLine, room: usize, selected: bool) -> Text<'static> {
    let mark = if selected { "▸" } else { " " };
    let level = pad(line.level.word(), 9, false);
    // Escape only the visible part: a line may be long, and every character takes a cell or none.
    let text: String = line.text.chars().take(4 * room).collect();
    let text = fit(&escaped(&text), room.saturating_sub(21));
    let line = Text::from(vec![
        Span::raw(format!("{mark}{}", pad(&time(line.at, "%H:%M:%S"), 12, false))),
        Span::styled(level, if selected { Style::new() } else { style(model, line.level) }),
        Span::raw(text),
    ]);
    if selected { line.style(model.styles.selected()) } else { line }
}

fn style(model: &Model, level: Level) -> Style {
    match level {
        Level::Note => Style::new(),
        Level::Warning => model.styles.warn(),
        Level::Error => model.styles.bad(),
    }
}

fn time(at: Timestamp, format: &str) -> String {
    at.strftime(format).to_string()
}
