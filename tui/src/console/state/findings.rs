//! What is wrong in the store, one by one, the worst first. Each finding has a next step.

use jiff::Timestamp;
use packhouse_host::{DiskSpace, JobReport, RepoSummary};

use super::condition::Condition;
use super::model::Model;
use crate::console::failure::Failure;
use crate::disk::Disk;

/// Something that is wrong, or wants attention.
#[derive(Clone, Copy, Debug)]
pub(in crate::console) enum Finding<'a> {
    /// The numbers of the store can't be loaded.
    Unknown(&'a Failure),
    /// Known damage of a repo.
    Damaged(&'a RepoSummary),
    /// A disk that is full, or nearly.
    Disk(DiskSpace),
    /// The last consolidation of a repo failed.
    GcFailed(&'a RepoSummary),
    JobFailed(&'a JobReport),
    /// So many more jobs failed.
    MoreJobsFailed(u64),
    /// So many jobs wait, and no worker runs.
    NoWorker(u64),
    /// Packs that may be deleted, and their bytes.
    Prunable(u64, u64),
    /// Packs that were not read within the scrub age, and when the first of them was.
    Unchecked(u64, Option<Timestamp>),
}

impl Finding<'_> {
    /// Whether something is wrong; otherwise it only wants attention.
    pub(in crate::console) fn is_wrong(self) -> bool {
        match self {
            Finding::Disk(space) => Disk::of(space) == Disk::Full,
            Finding::NoWorker(_) | Finding::Prunable(..) | Finding::Unchecked(..) => false,
            _ => true,
        }
    }

    /// Whether there is a place to go to, or a command to copy.
    pub(in crate::console) fn leads(self) -> bool {
        !matches!(self, Finding::Unknown(_) | Finding::Disk(_))
    }

    /// The command that deals with it, if there is one.
    pub(in crate::console) fn command(self) -> Option<String> {
        match self {
            Finding::Damaged(repo) => Some(format!("packhouse verify --repair {}", repo.repo)),
            Finding::Prunable(..) => Some("packhouse prune".to_owned()),
            Finding::Unchecked(..) => Some("packhouse verify".to_owned()),
            _ => None,
        }
    }
}

impl Model {
    /// All findings, the worst first; of a kind, by repo, and of jobs the newest first.
    pub(in crate::console) fn findings(&self) -> Vec<Finding<'_>> {
        let mut findings = Vec::new();
        findings.extend(self.health.failure.as_ref().map(Finding::Unknown));
        let (damaged, failed): (Vec<_>, Vec<_>) =
            self.repos.wrong().partition(|repo| Condition::of(repo) == Condition::Damaged);
        findings.extend(damaged.into_iter().map(Finding::Damaged));
        let health = self.health.known.unwrap_or_default();
        let disk = |level| health.disk.filter(|space| Disk::of(*space) == level).map(Finding::Disk);
        findings.extend(disk(Disk::Full));
        findings.extend(failed.into_iter().map(Finding::GcFailed));
        findings.extend(self.health.failed_jobs.iter().map(Finding::JobFailed));
        let more = health.jobs_failed.saturating_sub(self.health.failed_jobs.len() as u64);
        findings.extend((more > 0).then_some(Finding::MoreJobsFailed(more)));
        findings.extend(disk(Disk::NearlyFull));
        let waiting = self.jobs_without_worker();
        findings.extend((waiting > 0).then_some(Finding::NoWorker(waiting)));
        let prunable = Finding::Prunable(health.prunable_packs, health.prunable_bytes);
        findings.extend((health.prunable_packs > 0).then_some(prunable));
        let unchecked = Finding::Unchecked(health.unchecked_packs, health.oldest_check);
        findings.extend((health.unchecked_packs > 0).then_some(unchecked));
        findings
    }

    /// The selected finding.
    pub(in crate::console) fn current_finding(&self) -> Option<Finding<'_>> {
        let findings = self.findings();
        findings.get(self.health.cursor.at(findings.len())).copied()
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use packhouse_host::{Health, JobStatus};

    use super::*;
    use crate::console::tests::fake::{job, last_gc, now, summary};
    use crate::console::view::tests::model;

    #[test]
    fn the_worst_comes_first_and_nothing_is_counted_twice() {
        let mut model = model();
        let ticket = model.ticket();
        let failed = last_gc("failed", "2026-07-01T09:30:00Z");
        let both = RepoSummary {
            damaged: 1,
            last_gc: Some(failed.clone()),
            ..summary("a/damaged-and-failed", 3)
        };
        let failed = RepoSummary { last_gc: Some(failed), ..summary("a/a-failed", 3) };
        model.repos.begin(ticket, now());
        model.repos.take(Ok(vec![failed, both, summary("z/ok", 1)]), now());
        model.health.failed_jobs = vec![job(7, "a/b", JobStatus::Failed)];
        let health = Health {
            damaged_repos: 1,
            jobs_failed: 3,
            prunable_packs: 1,
            prunable_bytes: 9,
            unchecked_packs: 2,
            disk: Some(DiskSpace { used_bytes: 99 << 24, free_bytes: 1 << 24 }),
            ..Health::default()
        };
        model.health.known = Some(health);
        let kinds = |model: &Model| -> String {
            let name = |finding: &Finding| match finding {
                Finding::Unknown(_) => 'u',
                Finding::Damaged(_) => 'd',
                Finding::Disk(_) => 's',
                Finding::GcFailed(_) => 'f',
                Finding::JobFailed(_) => 'j',
                Finding::MoreJobsFailed(2) => 'm',
                Finding::MoreJobsFailed(_) => '?',
                Finding::NoWorker(_) => 'w',
                Finding::Prunable(..) => 'p',
                Finding::Unchecked(..) => 'c',
            };
            model.findings().iter().map(name).collect()
        };
        assert_eq!(kinds(&model), "dsfjmpc");
        let disk = Some(DiskSpace { used_bytes: 91 << 40, free_bytes: 9 << 40 });
        model.health.known = Some(Health { disk, ..health });
        assert_eq!(kinds(&model), "dfjmspc");
        let health =
            Health { disk, jobs_queued: 3, jobs_due: 3, next_job_at: Some(now()), ..health };
        model.health.known = Some(health);
        assert_eq!(kinds(&model), "dfjmspc", "a worker may come");
        model.now = now() + 1.minute();
        assert_eq!(kinds(&model), "dfjmswpc");
        model.repos = Default::default();
        model.health = Default::default();
        model.health.known = Some(Health::default());
        assert_eq!(kinds(&model), "");
    }
}
