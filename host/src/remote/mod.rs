//! A store elsewhere: every verb of [`crate::Store`], asked of a `packhouse serve`.
//!
//! ```text
//! verb ─▶ call: URL, token, answer or why not ─▶ server
//!         run:  PUT /runs/ID, then its events; comes back when the line breaks, under the same id
//! ```
//!
//! What changes something under way is begun under an id that this draws, so that nothing is done twice when an answer is lost. A token is
//! sent to the server that was named and to nobody else: redirects are refused, and so is a line that others can read.

mod call;
mod download;
mod line;
mod push;
mod run;
mod sse;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::access::{NewToken, TokenReport, TokenText};
use crate::error::{Error, Result};
use crate::names::{RepoName, Visibility};
use crate::progress::Progress;
use crate::report::{
    Changes, DeleteReport, Detail, FetchAsked, FetchReport, GcEntry, GcQuery, GcReport, HistoryPage, JobAsked, JobPage,
    JobReport, JobStatus, NewRepo, Policy, PolicyAsked, PolicyCheck, PolicyReport, PruneReport, PushReport, Queued, RepoPage,
    RepoReport, RepoSummary, RunAsked, StatusReport, VerifyReport,
};
use crate::store::{FetchRequest, PruneOptions, PushOptions};
use crate::world::{SystemWorld, World};

use call::Caller;
pub use line::Line;

/// Most that the server lists at once.
const PAGE: u32 = 1000;

/// Repos that are told of whole in one answer: each takes the server some milliseconds.
const REPORTS: u32 = 200;

/// Where a server is, and how it is asked.
#[derive(Clone)]
pub struct RemoteOptions {
    /// Its URL.
    pub url: String,
    /// The token to ask with.
    pub token: Option<String>,
    /// How long a run that was begun is asked after while the server is away; none: for ever.
    pub patience: Option<Duration>,
    /// Clock and ids.
    pub world: Arc<dyn World>,
}

impl RemoteOptions {
    /// Asks a server without a token, and gives it up when it has been away for a minute.
    pub fn of(url: impl Into<String>) -> RemoteOptions {
        RemoteOptions { url: url.into(), token: None, patience: Some(Duration::from_secs(60)), world: Arc::new(SystemWorld) }
    }
}

/// Without the token.
impl fmt::Debug for RemoteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = self.token.as_ref().map(|_| "…");
        f.debug_struct("RemoteOptions").field("url", &self.url).field("token", &token).finish_non_exhaustive()
    }
}

/// A store elsewhere. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Remote {
    caller: Arc<Caller>,
    patience: Option<Duration>,
    world: Arc<dyn World>,
}

impl Remote {
    /// A server that is asked nothing yet.
    ///
    /// # Errors
    /// [`Error::Usage`] for a URL that is none, and for one that would show a token to whoever listens on the line.
    pub fn new(options: RemoteOptions) -> Result<Remote> {
        let url = Url::parse(&options.url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| Error::Usage("--remote: http://HOST:PORT or https://HOST is expected".into()))?;
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err(Error::Usage(
                "--remote: a URL without user, `?` and `#` is expected; a token goes in PACKHOUSE_TOKEN".into(),
            ));
        }
        let token = options.token.filter(|token| !token.is_empty());
        if token.is_some() && url.scheme() == "http" && !is_here(&url) {
            return Err(Error::Usage(format!(
                "--remote {url}: whoever listens on the line could read the token; use https://, or a tunnel to this machine"
            )));
        }
        let caller = Arc::new(Caller::new(url, token, options.world.clone())?);
        Ok(Remote { caller, patience: options.patience, world: options.world })
    }

    /// The server.
    pub fn place(&self) -> String {
        self.caller.place().to_owned()
    }

    /// How the line to the server is, told anew whenever something was asked.
    pub fn line(&self) -> tokio::sync::watch::Receiver<Line> {
        self.caller.line()
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T> {
        Ok(self.caller.get(path, query).await?)
    }

    /// Which store the server serves, and how it does.
    ///
    /// # Errors
    /// When it can't be asked, or refuses.
    pub async fn status(&self) -> Result<StatusReport> {
        self.get("status", &[]).await
    }

    /// Whether the server says that it can work.
    ///
    /// # Errors
    /// When it can't be asked, or says that it can't.
    pub async fn ready(&self) -> Result<()> {
        self.caller.text("readyz").await.map(drop)
    }

    /// Its measurements, in the text that Prometheus reads.
    ///
    /// # Errors
    /// When it can't be asked, or refuses.
    pub async fn metrics(&self) -> Result<String> {
        self.caller.text("metrics").await
    }

    /// As [`crate::Store::create_repo`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn create_repo(&self, repo: &RepoName, visibility: Visibility) -> Result<RepoReport> {
        Ok(self.caller.post("repos", &NewRepo { repo: repo.clone(), visibility }).await?)
    }

    /// As [`crate::Store::delete_repo`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn delete_repo(&self, repo: &RepoName) -> Result<DeleteReport> {
        Ok(self.caller.delete(&format!("repos/{repo}"), &[]).await?)
    }

    /// As [`crate::Store::repos`]: those that the token administers.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub async fn repos(&self) -> Result<Vec<RepoReport>> {
        let mut all: Vec<RepoReport> = Vec::new();
        let mut after = None;
        loop {
            let page: RepoPage<RepoReport> = self.page("report", after, REPORTS).await?;
            all.extend(page.repos);
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(all),
            };
        }
    }

    async fn page<T: DeserializeOwned>(&self, view: &str, after: Option<String>, limit: u32) -> Result<RepoPage<T>> {
        let mut query = vec![("view", view.to_owned()), ("limit", limit.to_string())];
        query.extend(after.map(|after| ("after", after)));
        self.get("repos", &query).await
    }

    /// As [`crate::Store::repo`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn repo(&self, repo: &RepoName) -> Result<RepoReport> {
        self.get(&format!("repos/{repo}"), &[]).await
    }

    /// As [`crate::Store::summaries`].
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let mut all: Vec<RepoSummary> = Vec::new();
        let mut after = after.map(ToString::to_string);
        loop {
            let wanted = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)).min(PAGE);
            if wanted == 0 {
                return Ok(all);
            }
            let page: RepoPage<RepoSummary> = self.page("summary", after, wanted).await?;
            all.extend(page.repos);
            after = match page.next {
                Some(next) => Some(next),
                None => return Ok(all),
            };
        }
    }

    /// As [`crate::Store::summary`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        self.get(&format!("repos/{repo}/summary"), &[]).await
    }

    /// As [`crate::Store::detail`], with as many moments and consolidations as the server tells.
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn detail(&self, repo: &RepoName) -> Result<Detail> {
        self.get(&format!("repos/{repo}/detail"), &[]).await
    }

    /// As [`crate::Store::push`].
    ///
    /// # Errors
    /// As that; when the server can't be asked. When the answer is lost the push may have been done: pushing again is safe.
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

    /// As [`crate::Store::plan_gc_expiring`]: what the plan reports.
    ///
    /// # Errors
    /// As that; when the server can't be asked for longer than the patience.
    pub async fn plan_gc_expiring(&self, repo: &RepoName, age: Option<Duration>, progress: &Progress) -> Result<GcReport> {
        let asked = RunAsked::Plan { repo: repo.clone(), expire_unreachable_seconds: seconds(age) };
        run::run(self, &asked, progress).await
    }

    /// As [`crate::Store::gc_expiring`].
    ///
    /// # Errors
    /// As that; when the server can't be asked for longer than the patience.
    pub async fn gc_expiring(&self, repo: &RepoName, age: Option<Duration>, progress: &Progress) -> Result<GcReport> {
        let asked = RunAsked::Gc { repo: repo.clone(), plan_digest: None, expire_unreachable_seconds: seconds(age) };
        run::run(self, &asked, progress).await
    }

    /// Does exactly what a plan has shown, which was made for that age.
    ///
    /// # Errors
    /// A conflict when the repo has changed since; when the server can't be asked for longer than the patience.
    pub async fn apply_planned(&self, planned: &GcReport, age: Option<Duration>, progress: &Progress) -> Result<GcReport> {
        let digest = planned.plan_digest.clone().unwrap_or_else(|| RunAsked::NOTHING.to_owned());
        let repo = planned.repo.clone();
        let asked = RunAsked::Gc { repo, plan_digest: Some(digest), expire_unreachable_seconds: seconds(age) };
        run::run(self, &asked, progress).await
    }

    /// As [`crate::Store::verify`].
    ///
    /// # Errors
    /// As that; when the server can't be asked for longer than the patience.
    pub async fn verify(&self, repo: &RepoName, progress: &Progress) -> Result<VerifyReport> {
        run::run(self, &RunAsked::Verify { repo: repo.clone() }, progress).await
    }

    /// As [`crate::Store::prune`].
    ///
    /// # Errors
    /// As that; when the server can't be asked for longer than the patience.
    pub async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        let PruneOptions { grace, orphans, dry_run } = options;
        run::run(self, &RunAsked::Prune { grace_seconds: grace.as_secs(), orphans, dry_run }, progress).await
    }

    /// As [`crate::Store::fetch`]; writes the pack to `output`, if there is to be one.
    ///
    /// # Errors
    /// As that; when the server can't be asked, or what it sends is not the pack.
    pub async fn fetch(&self, repo: &RepoName, request: &FetchRequest, progress: &Progress) -> Result<FetchReport> {
        if let Some(output) = &request.output {
            crate::files::replaceable(output)?;
        }
        let asked = FetchAsked { want: request.want.clone(), have: request.have.clone(), ttl_seconds: request.ttl.as_secs() };
        let report: FetchReport = self.caller.post(&format!("repos/{repo}/fetch"), &asked).await?;
        if let Some(output) = &request.output {
            download::download(self, repo, &report, output, progress).await?;
        }
        Ok(report)
    }

    /// As [`crate::Store::queue_gc`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn queue_gc(&self, repo: &RepoName, age: Option<Duration>) -> Result<Queued> {
        Ok(self.caller.post("jobs", &JobAsked::Gc { repo: repo.clone(), expire_unreachable_seconds: seconds(age) }).await?)
    }

    /// As [`crate::Store::queue_verify`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn queue_verify(&self, repo: &RepoName) -> Result<Queued> {
        Ok(self.caller.post("jobs", &JobAsked::Verify { repo: repo.clone() }).await?)
    }

    /// As [`crate::Store::queue_prune`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn queue_prune(&self, options: PruneOptions) -> Result<Queued> {
        let asked = JobAsked::Prune { grace_seconds: options.grace.as_secs(), orphans: options.orphans };
        Ok(self.caller.post("jobs", &asked).await?)
    }

    /// As [`crate::Store::jobs`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn jobs(
        &self,
        repo: Option<&RepoName>,
        status: Option<JobStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobReport>> {
        let mut all: Vec<JobReport> = Vec::new();
        let mut before = before;
        loop {
            let wanted = limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)).min(PAGE);
            if wanted == 0 {
                return Ok(all);
            }
            let mut query = vec![("limit", wanted.to_string())];
            query.extend(repo.map(|repo| ("repo", repo.to_string())));
            query.extend(status.map(|status| ("status", status.to_string())));
            query.extend(before.map(|before| ("before", before.to_string())));
            let page: JobPage = self.get("jobs", &query).await?;
            all.extend(page.jobs);
            before = match page.next {
                Some(next) => Some(next),
                None => return Ok(all),
            };
        }
    }

    /// As [`crate::Store::job`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn job(&self, id: i64) -> Result<JobReport> {
        self.get(&format!("jobs/{id}"), &[]).await
    }

    /// As [`crate::Store::retry_job`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn retry_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.caller.post(&format!("jobs/{id}/retry"), &()).await?)
    }

    /// As [`crate::Store::cancel_job`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.caller.post(&format!("jobs/{id}/cancel"), &()).await?)
    }

    /// As [`crate::Store::policy`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        self.get("policy", &of(repo)).await
    }

    /// As [`crate::Store::set_policy`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn set_policy(&self, repo: Option<&RepoName>, policy: Option<Policy>) -> Result<PolicyReport> {
        match policy {
            Some(policy) => Ok(self.caller.put("policy", &of(repo), &policy).await?),
            None => Ok(self.caller.delete("policy", &of(repo)).await?),
        }
    }

    /// As [`crate::Store::check_policies`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn check_policies(&self, repo: Option<&RepoName>, queue: bool) -> Result<Vec<PolicyCheck>> {
        Ok(self.caller.post("policy/check", &PolicyAsked { repo: repo.cloned(), queue }).await?)
    }

    /// As [`crate::Store::gc_entries`].
    ///
    /// # Errors
    /// As that; when the server can't be asked.
    pub async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        let mut all: Vec<GcEntry> = Vec::new();
        let mut before = query.before;
        loop {
            let wanted = query.limit.saturating_sub(u32::try_from(all.len()).unwrap_or(u32::MAX)).min(PAGE);
            if wanted == 0 {
                return Ok(all);
            }
            let mut asked = vec![("limit", wanted.to_string()), ("text", query.text.clone())];
            asked.extend(query.repo.as_ref().map(|repo| ("repo", repo.to_string())));
            asked.extend(before.map(|before| ("before", before.to_string())));
            let page: HistoryPage = self.get("history", &asked).await?;
            all.extend(page.entries);
            before = match page.next {
                Some(next) => Some(next),
                None => return Ok(all),
            };
        }
    }

    /// The store's stamp: at once without `since`; else when it is another one, or after some 20 seconds.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub async fn change_stamp(&self, since: Option<u64>) -> Result<u64> {
        let query: Vec<_> = since.map(|since| ("since", since.to_string())).into_iter().collect();
        Ok(self.get::<Changes>("changes", &query).await?.stamp)
    }

    /// All tokens, without their secrets.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub async fn tokens(&self) -> Result<Vec<TokenReport>> {
        self.get("tokens", &[]).await
    }

    /// Makes a token.
    ///
    /// # Errors
    /// When the server can't be asked, or refuses.
    pub async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        Ok(self.caller.post("tokens", &new).await?)
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// When there is none, or the server can't be asked.
    pub async fn revoke_token(&self, token: &str) -> Result<TokenReport> {
        // Whoever has only the text of a token revokes it by that; its secret stays here.
        let text: Option<TokenText> = token.parse().ok();
        let id = text.as_ref().map_or(token, TokenText::id);
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Error::UnknownToken(id.escape_debug().to_string()));
        }
        Ok(self.caller.delete(&format!("tokens/{id}"), &[]).await?)
    }
}

fn seconds(age: Option<Duration>) -> Option<u64> {
    age.map(|age| age.as_secs())
}

fn of(repo: Option<&RepoName>) -> Vec<(&'static str, String)> {
    repo.map(|repo| ("repo", repo.to_string())).into_iter().collect()
}

/// Whether a URL leads to this machine.
fn is_here(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(url: &str, token: Option<&str>) -> Result<Remote> {
        Remote::new(RemoteOptions { token: token.map(str::to_owned), ..RemoteOptions::of(url) })
    }

    #[test]
    fn a_token_goes_where_nobody_listens() {
        for url in ["http://localhost:7070", "http://127.0.0.1:1/", "http://[::1]:1", "https://packs.example"] {
            assert!(made(url, Some("secret")).is_ok(), "{url}");
        }
        assert!(made("http://packs.example", None).is_ok());
        for url in ["http://packs.example", "http://10.0.0.1", "http://localhost.example"] {
            assert!(matches!(made(url, Some("secret")), Err(Error::Usage(words)) if !words.contains("secret")), "{url}");
        }
    }

    #[test]
    fn a_url_is_that_of_a_server_and_the_token_is_not_shown() {
        for url in ["", "packs.example", "ftp://h", "http://", "http://u:p@h", "http://h?x", "http://h#x"] {
            assert!(matches!(made(url, None), Err(Error::Usage(_))), "{url}");
        }
        let options = RemoteOptions { token: Some("secret".into()), ..RemoteOptions::of("http://localhost") };
        assert!(!format!("{options:?} {:?}", Remote::new(options.clone())).contains("secret"));
    }
}
