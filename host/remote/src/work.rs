//! Work: run now, queued as jobs, or by policy; and its results.

use std::time::Duration;

use futures::FutureExt;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::RepoName;
use packhouse_model::options::PruneOptions;
use packhouse_model::progress::Progress;
use packhouse_model::report::{
    GcEntry, GcQuery, GcReport, HistoryPage, JobPage, JobReport, JobRequest, JobStatus, Policy,
    PolicyCheck, PolicyReport, PolicyRequest, PruneReport, Queued, RunRequest, VerifyReport,
};

use super::{PAGE, Remote, pages, run};

impl Remote {
    /// As [`crate::Store::plan_gc_expiring`]: what the plan reports.
    ///
    /// # Errors
    /// As that; when the server can't be reached for longer than `reconnect_timeout`.
    pub async fn plan_gc_expiring(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        let asked =
            RunRequest::Plan { repo: repo.clone(), expire_unreachable_seconds: seconds(age) };
        run::run(self, &asked, progress).await
    }

    /// As [`crate::Store::gc_expiring`].
    ///
    /// # Errors
    /// As that; when the server can't be reached for longer than `reconnect_timeout`.
    pub async fn gc_expiring(
        &self,
        repo: &RepoName,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        let asked = RunRequest::Gc {
            repo: repo.clone(),
            plan_digest: None,
            expire_unreachable_seconds: seconds(age),
        };
        run::run(self, &asked, progress).await
    }

    /// Applies a plan that was shown for that age, and nothing else.
    ///
    /// # Errors
    /// A conflict when the repo has changed since; when the server can't be reached for longer than
    /// `reconnect_timeout`.
    pub async fn apply_planned(
        &self,
        planned: &GcReport,
        age: Option<Duration>,
        progress: &Progress,
    ) -> Result<GcReport> {
        let digest = planned.plan_digest.clone().unwrap_or_else(|| RunRequest::NOTHING.to_owned());
        let repo = planned.repo.clone();
        let asked = RunRequest::Gc {
            repo,
            plan_digest: Some(digest),
            expire_unreachable_seconds: seconds(age),
        };
        run::run(self, &asked, progress).await
    }

    /// As [`crate::Store::verify`].
    ///
    /// # Errors
    /// As that; when the server can't be reached for longer than `reconnect_timeout`.
    pub async fn verify(&self, repo: &RepoName, progress: &Progress) -> Result<VerifyReport> {
        run::run(self, &RunRequest::Verify { repo: repo.clone(), repair: false }, progress).await
    }

    /// As [`crate::Store::repair`].
    ///
    /// # Errors
    /// As that; when the server can't be reached for longer than `reconnect_timeout`.
    pub async fn repair(&self, repo: &RepoName, progress: &Progress) -> Result<VerifyReport> {
        run::run(self, &RunRequest::Verify { repo: repo.clone(), repair: true }, progress).await
    }

    /// As [`crate::Store::prune`].
    ///
    /// # Errors
    /// As that; when the server can't be reached for longer than `reconnect_timeout`.
    pub async fn prune(&self, options: PruneOptions, progress: &Progress) -> Result<PruneReport> {
        let PruneOptions { grace, orphans, newer, dry_run, trust_verified } = options;
        if newer {
            let words = "--delete-newer-than-catalog needs access to the catalog and the packs; run it on the store's machine, without --remote";
            return Err(Error::Usage(words.into()));
        }
        let (grace_seconds, trust_verified_seconds) = (grace.as_secs(), trust_verified.as_secs());
        run::run(
            self,
            &RunRequest::Prune { grace_seconds, orphans, dry_run, trust_verified_seconds },
            progress,
        )
        .await
    }

    /// As [`crate::Store::queue_gc`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn queue_gc(&self, repo: &RepoName, age: Option<Duration>) -> Result<Queued> {
        Ok(self
            .client
            .post(
                "jobs",
                &JobRequest::Gc { repo: repo.clone(), expire_unreachable_seconds: seconds(age) },
            )
            .await?)
    }

    /// As [`crate::Store::queue_verify`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn queue_verify(&self, repo: &RepoName) -> Result<Queued> {
        Ok(self.client.post("jobs", &JobRequest::Verify { repo: repo.clone() }).await?)
    }

    /// As [`crate::Store::queue_prune`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn queue_prune(&self, options: PruneOptions) -> Result<Queued> {
        let PruneOptions { grace, orphans, trust_verified, .. } = options;
        let (grace_seconds, trust_verified_seconds) = (grace.as_secs(), trust_verified.as_secs());
        let asked = JobRequest::Prune { grace_seconds, orphans, trust_verified_seconds };
        Ok(self.client.post("jobs", &asked).await?)
    }

    /// As [`crate::Store::jobs`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn jobs(
        &self,
        repo: Option<&RepoName>,
        status: Option<JobStatus>,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<JobReport>> {
        let page = |before: Option<i64>, limit: u32| {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(of(repo));
            query.extend(status.map(|status| ("status", status.to_string())));
            query.extend(before.map(|before| ("before", before.to_string())));
            async move {
                let page: JobPage = self.get("jobs", &query).await?;
                Ok((page.jobs, page.next))
            }
            .boxed()
        };
        pages(limit, PAGE, before, page).await
    }

    /// As [`crate::Store::job`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn job(&self, id: i64) -> Result<JobReport> {
        self.get(&format!("jobs/{id}"), &[]).await
    }

    /// As [`crate::Store::retry_job`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn retry_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.client.post(&format!("jobs/{id}/retry"), &()).await?)
    }

    /// As [`crate::Store::cancel_job`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        Ok(self.client.post(&format!("jobs/{id}/cancel"), &()).await?)
    }

    /// As [`crate::Store::policy`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        self.get("policy", &of(repo)).await
    }

    /// As [`crate::Store::set_policy`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        match policy {
            Some(policy) => Ok(self.client.put("policy", &of(repo), &policy).await?),
            None => Ok(self.client.delete("policy", &of(repo)).await?),
        }
    }

    /// As [`crate::Store::check_policies`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn check_policies(
        &self,
        repo: Option<&RepoName>,
        queue: bool,
    ) -> Result<Vec<PolicyCheck>> {
        Ok(self.client.post("policy/check", &PolicyRequest { repo: repo.cloned(), queue }).await?)
    }

    /// As [`crate::Store::gc_entries`].
    ///
    /// # Errors
    /// As that; when the server can't be reached.
    pub async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
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
}

fn seconds(age: Option<Duration>) -> Option<u64> {
    age.map(|age| age.as_secs())
}

fn of(repo: Option<&RepoName>) -> Vec<(&'static str, String)> {
    repo.map(|repo| ("repo", repo.to_string())).into_iter().collect()
}
