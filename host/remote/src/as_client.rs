//! A server as a [`Client`]: a request, or a run, for each method.

use std::path::PathBuf;

use async_trait::async_trait;
use futures::FutureExt;
use packhouse_model::access::{NewToken, TokenReport, TokenText};
use packhouse_model::client::{
    Client, FetchRequest, Inspect, PlannedGc, PushOptions, RepoSettings, RestoreOptions,
};
use packhouse_model::connection::ConnectionStatus;
use packhouse_model::error::{Class, Error, Result};
use packhouse_model::names::{RepoName, Visibility};
use packhouse_model::operation::{GcOptions, JobRequest, Operation, RunRequest};
use packhouse_model::progress::Progress;
use packhouse_model::report::{
    BranchDeleteReport, BranchReport, DeleteReport, FetchBody, FetchReport, GcEntry, GcPlanReport,
    GcQuery, GcReport, Health, HistoryPage, JobPage, JobReport, JobsQuery, NewRepo, Policy,
    PolicyCheck, PolicyReport, PolicyRequest, PushReport, Queued, RepoDetail, RepoPage, RepoReport,
    RepoSummary, Report, ServerReport,
};
use packhouse_model::text::escaped;
use reqwest::Method;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::Instant;

use super::download::RemotePack;
use super::run::{FIRST_PAUSE, LONGEST_PAUSE, run};
use super::{PAGE, Remote, download, pages, push};

/// Repos in one page of full reports: each takes the server some milliseconds.
const REPORTS: u32 = 200;

/// How often a fetch begins again because the repo has changed during the download.
const FETCHES: usize = 8;

#[async_trait]
impl Inspect for Remote {
    fn place(&self) -> String {
        self.client.place().to_owned()
    }

    fn connection(&self) -> Option<watch::Receiver<ConnectionStatus>> {
        Some(self.client.connection())
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let page = |after, limit: u32| self.page("summary", after, limit).boxed();
        pages(limit, PAGE, after.map(ToString::to_string), page).await
    }

    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.get(&format!("repos/{repo}/summary"), &[]).await
    }

    async fn detail(&self, repo: &RepoName) -> Result<RepoDetail> {
        self.get(&format!("repos/{repo}/detail"), &[]).await
    }

    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        let page = |before: Option<i64>, limit: u32| {
            let mut asked = vec![("limit", limit.to_string()), ("text", query.text.clone())];
            asked.extend(of(query.repo.as_ref()));
            asked.extend(before.map(|before| ("before", before.to_string())));
            async move {
                let page: HistoryPage = self.get("history", &asked).await?;
                Ok((page.entries, page.next))
            }
            .boxed()
        };
        pages(query.limit, PAGE, query.before, page).await
    }

    async fn health(&self) -> Result<Health> {
        self.get("health", &[]).await
    }

    async fn server(&self) -> Result<Option<ServerReport>> {
        let (status, metrics) = futures::future::try_join(self.status(), self.metrics()).await?;
        Ok(Some(ServerReport { version: status.version, metrics }))
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        let page = |before: Option<i64>, limit: u32| {
            let mut asked = vec![("limit", limit.to_string())];
            asked.extend(of(query.repo.as_ref()));
            asked.extend(query.status.map(|status| ("status", status.to_string())));
            asked.extend(before.map(|before| ("before", before.to_string())));
            async move {
                let page: JobPage = self.get("jobs", &asked).await?;
                Ok((page.jobs, page.next))
            }
            .boxed()
        };
        pages(query.limit, PAGE, query.before, page).await
    }

    async fn job(&self, id: i64) -> Result<JobReport> {
        self.get(&format!("jobs/{id}"), &[]).await
    }

    async fn retry_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.client.post(&format!("jobs/{id}/retry"), &()).await?)
    }

    async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.client.post(&format!("jobs/{id}/cancel"), &()).await?)
    }

    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        self.get("policy", &of(repo)).await
    }

    async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        Ok(self.client.post("policy/check", &PolicyRequest { repo: repo.cloned(), queue }).await?)
    }

    async fn changed(&self, since: Option<u64>) -> Result<u64> {
        let (mut pause, mut heard_at) = (FIRST_PAUSE, Instant::now());
        loop {
            match self.change_stamp(since).await {
                Ok(stamp) if since != Some(stamp) => return Ok(stamp),
                Ok(_) => (pause, heard_at) = (FIRST_PAUSE, Instant::now()),
                // The server is busy, or its proxy can't reach it.
                Err(Error::Unreachable { .. } | Error::Remote { class: Class::Conflict, .. })
                    if !self.gives_up(heard_at) =>
                {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn plan_gc(
        &self,
        repo: &RepoName,
        options: GcOptions,
        progress: &Progress,
    ) -> Result<Box<dyn PlannedGc>> {
        match self.run(Some(repo), Operation::Plan(options), progress).await? {
            Report::Plan(report) => {
                Ok(Box::new(RemotePlan { remote: self.clone(), options, report: *report }))
            }
            other => Err(other.unexpected()),
        }
    }

    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        progress: &Progress,
    ) -> Result<Report> {
        operation.check_remote()?;
        let asked = RunRequest { repo: repo.cloned(), operation, plan_digest: None };
        run(self, &asked, progress).await
    }
}

#[async_trait]
impl Client for Remote {
    async fn queue(&self, repo: Option<&RepoName>, operation: Operation) -> Result<Queued> {
        operation.check_remote()?;
        let asked = JobRequest { repo: repo.cloned(), operation: operation.as_job()? };
        Ok(self.client.post("jobs", &asked).await?)
    }

    /// When the response is lost the push may have been done: pushing again is safe.
    async fn push(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        push::push(self, repo, files, options, false, progress).await
    }

    async fn push_async(
        &self,
        repo: &RepoName,
        files: &[PathBuf],
        options: PushOptions,
        progress: &Progress,
    ) -> Result<Vec<PushReport>> {
        push::push(self, repo, files, options, true, progress).await
    }

    async fn fetch(
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
        let path = format!("repos/{repo}/fetch");
        for _ in 0..FETCHES {
            let report: FetchReport = self.client.post(&path, &asked).await?;
            let Some(output) = &request.output else { return Ok(report) };
            // The report is that of the bytes that are written: those of another answer don't count.
            let pack = RemotePack {
                repo,
                url: &report.mpack_url,
                bytes: report.bytes,
                key: report.mpack_key,
                reconnect_timeout: self.reconnect_timeout,
                failure_is_absence: false,
            };
            let key = download::download(&self.client, &pack, output, progress).await?;
            if key.is_some() {
                return Ok(FetchReport { mpack_key: key, ..report });
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "an answer was downloaded" })
    }

    /// Those that the token administers.
    async fn reports(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoReport>> {
        let page = |after, limit: u32| self.page("report", after, limit).boxed();
        pages(limit, REPORTS, after.map(ToString::to_string), page).await
    }

    async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        self.get(&format!("repos/{repo}"), &[]).await
    }

    async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> {
        Ok(self.client.post("repos", &NewRepo { repo: repo.clone(), visibility }).await?)
    }

    async fn set_repo(&self, repo: &RepoName, settings: &RepoSettings) -> Result<RepoReport> {
        Ok(self.client.patch(&format!("repos/{repo}"), settings).await?)
    }

    async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        Ok(self.client.delete(&format!("repos/{repo}"), &[]).await?)
    }

    async fn restore_repo(&self, repo: &RepoName, options: &RestoreOptions) -> Result<RepoReport> {
        let mut query = Vec::new();
        query.extend(options.id.as_ref().map(|id| ("id", id.to_string())));
        query.extend(options.new_name.as_ref().map(|name| ("as", name.to_string())));
        let request = self.client.admin(Method::POST, &format!("repos/{repo}/restore"));
        Ok(self.client.json(request.query(&query).json(&())).await?)
    }

    async fn branches(&self, repo: &RepoName) -> Result<Vec<BranchReport>> {
        self.get(&format!("repos/{repo}/branches"), &[]).await
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        let name = [("name", branch.to_owned())];
        Ok(self.client.delete(&format!("repos/{repo}/branches"), &name).await?)
    }

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        match policy {
            Some(policy) => Ok(self.client.put("policy", &of(repo), &policy).await?),
            None => Ok(self.client.delete("policy", &of(repo)).await?),
        }
    }

    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        self.get("tokens", &[]).await
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        Ok(self.client.post("tokens", &new).await?)
    }

    async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        // The argument may be a whole token; its secret stays here.
        let text: Option<TokenText> = token.parse().ok();
        let id = text.as_ref().map_or(token, TokenText::id);
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::UnknownToken(escaped(id)));
        }
        Ok(self.client.delete(&format!("tokens/{id}"), &[]).await?)
    }
}

impl Remote {
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T> {
        Ok(self.client.get(path, query).await?)
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
}

/// A plan that was shown. The server plans again, and applies the plan if it is the same.
#[derive(Debug)]
struct RemotePlan {
    remote: Remote,
    options: GcOptions,
    report: GcPlanReport,
}

#[async_trait]
impl PlannedGc for RemotePlan {
    fn report(&self) -> &GcPlanReport {
        &self.report
    }

    async fn apply(self: Box<Self>, progress: &Progress) -> Result<GcReport> {
        let RemotePlan { remote, options, report } = *self;
        let digest = report.phase.plan_digest.unwrap_or_else(|| RunRequest::NOTHING.to_owned());
        let asked = RunRequest {
            repo: Some(report.repo),
            operation: Operation::Gc(options),
            plan_digest: Some(digest),
        };
        match run(&remote, &asked, progress).await? {
            Report::Gc(report) => Ok(*report),
            other => Err(other.unexpected()),
        }
    }
}

/// The query for one repo.
fn of(repo: Option<&RepoName>) -> Vec<(&'static str, String)> {
    repo.map(|repo| ("repo", repo.to_string())).into_iter().collect()
}
