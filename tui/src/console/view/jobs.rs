//! The jobs of the store, newest first.
//!
//! ```text
//!  packhouse › jobs                                                ✗ 2 jobs failed · /srv/store
//!  Jobs: 12 queued, 1 running, 2 failed · failed only
//!  REPO                           JOB  STATUS     TYPE      AGE  TRY  REASON OR WORKER
//! ▸gabriel/notes                   17  queued     gc        41s    0
//!  city-archive/radio-1974         16  running    gc         3m    1  studio-1:4711
//!  aster-studio/film-score-north   12  failed     gc         2h    8  there is no space left
//!
//!  Enter open  r retry  x cancel job  s status  Esc back
//! ```

use jiff::Timestamp;
use packhouse_host::report::Report;
use packhouse_host::{JobReport, JobStatus};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use super::missing_worker::without_worker;
use super::parts::{failure_above, inner, joined, plain, room, split};
use super::table::{Beside, Table, list};
use crate::console::cells::wrap;
use crate::console::keys::{Action, Focus};
use crate::console::state::{Extent, Model, RECONNECTING, TableName, job_status};
use crate::console::theme::Styles;
use crate::text::{count, escaped, plural};

/// The columns beside the repo, the most important first, and those of a wide terminal.
const COLUMNS: [Beside; 6] = [JOB, STATUS, TYPE, AGE, TRY, REASON_OR_WORKER];
const WIDE: [Beside; 7] = [JOB, STATUS, TYPE, AGE, TRY, REASON, WORKER];

const JOB: Beside = Beside { head: "JOB", width: 8, numbers: true };
const STATUS: Beside = Beside { head: "STATUS", width: 11, numbers: false };
const TYPE: Beside = Beside { head: "TYPE", width: 8, numbers: false };
const AGE: Beside = Beside { head: "AGE", width: 7, numbers: true };
const TRY: Beside = Beside { head: "TRY", width: 5, numbers: true };
const WORKER: Beside = Beside { head: "WORKER", width: 22, numbers: false };
const REASON: Beside = Beside { head: "REASON", width: 24, numbers: false };
const REASON_OR_WORKER: Beside = Beside { head: "REASON OR WORKER", width: 22, numbers: false };

/// From so many cells on, the reason has a column of its own, and then the worker.
const ROOMY: usize = 99;

/// Draws the screen.
pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) -> Extent {
    let (jobs, room) = (&model.jobs, room(area));
    let mut above = vec![sums(model)];
    above.extend(without_worker(model, room));
    let (failure, is_empty) = (jobs.failure.as_ref(), jobs.entries.is_empty());
    above.extend(failure_above(model.styles, "Loading the jobs", failure, is_empty, room));
    above.truncate(usize::from(area.height).saturating_sub(3).max(1));
    let [top, below] = split(area, above.len());
    frame.render_widget(Paragraph::new(above), inner(top));
    if jobs.entries.is_empty() {
        frame.render_widget(Paragraph::new(plain(wrap(&nothing(model), room))), inner(below));
        return Extent { row: below.y, ..Extent::default() };
    }
    let width = usize::from(area.width).saturating_sub(1);
    let table = table(&model.columns.of(TableName::Jobs).shown(), width);
    let row = |_, job: &JobReport, selected| {
        table.row(model.styles, &of(job), |head| cell(model, job, head), selected)
    };
    list(frame, below, table.head(model.styles), jobs.cursor, jobs.entries.iter(), row)
}

/// The columns of these heads that fit.
fn table(heads: &[&'static str], width: usize) -> Table {
    let mut heads = heads.to_vec();
    match heads.iter().position(|head| matches!(*head, "REASON" | "WORKER")) {
        // One column for both, in the place of the first.
        Some(at) if width < ROOMY => {
            heads[at] = REASON_OR_WORKER.head;
            Table::chosen("REPO", &COLUMNS, &heads, width)
        }
        _ => Table::chosen("REPO", &WIDE, &heads, width),
    }
}

/// The heads of those that fit; reason and worker are one in a narrow list.
pub(super) fn fitting(heads: &[&'static str], width: usize) -> Vec<&'static str> {
    let mut fitting = table(heads, width).heads();
    if fitting.contains(&REASON_OR_WORKER.head) {
        fitting.extend([REASON.head, WORKER.head]);
    }
    fitting
}

/// How many jobs there are by status, and which of them are displayed.
fn sums(model: &Model) -> Line<'static> {
    let (styles, jobs) = (model.styles, &model.jobs);
    let mut parts = Vec::new();
    if jobs.known {
        let more = if jobs.complete { "" } else { "+" };
        let number = jobs.entries.len() as u64;
        parts.push(Span::raw(format!("{}{more} displayed", count(number))));
    }
    let counted = [JobStatus::Queued, JobStatus::Running, JobStatus::Failed];
    // Those of all jobs: if these are loaded, they are counted, so that the numbers are of one time.
    let number = |status| match &model.health.known {
        _ if jobs.complete && jobs.status.is_none() => {
            let is_open = |job: &&JobReport| job.status == status && !job.healed;
            Some(jobs.entries.iter().filter(is_open).count() as u64)
        }
        Some(health) => Some(match status {
            JobStatus::Queued => health.jobs_queued,
            JobStatus::Running => health.jobs_running,
            _ => health.jobs_failed,
        }),
        None => None,
    };
    for status in counted {
        if let Some(number) = number(status) {
            let style = if number == 0 { styles.quiet() } else { tone(styles, status) };
            parts.push(Span::styled(format!("{} {status}", count(number)), style));
        }
    }
    if let Some(status) = jobs.status {
        parts.push(Span::styled(format!("only {status}"), styles.strong()));
    }
    if jobs.loading.is_some() && !jobs.known {
        let reading = if model.is_disconnected() { RECONNECTING } else { "loading …" };
        parts.push(Span::styled(reading, styles.busy()));
    }
    joined(styles, parts)
}

/// Why there are no rows, and what to do.
fn nothing(model: &Model) -> String {
    let key = |action| model.keymap.key_in(Focus::Jobs, action);
    if model.jobs.failure.is_some() {
        return format!("Press {} to retry.", key(Action::Refresh));
    }
    match (model.jobs.known, model.jobs.status) {
        (false, _) if model.is_disconnected() => "Reconnecting …".to_owned(),
        (false, _) => "Loading the jobs …".to_owned(),
        (true, None) => "No jobs yet. Jobs are queued by --async and by policies.".to_owned(),
        (true, Some(status)) => {
            format!("No {status} jobs. Press {} to see others.", key(Action::StatusNext))
        }
    }
}

fn cell(model: &Model, job: &JobReport, head: &str) -> (String, Style) {
    let plain = |text: String| (text, Style::new());
    match head {
        "JOB" => plain(job.id.to_string()),
        "STATUS" => (job_status(job), status_style(model, job)),
        "TYPE" => plain(kind(job).to_owned()),
        "AGE" => plain(age(model.now, since(model, job))),
        "TRY" => plain(count(u64::from(job.attempt))),
        "WORKER" => plain(worker(job)),
        "REASON" => plain(reason(model, job)),
        _ => {
            let reason = reason(model, job);
            plain(if reason.is_empty() { worker(job) } else { reason })
        }
    }
}

/// The repo of a job, escaped.
pub(super) fn of(job: &JobReport) -> String {
    job.repo.as_ref().map_or_else(|| "the store".to_owned(), |repo| escaped(&repo.to_string()))
}

/// What a job does: `gc`, `prune` or `index`.
pub(super) fn kind(job: &JobReport) -> &'static str {
    let name = job.operation.job_type();
    name.strip_prefix("mpack.").unwrap_or(name)
}

/// The worker that has it, or had it last. One that was retried has none yet.
fn worker(job: &JobReport) -> String {
    let worker = job.worker.as_deref().filter(|_| !is_new(job));
    worker.map(escaped).unwrap_or_default()
}

/// Whether no attempt was made since it was created or retried.
pub(super) fn is_new(job: &JobReport) -> bool {
    job.status == JobStatus::Queued && job.attempt == 0
}

/// The status of a job, and of one that waits after attempts, how many: `queued, after 2 attempts`.
pub(super) fn status(job: &JobReport) -> String {
    match (job.status, job.attempt) {
        (JobStatus::Queued, attempts @ 1..) => {
            format!("queued, after {}", plural(u64::from(attempts), "attempt"))
        }
        _ => job.status_text().to_owned(),
    }
}

/// Since when it waits or runs: a job that was retried is as old as the retry.
fn since(model: &Model, job: &JobReport) -> Timestamp {
    let is_open = matches!(job.status, JobStatus::Queued | JobStatus::Running);
    if is_open && job.run_at <= model.now { job.created_at.max(job.run_at) } else { job.created_at }
}

/// Why it failed or waits, or that its worker has stopped: the beginning has what tells it from others.
fn reason(model: &Model, job: &JobReport) -> String {
    match &job.reason {
        Some(reason) => escaped(&brief(reason, job)),
        None if is_abandoned(model, job) => "lease expired".to_owned(),
        None => String::new(),
    }
}

/// A reason without what its line has already or what does not tell it: the repo, IDs, and how many
/// problems are not named.
fn brief(reason: &str, job: &JobReport) -> String {
    let found = reason.split_once(Report::FOUND_DAMAGE).map_or(reason, |(_, first)| first);
    let repo = job.repo.as_ref().map(ToString::to_string).unwrap_or_default();
    let found = match repo.is_empty() {
        true => found.to_owned(),
        false => found.replace(&format!(" of repo `{repo}`"), "").replace(&format!("{repo}: "), ""),
    };
    // `creating a pack in /srv/muse failed: not enough disk space`: the cause is what comes last.
    let cause = found.split_once(" failed: ").map_or(found.as_str(), |(_, cause)| cause);
    let words = cause.split(' ').filter(|word| !is_id(word));
    words.collect::<Vec<_>>().join(" ")
}

/// Whether a word is the ID of a pack or a record.
fn is_id(word: &str) -> bool {
    let digits = word.trim_matches(|c: char| "`,;.:()".contains(c));
    let digits = digits.rsplit_once(':').map_or(digits, |(_, digits)| digits);
    digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether the lease of its worker has expired: another one takes it.
pub(super) fn is_abandoned(model: &Model, job: &JobReport) -> bool {
    job.status == JobStatus::Running && job.lease_until.is_some_and(|until| until < model.now)
}

/// The style of a job's status.
pub(super) fn status_style(model: &Model, job: &JobReport) -> Style {
    match job.status {
        _ if is_abandoned(model, job) => model.styles.warn(),
        _ if job.healed => model.styles.quiet(),
        status => tone(model.styles, status),
    }
}

fn tone(styles: Styles, status: JobStatus) -> Style {
    match status {
        JobStatus::Queued => Style::new(),
        JobStatus::Running => styles.busy(),
        JobStatus::Done => styles.good(),
        JobStatus::Failed => styles.bad(),
        JobStatus::Cancelled => styles.quiet(),
    }
}

/// An age in its largest unit: `41s`, `12m`, `3h`, `9d`.
pub(super) fn age(now: Timestamp, then: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        ..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", count((seconds / 86_400).unsigned_abs())),
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::console::state::{Screen, Ticket};
    use crate::console::tests::fake::{job, now};
    use crate::console::view::tests::{model, shown};

    fn with_jobs(jobs: Vec<JobReport>) -> Model {
        let mut model = model();
        model.screens.push(Screen::Jobs);
        model.jobs.begin(Ticket(1));
        model.jobs.take(Ok(jobs));
        model
    }

    #[test]
    fn an_empty_list_says_why() {
        let mut model = model();
        model.screens.push(Screen::Jobs);
        assert!(shown(&model, 60, 8).contains("Loading the jobs …"));
        let mut model = with_jobs(Vec::new());
        assert!(shown(&model, 60, 8).contains("queued by --async and by policies"));
        model.jobs.filter(Some(JobStatus::Failed));
        model.jobs.take(Ok(Vec::new()));
        assert!(shown(&model, 60, 8).contains("No failed jobs. Press s to see others."));
    }

    #[test]
    fn a_worker_that_has_stopped_is_seen() {
        let mut running = job(3, "a/b", JobStatus::Running);
        running.lease_until = Some(now() - 5.seconds());
        let seen = shown(&with_jobs(vec![running]), 80, 8);
        assert!(seen.contains("lease expired"), "{seen}");
    }

    #[test]
    fn a_reason_says_why_and_no_hash() {
        let failed = job(3, "a/b", JobStatus::Failed);
        let id = "ab".repeat(32);
        let text = |reason: &str| brief(reason, &failed);
        let missing = format!("pack sha256:{id} of repo `a/b` is not in storage (/srv). Push");
        assert_eq!(text(&missing), "pack is not in storage (/srv). Push");
        let found = format!("2 problems found, the first: the file of `{id}` is missing. All");
        assert_eq!(text(&found), "the file of is missing. All");
        assert_eq!(text("no space left in 64 folders"), "no space left in 64 folders");
        assert_eq!(text("creating a pack in /srv failed: disk full"), "disk full");
    }

    #[test]
    fn ages_are_short() {
        let ages = [0, 59, 60, 3599, 3600, 86_400, 400 * 86_400];
        let told = ages.map(|seconds| age(now(), now() - seconds.seconds()));
        assert_eq!(told, ["0s", "59s", "1m", "59m", "1h", "1d", "400d"]);
        assert_eq!(age(now(), now() + 9.seconds()), "0s", "another clock is ahead");
    }
}
