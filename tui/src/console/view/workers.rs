//! Who works on jobs: the leases of workers, since when, and until when.
//!
//! ```text
//!  packhouse › workers
//!  2 workers · 3 jobs
//!  WORKER                    SINCE  LEASE         JOB  TYPE    REPO
//! ▸studio-1:4711                4m  8s more        16  gc      city-archive/radio-1974
//!  studio-2:310                41s  expired        17  index   gabriel/notes
//!
//!  Enter open  Esc back
//! ```

use packhouse_host::JobReport;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::details::details_below;
use super::jobs::{age, is_abandoned, kind, of};
use super::missing_worker::without_worker;
use super::parts::{failure_above, inner, joined, long_fact, plain, room, split};
use super::table::{Beside, Table};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, RECONNECTING};
use crate::text::{escaped, plural, time};

/// The columns beside the worker, the most important first.
const COLUMNS: [Beside; 5] = [
    Beside { head: "SINCE", width: 7, numbers: true },
    Beside { head: "LEASE", width: 12, numbers: false },
    Beside { head: "JOB", width: 8, numbers: true },
    Beside { head: "TYPE", width: 8, numbers: false },
    Beside { head: "REPO", width: 20, numbers: false },
];

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (styles, workers, room) = (model.styles, &model.workers, room(area));
    let mut above = vec![sums(model)];
    above.extend(without_worker(model, room));
    let (failure, is_empty) = (workers.failure.as_ref(), workers.leases.is_empty());
    above.extend(failure_above(styles, "Loading the leases", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    let Some(current) = workers.current() else {
        frame.render_widget(Paragraph::new(plain(wrap(&nothing(model), room))), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    };
    let detailed = details_below(frame, below, facts(model, current, room), workers.cursor);
    let table = Table::of("WORKER", &COLUMNS, usize::from(area.width).saturating_sub(1));
    let row = |_, job: &JobReport, selected| {
        table.row(styles, &name(job), |head| cell(model, job, head), selected)
    };
    detailed.draw(frame, table.head(styles), workers.leases.iter(), row)
}

/// How many workers have how many jobs.
fn sums(model: &Model) -> Line<'static> {
    let (styles, workers) = (model.styles, &model.workers);
    if !workers.known {
        let loading = match (workers.loading, model.is_disconnected()) {
            (_, true) => RECONNECTING,
            (Some(_), false) => "loading …",
            (None, false) => "",
        };
        return Line::styled(loading, styles.busy());
    }
    let jobs = plural(workers.leases.len() as u64, "job");
    let mut parts = vec![Span::raw(plural(workers.count(), "worker")), Span::raw(jobs)];
    let expired = workers.leases.iter().filter(|job| is_abandoned(model, job)).count() as u64;
    if expired > 0 {
        let expired = format!("{} expired", plural(expired, "lease"));
        parts.push(Span::styled(expired, styles.warn()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model) -> String {
    match (model.workers.known, &model.workers.failure) {
        (false, Some(_)) => {
            let key = model.keymap.key_in(Focus::Workers, Action::Refresh);
            format!("Press {key} to retry.")
        }
        (false, None) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, None) => "Loading the leases …".to_owned(),
        (true, _) => {
            "No worker has a job. Workers are known by their jobs only: one that waits is not listed."
                .to_owned()
        }
    }
}

/// The name of a worker, escaped.
fn name(job: &JobReport) -> String {
    job.worker.as_deref().map_or_else(|| "unknown".to_owned(), escaped)
}

fn cell(model: &Model, job: &JobReport, head: &str) -> (String, Style) {
    let plain = |text: String| (text, Style::new());
    match head {
        "SINCE" => plain(job.started_at.map(|at| age(model.now, at)).unwrap_or_default()),
        "LEASE" if is_abandoned(model, job) => ("expired".to_owned(), model.styles.warn()),
        "LEASE" => plain(
            job.lease_until.map(|at| format!("{} more", age(at, model.now))).unwrap_or_default(),
        ),
        "JOB" => plain(job.id.to_string()),
        "TYPE" => plain(kind(job).to_owned()),
        _ => plain(of(job)),
    }
}

/// The selected lease in full.
fn facts(model: &Model, job: &JobReport, room: usize) -> Vec<Line<'static>> {
    let fact = |name, value: &str| long_fact(model.styles, name, value, room);
    let mut lines = fact("Job", &format!("{}, {} of {}", job.id, kind(job), of(job)));
    if let Some(at) = job.started_at {
        lines.extend(fact("Since", &time(at)));
    }
    if let Some(until) = job.lease_until {
        let then = match is_abandoned(model, job) {
            true => "; another worker takes the job",
            false => "; the worker renews it while it works",
        };
        lines.extend(fact("Until", &format!("{}{then}", time(until))));
    }
    lines
}
