//! The log of consolidations.

use jiff::Timestamp;
use packhouse_catalog::{GcLogQuery, RepoRow};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{GcEntry, GcQuery, GcRecord, GcReport};

use super::Store;

/// Consolidations of a repo among which that of a plan is searched: clients that retry do so soon.
const SEARCHED: u32 = 20;

impl Store {
    /// The last consolidations of a repo, newest first.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn gc_history(&self, repo: &RepoName, limit: u32) -> Result<Vec<GcRecord>> {
        let row = self.known_repo(repo).await?;
        self.catalog.gc_history(row.id, limit).await
    }

    /// The last consolidations of all repos or one, newest first. A text that few of them hold may
    /// read them all.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`] for a query about one.
    pub async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        let repo = self.number_of(query.repo.as_ref()).await?;
        let mut entries = self
            .catalog
            .gc_log(GcLogQuery {
                repo,
                text: &query.text,
                before: query.before,
                limit: query.limit,
            })
            .await?;
        for report in entries.iter_mut().filter_map(|entry| entry.report.as_mut()) {
            // As it was answered.
            report.phase.plan_digest = None;
        }
        Ok(entries)
    }

    /// What the consolidation reported that did a plan, if it is one of the last of the repo.
    ///
    /// # Errors
    /// [`Error::UnknownRepo`].
    pub async fn done_as_planned(&self, repo: &RepoName, digest: &str) -> Result<Option<GcReport>> {
        let row = self.known_repo(repo).await?;
        let last = GcLogQuery { repo: Some(row.id), text: "", before: None, limit: SEARCHED };
        let mut reports =
            self.catalog.gc_log(last).await?.into_iter().filter_map(|entry| entry.report);
        let done = reports.find(|report| report.phase.plan_digest.as_deref() == Some(digest));
        Ok(done.map(|mut report| {
            report.phase.plan_digest = None;
            report
        }))
    }

    /// Remembers a consolidation that did what it should.
    pub(super) async fn remember(&self, repo: &RepoRow, report: &GcReport) {
        let record = GcRecord::done(report, self.now());
        let mut kept = report.clone();
        if let Some(dropped) = &mut kept.dropped {
            // There may be a million objects, and the history is read whole.
            dropped.entities.retain(|entity| entity.starts_with("commit "));
        }
        let is_news = report.phase.proven.is_some() || report.budget_reached;
        self.note(repo, &record, is_news.then_some(&kept)).await;
    }

    /// Remembers a consolidation that failed.
    pub(super) async fn remember_failure(&self, repo: &RepoRow, started: Timestamp, error: &Error) {
        // Another writer's success is not a failure, nor is a cancellation.
        if matches!(error, Error::Busy { .. } | Error::Cancelled | Error::LeaseLost { .. }) {
            return;
        }
        let record =
            GcRecord::failed(error, self.millis_since(started), self.planner.digest(), self.now());
        self.note(repo, &record, None).await;
    }

    /// What happened matters more than remembering it: a consolidation that was published did not
    /// fail.
    async fn note(&self, repo: &RepoRow, record: &GcRecord, report: Option<&GcReport>) {
        if let Err(error) = self.catalog.record_gc(repo.id, record, report).await {
            tracing::warn!("the outcome could not be recorded: {error}");
        }
    }
}
