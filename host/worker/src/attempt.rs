//! What is done for a job.

use std::path::Path;

use packhouse_import::{ImportOptions, import, unless_cancelled};
use packhouse_model::blocking::blocking;
use packhouse_model::error::{JobError, Result};
use packhouse_model::names::RepoName;
use packhouse_model::operation::{MirrorOptions, Operation, source_url};
use packhouse_model::progress::Progress;
use packhouse_model::report::{ImportReport, JobReport, Report};
use packhouse_remote::{MuseRemote, SourceTokens};
use packhouse_store::Store;

/// Does a job. `source_tokens`: the file of [`SourceTokens`].
pub(super) async fn run(
    store: Store,
    source_tokens: Option<&Path>,
    job: JobReport,
    progress: Progress,
) -> Result<Report> {
    let Some(repo) = &job.repo else {
        return match job.operation.needs_repo() {
            true => Err(JobError::RepoDeleted.into()),
            false => store.run(None, &job.operation, &progress).await,
        };
    };
    match &job.operation {
        Operation::Mirror(options) => {
            let report = update_mirror(&store, repo, options, source_tokens, &progress).await?;
            Ok(Report::Import(Box::new(report)))
        }
        operation => store.run(Some(repo), operation, &progress).await,
    }
}

/// Imports what is new at the source of a mirror.
async fn update_mirror(
    store: &Store,
    repo: &RepoName,
    options: &MirrorOptions,
    source_tokens: Option<&Path>,
    progress: &Progress,
) -> Result<ImportReport> {
    // Each time, because tokens are exchanged.
    let tokens = match source_tokens.map(Path::to_owned) {
        Some(file) => blocking(move || SourceTokens::read(&file)).await?,
        None => SourceTokens::default(),
    };
    let token = tokens.token_for(&source_url(&options.source)?).map(str::to_owned);
    let source = MuseRemote::new(&options.source, token)?;
    let heads = unless_cancelled(progress, source.branch_heads()).await?;
    let how = ImportOptions { create: None, force: options.force };
    import(&source, heads, store, repo, &how, progress).await
}
