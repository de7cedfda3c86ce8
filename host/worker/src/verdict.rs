//! What becomes of a job after an attempt.

use std::time::Duration;

use jiff::Timestamp;
use packhouse_catalog::{Again, Failure, JobEnd};
use packhouse_model::error::{DamageError, Error, JobError, Result};
use packhouse_model::operation::Operation;
use packhouse_model::report::{FoundProblem, ImportReport, JobReport, Report};

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
                let again = Again { at, reason: imported(report), code: None, attempt: 0 };
                return (Some(JobEnd::Again(again)), "done");
            }
            Err(error @ Error::Unreachable { .. }) => {
                let (reason, code) = (text_of(error), Some(error.code()));
                return (Some(JobEnd::Again(Again { at, reason, code, attempt: 0 })), "retry");
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
            Some(FoundProblem { text, code }) => {
                (Some(JobEnd::Failed(Failure { reason: text, code })), "failed")
            }
        },
        Err(Error::LeaseLost { .. }) => (None, "lost"),
        Err(Error::Cancelled) => {
            let reason = "its worker was stopped".to_owned();
            let attempt = job.attempt.saturating_sub(1);
            (Some(JobEnd::Again(Again { at: now, reason, code: None, attempt })), "released")
        }
        Err(error) if passes(error) && job.attempt < attempts => {
            let (at, reason) = (later(now, backoff(job.attempt)), text_of(error));
            let code = Some(error.code());
            (Some(JobEnd::Again(Again { at, reason, code, attempt: job.attempt })), "retry")
        }
        Err(error) => {
            let tried = if job.attempt > 1 {
                format!(" (tried {} times)", job.attempt)
            } else {
                String::new()
            };
            let (text, job, code) = (text_of(error), job.id, error.code());
            let reason =
                format!("{text}{tried}. When the cause is fixed: packhouse jobs retry {job}");
            (Some(JobEnd::Failed(Failure { reason, code })), "failed")
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
