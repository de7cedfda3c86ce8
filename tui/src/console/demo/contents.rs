//! What is inside the repos of the demo.

use async_trait::async_trait;
use packhouse_host::{
    Content, Contents, FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison,
    PackComparisonQuery, PackRecordsPage, PackRecordsQuery, RecordReport, RepoName, Result,
};

use super::DemoBackend;

#[async_trait]
impl Contents for DemoBackend {
    async fn log(&self, repo: &RepoName, query: &LogQuery) -> Result<LogPage> {
        self.store().await?.log(repo, query).await
    }

    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage> {
        self.store().await?.files(repo, query).await
    }

    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport> {
        self.store().await?.record(repo, id).await
    }

    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content> {
        self.store().await?.content(repo, id).await
    }

    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>> {
        self.store().await?.find(repo, id).await
    }

    async fn pack_records(
        &self,
        repo: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        self.store().await?.pack_records(repo, query).await
    }

    async fn compare_packs(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        self.store().await?.compare_packs(repo, query).await
    }
}
