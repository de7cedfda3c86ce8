//! A job in full: what it does, its times, why it failed, and its result.
//!
//! ```text
//!  packhouse › jobs › 12
//!  gc of aster-studio/film-score-north: failed
//!
//!  Reason      creating a pack in /srv/muse failed: not enough disk space …
//!  Attempts    8
//!  Created     2026-07-01 11:14:06 UTC, 45 minutes ago
//!  Started     2026-07-01 11:14:06 UTC, 45 minutes ago
//!  Finished    2026-07-01 11:14:07 UTC, 45 minutes ago
//!  Worker      studio-1:4711
//!
//!  PAYLOAD
//!  {}
//! ```

use jiff::Timestamp;
use packhouse_host::JobStatus;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::jobs::{is_abandoned, is_new, kind, of, status, status_style};
use super::parts::{failure_lines, heading, long_fact, plain, room, scrolled, styled};
use crate::console::cells::wrap;
use crate::console::state::{Extent, Job, Model};
use crate::text::{ago, count, escaped};

/// Draws the screen.
pub(super) fn draw(model: &Model, job: &Job, frame: &mut Frame, area: Rect) -> Extent {
    scrolled(frame, area, lines(model, job, room(area)), job.top.at(usize::MAX))
}

fn lines(model: &Model, job: &Job, room: usize) -> Vec<Line<'static>> {
    let (styles, report) = (model.styles, &job.report);
    let title = format!("{} of {}: {}", kind(report), of(report), status(report));
    let mut lines = styled(wrap(&title, room), status_style(model, report));
    if let Some(failure) = &job.failure {
        lines.extend(failure_lines(styles, "Loading the job", failure, room));
    }
    lines.push(Line::default());
    let mut fact = |name, value: Option<String>| {
        lines.extend(value.iter().flat_map(|value| long_fact(styles, name, value, room)));
    };
    let at =
        |at: Timestamp| format!("{}, {}", at.strftime("%Y-%m-%d %H:%M:%S UTC"), ago(model.now, at));
    let lease = |until: Timestamp| {
        let until = until.strftime("%Y-%m-%d %H:%M:%S UTC");
        let expired = "expired; another worker takes the job";
        if is_abandoned(model, report) {
            format!("until {until}: {expired}")
        } else {
            format!("until {until}")
        }
    };
    let waits = report.status == JobStatus::Queued && report.run_at > model.now;
    fact("Reason", report.reason.clone());
    fact("Attempts", Some(count(u64::from(report.attempt))));
    fact("Created", Some(at(report.created_at)));
    let retried = is_new(report) && !waits && report.run_at > report.created_at;
    fact("Retried", retried.then(|| at(report.run_at)));
    fact("Due", waits.then(|| report.run_at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
    // Those of the attempts before a retry are over.
    let attempted = !is_new(report);
    fact("Started", report.started_at.filter(|_| attempted).map(at));
    fact("Finished", report.finished_at.map(at));
    fact("Worker", report.worker.clone().filter(|_| attempted));
    fact("Lease", report.lease_until.map(lease));
    let operation = serde_json::to_value(&report.operation).unwrap_or_default();
    let values = [("PAYLOAD", operation.get("payload")), ("RESULT", report.result.as_ref())];
    for (title, value) in values {
        let Some(value) = value else { continue };
        lines.extend(heading(model, title));
        lines.extend(json(value, room));
    }
    lines
}

/// A value, indented.
pub(super) fn json(value: &serde_json::Value, room: usize) -> Vec<Line<'static>> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    let line = |line: &str| {
        // Wrapping drops leading blanks.
        let indent = line.len() - line.trim_start().len();
        let wrapped = wrap(&escaped(line.trim_start()), room.saturating_sub(indent));
        wrapped.into_iter().map(move |line| " ".repeat(indent) + &line).collect::<Vec<_>>()
    };
    plain(text.lines().flat_map(line).collect())
}
