//! What is inside a store under the control of a test.

use async_trait::async_trait;
use packhouse_host::{
    Content, Contents, FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison,
    PackComparisonQuery, PackRecordsPage, PackRecordsQuery, RecordReport, RepoName, Result,
};

use super::script::Scripted;
use crate::console::backend::Backend;

#[async_trait]
impl<B: Backend + Clone + 'static> Contents for Scripted<B> {
    async fn log(&self, repo: &RepoName, query: &LogQuery) -> Result<LogPage> {
        let of = query.branch.as_ref().map(|branch| format!(" {branch}")).unwrap_or_default();
        let after = query.from.first().map(|id| format!(" from {id}")).unwrap_or_default();
        self.called("commits", &format!("{repo}{of}{after}"))?;
        self.inner.log(repo, query).await
    }

    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage> {
        let path = query.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
        self.called("files", &format!("{repo}{path}"))?;
        self.inner.files(repo, query).await
    }

    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport> {
        self.called("record", &format!("{repo} {id}"))?;
        self.inner.record(repo, id).await
    }

    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content> {
        self.fails("content")?;
        self.inner.content(repo, id).await
    }

    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>> {
        self.called("find", &format!("{repo} {id}"))?;
        self.inner.find(repo, id).await
    }

    async fn pack_records(
        &self,
        repo: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        self.called("records", &format!("{repo} {}", query.from))?;
        self.inner.pack_records(repo, query).await
    }

    async fn compare_packs(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        let class = query.class.map_or("all", |class| class.as_str());
        self.called("compare", &format!("{repo} {class}"))?;
        self.inner.compare_packs(repo, query).await
    }
}
