//! A list, and below it what is known of the selected line.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::parts::{split, text_below};
use super::table::list;
use crate::console::state::{Cursor, Extent, TextBelow};

/// Lines of a list that stay visible above the text, with its head.
const LISTED: usize = 5;

/// A list with text below it, which is drawn already.
pub(super) struct DetailedList {
    /// The room of the list and its head.
    pub(super) rows: Rect,
    below: TextBelow,
    cursor: Cursor,
}

/// Draws what is known of the selected line below its list: scrolled as the cursor of the list says.
pub(super) fn details_below(
    frame: &mut Frame,
    area: Rect,
    facts: Vec<Line<'static>>,
    cursor: Cursor,
) -> DetailedList {
    let height = usize::from(area.height);
    let listed = height.saturating_sub(1 + facts.len()).max(LISTED.min(height));
    let [rows, below] = split(area, listed);
    DetailedList { rows, below: text_below(frame, below, facts, cursor), cursor }
}

impl DetailedList {
    /// Draws the list below its head, so that the selected line is visible.
    pub(super) fn draw<T>(
        self,
        frame: &mut Frame,
        head: Line<'static>,
        items: impl ExactSizeIterator<Item = T>,
        line: impl Fn(usize, T, bool) -> Line<'static>,
    ) -> Extent {
        let DetailedList { rows, below, cursor } = self;
        Extent { below, ..list(frame, rows, head, cursor, items, line) }
    }
}
