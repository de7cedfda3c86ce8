//! The columns of the list of repos: which of them fit, and their content.

use packhouse_host::RepoSummary;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::parts::{last_gc_text, state_text};
use crate::console::cells::{middle, pad};
use crate::console::state::{Column, Model};
use crate::text::{count, escaped, percent, size};

/// Cells before the name, for the cursor and the mark.
const MARGIN: usize = 2;

/// Minimum width of a name beside the state, beside the packs, and beside more. Only a name that is
/// longer than the last is cut for more columns.
const NAME_BESIDE_STATE: usize = 8;
const NAME_BESIDE_PACKS: usize = 14;
const NAME_WHOLE: usize = 40;
/// Number of important columns, which become narrow before the others are displayed.
const IMPORTANT: usize = 4;
/// Maximum width of a name.
const NAME_MOST: usize = 60;
/// Extra width of the last consolidation.
const LAST_MORE: usize = 8;

/// The columns beside the name, the most important first. Widths include two cells before each.
const COLUMNS: [Beside; 10] = [
    Beside::shrinks(What::State, ["STATE", "STATE"], [18, 14], Column::State),
    Beside::new(What::Packs, "PACKS", 8, Column::Packs),
    Beside::shrinks(What::Reclaimable, ["RECLAIMABLE", "RECLAIM"], [18, 11], Column::Reclaimable),
    Beside::shrinks(What::Size, ["SIZE", "SIZE"], [12, 11], Column::Size),
    Beside::new(What::LastGc, "LAST CONSOLIDATION", 27, Column::LastGc),
    Beside::new(What::Objects, "OBJECTS", 11, Column::Objects),
    Beside::new(What::Waiting, "TO DELETE", 12, Column::Waiting),
    Beside::new(What::Commits, "COMMITS", 11, Column::Commits),
    Beside::new(What::Snapshots, "SNAPSHOTS", 12, Column::Snapshots),
    Beside::new(What::Tags, "TAGS", 9, Column::Tags),
];

/// A column beside the name.
struct Beside {
    what: What,
    /// Its head and its width, if there is room, and if there is not.
    heads: [&'static str; 2],
    widths: [usize; 2],
    sort: Column,
}

impl Beside {
    const fn new(what: What, head: &'static str, width: usize, sort: Column) -> Beside {
        Beside::shrinks(what, [head; 2], [width; 2], sort)
    }

    const fn shrinks(
        what: What,
        heads: [&'static str; 2],
        widths: [usize; 2],
        sort: Column,
    ) -> Beside {
        Beside { what, heads, widths, sort }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    State,
    Packs,
    Reclaimable,
    Size,
    LastGc,
    Objects,
    Waiting,
    Commits,
    Snapshots,
    Tags,
}

/// A column that fits.
struct Fitting {
    column: &'static Beside,
    /// Whether it is displayed in its narrow form.
    narrow: bool,
    width: usize,
}

/// The columns that fit.
pub(super) struct Columns {
    name: usize,
    beside: Vec<Fitting>,
}

impl Columns {
    /// The columns of a list of this width, for names of at most `longest` cells. The important
    /// columns are narrow if that shows more of them, or names as a whole; then they widen, and then
    /// the others come. Only columns with these heads are displayed, in this order.
    pub(super) fn of(width: usize, longest: usize, heads: &[&str]) -> Columns {
        let place = |column: &Beside| heads.iter().position(|head| *head == column.sort.head());
        let is_chosen = |column: &&Beside| place(column).is_some();
        let (important, others) = COLUMNS.split_at(IMPORTANT);
        let (mut name, mut beside) = (width.saturating_sub(MARGIN), Vec::new());
        let whole = longest.clamp(NAME_BESIDE_PACKS, NAME_WHOLE);
        let least = [NAME_BESIDE_STATE, NAME_BESIDE_PACKS, whole, whole];
        let important = important.iter().zip(least).filter(|(column, _)| is_chosen(column));
        let number = important.clone().count();
        for (column, least) in important {
            let width = column.widths[1];
            if name < least + width {
                break;
            }
            name -= width;
            beside.push(Fitting { column, narrow: true, width });
        }
        let mut all_wide = beside.len() == number;
        for fitting in &mut beside {
            let [wide, narrow] = fitting.column.widths;
            if name >= whole + wide - narrow {
                name -= wide - narrow;
                (fitting.narrow, fitting.width) = (false, wide);
            }
            all_wide &= fitting.width == wide;
        }
        for column in others.iter().filter(is_chosen).take_while(|_| all_wide) {
            let width = column.widths[0];
            if name < whole + width {
                break;
            }
            name -= width;
            beside.push(Fitting { column, narrow: false, width });
        }
        // What is left goes to the last consolidation.
        if let Some(last) = beside.iter_mut().find(|fitting| fitting.column.what == What::LastGc) {
            let more = name.saturating_sub(whole).min(LAST_MORE);
            name -= more;
            last.width += more;
        }
        beside.sort_by_key(|fitting| place(fitting.column));
        Columns { name: name.min(NAME_MOST), beside }
    }

    /// The heads of those beside the name, in the form of a wide list.
    pub(super) fn heads(&self) -> Vec<&'static str> {
        self.beside.iter().map(|fitting| fitting.column.sort.head()).collect()
    }

    /// Whether a column is displayed.
    pub(super) fn show(&self, sorted: Column) -> bool {
        sorted == Column::Name || self.beside.iter().any(|fitting| fitting.column.sort == sorted)
    }

    /// The head, with an arrow at the sorted column.
    pub(super) fn head(&self, model: &Model) -> Line<'static> {
        let (sorted, up) = model.repos.sorted();
        let arrow = if up { "▲" } else { "▼" };
        let is_sorted = !model.repos.is_ranked();
        let head = |label: &str, is: bool| match is && is_sorted {
            true => format!("{label}{arrow}"),
            false => label.to_owned(),
        };
        let mut text =
            " ".repeat(MARGIN) + &pad(&head("NAME", sorted == Column::Name), self.name, false);
        for fitting in &self.beside {
            let label = fitting.column.heads[usize::from(fitting.narrow)];
            text += &fitting.pad(&head(label, fitting.column.sort == sorted));
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
        let name = middle(&escaped(&repo.repo.to_string()), self.name);
        spans.push(Span::raw(pad(&name, self.name, false)));
        for fitting in &self.beside {
            let (text, style) = cell(model, repo, fitting.column.what, fitting.narrow);
            spans.push(Span::styled(
                fitting.pad(&text),
                if selected { Style::new() } else { style },
            ));
        }
        let line = Line::from(spans);
        if selected { line.style(styles.selected()) } else { line }
    }
}

impl Fitting {
    fn pad(&self, text: &str) -> String {
        let is_number = !matches!(self.column.what, What::State | What::LastGc);
        format!("  {}", pad(text, self.width - 2, is_number))
    }
}

fn cell(model: &Model, repo: &RepoSummary, what: What, narrow: bool) -> (String, Style) {
    let styles = model.styles;
    let number = |number: u64| (count(number), Style::new());
    match what {
        What::Packs => number(repo.packs),
        What::Reclaimable => {
            let part = percent(repo.reclaimable(), repo.bytes)
                .map(|part| format!("{part} %"))
                .unwrap_or_default();
            let bytes = size(repo.reclaimable());
            let label = if narrow { bytes } else { format!("{bytes} {}", pad(&part, 5, true)) };
            (label, if repo.reclaimable() == 0 { styles.quiet() } else { Style::new() })
        }
        What::Size => (size(repo.bytes), Style::new()),
        What::State => state_text(model, repo, !narrow),
        What::Objects => number(repo.objects),
        What::LastGc => match &repo.last_gc {
            None => ("never".to_owned(), styles.quiet()),
            Some(last) if repo.gc_failed() => (last_gc_text(model, last), styles.bad()),
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
    use crate::console::state::TableName;

    fn shown(width: usize, longest: usize) -> Vec<What> {
        shown_of(width, longest, TableName::Repos.heads())
    }

    fn shown_of(width: usize, longest: usize, heads: &[&str]) -> Vec<What> {
        let columns = Columns::of(width, longest, heads);
        columns.beside.iter().map(|fitting| fitting.column.what).collect()
    }

    #[test]
    fn narrow_lists_keep_the_most_important_columns() {
        for (width, last) in [
            (1, None),
            (23, None),
            (24, Some(What::State)),
            (38, Some(What::Packs)),
            (60, Some(What::Size)),
            (79, Some(What::Size)),
            (119, Some(What::Objects)),
            (199, Some(What::Tags)),
        ] {
            assert_eq!(shown(width, 14).last().copied(), last, "{width}");
        }
    }

    #[test]
    fn the_state_is_the_last_to_go_and_names_are_cut_after_all_else_has_shrunk() {
        for longest in [4, 20, 40, 100] {
            for width in 1..300 {
                let columns = Columns::of(width, longest, TableName::Repos.heads());
                let first = columns.beside.first();
                assert!(first.is_none_or(|first| first.column.what == What::State), "{width}");
                let is_cut = columns.name < longest.min(NAME_WHOLE);
                let is_wide = |fitting: &Fitting| {
                    fitting.column.widths[0] > fitting.column.widths[1] && !fitting.narrow
                };
                let more = columns.beside.len() > 2 || columns.beside.iter().any(is_wide);
                assert!(!(is_cut && more), "{longest} in {width}");
            }
        }
    }

    #[test]
    fn columns_never_exceed_the_width() {
        for width in 0..300 {
            for heads in [TableName::Repos.heads(), &["TAGS", "SIZE"], &[]] {
                let columns = Columns::of(width, 30, heads);
                let beside: usize = columns.beside.iter().map(|fitting| fitting.width).sum();
                assert!(MARGIN + columns.name + beside <= width.max(MARGIN), "{width}");
            }
        }
    }

    #[test]
    fn chosen_columns_have_their_order_and_the_state_is_still_the_last_to_go() {
        let heads = ["TAGS", "SIZE", "STATE"];
        assert_eq!(shown_of(199, 14, &heads), [What::Tags, What::Size, What::State]);
        assert_eq!(shown_of(50, 14, &heads), [What::Size, What::State]);
        assert_eq!(shown_of(30, 14, &heads), [What::State]);
        assert_eq!(shown_of(199, 14, &[]), []);
        assert_eq!(
            shown_of(80, 14, &["TAGS"]),
            [What::Tags],
            "there is room for less important ones"
        );
    }

    #[test]
    fn every_column_can_be_chosen() {
        let heads: Vec<&str> = COLUMNS.iter().map(|column| column.heads[0]).collect();
        assert_eq!(heads, TableName::Repos.heads());
        assert!(COLUMNS.iter().all(|column| column.heads[0] == column.sort.head()));
    }
}
