//! The columns of the list of repos: which of them fit, and their content.

use packhouse_host::RepoSummary;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::parts::{last_gc_text, state_text, work_text};
use crate::console::cells::pad;
use crate::console::state::{Column, Model};
use crate::text::{count, escaped, percent, size};

/// Cells before the name, for the cursor and the mark.
const MARGIN: usize = 2;

/// Minimum width of a name: beside the packs only, beside the other important columns, and beside
/// the rest.
const NAME_BESIDE_PACKS: usize = 8;
const NAME: usize = 14;
const NAME_WHOLE: usize = 28;
/// Number of important columns, for which names may be cut.
const IMPORTANT: usize = 4;
/// Width of a name before the last consolidation gets more, and its maximum.
const NAME_FIRST: usize = 30;
const NAME_MOST: usize = 60;
/// Extra width of the last consolidation.
const LAST_MORE: usize = 8;

/// The columns beside the name, the most important first. Widths include two cells before each.
const COLUMNS: [Beside; 10] = [
    Beside { what: What::Packs, head: "PACKS", width: 8, sort: Some(Column::Packs) },
    Beside {
        what: What::Reclaimable,
        head: "RECLAIMABLE",
        width: 18,
        sort: Some(Column::Reclaimable),
    },
    Beside { what: What::Size, head: "SIZE", width: 12, sort: Some(Column::Size) },
    Beside { what: What::State, head: "STATE", width: 24, sort: None },
    Beside {
        what: What::LastGc,
        head: "LAST CONSOLIDATION",
        width: 27,
        sort: Some(Column::LastGc),
    },
    Beside { what: What::Objects, head: "OBJECTS", width: 11, sort: Some(Column::Objects) },
    Beside { what: What::Waiting, head: "TO DELETE", width: 12, sort: Some(Column::Waiting) },
    Beside { what: What::Commits, head: "COMMITS", width: 11, sort: Some(Column::Commits) },
    Beside { what: What::Snapshots, head: "SNAPSHOTS", width: 12, sort: Some(Column::Snapshots) },
    Beside { what: What::Tags, head: "TAGS", width: 9, sort: Some(Column::Tags) },
];

struct Beside {
    what: What,
    head: &'static str,
    width: usize,
    sort: Option<Column>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Packs,
    Reclaimable,
    Size,
    State,
    LastGc,
    Objects,
    Waiting,
    Commits,
    Snapshots,
    Tags,
}

/// The columns that fit.
pub(super) struct Columns {
    name: usize,
    beside: &'static [Beside],
    last: usize,
}

impl Columns {
    /// The columns of a list of this width.
    pub(super) fn of(width: usize) -> Columns {
        let mut name = width.saturating_sub(MARGIN);
        let mut beside = 0;
        while let Some(column) = COLUMNS.get(beside) {
            let least = match beside {
                0 => NAME_BESIDE_PACKS,
                1..IMPORTANT => NAME,
                _ => NAME_WHOLE,
            };
            if name < least + column.width {
                break;
            }
            name -= column.width;
            beside += 1;
        }
        let beside = &COLUMNS[..beside];
        let wanted =
            if beside.iter().any(|column| column.what == What::LastGc) { LAST_MORE } else { 0 };
        let last = name.saturating_sub(NAME_FIRST).min(wanted);
        Columns { name: (name - last).min(NAME_MOST), beside, last }
    }

    /// Whether a column is displayed.
    pub(super) fn show(&self, sorted: Column) -> bool {
        sorted == Column::Name || self.beside.iter().any(|column| column.sort == Some(sorted))
    }

    /// The head, with an arrow at the sorted column.
    pub(super) fn head(&self, model: &Model) -> Line<'static> {
        let (sorted, up) = model.repos.sorted();
        let arrow = if up { "▲" } else { "▼" };
        let head =
            |label: &str, is: bool| if is { format!("{label}{arrow}") } else { label.to_owned() };
        let mut text =
            " ".repeat(MARGIN) + &pad(&head("NAME", sorted == Column::Name), self.name, false);
        for column in self.beside {
            text += &self.pad(column, &head(column.head, column.sort == Some(sorted)));
        }
        Line::styled(text, model.styles.quiet())
    }

    /// The row of a repo.
    pub(super) fn row(&self, model: &Model, repo: &RepoSummary, selected: bool) -> Line<'static> {
        let styles = model.styles;
        // On the selected row colours may be hard to read, and blanks would become blocks.
        let (mark, style) = if model.repos.is_marked(&repo.repo) {
            ("●", styles.marked())
        } else {
            (" ", Style::new())
        };
        let mut spans = vec![Span::raw(if selected { "▸" } else { " " })];
        spans.push(Span::styled(mark, if selected { Style::new() } else { style }));
        spans.push(Span::raw(pad(&escaped(&repo.repo.to_string()), self.name, false)));
        for column in self.beside {
            let (text, style) = self.cell(model, repo, column.what);
            spans.push(Span::styled(
                self.pad(column, &text),
                if selected { Style::new() } else { style },
            ));
        }
        let line = Line::from(spans);
        if selected { line.style(styles.selected()) } else { line }
    }

    /// The content of a column. Without the state column, runs and failures replace the reclaimable
    /// bytes.
    fn cell(&self, model: &Model, repo: &RepoSummary, what: What) -> (String, Style) {
        let has_state = self.beside.iter().any(|column| column.what == What::State);
        let work = if what == What::Reclaimable && !has_state {
            work_text(model, repo, true)
        } else {
            None
        };
        work.unwrap_or_else(|| cell(model, repo, what))
    }

    fn pad(&self, column: &Beside, text: &str) -> String {
        match column.what {
            What::State => format!("  {}", pad(text, column.width - 2, false)),
            What::LastGc => format!("  {}", pad(text, column.width - 2 + self.last, false)),
            _ => format!("  {}", pad(text, column.width - 2, true)),
        }
    }
}

fn cell(model: &Model, repo: &RepoSummary, what: What) -> (String, Style) {
    let styles = model.styles;
    let number = |number: u64| (count(number), Style::new());
    match what {
        What::Packs => number(repo.packs),
        What::Reclaimable => {
            let part = percent(repo.reclaimable(), repo.bytes)
                .map(|part| format!("{part} %"))
                .unwrap_or_default();
            let label = format!("{} {}", size(repo.reclaimable()), pad(&part, 5, true));
            (label, if repo.reclaimable() == 0 { styles.quiet() } else { Style::new() })
        }
        What::Size => (size(repo.bytes), Style::new()),
        What::State => state_text(model, repo),
        What::Objects => number(repo.objects),
        What::LastGc => match &repo.last_gc {
            None => ("never".to_owned(), styles.quiet()),
            Some(last) if last.outcome == "failed" => (last_gc_text(model, last), styles.bad()),
            Some(last) => (last_gc_text(model, last), Style::new()),
        },
        What::Waiting => (
            size(repo.superseded_bytes),
            if repo.superseded_bytes == 0 { styles.quiet() } else { Style::new() },
        ),
        What::Commits => number(repo.commits),
        What::Snapshots => number(repo.snapshots),
        What::Tags => number(repo.tags),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_lists_keep_the_most_important_columns() {
        let shown = |width| Columns::of(width).beside.last().map(|column| column.what);
        for (width, last) in [
            (1, None),
            (20, Some(What::Packs)),
            (59, Some(What::Size)),
            (79, Some(What::State)),
            (119, Some(What::LastGc)),
            (199, Some(What::Tags)),
        ] {
            assert_eq!(shown(width), last, "{width}");
        }
    }

    #[test]
    fn names_are_cut_for_important_columns_only() {
        for width in 80..300 {
            let columns = Columns::of(width);
            assert!(columns.name >= 28 || columns.beside.len() <= IMPORTANT, "{width}");
        }
    }

    #[test]
    fn columns_never_exceed_the_width() {
        for width in 0..300 {
            let columns = Columns::of(width);
            let beside: usize = columns.beside.iter().map(|column| column.width).sum();
            assert!(MARGIN + columns.name + beside + columns.last <= width.max(MARGIN), "{width}");
        }
    }
}
