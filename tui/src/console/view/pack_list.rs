//! The packs of a repo: sorted, searched, and with the damage that is known.
//!
//! ```text
//!  packhouse › gabriel/notes › packs
//!  12 packs · 1 damaged · sorted by STATE
//!  PACK                       SIZE  STATE             NEEDED  STORED            RECORDS
//! ▸055b71f6f6aab46dd1…   118.0 KiB  Damaged             83 %  2 hours ago            40
//!
//!  Pack        sha256:055b71f6…
//!  Damaged     hash mismatch: …; found by verify, 3 hours ago
//!
//!  Enter open  s sort  / search  Esc back
//! ```

use packhouse_host::PackReport;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::packs::needed;
use super::parts::{failure_above, inner, joined, key_fact, long_fact, plain, room, split};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, Packs, RECONNECTING, TableName};
use crate::text::{ago, count, escaped, plural, size};

/// The columns beside the key, the most important first.
const COLUMNS: [Beside; 5] = [
    Beside { head: "SIZE", width: 12, numbers: true },
    Beside { head: "STATE", width: 18, numbers: false },
    Beside { head: "NEEDED", width: 8, numbers: true },
    Beside { head: "STORED", width: 16, numbers: false },
    Beside { head: "RECORDS", width: 11, numbers: true },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, packs: &Packs, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, room) = (model.styles, room(area));
    let mut above = vec![sums(model, packs)];
    let (failure, is_empty) = (packs.failure.as_ref(), packs.len() == 0);
    above.extend(failure_above(styles, "Loading the packs", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = packs.current() else {
        let nothing = plain(wrap(&nothing(model, packs), room));
        frame.render_widget(Paragraph::new(nothing), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, packs, current, room), packs.cursor);
    let heads = model.columns.of(TableName::Packs).shown();
    let width = usize::from(area.width).saturating_sub(1);
    let table = table(&heads, width);
    let row = |_, pack: &PackReport, selected| {
        // Without the name of the hash, like the file name.
        let mark = packs.mark_of(pack.key).map(|mark| format!("{mark} ")).unwrap_or_default();
        let name = format!("{mark}{}", pack.key.hex());
        table.row(styles, &name, |head| cell(model, packs, pack, head), selected)
    };
    detailed.draw(frame, table.head(styles), packs.shown(), row)
}

/// The columns of these heads that fit.
pub(super) fn table(heads: &[&str], width: usize) -> Table {
    Table::chosen("PACK", &COLUMNS, heads, width)
}

/// How many packs there are, how many are damaged, and which are displayed.
fn sums(model: &Model, packs: &Packs) -> Line<'static> {
    let styles = model.styles;
    if !packs.is_known() {
        let loading = match (packs.loading, model.is_disconnected()) {
            (_, true) => RECONNECTING,
            (Some(_), false) => "loading …",
            (None, false) => "",
        };
        return Line::styled(loading, styles.busy());
    }
    let (all, damaged) = packs.counts();
    let mut parts = vec![Span::raw(plural(all, "pack"))];
    if damaged > 0 {
        parts.push(Span::styled(format!("{} damaged", count(damaged)), styles.bad()));
    }
    if model.columns.of(TableName::Packs).shown().contains(&packs.order.head()) {
        parts.push(Span::styled(format!("sorted by {}", packs.order.head()), styles.quiet()));
    }
    if !packs.text().is_empty() {
        let matching = format!("{} matching “{}”", count(packs.len() as u64), packs.text());
        parts.push(Span::styled(escaped(&matching), styles.strong()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model, packs: &Packs) -> String {
    let key = |action| model.keymap.key_in(Focus::Packs, action);
    match (packs.is_known(), &packs.failure) {
        (false, Some(_)) => format!("Press {} to retry.", key(Action::Refresh)),
        (false, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, None) => "Loading the packs …".to_owned(),
        (true, _) if packs.counts().0 == 0 => "No packs yet.".to_owned(),
        (true, _) => {
            format!("No pack matches. Press {} to change the search.", key(Action::Filter))
        }
    }
}

fn cell(model: &Model, packs: &Packs, pack: &PackReport, head: &str) -> (String, Style) {
    let style = match packs.state(pack) {
        "Damaged" if head == "STATE" => model.styles.bad(),
        "Replaced" => model.styles.quiet(),
        _ => Style::new(),
    };
    let text = match head {
        "SIZE" => size(pack.bytes),
        "STATE" => packs.state(pack).to_owned(),
        "NEEDED" => needed(pack),
        "STORED" => ago(model.now, pack.stored_at),
        _ => count(pack.records),
    };
    (text, style)
}

/// The selected pack in full.
fn facts(model: &Model, packs: &Packs, pack: &PackReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = key_fact(styles, &pack.key.to_string(), room);
    if let Some(damage) = packs.damage(pack.key) {
        let since = ago(model.now, damage.since);
        let what = format!("{}; found by {}, {since}", damage.detail, damage.found_by);
        lines.extend(long_fact(styles, "Damaged", &what, room));
    }
    let needed = format!(
        "{} of {}, {} of {}",
        count(pack.needed_records),
        plural(pack.records, "record"),
        size(pack.needed_bytes),
        size(pack.bytes)
    );
    lines.extend(long_fact(styles, "Needed", &needed, room));
    if let Some(at) = pack.retired_at {
        let replaced = format!("{}; prune deletes it 8 days later", ago(model.now, at));
        lines.extend(long_fact(styles, "Replaced", &replaced, room));
    }
    lines
}
