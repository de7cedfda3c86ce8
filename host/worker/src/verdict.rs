//! What becomes of a job after an attempt.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_catalog::JobEnd;
use packhouse_model::error::{DamageError, Error, JobError, Result};
use packhouse_model::operation::Operation;
use packhouse_model::report::{ImportReport, JobReport, Report};

use super::later;

/// Longest reason of a job, in characters: it may be the text of another server.
const MAX_REASON: usize = 2000;

/// The end of an attempt, and its outcome in a word. None: another worker has the job. `attempts`:
/// how often a job is started before it fails for good.
pub(super) fn verdict(
    job: &JobReport,
    done: &Result<Report>,
    attempts: u32,
    now: Timestamp,
) -> (Option<JobEnd>, &'static str) {
    // A mirror goes on: when its source can't be reached, too.
    if let Operation::Mirror(options) = &job.operation {
        let at = later(now, options.every);
        match done {
            Ok(Report::Import(report)) => {
                return (Some(JobEnd::Again { at, reason: imported(report), attempt: 0 }), "done");
            }
            Err(error @ Error::Unreachable { .. }) => {
                let reason = text_of(error);
                return (Some(JobEnd::Again { at, reason, attempt: 0 }), "retry");
            }
            _ => {}
        }
    }
    match done {
        Ok(report) => match report.problem() {
            // Reports are plain data: writing them does not fail.
            None => {
                let result = serde_json::to_value(report).unwrap_or_default();
                (Some(JobEnd::Done(result)), "done")
            }
            Some(problem) => (Some(JobEnd::Failed(problem)), "failed"),
        },
        Err(Error::LeaseLost { .. }) => (None, "lost"),
        Err(Error::Cancelled) => {
            let reason = "its worker was stopped".to_owned();
            let attempt = job.attempt.saturating_sub(1);
            (Some(JobEnd::Again { at: now, reason, attempt }), "released")
        }
        Err(error) if passes(error) && job.attempt < attempts => {
            let (at, reason) = (later(now, backoff(job.attempt)), text_of(error));
            (Some(JobEnd::Again { at, reason, attempt: job.attempt }), "retry")
        }
        Err(error) => {
            let tried = if job.attempt > 1 {
                format!(" (tried {} times)", job.attempt)
            } else {
                String::new()
            };
            let (error, job) = (text_of(error), job.id);
            let reason =
                format!("{error}{tried}. When the cause is fixed: packhouse jobs retry {job}");
            (Some(JobEnd::Failed(reason)), "failed")
        }
    }
}

/// The text of an error, cut to the longest reason.
fn text_of(error: &Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(MAX_REASON) {
        Some((end, _)) => format!("{} …", &text[..end]),
        None => text,
    }
}

/// What the last import of a mirror brought.
fn imported(report: &ImportReport) -> String {
    let ImportReport { commits, objects, .. } = report;
    let brought = match report.packs {
        0 => "no new records at the source".to_owned(),
        _ => format!("imported {commits} commits and {objects} objects"),
    };
    match &report.problems[..] {
        [] => brought,
        [only] => format!("{brought}; a problem: {}", only.detail),
        [first, ..] => {
            let count = report.problems.len();
            format!("{brought}; {count} problems, the first: {}", first.detail)
        }
    }
}

/// Whether an error is temporary.
pub(super) fn passes(error: &Error) -> bool {
    match error {
        Error::PruneUnfinished { cause, .. } => passes(cause),
        error => matches!(
            error,
            Error::Busy { .. }
                | Error::Catalog { .. }
                | Error::Damage(DamageError::DamagedCatalog { .. })
                | Error::Io { .. }
                | Error::Job(JobError::TimedOut { .. })
        ),
    }
}

/// The delay after a failed attempt: 2 s, 8 s, 32 s, … up to a quarter of an hour.
fn backoff(attempt: u32) -> Duration {
    Duration::from_secs(
        2_u64.saturating_mul(4_u64.saturating_pow(attempt.saturating_sub(1))).min(900),
    )
}
