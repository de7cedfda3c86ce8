//! The records of a pack, in its order.
//!
//! ```text
//!  packhouse › gabriel/notes › 055b71f6f6aa › records
//!  the first 500 of 1,204 records · 118.0 KiB
//!  ID                        KIND            BYTE      LENGTH  STATE
//! ▸sha256:9f86d081884c7d65…  object        18,204     2.6 KiB
//!  sha256:60303ae22b998861…  object        20,866    14.1 KiB  Duplicate
//!
//!  ID          sha256:60303ae22b99…
//!  Place       at byte 20,866, 14,438 bytes
//!  Duplicate   the index maps the ID to pack sha256:1b4f0e98…
//!
//!  Enter open  / search  c copy  Esc back
//! ```

use packhouse_host::PackRecord;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::parts::{failure_above, id_fact, inner, joined, long_fact, plain, room, split};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, RECONNECTING, RecordState, Records};
use crate::text::{count, escaped, plural, size};

/// The columns beside the ID, the most important first.
const COLUMNS: [Beside; 4] = [
    Beside { head: "KIND", width: 10, numbers: false },
    Beside { head: "LENGTH", width: 12, numbers: true },
    Beside { head: "STATE", width: 13, numbers: false },
    Beside { head: "BYTE", width: 16, numbers: true },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, records: &Records, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = vec![sums(model, records)];
    let (failure, is_empty) = (records.pages.failure.as_ref(), records.pages.entries.is_empty());
    above.extend(failure_above(styles, "Listing the records", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = records.pages.current() else {
        let nothing = plain(wrap(&nothing(model, records), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed =
        details_below(frame, below, facts(model, records, current, room), records.pages.cursor);
    let table = Table::of("ID", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, record: &PackRecord, selected| {
        let id = record.id.strip_prefix("sha256:").unwrap_or(&record.id);
        table.row(styles, &escaped(id), |head| cell(model, records, record, head), selected)
    };
    detailed.draw(frame, table.head(styles), records.pages.entries.iter(), row)
}

fn cell(model: &Model, records: &Records, record: &PackRecord, head: &str) -> (String, Style) {
    let state = records.state(record);
    let style = match state {
        RecordState::Needed => Style::new(),
        _ => model.styles.quiet(),
    };
    let text = match head {
        "KIND" => record.kind.to_string(),
        "LENGTH" => size(record.length),
        "STATE" => state.word().to_owned(),
        _ => count(record.offset),
    };
    (text, style)
}

/// The selected record in full.
fn facts(model: &Model, records: &Records, record: &PackRecord, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = id_fact(styles, "ID", &record.id, room);
    let place = format!("at byte {}, {}", count(record.offset), plural(record.length, "byte"));
    lines.extend(long_fact(styles, "Place", &place, room));
    let index = match (records.state(record), record.mpack_key) {
        (RecordState::Needed, _) => "it maps the ID to this record".to_owned(),
        (RecordState::OtherEncoding, _) => {
            "it maps the ID to another encoding in this pack, so this copy is not needed".to_owned()
        }
        (_, Some(key)) => format!("it maps the ID to pack {key}, so this copy is not needed"),
        (_, None) => "it does not have the ID: the repo no longer needs the record".to_owned(),
    };
    lines.extend(long_fact(styles, "Index", &index, room));
    lines
}

/// How many records are loaded, of how many, and what they were searched for.
fn sums(model: &Model, records: &Records) -> Line<'static> {
    let styles = model.styles;
    let mut parts = Vec::new();
    let loaded = records.pages.entries.len() as u64;
    if let Some((bytes, all)) = records.whole {
        parts.push(Span::styled(
            match (records.text().is_empty(), records.pages.is_complete()) {
                (false, true) => format!("{} of {}", count(loaded), plural(all, "record")),
                (false, false) => format!("the first {} matching", count(loaded)),
                (true, true) => plural(all, "record"),
                (true, false) => {
                    format!("the first {} of {}", count(loaded), plural(all, "record"))
                }
            },
            styles.strong(),
        ));
        parts.push(Span::raw(size(bytes)));
    }
    if !records.text().is_empty() {
        let matching = format!("matching “{}”", escaped(records.text()));
        parts.push(Span::styled(matching, styles.strong()));
    }
    if records.pages.loading.is_some() {
        let loading = match (model.is_disconnected(), records.searched()) {
            (true, _) => RECONNECTING.to_owned(),
            (false, Some(done)) if !records.text().is_empty() => format!("searching … {done}%"),
            (false, _) => "loading …".to_owned(),
        };
        parts.push(Span::styled(loading, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, records: &Records) -> String {
    let key = |action| model.keymap.key_in(Focus::Records, action);
    match (&records.pages.failure, records.pages.loading) {
        (Some(_), _) => format!("Press {} to retry.", key(Action::Refresh)),
        (None, Some(_)) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (None, Some(_)) => "Listing the records …".to_owned(),
        (None, None) if records.text().is_empty() => "The pack has no records.".to_owned(),
        (None, None) => format!(
            "No record matches. Search for a kind (commit, snapshot, object, tag), the beginning \
             of an ID, or both. Press {} to change the search.",
            key(Action::Filter)
        ),
    }
}
