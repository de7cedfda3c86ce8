//! [`Jobs`] on a database.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use async_trait::async_trait;
use jiff::Timestamp;
use packhouse_catalog::{ChangedRepos, Fence, JobEnd, JobQuery, Jobs, NewJob, Pressure};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_model::report::{JobReport, JobStatus, Policy};

use super::engine::{Columns, Engine, Reader, Work};
use super::{SqlCatalog, healed, jobs, policies, rows};

#[expect(private_bounds, reason = "the engines are those of this folder")]
impl<E: Engine> SqlCatalog<E> {
    fn read_job(&self, row: Option<E::Row>) -> Result<Option<JobReport>> {
        row.map(|row| jobs::read(self.engine.place(), &row)).transpose()
    }
}

#[async_trait]
impl<E: Engine> Jobs for SqlCatalog<E> {
    async fn add_job(&self, job: &NewJob) -> Result<JobReport> {
        let work: Work<E, _, _> = |tx, job| Box::pin(jobs::add::<E>(tx, job));
        let id = self
            .writing("queueing a job", job, work)
            .await?
            .ok_or_else(|| Error::DeletedMeanwhile)?;
        self.job(id).await?.ok_or_else(|| rows::damaged(self.engine.place(), "a job"))
    }

    async fn jobs(&self, query: JobQuery) -> Result<Vec<JobReport>> {
        let found = jobs::list(&self.engine, query).await.map_err(self.failed("listing jobs"))?;
        found.iter().map(|row| jobs::read(self.engine.place(), row)).collect()
    }

    async fn job(&self, id: i64) -> Result<Option<JobReport>> {
        let doing = "looking up a job";
        let mut reader = Reader::of(&self.engine).await.map_err(self.failed(doing))?;
        let row = jobs::one(&mut reader, id).await.map_err(self.failed(doing))?;
        self.read_job(row)
    }

    async fn healed_jobs(&self, among: RangeInclusive<i64>) -> Result<BTreeSet<i64>> {
        let found =
            healed::list(&self.engine, &among).await.map_err(self.failed("listing healed jobs"))?;
        Ok(found.iter().map(|row| row.int("id")).collect())
    }

    async fn healed_counts(&self) -> Result<Vec<(String, u64)>> {
        let found =
            healed::counts(&self.engine).await.map_err(self.failed("counting healed jobs"))?;
        Ok(found.iter().map(|row| (row.text("type").to_owned(), row.count("jobs"))).collect())
    }

    async fn job_counts(&self) -> Result<Vec<(String, JobStatus, u64)>> {
        let found = jobs::counts(&self.engine).await.map_err(self.failed("counting jobs"))?;
        found
            .iter()
            .map(|row| {
                let status = row
                    .text("status")
                    .parse()
                    .map_err(|_| rows::damaged(self.engine.place(), "a job"))?;
                Ok((row.text("type").to_owned(), status, row.count("jobs")))
            })
            .collect()
    }

    async fn take_job(
        &self,
        worker: &str,
        now: Timestamp,
        lease_until: Timestamp,
    ) -> Result<Option<(JobReport, Fence)>> {
        let params = jobs::TakeParams { worker, now, lease_until };
        let work: Work<E, _, _> = |tx, params| Box::pin(jobs::take::<E>(tx, params));
        let taken = self.writing("taking a job", &params, work).await?;
        taken.map(|(row, fence)| Ok((jobs::read(self.engine.place(), &row)?, fence))).transpose()
    }

    async fn renew_lease(&self, fence: Fence, lease_until: Timestamp) -> Result<bool> {
        let work: Work<E, _, _> = |tx, params| Box::pin(jobs::renew::<E>(tx, params));
        self.writing("renewing a lease", &(fence, lease_until), work).await
    }

    async fn end_job(
        &self,
        fence: Fence,
        end: &JobEnd,
        now: Timestamp,
    ) -> Result<Option<JobReport>> {
        let params = jobs::EndParams { fence, end, now };
        let work: Work<E, _, _> = |tx, params| Box::pin(jobs::end::<E>(tx, params));
        let row = self.writing("finishing a job", &params, work).await?;
        self.read_job(row)
    }

    async fn retry_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(jobs::retry::<E>(tx, params));
        let row = self.writing("retrying a job", &jobs::JobParams { id, now }, work).await?;
        self.read_job(row)
    }

    async fn cancel_job(&self, id: i64, now: Timestamp) -> Result<Option<JobReport>> {
        let work: Work<E, _, _> = |tx, params| Box::pin(jobs::cancel::<E>(tx, params));
        let row = self.writing("cancelling a job", &jobs::JobParams { id, now }, work).await?;
        self.read_job(row)
    }

    async fn waiting_packs(&self, keys: &[MpackKey]) -> Result<Vec<bool>> {
        jobs::waiting_packs(&self.engine, keys)
            .await
            .map_err(self.failed("looking up packs of jobs"))
    }

    async fn policies(&self) -> Result<Vec<(i64, Policy)>> {
        let found = policies::list(&self.engine).await.map_err(self.failed("reading policies"))?;
        found.iter().map(|row| policies::read(self.engine.place(), row)).collect()
    }

    async fn set_policy(&self, repo: i64, policy: Option<&Policy>) -> Result<()> {
        let work: Work<E, _, _> = |tx, params| Box::pin(policies::set::<E>(tx, params));
        self.writing("setting a policy", &(repo, policy), work).await
    }

    async fn changed_repos(&self, since: i64) -> Result<ChangedRepos> {
        let (last, found) = policies::changed_repos(&self.engine, since)
            .await
            .map_err(self.failed("looking for changed repos"))?;
        let repos = found.iter().map(|row| rows::repo_name(self.engine.place(), row));
        Ok(ChangedRepos { repos: repos.collect::<Result<_>>()?, last })
    }

    async fn pressures(&self, repo: Option<i64>) -> Result<Vec<Pressure>> {
        let found = policies::pressures(&self.engine, repo)
            .await
            .map_err(self.failed("looking for fragmented repos"))?;
        found.iter().map(|row| policies::read_pressure(self.engine.place(), row)).collect()
    }
}
