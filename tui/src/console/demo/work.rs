//! Plans, consolidations and verifications of the demo. They take time, report progress, and can be
//! cancelled.

use std::time::Duration;

use packhouse_host::{Error, Event, GcPlanReport, GcReport, Phase, RepoName, VerifyReport};

use super::history::{COMPONENT, consolidated, failed, refused};
use super::{Demo, Inside, Pace};
use crate::console::backend::{Backend, BackendResult, Control, Failure, FailureKind};

/// Time between two steps.
const STEP: Duration = Duration::from_millis(100);

/// How often a consolidation starts again when its repo changes meanwhile.
const TRIES: usize = 3;

/// A planned consolidation.
#[derive(Debug)]
pub(in crate::console) struct Planned {
    report: GcPlanReport,
    /// The generation of the repo when it was planned.
    generation: u64,
}

impl Planned {
    /// The repo.
    pub(super) fn repo(&self) -> &RepoName {
        &self.report.repo
    }
}

impl Demo {
    pub(super) async fn do_plan(
        &self,
        repo: &RepoName,
        control: &Control,
    ) -> BackendResult<(GcPlanReport, Planned)> {
        let planned = self.planned(repo)?;
        let steps = 3 + planned.report.packs_before / 60;
        for _ in 0..steps {
            self.step_on("plan", repo, (Phase::Plan, 0, 0), control).await?;
        }
        Ok((planned.report.clone(), planned))
    }

    pub(super) fn planned(&self, repo: &RepoName) -> BackendResult<Planned> {
        self.with(repo, |repo, _| Planned {
            report: repo.plan(COMPONENT),
            generation: repo.generation,
        })
    }

    pub(super) async fn do_run(&self, plan: Planned, control: &Control) -> BackendResult<GcReport> {
        let (repo, bytes, began) = (plan.report.repo.clone(), plan.report.bytes_after, self.time());
        let took =
            || u64::try_from(self.time().duration_since(began).as_millis()).unwrap_or_default();
        if self.generation(&repo)? != plan.generation {
            return Err(changed(&repo));
        }
        if plan.report.skipped {
            return self.publish(plan, took());
        }
        let damaged = self
            .with(&repo, |repo, _| repo.problems.first().map(|problem| refused(repo, problem)))?;
        let until = if damaged.is_some() { bytes / 2 } else { bytes };
        self.count("run", &repo, (Phase::Splice, bytes), until, control).await?;
        if let Some(error) = damaged {
            let (took, now) = (took(), self.time());
            self.change(|inside| {
                if let Some(repo) = inside.repos.get_mut(&repo) {
                    let entry = failed(repo, &error, took, now);
                    inside.remember(entry);
                }
            });
            return Err(error.into());
        }
        for phase in [Phase::Prove, Phase::Publish] {
            for _ in 0..3 {
                self.step_on("run", &repo, (phase, bytes, bytes), control).await?;
            }
        }
        self.publish(plan, took())
    }

    /// Plans and runs; starts again if the repo changes meanwhile.
    pub(super) async fn do_consolidate(
        &self,
        repo: &RepoName,
        control: &Control,
    ) -> BackendResult<GcReport> {
        for tries in 1.. {
            let plan = match self.plan(repo, control.clone()).await {
                Ok((_, plan)) => plan,
                Err(failure) => return Err(self.remember_failure(repo, failure)),
            };
            match self.run(plan, control.clone()).await {
                Err(failure) if failure.kind == FailureKind::Conflict && tries < TRIES => {}
                done => return done,
            }
        }
        unreachable!("the loop ends by returning")
    }

    /// Adds failed planning to the history. A cancellation is not a failure.
    fn remember_failure(&self, repo: &RepoName, failure: Failure) -> Failure {
        let now = self.time();
        if failure.kind != FailureKind::Cancelled {
            self.change(|inside| {
                if let Some(repo) = inside.repos.get_mut(repo) {
                    // A history entry has only the message of an error.
                    let entry = failed(repo, &Error::Usage(failure.message.clone()), 0, now);
                    inside.remember(entry);
                }
            });
        }
        failure
    }

    /// Publishes a consolidation in one step.
    pub(super) fn publish(&self, plan: Planned, took_ms: u64) -> BackendResult<GcReport> {
        let (name, now) = (plan.report.repo.clone(), self.time());
        self.change(|inside| {
            let repo =
                inside.repos.get_mut(&name).ok_or_else(|| Error::UnknownRepo(name.clone()))?;
            if repo.generation != plan.generation {
                return Err(changed(&name));
            }
            let report = repo.consolidate(plan.report, took_ms, now);
            let entry = consolidated(repo, report.clone(), now);
            inside.remember(entry);
            Ok(report)
        })
    }

    pub(super) async fn do_verify(
        &self,
        repo: &RepoName,
        control: &Control,
    ) -> BackendResult<VerifyReport> {
        let mut report = self.with(repo, |repo, problems| VerifyReport {
            repo: repo.name.clone(),
            packs_checked: repo.packs.len() as u64,
            objects_checked: repo.packs.iter().map(|pack| pack.records).sum(),
            bytes_checked: repo.packs.iter().map(|pack| pack.bytes).sum(),
            ok: true,
            problems,
            repaired: None,
        })?;
        let bytes = report.bytes_checked;
        self.count("verify", repo, (Phase::Verify, bytes), bytes, control).await?;
        report.ok = report.problems.is_empty();
        Ok(report)
    }

    /// Goes through a phase in steps, up to `until` bytes.
    async fn count(
        &self,
        verb: &'static str,
        repo: &RepoName,
        (phase, total): (Phase, u64),
        until: u64,
        control: &Control,
    ) -> BackendResult<()> {
        let steps = self.steps(total);
        for step in 0..=steps {
            let done = (u128::from(total) * u128::from(step) / u128::from(steps)) as u64;
            if done > until {
                break;
            }
            self.step_on(verb, repo, (phase, done, total), control).await?;
        }
        Ok(())
    }

    /// Number of steps for `bytes` bytes, for a duration of one to twelve seconds.
    fn steps(&self, bytes: u64) -> u64 {
        match self.pace {
            Pace::Live => (bytes / (6 << 20)).clamp(10, 120),
            #[cfg(test)]
            Pace::Held => 4,
        }
    }

    /// One step: reports progress and waits.
    async fn step_on(
        &self,
        verb: &'static str,
        repo: &RepoName,
        (phase, done, total): (Phase, u64, u64),
        control: &Control,
    ) -> BackendResult<()> {
        control.report(Event { repo: repo.to_string(), phase, done, total });
        tokio::select! {
            biased;
            () = control.stopped() => Err(Error::Cancelled.into()),
            () = self.wait(verb, control) => Ok(()),
        }
    }

    async fn wait(&self, verb: &'static str, control: &Control) {
        // Only used in tests.
        let _ = (verb, control);
        match self.pace {
            Pace::Live => tokio::time::sleep(STEP).await,
            #[cfg(test)]
            Pace::Held => self.script.pause(verb, control).await,
        }
    }

    fn generation(&self, repo: &RepoName) -> BackendResult<u64> {
        self.with(repo, |repo, _| repo.generation)
    }
}

impl Inside {
    /// Adds an ended consolidation to the history.
    pub(super) fn remember(&mut self, mut entry: packhouse_host::GcEntry) {
        entry.id = self.history.len() as i64 + 1;
        self.history.push(entry);
    }
}

fn changed(repo: &RepoName) -> Failure {
    let message = format!("{repo} has changed since the plan was created; nothing was done");
    Failure { kind: FailureKind::Conflict, message }
}
