//! What the fake store answers.

use async_trait::async_trait;
use packhouse_host::access::{NewToken, TokenReport};
use packhouse_host::clock::Clock;
use packhouse_host::report::{RepoDetail, Report, ServerReport};
use packhouse_host::{
    BranchDeleteReport, Error, GcEntry, GcOptions, GcPlanReport, GcQuery, GcReport, Health,
    Inspect, JobReport, JobStatus, JobsQuery, Operation, PackTotals, PlannedGc, Policy,
    PolicyCheck, PolicyReport, Progress, RepoName, RepoSummary, Result,
};

use super::super::fake::{now, token};
use super::FakeStore;
use crate::console::backend::Backend;
use crate::console::demo::PLACE;

#[async_trait]
impl Inspect for FakeStore {
    fn place(&self) -> String {
        PLACE.to_owned()
    }

    async fn summaries(&self, after: Option<&RepoName>, limit: u32) -> Result<Vec<RepoSummary>> {
        let inside = self.inside();
        let later = inside.repos.values().map(|repo| &repo.summary);
        let later = later.filter(|summary| after.is_none_or(|after| summary.repo > *after));
        Ok(later.take(limit as usize).cloned().collect())
    }

    async fn summary(&self, repo: &RepoName) -> Result<RepoSummary> {
        Ok(self.repo(repo)?.summary)
    }

    async fn detail(&self, name: &RepoName) -> Result<RepoDetail> {
        let repo = self.repo(name)?;
        let past = self.gc_entries(&GcQuery { limit: 50, ..GcQuery::default() }).await?;
        let past = past.into_iter().filter(|entry| entry.repo == *name);
        Ok(RepoDetail {
            report: repo.report(),
            summary: repo.summary,
            packs: repo.packs,
            timeline: repo.timeline,
            history: past.map(|entry| entry.record).collect(),
        })
    }

    async fn server(&self) -> Result<Option<ServerReport>> {
        Ok(self.inside().server.clone())
    }

    async fn health(&self) -> Result<Health> {
        let inside = self.inside();
        let damaged = inside.repos.values().filter(|repo| repo.summary.damaged > 0);
        let jobs = |status| {
            let is_open = |job: &&JobReport| job.status == status && !job.healed;
            inside.jobs.values().filter(is_open).count() as u64
        };
        let sum =
            |of: fn(&RepoSummary) -> u64| inside.repos.values().map(|repo| of(&repo.summary)).sum();
        // Repos of a fake store share no packs.
        let packs = PackTotals {
            packs: sum(|repo| repo.packs),
            bytes: sum(|repo| repo.bytes),
            pending_packs: 0,
            pending_bytes: sum(|repo| repo.superseded_bytes),
        };
        Ok(Health {
            packs: Some(packs),
            damaged_repos: damaged.count() as u64,
            jobs_queued: jobs(JobStatus::Queued),
            jobs_running: jobs(JobStatus::Running),
            jobs_failed: jobs(JobStatus::Failed),
            ..inside.health
        })
    }

    async fn jobs(&self, query: &JobsQuery) -> Result<Vec<JobReport>> {
        let inside = self.inside();
        let fits = |job: &&JobReport| {
            (query.repo.is_none() || job.repo == query.repo)
                && query.status.is_none_or(|status| job.status == status)
        };
        let before = query.before.unwrap_or(i64::MAX);
        let newest = inside.jobs.range(..before).rev().map(|(_, job)| job);
        Ok(newest.filter(fits).take(query.limit as usize).cloned().collect())
    }

    async fn job(&self, id: i64) -> Result<JobReport> {
        self.inside().jobs.get(&id).cloned().ok_or(Error::UnknownJob(id))
    }

    async fn retry_job(&self, id: i64) -> Result<JobReport> {
        self.change_job(id, JobStatus::Queued, |status| {
            matches!(status, JobStatus::Failed | JobStatus::Cancelled)
        })
    }

    async fn cancel_job(&self, id: i64) -> Result<JobReport> {
        self.change_job(id, JobStatus::Cancelled, |status| {
            matches!(status, JobStatus::Queued | JobStatus::Running)
        })
    }

    async fn plan_gc(
        &self,
        repo: &RepoName,
        _: GcOptions,
        _: &Progress,
    ) -> Result<Box<dyn PlannedGc>> {
        let repo = self.repo(repo)?;
        let (report, generation) = (repo.plan(), repo.generation);
        Ok(Box::new(FakePlan { store: self.clone(), report, generation }))
    }

    async fn run(
        &self,
        repo: Option<&RepoName>,
        operation: Operation,
        _: &Progress,
    ) -> Result<Report> {
        if let Operation::Prune(options) = operation {
            return Ok(Report::Prune(Box::new(self.pruned(options.dry_run))));
        }
        let repo = self.repo(repo.expect("only a prune is of all repos"))?;
        match operation {
            Operation::Gc(_) => {
                let (name, now) = (&repo.summary.repo, self.clock.now());
                Ok(Report::Gc(Box::new(self.consolidated(name, repo.generation, now)?)))
            }
            Operation::Verify(options) => Ok(Report::Verify(self.verified(repo, options.repair))),
            other => panic!("the console does not run {}", other.kind()),
        }
    }

    async fn gc_entries(&self, query: &GcQuery) -> Result<Vec<GcEntry>> {
        let inside = self.inside();
        let newest = inside.history.iter().rev();
        let matching = newest.filter(|entry| query.before.is_none_or(|before| entry.id < before));
        let matching = matching.filter(|entry| entry.repo.to_string().contains(&query.text));
        Ok(matching.take(query.limit as usize).cloned().collect())
    }

    async fn policy(&self, repo: Option<&RepoName>) -> Result<PolicyReport> {
        Ok(PolicyReport { repo: repo.cloned(), set: false, policy: self.inside().policy })
    }

    async fn check_policies(&self, _: Option<&RepoName>, _: bool) -> Result<Vec<PolicyCheck>> {
        Ok(self.inside().checks.clone())
    }

    /// [`Scripted`] watches.
    async fn changed(&self, _: Option<u64>) -> Result<u64> {
        std::future::pending().await
    }
}

/// The plan of a repo that was in this generation.
#[derive(Debug)]
struct FakePlan {
    store: FakeStore,
    report: GcPlanReport,
    generation: u64,
}

#[async_trait]
impl PlannedGc for FakePlan {
    fn report(&self) -> &GcPlanReport {
        &self.report
    }

    async fn apply(self: Box<Self>, _: &Progress) -> Result<GcReport> {
        self.store.consolidated(&self.report.repo, self.generation, self.store.clock.now())
    }
}

#[async_trait]
impl Backend for FakeStore {
    async fn tokens(&self) -> Result<Vec<TokenReport>> {
        Ok(self.inside().tokens.clone())
    }

    async fn create_token(&self, new: NewToken) -> Result<TokenReport> {
        let mut inside = self.inside();
        let id = format!("{:016x}", inside.tokens.len() + 1);
        let token = TokenReport {
            token: None,
            ..token(&id, new.scope, &new.name, new.repos, new.expires_in_seconds)
        };
        inside.tokens.push(token.clone());
        Ok(TokenReport { token: Some(format!("phk_{id}_{}", "5e".repeat(32))), ..token })
    }

    async fn revoke_token(&self, id: &str) -> Result<TokenReport> {
        let mut inside = self.inside();
        let token = inside.tokens.iter_mut().find(|token| token.id == id);
        let token = token.ok_or_else(|| Error::UnknownToken(id.to_owned()))?;
        token.revoked_at = Some(now());
        Ok(token.clone())
    }

    async fn set_policy(
        &self,
        repo: Option<&RepoName>,
        policy: Option<Policy>,
    ) -> Result<PolicyReport> {
        let mut inside = self.inside();
        let default = policy.filter(|_| repo.is_none()).unwrap_or(inside.policy);
        let policy_of = |own| Policy { scrub_age_seconds: None, ..own };
        let (set, policy) = (policy.is_some(), policy.map_or(default, policy_of));
        match repo {
            None => inside.policy = default,
            Some(repo) => {
                for check in inside.checks.iter_mut().filter(|check| check.repo == *repo) {
                    (check.own_policy, check.policy) = (set, policy);
                }
            }
        }
        Ok(PolicyReport { repo: repo.cloned(), set, policy })
    }

    async fn delete_branch(&self, repo: &RepoName, branch: &str) -> Result<BranchDeleteReport> {
        let mut inside = self.inside();
        let found = inside.repos.get_mut(repo).ok_or_else(|| Error::UnknownRepo(repo.clone()))?;
        let (repo, name) = (repo.clone(), branch.to_owned());
        if !found.deletes(branch) {
            return Err(Error::UnknownBranch { repo, branch: name });
        }
        let head = format!("sha256:{}", "4f".repeat(32));
        Ok(BranchDeleteReport {
            repo,
            name,
            head,
            deleted: true,
            default_branch: "main".to_owned(),
        })
    }
}
