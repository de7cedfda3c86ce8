//! An entry of the history in full.
//!
//! ```text
//!  packhouse › history › gabriel/photos
//!  Consolidated 23 packs into 1 in 1.2 s.
//!
//!  Finished    2026-07-01 09:30:00 UTC, 2 hours ago
//!  Pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//!  Size        2.6 MiB → 2.3 MiB (266.8 KiB less)
//!  Duplicates  34 records removed
//!  Contents    112 objects, 16 commits, 16 snapshots, 0 tags
//!  Planned by  component sha256:…
//!  Catalog     7 rows changed
//!
//!  VERIFIED BEFORE PUBLISHING
//!  ✓ 144 entities: every indexed record is present and unchanged
//!  …
//! ```
//!
//! ```text
//!  packhouse › history › gabriel/notes
//!  Failed after 480 ms. Nothing was changed.
//!
//!  writing a pack in /srv/packs failed: no space left on device; free some and try again
//!
//!  Finished    2026-06-28 12:00:00 UTC, 3 days ago
//!  Planned by  component sha256:…
//! ```

use packhouse_host::{GcEntry, GcRecord};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::parts::{fact, key_fact, plain, room, scrolled, shrunk, styled};
use super::result::{done, facts, nothing_done, proof};
use crate::console::cells::wrap;
use crate::console::state::{Cursor, Extent, Model};
use crate::text::{ago, duration, escaped, plural};

/// Draws the screen.
pub(super) fn draw(
    model: &Model,
    entry: &GcEntry,
    top: Cursor,
    frame: &mut Frame,
    area: Rect,
) -> Extent {
    scrolled(frame, area, lines(model, entry, room(area)), top.at(usize::MAX))
}

fn lines(model: &Model, entry: &GcEntry, room: usize) -> Vec<Line<'static>> {
    let (styles, record) = (model.styles, &entry.record);
    let mut lines = match &entry.report {
        Some(report) if report.skipped => nothing_done(model, report, room),
        _ => title(model, record, room),
    };
    lines.push(Line::default());
    if let Some(error) = &record.error {
        lines.extend(plain(wrap(&escaped(error), room)));
        lines.push(Line::default());
    }
    let ended = format!(
        "{}, {}",
        record.finished_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        ago(model.now, record.finished_at)
    );
    lines.push(fact(styles, "Finished", &ended, room));
    if let Some(report) = entry.report.as_ref().filter(|report| !report.skipped) {
        lines.extend(facts(model, report, room));
        lines.push(fact(
            styles,
            "Catalog",
            &format!("{} changed", plural(report.rows_changed, "row")),
            room,
        ));
        lines.extend(proof(model, report.phase.proven.as_ref(), room));
        return lines;
    }
    if let Some(key) = &record.consolidated_key {
        lines.extend(key_fact(styles, key, room));
    }
    if record.outcome == "consolidated" {
        lines.push(fact(
            styles,
            "Size",
            &shrunk(styles, record.bytes_before, record.bytes_after, "the same"),
            room,
        ));
    }
    lines.push(fact(styles, "Planned by", &format!("component {}", record.component), room));
    if record.outcome == "consolidated" {
        lines.push(Line::default());
        lines.extend(styled(
            wrap("The store has no report of this consolidation.", room),
            styles.quiet(),
        ));
    }
    lines
}

fn title(model: &Model, record: &GcRecord, room: usize) -> Vec<Line<'static>> {
    let (styles, took) = (model.styles, duration(record.elapsed_ms));
    match record.outcome.as_str() {
        "consolidated" => styled(
            wrap(&done(record.packs_before, record.packs_after, record.elapsed_ms), room),
            styles.good(),
        ),
        "skipped" => {
            let message = match record.packs_before {
                0 => "Nothing to do: the repo was empty.",
                1 => "Nothing to do: the repo had only one pack.",
                _ => "Nothing to do: each pack was much larger than all smaller ones together.",
            };
            styled(wrap(message, room), styles.good())
        }
        "failed" => {
            styled(wrap(&format!("Failed after {took}. Nothing was changed."), room), styles.bad())
        }
        other => styled(wrap(&format!("{} after {took}", escaped(other)), room), styles.warn()),
    }
}
