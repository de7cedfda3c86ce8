//! Runs an operation, described by a value: a worker's job, a server's run, a verb.

use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::Operation;
use packhouse_model::progress::Progress;
use packhouse_model::report::Report;

use super::Store;

impl Store {
    /// Runs an operation to its end.
    ///
    /// # Errors
    /// As the verb; [`Error::Usage`] for an operation on a repo that names none.
    pub async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: &Operation,
        progress: &Progress,
    ) -> Result<Report> {
        let of = || repo.ok_or_else(|| mismatch(operation));
        Ok(match operation {
            Operation::Index(options) => {
                Report::Index(self.index_stored(of()?, options, progress).await?)
            }
            Operation::Plan(options) => {
                Report::Plan(Box::new(self.plan_gc(of()?, *options, progress).await?.report))
            }
            Operation::Gc(options) => {
                Report::Gc(Box::new(self.gc(of()?, *options, progress).await?))
            }
            Operation::Verify(options) => {
                Report::Verify(self.verify(of()?, *options, progress).await?)
            }
            Operation::Prune(options) => {
                Report::Prune(Box::new(self.prune(*options, progress).await?))
            }
            // A store sends no requests to other servers.
            Operation::Mirror(_) => {
                return Err(Error::Usage("a mirror is a job: only a worker can run it".into()));
            }
        })
    }
}

/// The error for an operation on a repo that names none, or the reverse.
pub(super) fn mismatch(operation: &Operation) -> Error {
    let (kind, of) =
        (operation.kind(), if operation.needs_repo() { "a repo" } else { "all repos" });
    Error::Usage(format!("{kind} is an operation on {of}"))
}
