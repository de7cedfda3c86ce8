//! What work ended with.
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Done: 7 packs became 1, in 1.2 s.
//!
//!  Pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//!  Size        812.0 KiB → 773.4 KiB (38.6 KiB less)
//!  Repeated    34 records not written again
//!  Holds       112 objects, 16 commits, 16 snapshots, 0 tags
//!  Planned by  component sha256:…
//!  Old packs   812.0 KiB stay on disk until packhouse prune deletes them
//!
//!  PROVEN BEFORE IT WAS PUBLISHED
//!  ✓ 144 entities: all that the index maps, in the encodings that it maps
//!  ✓ 144 records: read back, and compared with those that the plan copies
//!  ✓ 112 objects: the content of each hashes to its id
//!  …
//! ```
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  The consolidation gave way to another writer.
//!  Nothing was changed by it.
//!
//!  gabriel/notes has changed since the plan was made; nothing was done
//!
//!  Next        Press g: it shows the plan for what the repo is now.
//! ```
//!
//! What a verification found is in [`findings`].

mod findings;

use packhouse_host::{GcProof, GcReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::parts::{long_fact, shrunk, way_out};
use super::{Styles, fact, heading, holds, plain, room, scrolled, styled};
use crate::console::backend::{Failure, FailureKind};
use crate::console::cells::{width, wrap};
use crate::console::keys::Place;
use crate::console::msg::Extent;
use crate::console::state::{Model, Outcome, Run, Work};
use crate::text::{count, duration, escaped, plural, size};

/// The body.
pub(super) fn draw(
    model: &Model,
    run: &Run,
    end: &Result<Outcome, Failure>,
    frame: &mut Frame,
    area: Rect,
) -> Extent {
    let lines = match end {
        Err(failure) => failed(model, run.work, failure, room(area)),
        Ok(Outcome::Consolidated(report)) => consolidated(model, report, room(area)),
        Ok(Outcome::Verified(report)) => {
            return findings::draw(model, report, run.top, frame, area);
        }
    };
    scrolled(frame, area, lines, run.top.at(usize::MAX))
}

/// A failure: what it means for the store, what went wrong, and the way out.
fn failed(model: &Model, work: Work, failure: &Failure, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (word, meaning, style) = match failure.kind {
        FailureKind::Refused => ("failed", "Nothing was changed.", styles.bad()),
        FailureKind::Conflict => {
            ("gave way to another writer", "Nothing was changed by it.", styles.warn())
        }
        FailureKind::Damage => {
            ("found damage", "Nothing was changed. The damage was there before.", styles.bad())
        }
        FailureKind::Cancelled => ("was cancelled", "Nothing was changed.", styles.warn()),
        FailureKind::Unreachable => ("failed", unknown(work), styles.bad()),
    };
    let mut lines = styled(wrap(&format!("The {} {word}.", work.noun()), room), style);
    lines.extend([plain(wrap(meaning, room)), vec![Line::default()]].concat());
    lines.extend(plain(wrap(&escaped(&failure.message), room)));
    lines.extend(way_out(model, Place::Done, work, failure.kind, room));
    lines
}

/// What is known when the store can't be asked any more.
fn unknown(work: Work) -> &'static str {
    match work {
        Work::Consolidate => {
            "The store could not be asked any more; nothing is known to have changed."
        }
        Work::Verify => "The store could not be asked any more. Nothing was changed.",
    }
}

/// A consolidation that went well.
fn consolidated(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    if report.skipped {
        let words = match report.packs_before {
            0 => "There was nothing to do: the repo is empty.",
            _ => "There was nothing to do: the repo is one pack already.",
        };
        return styled(wrap(words, room), styles.good());
    }
    let mut lines = styled(
        wrap(&done(report.packs_before, report.packs_after, report.elapsed_ms), room),
        styles.good(),
    );
    lines.push(Line::default());
    lines.extend(facts(model, report, room));
    let old =
        format!("{} stay on disk until packhouse prune deletes them", size(report.bytes_before));
    lines.extend(long_fact(styles, "Old packs", &old, room));
    lines.extend(proof(model, report.proven.as_ref(), room));
    lines
}

/// That it went well, in a sentence.
pub(super) fn done(before: u64, after: u64, elapsed_ms: u64) -> String {
    format!(
        "Done: {} became {}, in {}.",
        plural(before, "pack"),
        count(after),
        duration(elapsed_ms)
    )
}

/// What it made.
pub(super) fn facts(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = Vec::new();
    if let Some(key) = &report.consolidated_key {
        lines.extend(key_fact(styles, &key.to_string(), room));
    }
    let repeated = format!("{} not written again", plural(report.duplicates_dropped, "record"));
    let all = holds(report.objects, report.commits, report.snapshots, report.tags);
    lines.push(fact(
        styles,
        "Size",
        &shrunk(styles, report.bytes_before, report.bytes_after, "the same"),
        room,
    ));
    lines.push(fact(styles, "Repeated", &repeated, room));
    lines.extend(long_fact(styles, "Holds", &all, room));
    lines.push(fact(styles, "Planned by", &format!("component {}", report.component), room));
    lines
}

/// A pack's key, whole: where it would not fit otherwise, without the name of its hash, as its file
/// is called.
pub(super) fn key_fact(styles: Styles, key: &str, room: usize) -> Vec<Line<'static>> {
    let fits = long_fact(styles, "Pack", key, room);
    let bare = key.strip_prefix("sha256:").filter(|_| fits.len() > 1);
    bare.map_or(fits, |bare| long_fact(styles, "Pack", bare, room))
}

/// What the host proved before it published, in its own numbers: nothing here is worked out from
/// anything else.
pub(super) fn proof(model: &Model, proven: Option<&GcProof>, room: usize) -> Vec<Line<'static>> {
    let Some(proven) = proven else {
        let words = "No proof came with this result, so none is shown.";
        return [vec![Line::default()], styled(wrap(words, room), model.styles.warn())].concat();
    };
    let said = [
        (
            plural(proven.entities, "entity"),
            "all that the index maps, in the encodings that it maps",
        ),
        (
            plural(proven.records, "record"),
            "read back, and compared with those that the plan copies",
        ),
        (plural(proven.objects_hashed, "object"), "the content of each hashes to its id"),
        (
            size(proven.bytes_read_back),
            "read back to the last byte, as many as were hashed to the key",
        ),
        (
            plural(proven.sources_hashed, "old pack"),
            "hashed whole to their keys, as not all they hold is copied",
        ),
    ];
    let mut lines = heading(model, "PROVEN BEFORE IT WAS PUBLISHED").to_vec();
    lines.extend(said.iter().flat_map(|(number, what)| {
        styled(indented("✓ ", &format!("{number}: {what}"), room), model.styles.good())
    }));
    lines
}

/// Wrapped behind a mark, the further lines below the first one's text.
fn indented(mark: &str, words: &str, room: usize) -> Vec<String> {
    let indent = width(mark);
    let lines = wrap(words, room.saturating_sub(indent)).into_iter().enumerate();
    lines
        .map(|(at, line)| {
            if at == 0 { format!("{mark}{line}") } else { format!("{}{line}", " ".repeat(indent)) }
        })
        .collect()
}

#[cfg(test)]
mod tests;
