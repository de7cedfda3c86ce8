//! One repo.
//!
//! ```text
//!  packhouse › gabriel/notes
//!  State       7 packs to merge
//!  Packs       7, 812.0 KiB (812.0 KiB stored, with what waits for deletion)
//!  Holds       112 objects, 16 commits, 16 snapshots, 0 tags
//!  Access      public, default branch main, made 3 days ago
//!  Last work   verification: no problems
//!
//!  HEADS
//!  main        4f0c…
//!
//!  PACKS
//!  sha256:055b71f6f6aab46dd1577335adf1829e5796fb4ccbc4b2e2a0743b80d0bbebb0
//!
//!  CONSOLIDATIONS
//!  2 hours ago    7 → 1 packs, 812.0 KiB → 773.4 KiB, in 1.2 s
//!
//!  g consolidate  v verify  Esc back  ? help  r refresh
//! ```

use packhouse_host::{GcRecord, RepoReport};
use ratatui::text::{Line, Span};

use super::repos::{last_words, state_words};
use super::{fact, failure_lines};
use crate::console::backend::Failure;
use crate::console::state::{Model, Outcome, Repo, Run, RunState};
use crate::console::words::{ago, fit, lasting, many, pad, safe, size, wrap};

/// The body.
pub(super) fn lines(model: &Model, repo: &Repo, room: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(failure) = &repo.failure {
        lines.extend(failure_lines(model.theme, "reading of the repo", failure, room));
        lines.push(Line::default());
    }
    let Some((report, history)) = &repo.known else {
        if repo.failure.is_none() {
            lines.push(Line::raw("Reading the repo …"));
        }
        return lines;
    };
    lines.extend(facts(model, report, room));
    lines.extend(last_work(model, repo, room));
    lines.extend(heading(model, "HEADS"));
    if report.branch_heads.is_empty() {
        lines.push(Line::raw("none yet"));
    }
    for (branch, head) in &report.branch_heads {
        // A branch may be called anything; its head must still be readable beside it.
        let name = pad(&safe(branch), room.saturating_sub(74).clamp(12, 24), false);
        lines.push(Line::raw(fit(&format!("{name} {}", safe(head)), room)));
    }
    lines.extend(heading(model, "PACKS"));
    if report.pack_keys.is_empty() {
        lines.push(Line::raw("none yet"));
    }
    lines.extend(report.pack_keys.iter().map(|key| Line::raw(fit(&key.to_string(), room))));
    lines.extend(heading(model, "CONSOLIDATIONS"));
    if history.is_empty() {
        lines.push(Line::raw("never"));
    }
    lines.extend(history.iter().flat_map(|record| past(model, record, room)));
    lines
}

fn heading(model: &Model, words: &'static str) -> [Line<'static>; 2] {
    [Line::default(), Line::from(Span::styled(words, model.theme.quiet()))]
}

fn facts(model: &Model, report: &RepoReport, room: usize) -> Vec<Line<'static>> {
    let theme = model.theme;
    let (state, style) = state_words(model, report);
    let waiting = report.stored_bytes.saturating_sub(report.bytes);
    let packs = match waiting {
        0 => format!("{}, {}", report.packs, size(report.bytes)),
        _ => format!("{}, {}; {} more wait for deletion", report.packs, size(report.bytes), size(waiting)),
    };
    let last = report.last_gc.as_ref().map_or_else(|| "never".to_owned(), |last| last_words(model.now, last));
    let made = ago(model.now, report.created_at);
    vec![
        fact(theme, "State", &state, room).patch_style(style),
        fact(theme, "Packs", &packs, room),
        fact(theme, "Holds", &holds(report.objects, report.commits, report.snapshots, report.tags), room),
        fact(theme, "Last merge", &last, room),
        fact(
            theme,
            "Access",
            &format!("{}, default branch {}, made {made}", report.visibility.as_str(), report.default_branch),
            room,
        ),
    ]
}

/// Counts of the four kinds.
pub(super) fn holds(objects: u64, commits: u64, snapshots: u64, tags: u64) -> String {
    [(objects, "object"), (commits, "commit"), (snapshots, "snapshot"), (tags, "tag")]
        .map(|(number, one)| many(number, one))
        .join(", ")
}

/// What was done here since the console started, with the error if it failed.
fn last_work(model: &Model, repo: &Repo, room: usize) -> Vec<Line<'static>> {
    let Some(run) = model.runs.of_repo(&repo.name) else { return Vec::new() };
    let said = |words: &str| vec![fact(model.theme, "Last work", &format!("{}: {words}", run.work.noun()), room)];
    match &run.state {
        RunState::Going { .. } => said(&run.step_words().unwrap_or_default()),
        RunState::Ended(Ok(Outcome::Consolidated(report))) if report.skipped => said("nothing to do"),
        RunState::Ended(Ok(Outcome::Consolidated(report))) => said(&format!("{} became one", many(report.packs_before, "pack"))),
        RunState::Ended(Ok(Outcome::Verified(report))) if report.ok => said("no problems"),
        RunState::Ended(Ok(Outcome::Verified(report))) => {
            said(&format!("{}; v verifies again", many(report.problems.len() as u64, "problem")))
        }
        RunState::Ended(Err(failure)) => failed(model, run, failure, room),
    }
}

fn failed(model: &Model, run: &Run, failure: &Failure, room: usize) -> Vec<Line<'static>> {
    let mut lines = vec![Line::default()];
    lines.extend(failure_lines(model.theme, run.work.noun(), failure, room));
    lines
}

fn past(model: &Model, record: &GcRecord, room: usize) -> Vec<Line<'static>> {
    let when = pad(&ago(model.now, record.finished_at), 15, false);
    let what = match record.outcome.as_str() {
        "consolidated" => format!(
            "{} → {} packs, {} → {}, in {}",
            record.packs_before,
            record.packs_after,
            size(record.bytes_before),
            size(record.bytes_after),
            lasting(record.elapsed_ms)
        ),
        "skipped" => "nothing to do".to_owned(),
        other => safe(other),
    };
    let mut lines = vec![Line::raw(fit(&format!("{when}{what}"), room))];
    if let Some(error) = &record.error {
        let indent = " ".repeat(15);
        lines.extend(wrap(&safe(error), room.saturating_sub(15)).into_iter().map(|line| Line::raw(format!("{indent}{line}"))));
    }
    lines
}
