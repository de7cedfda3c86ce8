//! Two packs compared: the sums of each class, and the records.
//!
//! ```text
//!  packhouse › gabriel/notes › 055b71f6f6aa and 1b4f0e98ab12 › compared
//!  Only in A          12 records     18.2 KiB   A  sha256:055b71f6…
//!  Only in B           3 records      2.1 KiB   B  sha256:1b4f0e98…
//!  Other encoding      1 record    1.0 KiB in A, 1.2 KiB in B
//!  In both           204 records    410.0 KiB
//!  ID                        KIND      CLASS             LENGTH A    LENGTH B
//! ▸9f86d081884c7d65…         object    Only in A          2.6 KiB
//!
//!  Enter open  s class  c copy  Esc back
//! ```

use packhouse_host::{ComparedRecord, ComparedSum, RecordClass, RecordPlace};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::parts::{failure_above, id_fact, inner, joined, long_fact, plain, room, split};
use super::table::{Beside, Table};
use crate::console::cells::{fit, pad, wrap};
use crate::console::keys::{Action, Focus};
use crate::console::state::{Comparison, Extent, Model, RECONNECTING};
use crate::text::{count, escaped, plural, size};

/// The columns beside the ID, the most important first.
const COLUMNS: [Beside; 4] = [
    Beside { head: "CLASS", width: 16, numbers: false },
    Beside { head: "KIND", width: 10, numbers: false },
    Beside { head: "LENGTH A", width: 12, numbers: true },
    Beside { head: "LENGTH B", width: 12, numbers: true },
];

/// Width of the name of a class, and of its number of records.
const CLASS: usize = 16;
const NUMBER: usize = 18;

/// Draws the screen.
pub(super) fn draw(model: &Model, shown: &Comparison, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = sums(model, shown, room);
    above.push(loaded(model, shown));
    let (failure, is_empty) = (shown.pages.failure.as_ref(), shown.pages.entries.is_empty());
    above.extend(failure_above(styles, "Comparing the packs", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = shown.pages.current() else {
        let nothing = plain(wrap(&nothing(model, shown), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let mut facts = id_fact(styles, "ID", &current.id, room);
    for (name, place) in [("In A", current.a), ("In B", current.b)] {
        facts.extend(long_fact(styles, name, &place_text(place), room));
    }
    let detailed = details_below(frame, below, facts, shown.pages.cursor);
    let table = Table::of("ID", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, record: &ComparedRecord, selected| {
        let id = record.id.strip_prefix("sha256:").unwrap_or(&record.id);
        table.row(styles, &escaped(id), |head| cell(model, record, head), selected)
    };
    detailed.draw(frame, table.head(styles), shown.pages.entries.iter(), row)
}

fn place_text(place: Option<RecordPlace>) -> String {
    place.map_or_else(
        || "not there".to_owned(),
        |place| format!("at byte {}, {}", count(place.offset), plural(place.length, "byte")),
    )
}

fn cell(model: &Model, record: &ComparedRecord, head: &str) -> (String, Style) {
    let length = |place: Option<RecordPlace>| place.map(|place| size(place.length));
    match head {
        "KIND" => (record.kind.to_string(), Style::new()),
        "CLASS" => (name_of(record.class).to_owned(), style_of(model, record.class)),
        "LENGTH A" => (length(record.a).unwrap_or_default(), Style::new()),
        _ => (length(record.b).unwrap_or_default(), Style::new()),
    }
}

/// A class as it is called.
const fn name_of(class: RecordClass) -> &'static str {
    match class {
        RecordClass::OnlyA => "Only in A",
        RecordClass::OnlyB => "Only in B",
        RecordClass::Same => "In both",
        RecordClass::OtherEncoding => "Other encoding",
    }
}

fn style_of(model: &Model, class: RecordClass) -> Style {
    match class {
        RecordClass::OtherEncoding => model.styles.warn(),
        RecordClass::Same => model.styles.quiet(),
        RecordClass::OnlyA | RecordClass::OnlyB => Style::new(),
    }
}

/// The packs, and a line for each class.
fn sums(model: &Model, shown: &Comparison, room: usize) -> Vec<Line<'static>> {
    let packs = [("A", shown.a), ("B", shown.b)]
        .map(|(name, key)| Line::raw(fit(&format!("{name}  {key}"), room)));
    let mut lines = packs.to_vec();
    let Some(totals) = &shown.totals else { return lines };
    for class in
        [RecordClass::OnlyA, RecordClass::OnlyB, RecordClass::OtherEncoding, RecordClass::Same]
    {
        let sum = totals.of(class);
        let text = format!(
            "{}{}  {}",
            pad(name_of(class), CLASS, false),
            pad(&plural(sum.records, "record"), NUMBER, true),
            bytes_of(class, sum)
        );
        lines.push(Line::styled(fit(&text, room), style_of(model, class)));
    }
    lines
}

fn bytes_of(class: RecordClass, sum: ComparedSum) -> String {
    match class {
        RecordClass::OnlyB => size(sum.b_bytes),
        RecordClass::OtherEncoding if sum.records > 0 => {
            format!("{} in A, {} in B", size(sum.a_bytes), size(sum.b_bytes))
        }
        _ => size(sum.a_bytes),
    }
}

/// Which records are listed, and how many of them are loaded.
fn loaded(model: &Model, shown: &Comparison) -> Line<'static> {
    let styles = model.styles;
    let mut parts = Vec::new();
    if shown.totals.is_some() {
        let of = shown.class.map_or("all", name_of);
        parts.push(Span::styled(format!("Listed: {of}"), styles.strong()));
        if !shown.pages.is_complete() {
            let number =
                format!("the first {}", plural(shown.pages.entries.len() as u64, "record"));
            parts.push(Span::raw(number));
        }
        parts.push(Span::styled("compared by length and fingerprint", styles.quiet()));
    }
    if shown.pages.loading.is_some() {
        let loading = if model.is_disconnected() { RECONNECTING } else { "comparing …" };
        parts.push(Span::styled(loading, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, shown: &Comparison) -> String {
    let key = |action| model.keymap.key_in(Focus::Comparison, action);
    match (&shown.pages.failure, shown.pages.loading) {
        (Some(_), _) => format!("Press {} to retry.", key(Action::Refresh)),
        (None, Some(_)) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (None, Some(_)) => "Comparing the packs …".to_owned(),
        (None, None) => {
            format!("No records of this class. Press {} for the next.", key(Action::StatusNext))
        }
    }
}
