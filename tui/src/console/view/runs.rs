//! All work since the console started: what goes on, what waits for its turn, what has ended.
//!
//! ```text
//!  packhouse › runs                                                       2 running, 1 waiting · /srv/store
//!  REPO              WORK           STATE                 TIME                                BYTES
//! ▸gabriel/notes     consolidation  splicing 43 %         phase: 12 s left  340.2 KiB of 791.9 KiB
//!  okafor/remixes    verification   verifying 12 %        phase: 3 min left     1.2 GiB of 9.8 GiB
//!  zoe/loops         consolidation  waiting
//!  gabriel/photos    consolidation  done: 23 → 1 pack     took 1.2 s             2.6 MiB → 2.3 MiB
//!
//!  x cancel the work  Enter open  Esc back
//! ```

use packhouse_host::Event;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::Paragraph;

use super::parts::inner;
use super::run::{seconds, since};
use super::table::{Beside, Table, list};
use super::{key_in, plain, room};
use crate::console::backend::FailureKind;
use crate::console::cells::wrap;
use crate::console::keys::{Action, Place};
use crate::console::msg::Extent;
use crate::console::state::{Model, Outcome, Run, RunState};
use crate::text::{ago, count, duration, escaped, percent, plural, size};

const BAR: usize = 10;

/// What stands beside the repo, what matters most first.
const COLUMNS: [Beside; 7] = [
    Beside { head: "WORK", width: 15, numbers: false },
    Beside { head: "STATE", width: 22, numbers: false },
    Beside { head: "TIME", width: 20, numbers: false },
    Beside { head: "BYTES", width: 25, numbers: true },
    Beside { head: "OF PHASE", width: BAR + 2, numbers: false },
    Beside { head: "SPEED", width: 14, numbers: true },
    Beside { head: "WHEN", width: 18, numbers: false },
];

/// The body.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    if model.runs.len() == 0 {
        frame.render_widget(
            Paragraph::new(plain(wrap(&how_work_comes(model), room(area)))),
            inner(area),
        );
        return Extent { row: area.y, ..Extent::default() };
    }
    let table = Table::of("REPO", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, run: &Run, pointed| {
        table.row(
            model.styles,
            &escaped(&run.repo.to_string()),
            |head| cell(model, run, head),
            pointed,
        )
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

fn how_work_comes(model: &Model) -> String {
    let key = |action| key_in(model, Place::Repos, action);
    let mut ways = vec![format!("{} verifies one", key(Action::Verify))];
    if !model.read_only {
        ways.insert(0, format!("{} consolidates a repo", key(Action::Consolidate)));
    }
    let mark = key(Action::Mark);
    format!(
        "Nothing was done since the console started. In the list of repos, {}; with {mark} many are marked first.",
        ways.join(", ")
    )
}

fn cell(model: &Model, run: &Run, head: &str) -> (String, Style) {
    let step = match &run.state {
        RunState::Running { step, .. } => step.as_ref(),
        _ => None,
    };
    match head {
        "WORK" => (run.work.noun().to_owned(), Style::new()),
        "STATE" => state(model, run),
        "TIME" => (time(model, run), Style::new()),
        "BYTES" => (bytes(model, run, step), Style::new()),
        "OF PHASE" => (
            step.and_then(|step| percent(step.done, step.total)).map(bar).unwrap_or_default(),
            model.styles.busy(),
        ),
        "SPEED" => (if model.is_disconnected() { String::new() } else { speed(run) }, Style::new()),
        _ => (ago(model.now, run.ended.or(run.began).unwrap_or(run.asked)), model.styles.quiet()),
    }
}

/// How it is, in words.
fn state(model: &Model, run: &Run) -> (String, Style) {
    let styles = model.styles;
    match &run.state {
        RunState::Queued(_) => ("waiting".to_owned(), styles.quiet()),
        RunState::Running { .. } if model.is_disconnected() => {
            (model.step_words(run).unwrap_or_default(), styles.warn())
        }
        RunState::Running { .. } => (model.step_words(run).unwrap_or_default(), styles.busy()),
        RunState::Ended(Ok(Outcome::Consolidated(report))) if report.skipped => {
            ("nothing to do".to_owned(), styles.good())
        }
        RunState::Ended(Ok(Outcome::Consolidated(report))) => (
            format!(
                "done: {}",
                styles.to(&count(report.packs_before), &plural(report.packs_after, "pack"))
            ),
            styles.good(),
        ),
        RunState::Ended(Ok(Outcome::Verified(report))) if report.ok => {
            ("no problems".to_owned(), styles.good())
        }
        RunState::Ended(Ok(Outcome::Verified(report))) => {
            (plural(report.problems.len() as u64, "problem"), styles.bad())
        }
        RunState::Ended(Err(failure)) => match failure.kind {
            FailureKind::Refused | FailureKind::Unreachable => ("failed".to_owned(), styles.bad()),
            FailureKind::Conflict => ("gave way".to_owned(), styles.warn()),
            FailureKind::Damage => ("found damage".to_owned(), styles.bad()),
            FailureKind::Cancelled => ("cancelled".to_owned(), styles.warn()),
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
                // What comes after this phase can't be measured yet.
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

/// How long it went on, in milliseconds; none if it never began. A consolidation says so itself,
/// and its result says the same.
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
