//! Repos: create, list, show, delete; push and fetch packs.

use std::path::PathBuf;

use futures::FutureExt;
use packhouse_model::error::Result;
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::options::{FetchRequest, PushOptions, RestoreOptions};
use packhouse_model::progress::Progress;
use packhouse_model::report::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchBody, FetchReport, NewRepo, PushReport,
    RepoDetail, RepoPage, RepoReport, RepoSummary,
};
use reqwest::Method;
use serde::de::DeserializeOwned;

use super::{PAGE, Remote, download, pages, push};

/// Repos in one page of full reports: each takes the server some milliseconds.
const REPORTS: u32 = 200;

impl Remote {
    /// As [`crate::Store::create_repo`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> {
        Ok(self.client.post("repos", &NewRepo { repo: repo.clone(), visibility }).await?)
    }

    /// As [`crate::Store::delete_repo`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        Ok(self.client.delete(&format!("repos/{repo}"), &[]).await?)
    }

    /// As [`crate::Store::branches`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        self.get(&format!("repos/{repo}/branches"), &[]).await
    }

    /// As [`crate::Store::delete_branch`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        Ok(self
            .client
            .delete(&format!("repos/{repo}/branches"), &[("name", branch.to_owned())])
            .await?)
    }

    /// As [`crate::Store::restore_repo`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn restore_repo(
        &self,
        repo: &RepoName,
        options: &RestoreOptions,
    ) -> Result<RepoReport> {
        let mut query = Vec::new();
        query.extend(options.id.as_ref().map(|id| ("id", id.to_string())));
        query.extend(options.new_name.as_ref().map(|name| ("as", name.to_string())));
        let request = self.client.admin(Method::POST, &format!("repos/{repo}/restore"));
        Ok(self.client.json(request.query(&query).json(&())).await?)
    }

    /// As [`crate::Store::repos`]: those that the token administers.
    ///
    /// # Errors
    /// When the server can't be reached, or refuses.
    pub async fn repos(&self) -> Result<Vec<RepoReport>> {
        pages(u32::MAX, REPORTS, None, |after, limit| self.page("report", after, limit).boxed())
            .await
    }

    async fn page<T: DeserializeOwned>(
        &self,
        view: &'static str,
        after: Option<String>,
        limit: u32,
    ) -> Result<(Vec<T>, Option<String>)> {
        let mut query = vec![("view", view.to_owned()), ("limit", limit.to_string())];
        query.extend(after.map(|after| ("after", after)));
        let page: RepoPage<T> = self.get("repos", &query).await?;
        Ok((page.repos, page.next))
    }

    /// As [`crate::Store::repo`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        self.get(&format!("repos/{repo}"), &[]).await
    }

    /// As [`crate::Store::summaries`].
    ///
    /// # Errors
    /// When the server can't be reached, or refuses.
    pub async fn summaries(
        &self,
        after: Option<&RepoName>,
        limit: u32,
    ) -> Result<Vec<RepoSummary>> {
        pages(limit, PAGE, after.map(ToString::to_string), |after, limit| {
            self.page("summary", after, limit).boxed()
        })
        .await
    }

    /// As [`crate::Store::summary`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.get(&format!("repos/{repo}/summary"), &[]).await
    }

    /// As [`crate::Store::detail`], with as many moments and consolidations as the server returns.
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        self.get(&format!("repos/{repo}/detail"), &[]).await
    }

    /// As [`crate::Store::push`].
    ///
    /// # Errors
    /// As that; when the server can't be reached. When the answer is lost the push may have been
    /// done: pushing again is safe.
    pub async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        push::push(self, repo, files, options, false, progress).await
    }

    /// As [`crate::Store::push_async`].
    ///
    /// # Errors
    /// As [`Remote::push`].
    pub async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        push::push(self, repo, files, options, true, progress).await
    }

    /// As [`crate::Store::fetch`]; writes the pack to `output`, if there is to be one.
    ///
    /// # Errors
    /// As that; when the server can't be reached, or what it sends is not the pack.
    pub async fn fetch(
        &self,
        repo: &RepoName,
        request: &FetchRequest,
        progress: &Progress,
    ) -> Result<FetchReport> {
        if let Some(output) = &request.output {
            packhouse_model::files::replaceable(output)?;
        }
        let asked = FetchBody {
            want: request.want.clone(),
            have: request.have.clone(),
            ttl_seconds: request.ttl.as_secs(),
        };
        let report: FetchReport = self.client.post(&format!("repos/{repo}/fetch"), &asked).await?;
        if let Some(output) = &request.output {
            download::download(self, repo, &report, output, progress).await?;
        }
        Ok(report)
    }
}
