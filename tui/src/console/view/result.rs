//! What work ended with.
//!
//! ```text
//!  packhouse › gabriel/notes › consolidation
//!  Done: 7 packs became 1, in 1.2 s.
//!
//!  Pack        sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//!  Size        812.0 KiB → 773.4 KiB (38.6 KiB less)
//!  Repeated    34 records, now written once
//!  Planned by  component sha256:…
//!
//!  PROVEN BEFORE IT WAS PUBLISHED
//!  ✓ all that the index knew is in the new pack: 144 entities
//!  ✓ the content of every object hashes to its id: 112 objects
//!  …
//! ```
//!
//! ```text
//!  packhouse › gabriel/notes › verification
//!  2 problems found.
//!
//!  Checked     7 packs, 240 objects, 812.0 KiB
//!
//!  1. damaged pack
//!     Pack      sha256:…
//!     Entity    object sha256:…
//!     its bytes hash to …; restore … from a backup
//! ```

use packhouse_host::{GcReport, Problem, ProblemKind, VerifyReport};
use ratatui::text::Line;

use super::repo::holds;
use super::{fact, failure_lines, plain, styled};
use crate::console::backend::Failure;
use crate::console::state::{Model, Outcome, Run};
use crate::console::words::{lasting, many, safe, size, wrap};

/// The body.
pub(super) fn lines(model: &Model, run: &Run, end: &Result<Outcome, Failure>, room: usize) -> Vec<Line<'static>> {
    match end {
        Err(failure) => failure_lines(model.theme, run.work.noun(), failure, room),
        Ok(Outcome::Consolidated(report)) => consolidated(model, report, room),
        Ok(Outcome::Verified(report)) => verified(model, report, room),
    }
}

fn consolidated(model: &Model, report: &GcReport, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    if report.skipped {
        return styled(wrap("There was nothing to do: the repo is one pack already.", room), theme.good());
    }
    let packs = many(report.packs_before, "pack");
    let title = format!("Done: {packs} became {}, in {}.", report.packs_after, lasting(report.elapsed_ms));
    let mut lines = styled(wrap(&title, room), theme.good());
    lines.push(Line::default());
    if let Some(key) = &report.consolidated_key {
        lines.push(fact(theme, "Pack", &key.to_string(), room));
    }
    lines.push(fact(theme, "Size", &shrunk(report.bytes_before, report.bytes_after), room));
    lines.push(fact(theme, "Repeated", &format!("{} not written again", many(report.duplicates_dropped, "record")), room));
    lines.push(fact(theme, "Holds", &holds(report.objects, report.commits, report.snapshots, report.tags), room));
    lines.push(fact(theme, "Planned by", &format!("component {}", report.component), room));
    lines.extend([Line::default(), Line::styled("PROVEN BEFORE IT WAS PUBLISHED", theme.quiet())]);
    // What the host checks of every plan (law 4). It has no report for it: a run that fails one has no result.
    let entities = report.objects + report.commits + report.snapshots + report.tags;
    let proven = [
        format!("all that the index knew is in the new pack: {}", many(entities, "entity")),
        format!("the content of every object hashes to its id: {}", many(report.objects, "object")),
        "every byte was taken from a pack of this repo".to_owned(),
        "the pack's key is the SHA-256 of its bytes, computed by the host".to_owned(),
    ];
    lines.extend(proven.iter().flat_map(|words| styled(indented("✓ ", words, room), theme.good())));
    lines
}

fn shrunk(before: u64, after: u64) -> String {
    let change = match before.checked_sub(after) {
        Some(0) => "the same".to_owned(),
        Some(less) => format!("{} less", size(less)),
        None => format!("{} more", size(after - before)),
    };
    format!("{} → {} ({change})", size(before), size(after))
}

fn verified(model: &Model, report: &VerifyReport, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let mut lines = if report.ok {
        styled(wrap("No problems: everything is there, and is what its name says.", room), theme.good())
    } else {
        styled(wrap(&format!("Damage: {} found.", many(report.problems.len() as u64, "problem")), room), theme.bad())
    };
    lines.push(Line::default());
    let packs = many(report.packs_checked, "pack");
    let objects = many(report.objects_checked, "object");
    lines.push(fact(theme, "Checked", &format!("{packs}, {objects}, {}", size(report.bytes_checked)), room));
    for (at, problem) in report.problems.iter().enumerate() {
        lines.push(Line::default());
        lines.extend(finding(model, at + 1, problem, room));
    }
    lines
}

fn finding(model: &Model, number: usize, problem: &Problem, room: usize) -> Vec<Line<'static>> {
    let mut lines = styled(wrap(&format!("{number}. {}", kind_words(problem.kind)), room), model.theme.bad());
    if let Some(pack) = &problem.pack {
        lines.push(fact(model.theme, "   Pack", &pack.to_string(), room));
    }
    if let Some(entity) = &problem.entity {
        lines.push(fact(model.theme, "   Entity", entity, room));
    }
    lines.extend(plain(indented("   ", &safe(&problem.detail), room)));
    lines
}

fn kind_words(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::MissingPack => "missing pack: its file is gone",
        ProblemKind::DamagedPack => "damaged pack: its bytes are not what its key names",
        ProblemKind::LostEntity => "lost entity: the pack that should hold it doesn't",
        ProblemKind::UnindexedEntity => "unindexed entity: a pack holds it, the index doesn't know it",
        ProblemKind::DamagedDirectory => "damaged directory: it is not what its pack holds",
        ProblemKind::DamagedCatalog => "damaged catalog: it is not what the records say",
    }
}

/// Wrapped behind a mark, the further lines below the first one's text.
fn indented(mark: &str, words: &str, room: usize) -> Vec<String> {
    let indent = crate::console::words::width(mark);
    let lines = wrap(words, room.saturating_sub(indent)).into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { format!("{mark}{line}") } else { format!("{}{line}", " ".repeat(indent)) }).collect()
}
