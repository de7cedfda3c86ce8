//! All runs since the start of the console: active, queued and ended.
//!
//! ```text
//!  packhouse › runs                                                       2 running, 1 queued · /srv/store
//!  2 running · 1 queued · 1 done
//!  REPO              RUN            STATE                 TIME                                BYTES
//! ▸gabriel/notes     consolidation  Writing 43 %          phase: 12 s left  340.2 KiB of 791.9 KiB
//!  okafor/remixes    verification   Verifying 12 %        phase: 3 min left     1.2 GiB of 9.8 GiB
//!  zoe/loops         consolidation  Queued
//!  gabriel/photos    consolidation  Done: 23 → 1 pack     took 1.2 s             2.6 MiB → 2.3 MiB
//!
//!  x cancel run  Enter open  Esc back
//! ```

use packhouse_host::Event;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::parts::{inner, joined, plain, room, split};
use super::run::{seconds, since};
use super::table::{Beside, Table, list};
use crate::console::cells::wrap;
use crate::console::failure::FailureKind;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, Outcome, Run, RunState};
use crate::text::{ago, capitalized, count, duration, escaped, percent, plural, size};

const BAR: usize = 10;

/// The columns beside the repo, the most important first.
const COLUMNS: [Beside; 7] = [
    Beside { head: "RUN", width: 15, numbers: false },
    Beside { head: "STATE", width: 22, numbers: false },
    Beside { head: "TIME", width: 20, numbers: false },
    Beside { head: "BYTES", width: 25, numbers: true },
    Beside { head: "PROGRESS", width: BAR + 2, numbers: false },
    Beside { head: "SPEED", width: 14, numbers: true },
    Beside { head: "WHEN", width: 18, numbers: false },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    if model.runs.len() == 0 {
        frame.render_widget(
            Paragraph::new(plain(wrap(&how_to_start(model), room(area)))),
            inner(area),
        );
        return Extent { row: area.y, ..Extent::default() };
    }
    let [top, area] = split(area, usize::from(area.height > 3));
    frame.render_widget(Paragraph::new(sums(model)), inner(top));
    let table = Table::of("REPO", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, run: &Run, selected| {
        table.row(model.styles, &escaped(&run.of()), |head| cell(model, run, head), selected)
    };
    list(
        frame,
        area,
        table.head(model.styles),
        model.runs.cursor,
        model.runs.listed().into_iter(),
        row,
    )
}

/// How many runs there are, and how they have ended.
fn sums(model: &Model) -> Line<'static> {
    let (styles, runs, tally) = (model.styles, &model.runs, model.runs.tally());
    let parts = [
        (runs.running().count() as u64, "running", styles.busy()),
        (runs.queued().count() as u64, "queued", styles.busy()),
        (tally.done, "done", styles.good()),
        (tally.failed, "failed", styles.bad()),
        (tally.cancelled, "cancelled", styles.warn()),
    ];
    let parts = parts.into_iter().filter(|(number, ..)| *number > 0);
    joined(
        styles,
        parts.map(|(number, how, style)| Span::styled(format!("{} {how}", count(number)), style)),
    )
}

fn how_to_start(model: &Model) -> String {
    let key = |action| model.keymap.key_in(Focus::Repos, action);
    let mut ways = vec![format!("{} verifies one", key(Action::Verify))];
    if !model.read_only {
        ways.insert(0, format!("{} consolidates a repo", key(Action::Consolidate)));
    }
    let mark = key(Action::Mark);
    format!("No runs yet. In the list of repos, {}; {mark} marks several repos.", ways.join(", "))
}

fn cell(model: &Model, run: &Run, head: &str) -> (String, Style) {
    let step = match &run.state {
        RunState::Running { step, .. } => step.as_ref(),
        _ => None,
    };
    match head {
        "RUN" => (run.work.noun().to_owned(), Style::new()),
        "STATE" => state(model, run),
        "TIME" => (time(model, run), Style::new()),
        "BYTES" => (bytes(model, run, step), Style::new()),
        "PROGRESS" => (
            step.and_then(|step| percent(step.done, step.total)).map(bar).unwrap_or_default(),
            model.styles.busy(),
        ),
        "SPEED" => (if model.is_disconnected() { String::new() } else { speed(run) }, Style::new()),
        _ => {
            (ago(model.now, run.ended.or(run.began).unwrap_or(run.queued_at)), model.styles.quiet())
        }
    }
}

/// The state of a run.
fn state(model: &Model, run: &Run) -> (String, Style) {
    let styles = model.styles;
    match &run.state {
        RunState::Queued(_) => ("Queued".to_owned(), styles.quiet()),
        RunState::Running { .. } if model.is_disconnected() => {
            (capitalized(&model.step_text(run).unwrap_or_default()), styles.warn())
        }
        RunState::Running { .. } => {
            (capitalized(&model.step_text(run).unwrap_or_default()), styles.busy())
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) if report.skipped => {
            let why = if report.budget_reached { "Budget reached" } else { "Nothing to do" };
            (why.to_owned(), styles.good())
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) => (
            format!(
                "Done: {}",
                styles.to(&count(report.packs_before), &plural(report.packs_after, "pack"))
            ),
            styles.good(),
        ),
        RunState::Ended(Ok(Outcome::Verified(report))) if report.ok => {
            ("No problems".to_owned(), styles.good())
        }
        RunState::Ended(Ok(Outcome::Verified(report))) => {
            (plural(report.problems.len() as u64, "problem"), styles.bad())
        }
        RunState::Ended(Ok(Outcome::Pruned(report))) => {
            let style = if report.kept.is_empty() { styles.good() } else { styles.bad() };
            (format!("{} deleted", plural(report.packs_deleted, "pack")), style)
        }
        RunState::Ended(Err(failure)) => match failure.kind {
            FailureKind::Refused | FailureKind::Unreachable => ("Failed".to_owned(), styles.bad()),
            FailureKind::Conflict => ("Conflict".to_owned(), styles.warn()),
            FailureKind::Damage => ("Found damage".to_owned(), styles.bad()),
            FailureKind::Cancelled => ("Cancelled".to_owned(), styles.warn()),
        },
    }
}

fn time(model: &Model, run: &Run) -> String {
    match &run.state {
        RunState::Queued(_) => String::new(),
        RunState::Running { step: Some(step), speed, stopping: false }
            if !model.is_disconnected() =>
        {
            match speed.left(step) {
                // Later phases can't be estimated yet.
                Some(left) if left > 0 => format!("phase: {} left", roughly(left)),
                _ => format!("for {}", seconds(since(model, run.began))),
            }
        }
        RunState::Running { .. } => format!("for {}", seconds(since(model, run.began))),
        RunState::Ended(_) => {
            took(run).map(|took| format!("took {}", duration(took))).unwrap_or_default()
        }
    }
}

/// Seconds in their largest unit.
fn roughly(seconds: u64) -> String {
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!("{} h", count(seconds / 3600)),
    }
}

/// The duration of a run in milliseconds; `None` if it never started. For consolidations it is that
/// of the report.
fn took(run: &Run) -> Option<u64> {
    if let RunState::Ended(Ok(Outcome::Consolidated(report))) = &run.state {
        return Some(report.elapsed_ms);
    }
    u64::try_from(run.ended?.duration_since(run.began?).as_millis()).ok()
}

fn bytes(model: &Model, run: &Run, step: Option<&Event>) -> String {
    match (&run.state, step) {
        (_, Some(step)) if step.total > 0 => format!("{} of {}", size(step.done), size(step.total)),
        (RunState::Ended(Ok(Outcome::Consolidated(report))), _) if !report.skipped => {
            model.styles.to(&size(report.bytes_before), &size(report.bytes_after))
        }
        (RunState::Ended(Ok(Outcome::Verified(report))), _) => size(report.bytes_checked),
        (RunState::Ended(Ok(Outcome::Pruned(report))), _) => size(report.bytes_deleted),
        _ => String::new(),
    }
}

fn bar(percent: u64) -> String {
    let full = BAR * percent.min(100) as usize / 100;
    "█".repeat(full) + &"░".repeat(BAR - full)
}

fn speed(run: &Run) -> String {
    match &run.state {
        RunState::Running { speed, .. } => {
            speed.rate().map(|rate| format!("{}/s", size(rate))).unwrap_or_default()
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
