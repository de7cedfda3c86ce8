//! What is done for a job.

use packhouse_model::error::{JobError, Result};
use packhouse_model::progress::Progress;
use packhouse_model::report::{JobReport, Report};
use packhouse_store::Store;

/// Does a job.
pub(super) async fn run(store: Store, job: JobReport, progress: Progress) -> Result<Report> {
    if job.operation.needs_repo() && job.repo.is_none() {
        return Err(JobError::RepoDeleted.into());
    }
    store.run(job.repo.as_ref(), &job.operation, &progress).await
}
