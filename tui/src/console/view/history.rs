//! The history: ended consolidations of all repos, newest first.
//!
//! ```text
//!  packhouse › history                                                              /srv/store
//!  200 consolidations so far · matching “photos” · loading …
//!  REPO                 OUTCOME         WHEN             PACKS                   BYTES  TOOK
//! ▸gabriel/photos       Consolidated    2 hours ago     23 → 1   2.6 MiB → 2.3 MiB  1.2 s
//!  gabriel/notes        Failed          3 days ago                                  480 ms
//!
//!  Enter open  / search  Esc back
//! ```

use packhouse_host::GcEntry;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::{failure_above, inner, plain, room, split};
use super::table::{Beside, Table, list};
use crate::console::cells::{fit, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, RECONNECTING};
use crate::text::{ago, count, duration, escaped, plural, size};

/// The columns beside the repo, the most important first.
const COLUMNS: [Beside; 6] = [
    Beside { head: "OUTCOME", width: 15, numbers: false },
    Beside { head: "WHEN", width: 17, numbers: false },
    Beside { head: "PACKS", width: 12, numbers: true },
    Beside { head: "BYTES", width: 25, numbers: true },
    Beside { head: "TOOK", width: 14, numbers: false },
    Beside { head: "KEY OR ERROR", width: 24, numbers: false },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (history, room) = (&model.history, room(area));
    let mut above = vec![sums(model, room)];
    let (failure, is_empty) = (history.failure.as_ref(), history.entries.is_empty());
    above.extend(failure_above(model.styles, "Loading the history", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    if history.entries.is_empty() {
        frame.render_widget(Paragraph::new(plain(wrap(&nothing(model), room))), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    }
    let table = Table::of("REPO", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, entry: &GcEntry, selected| {
        table.row(
            model.styles,
            &escaped(&entry.repo.to_string()),
            |head| cell(model, entry, head),
            selected,
        )
    };
    list(frame, below, table.head(model.styles), history.cursor, history.entries.iter(), row)
}

/// The number of entries, the search text, and whether more are loading.
fn sums(model: &Model, room: usize) -> Line<'static> {
    let (styles, history) = (model.styles, &model.history);
    let number = plural(history.entries.len() as u64, "consolidation");
    let number = match (history.entries.is_empty(), history.complete) {
        (true, _) => String::new(),
        (_, true) => number,
        (_, false) => format!("{number} so far"),
    };
    let text = match history.text() {
        "" => String::new(),
        text => format!("matching “{}”", fit(&escaped(text), 40)),
    };
    let reading = match (history.loading.is_some() || history.unanswered, model.is_disconnected()) {
        (true, true) => RECONNECTING,
        (true, false) => "loading …",
        (false, _) => "",
    };
    let parts =
        [(number, Style::new()), (text, styles.strong()), (reading.to_owned(), styles.busy())];
    let (mut spans, mut left) = (Vec::new(), room);
    for (part, style) in parts.into_iter().filter(|(part, _)| !part.is_empty()) {
        if !spans.is_empty() {
            spans.push(Span::styled(" · ", styles.quiet()));
            left = left.saturating_sub(3);
        }
        let part = fit(&part, left);
        left = left.saturating_sub(crate::console::cells::width(&part));
        spans.push(Span::styled(part, style));
    }
    Line::from(spans)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model) -> String {
    let history = &model.history;
    let key = |action| model.keymap.key_in(Focus::History, action);
    if history.failure.is_some() {
        return format!("Press {} to retry.", key(Action::Refresh));
    }
    match (history.known && history.loading.is_none(), history.text()) {
        (false, _) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, _) => "Loading the history …".to_owned(),
        (true, "") => "No consolidations yet.".to_owned(),
        (true, text) => {
            let way = if history.typing {
                format!("{} clears the search.", model.keymap.key_in(Focus::Search, Action::Cancel))
            } else {
                format!("Press {} to search again.", key(Action::Filter))
            };
            format!("No matches for “{}”. {way}", escaped(text))
        }
    }
}

fn cell(model: &Model, entry: &GcEntry, head: &str) -> (String, Style) {
    let (styles, record) = (model.styles, &entry.record);
    let done = record.outcome == "consolidated";
    let report = entry.report.as_ref();
    match head {
        "OUTCOME" if report.is_some_and(|report| report.budget_reached) => {
            ("Budget reached".to_owned(), styles.warn())
        }
        "OUTCOME" => match record.outcome.as_str() {
            "consolidated" if report.is_some_and(|report| report.geometric.is_some()) => {
                ("Geometric".to_owned(), styles.good())
            }
            "consolidated" => ("Consolidated".to_owned(), styles.good()),
            "skipped" => ("Nothing to do".to_owned(), styles.quiet()),
            "failed" => ("Failed".to_owned(), styles.bad()),
            other => (escaped(other), styles.warn()),
        },
        "WHEN" => (ago(model.now, record.finished_at), Style::new()),
        "PACKS" if done => {
            (styles.to(&count(record.packs_before), &count(record.packs_after)), Style::new())
        }
        "BYTES" if done => {
            (styles.to(&size(record.bytes_before), &size(record.bytes_after)), Style::new())
        }
        "TOOK" => (duration(record.elapsed_ms), Style::new()),
        "KEY OR ERROR" => {
            let text = record.error.as_ref().or(record.consolidated_key.as_ref());
            (text.map(|text| escaped(text)).unwrap_or_default(), styles.quiet())
        }
        _ => (String::new(), Style::new()),
    }
}

#[cfg(test)]
mod tests;
