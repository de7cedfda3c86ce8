//! The result of a run.
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Consolidated 7 packs into 1 in 1.2 s.
//!
//!  Pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//!  Size        812.0 KiB → 773.4 KiB (38.6 KiB less)
//!  Duplicates  34 records removed
//!  Contents    112 objects, 16 commits, 16 snapshots, 0 tags
//!  Planned by  component sha256:…
//!  Old packs   812.0 KiB, kept until a prune deletes them; 4 shows when
//!
//!  VERIFIED BEFORE PUBLISHING
//!  ✓ 144 entities: every indexed record is present and unchanged
//!  ✓ 144 records: read back, and equal to their sources
//!  ✓ 112 objects: the content matches the hash
//!  …
//! ```
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Consolidation conflicted with another writer.
//!  It changed nothing.
//!
//!  gabriel/notes has changed since the plan was created; nothing was done
//!
//!  Next        Press g to see a new plan.
//! ```
//!
//! [`findings`] draws the result of a verification.

mod findings;
mod pruned;

use packhouse_host::{GcProof, GcReport};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::parts::{
    contents, fact, heading, kept_until, key_fact, long_fact, plain, room, scrolled, shrunk,
    styled, way_out,
};
use crate::console::cells::{width, wrap};
use crate::console::failure::{Failure, FailureKind};
use crate::console::keys::Focus;
use crate::console::state::{Extent, Model, Outcome, Run, Work};
use crate::text::{capitalized, count, duration, escaped, plural, size};

/// Draws the screen.
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
        Ok(Outcome::Pruned(report)) => pruned::lines(model, report, room(area)),
        Ok(Outcome::Verified(report)) => {
            return findings::draw(model, run, report, frame, area);
        }
    };
    scrolled(frame, area, lines, run.top.at(usize::MAX))
}

/// A failure: its effect on the store, the error, and what to do.
fn failed(model: &Model, work: Work, failure: &Failure, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let (word, meaning, style) = match failure.kind {
        FailureKind::Refused => ("failed", "Nothing was changed.", styles.bad()),
        FailureKind::Conflict => {
            ("conflicted with another writer", "It changed nothing.", styles.warn())
        }
        FailureKind::Damage => {
            ("found damage", "Nothing was changed. The damage existed before.", styles.bad())
        }
        FailureKind::Cancelled => ("was cancelled", "Nothing was changed.", styles.warn()),
        FailureKind::Unreachable => ("failed", unknown(work), styles.bad()),
    };
    // Packs are deleted one by one.
    let meaning = match (work, failure.kind) {
        (Work::Prune, FailureKind::Unreachable) => meaning,
        (Work::Repair, kind) if kind != FailureKind::Unreachable => {
            "What was repaired until then stays repaired."
        }
        (Work::Prune, _) => "What was deleted until then stays deleted. It was not needed.",
        _ => meaning,
    };
    let mut lines = styled(wrap(&format!("{} {word}.", capitalized(work.noun())), room), style);
    lines.extend([plain(wrap(meaning, room)), vec![Line::default()]].concat());
    lines.extend(plain(wrap(&escaped(&failure.message), room)));
    lines.extend(way_out(model, Focus::Done, work, failure.kind, room));
    lines
}

/// What is known after the connection was lost.
fn unknown(work: Work) -> &'static str {
    match work {
        Work::Consolidate => "The connection was lost, so the result is unknown.",
        Work::Verify => "The connection was lost. Nothing was changed.",
        Work::Prune | Work::Repair => "The connection was lost, so the result is unknown.",
    }
}

/// A successful consolidation.
fn consolidated(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    if report.skipped {
        return nothing_done(model, report, room);
    }
    let mut lines = styled(
        wrap(&done(report.packs_before, report.packs_after, report.elapsed_ms), room),
        styles.good(),
    );
    lines.push(Line::default());
    lines.extend(facts(model, report, room));
    // What stays is in both numbers.
    let replaced = (report.bytes_before + report.bytes_written).saturating_sub(report.bytes_after);
    let old = format!("{}, {}", size(replaced), kept_until(model));
    lines.extend(long_fact(styles, "Old packs", &old, room));
    lines.extend(proof(model, report.phase.proven.as_ref(), room));
    lines
}

/// Why nothing was done, or will be.
pub(super) fn nothing_done<P>(
    model: &Model,
    report: &GcReport<P>,
    room: usize,
) -> Vec<Line<'static>> {
    if report.budget_reached {
        let message = "Nothing was done: the budget is too small.";
        return styled(wrap(message, room), model.styles.warn());
    }
    let message = match report.packs_before {
        0 => "Nothing to do: the repo is empty.",
        1 => "Nothing to do: the repo has only one pack.",
        _ => "Nothing to do: each pack is much larger than all smaller ones together.",
    };
    styled(wrap(message, room), model.styles.good())
}

/// The kind of a consolidation, and whether its budget was reached.
pub(super) fn kind<P>(report: &GcReport<P>) -> String {
    let kind = match report.geometric {
        None => "full: all packs become one".to_owned(),
        Some(factor) => format!("geometric, factor {factor}: the smallest packs become one"),
    };
    match report.budget_reached {
        true => format!("{kind}; stopped at the budget"),
        false => kind,
    }
}

/// The success in a sentence.
pub(super) fn done(before: u64, after: u64, elapsed_ms: u64) -> String {
    format!(
        "Consolidated {} into {} in {}.",
        plural(before, "pack"),
        count(after),
        duration(elapsed_ms)
    )
}

/// The facts of a consolidation.
pub(super) fn facts(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let styles = model.styles;
    let mut lines = long_fact(styles, "Kind", &kind(report), room);
    if let Some(key) = &report.consolidated_key {
        lines.extend(key_fact(styles, &key.to_string(), room));
    }
    let duplicates = format!("{} removed", plural(report.duplicates_dropped, "record"));
    let all = contents(report.objects, report.commits, report.snapshots, report.tags);
    lines.push(fact(
        styles,
        "Size",
        &shrunk(styles, report.bytes_before, report.bytes_after, "the same"),
        room,
    ));
    lines.push(fact(styles, "Duplicates", &duplicates, room));
    lines.extend(long_fact(styles, "Contents", &all, room));
    lines.push(fact(styles, "Planned by", &format!("component {}", report.component), room));
    lines
}

/// What the host verified before publishing, in its own numbers; nothing is derived here.
pub(super) fn proof(model: &Model, proven: Option<&GcProof>, room: usize) -> Vec<Line<'static>> {
    let Some(proven) = proven else {
        let explanation = "This result has no verification report.";
        return [vec![Line::default()], styled(wrap(explanation, room), model.styles.warn())]
            .concat();
    };
    let facts = [
        (plural(proven.entities, "entity"), "every indexed record is present and unchanged"),
        (plural(proven.records, "record"), "read back, and equal to their sources"),
        (plural(proven.objects_hashed, "object"), "the content matches the hash"),
        (size(proven.bytes_read_back), "read back completely, and the hash is the key"),
        (
            plural(proven.sources_hashed, "old pack"),
            "hashed completely, because they are only copied in part",
        ),
    ];
    let mut lines = heading(model, "VERIFIED BEFORE PUBLISHING").to_vec();
    lines.extend(facts.iter().flat_map(|(number, what)| {
        styled(indented("✓ ", &format!("{number}: {what}"), room), model.styles.good())
    }));
    lines
}

/// Wraps text after a mark, with the following lines indented.
fn indented(mark: &str, text: &str, room: usize) -> Vec<String> {
    let indent = width(mark);
    let lines = wrap(text, room.saturating_sub(indent)).into_iter().enumerate();
    lines
        .map(|(at, line)| {
            if at == 0 { format!("{mark}{line}") } else { format!("{}{line}", " ".repeat(indent)) }
        })
        .collect()
}

#[cfg(test)]
mod tests;
