//! Small tables: columns as wide as their content, numbers on the right, no lines.

use crate::style::{Style, Tone};
use crate::text::escaped;

/// The alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A cell of a table. Its text is escaped.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A text in a tone.
    pub(crate) fn new(tone: Tone, text: impl AsRef<str>) -> Cell {
        Cell { text: escaped(text.as_ref()), tone }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(Tone::Plain, text)
    }
}

/// Rows under a heading.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&'static str, Side)]) -> Table {
        Table { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a row has a cell for each column");
        self.rows.push(cells.into());
    }

    /// Whether the table has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The lines, heading first, indented by `indent` and without trailing blanks.
    pub(crate) fn lines(&self, style: Style, indent: usize) -> Vec<String> {
        let heading = self.columns.iter().map(|(name, _)| Cell::new(Tone::Dim, name)).collect();
        let all: Vec<&Vec<Cell>> = std::iter::once(&heading).chain(&self.rows).collect();
        let width = |column: usize| {
            all.iter().map(|row| row[column].text.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |row: &Vec<Cell>| {
            let mut line = " ".repeat(indent);
            // Blanks are written only before further text.
            let mut owed = 0;
            for ((cell, (_, side)), width) in row.iter().zip(&self.columns).zip(&widths) {
                let blanks = width - cell.text.chars().count();
                let (before, after) = if *side == Side::Left { (0, blanks) } else { (blanks, 0) };
                owed += before;
                if !cell.text.is_empty() {
                    line.push_str(&" ".repeat(owed));
                    line.push_str(&style.paint(cell.tone, &cell.text));
                    owed = 0;
                }
                owed += after + 2;
            }
            line
        };
        all.into_iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_where_their_text_does() {
        let mut table =
            Table::new(&[("REPO", Side::Left), ("PACKS", Side::Right), ("NOTE", Side::Left)]);
        table.row(["a/b".into(), "12".into(), "".into()]);
        table.row(["longer/name".into(), "1,234".into(), "→ x".into()]);
        table.row(["c/d".into(), "".into(), "y".into()]);
        assert_eq!(
            table.lines(Style::PLAIN, 2),
            [
                "  REPO         PACKS  NOTE",
                "  a/b             12",
                "  longer/name  1,234  → x",
                "  c/d                 y",
            ]
        );
    }

    #[test]
    fn cells_are_escaped() {
        let mut table = Table::new(&[("A", Side::Left)]);
        table.row(["\u{1b}[0m".into()]);
        assert_eq!(table.lines(Style::PLAIN, 0)[1], "\\u{1b}[0m");
    }
}
