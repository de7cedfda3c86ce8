//! What is inside the repos of a server.

use async_trait::async_trait;
use futures::StreamExt;
use packhouse_model::contents::{Content, Contents, MAX_RECORDS};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::report::{
    FilesPage, FilesQuery, FoundRecord, LogPage, LogQuery, PackComparison, PackComparisonQuery,
    PackRecordsPage, PackRecordsQuery, RecordReport,
};
use reqwest::Method;

use super::{PAGE, Remote};

/// Files in a page: the maximum of the server.
const FILES: u32 = 50_000;

#[async_trait]
impl Contents for Remote {
    async fn log(&self, repo: &RepoName, query: &LogQuery) -> Result<LogPage> {
        let mut asked = vec![("limit", query.limit.min(PAGE).to_string())];
        asked.extend(query.branch.clone().map(|branch| ("branch", branch)));
        asked.extend((!query.from.is_empty()).then(|| ("from", query.from.join(","))));
        self.get(&format!("repos/{repo}/log"), &asked).await
    }

    async fn files(&self, repo: &RepoName, query: &FilesQuery) -> Result<FilesPage> {
        let mut asked = vec![("limit", query.limit.min(FILES).to_string())];
        asked.push(("commit", query.commit.clone()));
        asked.extend(query.path.clone().map(|path| ("path", path)));
        asked.extend(query.after.clone().map(|after| ("after", after)));
        self.get(&format!("repos/{repo}/files"), &asked).await
    }

    async fn record(&self, repo: &RepoName, id: &str) -> Result<RecordReport> {
        self.get(&format!("repos/{repo}/record"), &[("id", id.to_owned())]).await
    }

    async fn content(&self, repo: &RepoName, id: &str) -> Result<Content> {
        let path = format!("repos/{repo}/content");
        let request = self.client.admin(Method::GET, &path).query(&[("id", id)]);
        let response = self.client.send(request).await?;
        let bytes = response.content_length().unwrap_or(0);
        let client = self.client.clone();
        let stream = response.bytes_stream().map(move |chunk| {
            client.heard();
            chunk.map_err(|error| Error::from(client.broken(&error)))
        });
        Ok(Content { bytes, stream: stream.boxed() })
    }

    async fn find(&self, repo: &RepoName, id: &str) -> Result<Vec<FoundRecord>> {
        self.get(&format!("repos/{repo}/find"), &[("id", id.to_owned())]).await
    }

    async fn pack_records(
        &self,
        repo: &RepoName,
        query: &PackRecordsQuery,
    ) -> Result<PackRecordsPage> {
        let mut asked = vec![("pack", query.pack.to_string()), ("from", query.from.to_string())];
        asked.push(("limit", query.limit.min(MAX_RECORDS).to_string()));
        asked.extend(query.kind.map(|kind| ("kind", kind.to_string())));
        asked.extend(query.id.clone().map(|id| ("id", id)));
        self.get(&format!("repos/{repo}/records"), &asked).await
    }

    async fn compare_packs(
        &self,
        repo: &RepoName,
        query: &PackComparisonQuery,
    ) -> Result<PackComparison> {
        let mut asked = vec![("a", query.a.to_string()), ("b", query.b.to_string())];
        asked.push(("limit", query.limit.min(MAX_RECORDS).to_string()));
        asked.extend(query.class.map(|class| ("class", class.as_str().to_owned())));
        asked.extend(query.after.clone().map(|after| ("after", after)));
        asked.push(("totals", query.totals.to_string()));
        self.get(&format!("repos/{repo}/compare"), &asked).await
    }
}
