//! The records with an ID, or whose IDs begin so, in all repos.
//!
//! ```text
//!  packhouse › find › 9f86
//!  3 records found · 40 repos searched
//!  REPO                 KIND      ID            PACK                   BYTE      LENGTH
//! ▸gabriel/notes        object    9f86d081884c  055b71f6f6aa         18,204     2.6 KiB
//!
//!  ID          sha256:9f86d081884c…
//!  Pack        sha256:055b71f6…
//!
//!  Enter open  c copy  Esc back
//! ```

use packhouse_host::FoundRecord;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::commits::digits;
use super::details::details_below;
use super::parts::{
    failure_above, id_fact, inner, joined, key_fact, long_fact, plain, room, split,
};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::state::{Extent, Find, MOST_FOUND, Model, RECONNECTING};
use crate::text::{count, escaped, plural, size};

/// The columns beside the repo, the most important first.
const COLUMNS: [Beside; 5] = [
    Beside { head: "KIND", width: 10, numbers: false },
    Beside { head: "ID", width: 14, numbers: false },
    Beside { head: "PACK", width: 14, numbers: false },
    Beside { head: "BYTE", width: 14, numbers: true },
    Beside { head: "LENGTH", width: 12, numbers: true },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, find: &Find, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = vec![sums(model, find)];
    if let Some(failure) = &find.failure {
        let what = format!("Searching {}", plural(find.failed, "repo"));
        above.extend(failure_above(styles, &what, Some(failure), find.found.is_empty(), room));
    }
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = find.current() else {
        frame.render_widget(Paragraph::new(plain(wrap(&nothing(find), room))), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let mut facts = id_fact(styles, "ID", &current.id, room);
    facts.extend(key_fact(styles, &current.mpack_key.to_string(), room));
    let place = format!("at byte {}, {}", count(current.offset), plural(current.length, "byte"));
    facts.extend(long_fact(styles, "Place", &place, room));
    let detailed = details_below(frame, below, facts, find.cursor);
    let table = Table::of("REPO", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, record: &FoundRecord, selected| {
        let name = escaped(&record.repo.to_string());
        table.row(styles, &name, |head| (cell(record, head), Style::new()), selected)
    };
    detailed.draw(frame, table.head(styles), find.found.iter(), row)
}

fn cell(record: &FoundRecord, head: &str) -> String {
    match head {
        "KIND" => record.kind.to_string(),
        "ID" => digits(&record.id),
        "PACK" => digits(&record.mpack_key.to_string()),
        "BYTE" => count(record.offset),
        _ => size(record.length),
    }
}

/// How many records were found, and how far the search is.
fn sums(model: &Model, find: &Find) -> Line<'static> {
    let styles = model.styles;
    let found = find.found.len() as u64;
    let mut parts = vec![Span::styled(
        match find.found.len() {
            MOST_FOUND.. => format!("the first {} records", count(found)),
            _ => format!("{} found", plural(found, "record")),
        },
        styles.strong(),
    )];
    let searched = match find.left() {
        0 => format!("{} searched", plural(find.searched, "repo")),
        left => {
            format!("{} of {} searched", count(find.searched), plural(find.searched + left, "repo"))
        }
    };
    parts.push(Span::raw(searched));
    if find.left() > 0 {
        let searching = if model.is_disconnected() { RECONNECTING } else { "searching …" };
        parts.push(Span::styled(searching, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows.
fn nothing(find: &Find) -> String {
    match find.left() {
        0 => format!(
            "No record has the ID “{}”. An ID is given whole, or by its first 4 digits or more; \
             a tag by its text.",
            escaped(&find.id)
        ),
        _ => String::new(),
    }
}
