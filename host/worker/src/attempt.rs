//! What is done for a job of each type.

use std::time::Duration;

use packhouse_model::error::{Error, JobError, Result};
use packhouse_model::names::RepoName;
use packhouse_model::options::PruneOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{GcReport, JobReport, Task};
use packhouse_store::Store;
use serde::Serialize;

/// The result of an attempt.
#[derive(Debug)]
pub(super) struct AttemptResult {
    /// What the verb answered.
    pub(super) result: serde_json::Value,
    /// What a consolidation reported.
    pub(super) gc: Option<GcReport>,
    /// It was done, and what it found is bad.
    pub(super) problem: Option<String>,
}

/// Does a job.
pub(super) async fn run(store: Store, job: JobReport, progress: Progress) -> Result<AttemptResult> {
    match &job.task {
        Task::Index { packs, force } => {
            let reports = store.index_stored(repo(&job)?, packs, *force, &progress).await?;
            done(&reports)
        }
        Task::Gc { expire_unreachable_seconds } => {
            let age = expire_unreachable_seconds.map(Duration::from_secs);
            let report = store.gc_expiring(repo(&job)?, age, &progress).await?;
            Ok(AttemptResult { gc: Some(report.clone()), ..done(&report)? })
        }
        Task::Prune { grace_seconds, orphans, trust_verified_seconds } => {
            let (grace, trust_verified) =
                (Duration::from_secs(*grace_seconds), Duration::from_secs(*trust_verified_seconds));
            let options = PruneOptions {
                grace,
                orphans: *orphans,
                newer: false,
                dry_run: false,
                trust_verified,
            };
            let report = store.prune(options, &progress).await?;
            let problem = report.kept.first().map(|first| {
                format!(
                    "{} kept, since something is damaged, the first: {}: {}",
                    report.packs_kept, first.repo, first.detail
                )
            });
            Ok(AttemptResult { problem, ..done(&report)? })
        }
        Task::Verify {} => {
            let report = store.verify(repo(&job)?, &progress).await?;
            let problem = report.problems.first().map(|first| {
                format!(
                    "{} found, the first: {}. All of them: packhouse verify {}",
                    if report.problems.len() == 1 {
                        "1 problem".into()
                    } else {
                        format!("{} problems", report.problems.len())
                    },
                    first.detail,
                    report.repo
                )
            });
            Ok(AttemptResult { problem, ..done(&report)? })
        }
    }
}

fn done(result: &impl Serialize) -> Result<AttemptResult> {
    let result = serde_json::to_value(result).map_err(Error::Serialization)?;
    Ok(AttemptResult { result, gc: None, problem: None })
}

fn repo(job: &JobReport) -> Result<&RepoName> {
    job.repo.as_ref().ok_or(Error::Job(JobError::RepoDeleted))
}
