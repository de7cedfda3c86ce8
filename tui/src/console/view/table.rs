//! A table with a cursor: as many columns as fit, and only the visible rows.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::split;
use crate::console::cells::{middle, pad};
use crate::console::state::{Cursor, Extent};
use crate::console::theme::Styles;

/// Minimum and maximum width of the first column.
const LEAST: usize = 16;
const MOST: usize = 40;

/// A column beside the first.
#[derive(Clone, Copy)]
pub(super) struct Beside {
    pub(super) head: &'static str,
    /// Includes two cells before it.
    pub(super) width: usize,
    pub(super) numbers: bool,
}

/// The columns that fit.
pub(super) struct Table {
    head: &'static str,
    first: usize,
    beside: Vec<Beside>,
    /// Spare cells, for the last column.
    spare: usize,
}

impl Table {
    /// A table of this width. The most important columns come first.
    pub(super) fn of(head: &'static str, columns: &[Beside], width: usize) -> Table {
        let (mut first, mut beside) = (width.saturating_sub(1), 0);
        while let Some(column) = columns.get(beside).filter(|column| first >= LEAST + column.width)
        {
            first -= column.width;
            beside += 1;
        }
        let spare = if beside == columns.len() { first.saturating_sub(MOST) } else { 0 };
        Table { head, first: first - spare, beside: columns[..beside].to_vec(), spare }
    }

    /// The same with the columns of these heads, in this order. Which of them fit is decided by
    /// importance.
    pub(super) fn chosen(
        head: &'static str,
        columns: &[Beside],
        heads: &[&str],
        width: usize,
    ) -> Table {
        let place = |column: &Beside| heads.iter().position(|head| *head == column.head);
        let chosen: Vec<Beside> =
            columns.iter().copied().filter(|column| place(column).is_some()).collect();
        let mut table = Table::of(head, &chosen, width);
        table.beside.sort_by_key(place);
        table
    }

    /// The heads of the columns beside the first.
    pub(super) fn heads(&self) -> Vec<&'static str> {
        self.beside.iter().map(|column| column.head).collect()
    }

    /// The names of the columns.
    pub(super) fn head(&self, styles: Styles) -> Line<'static> {
        let heads = self.beside.iter().enumerate().map(|(at, column)| self.cell(at, column.head));
        Line::styled(
            format!(" {}{}", pad(self.head, self.first, false), heads.collect::<String>()),
            styles.quiet(),
        )
    }

    /// A row. Cells are only made for visible columns.
    pub(super) fn row(
        &self,
        styles: Styles,
        first: &str,
        cells: impl Fn(&'static str) -> (String, Style),
        selected: bool,
    ) -> Line<'static> {
        let mut spans = vec![
            Span::raw(if selected { "▸" } else { " " }),
            // Names of repos: both ends tell them apart.
            Span::raw(pad(&middle(first, self.first), self.first, false)),
        ];
        for (at, column) in self.beside.iter().enumerate() {
            let (text, style) = cells(column.head);
            // Colours may be hard to read on the selected row.
            spans.push(Span::styled(
                self.cell(at, &text),
                if selected { Style::new() } else { style },
            ));
        }
        let line = Line::from(spans);
        if selected { line.style(styles.selected()) } else { line }
    }

    fn cell(&self, at: usize, text: &str) -> String {
        let column = &self.beside[at];
        let more = if at + 1 == self.beside.len() { self.spare } else { 0 };
        format!("  {}", pad(text, column.width - 2 + more, column.numbers))
    }
}

/// Draws the visible rows. The selected one is reversed up to both edges.
pub(super) fn draw_rows(frame: &mut Frame, area: Rect, lines: Vec<Line>, selected: usize) {
    let style = lines.get(selected).map(|line| line.style);
    frame.render_widget(Paragraph::new(lines), area);
    if let Some(style) = style {
        let row = Rect { y: area.y + selected as u16, height: 1, ..area };
        frame.buffer_mut().set_style(row, style);
    }
}

/// Draws a list below its head, so that the selected line is visible.
pub(super) fn list<T>(
    frame: &mut Frame,
    area: Rect,
    head: Line<'static>,
    cursor: Cursor,
    items: impl ExactSizeIterator<Item = T>,
    line: impl Fn(usize, T, bool) -> Line<'static>,
) -> Extent {
    let [top, rows] = split(area, 1);
    let (content, height) = (items.len(), usize::from(rows.height));
    let (first, selected) = (cursor.first(content, height), cursor.at(content));
    let seen = items.enumerate().skip(first).take(height);
    let lines: Vec<Line> = seen.map(|(at, item)| line(at, item, at == selected)).collect();
    frame.render_widget(Paragraph::new(head), top);
    draw_rows(frame, rows, lines, selected.saturating_sub(first));
    Extent { content, height, first, row: rows.y, ..Extent::default() }
}
