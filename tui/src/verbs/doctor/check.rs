//! The result of one check.

use packhouse_host::{Damage, Health, RepoReport, Result};
use serde::Serialize;

use crate::disk::Disk;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::text::{escaped, plural, time};

/// How serious a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    Ok,
    Warn,
    Fail,
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) check: &'static str,
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) way_out: Option<String>,
    /// Whether the problem is damage.
    #[serde(skip)]
    pub(super) damage: bool,
}

impl Check {
    /// All is well.
    pub(super) fn ok(check: &'static str, detail: impl Into<String>) -> Check {
        Check { check, status: Status::Ok, detail: detail.into(), way_out: None, damage: false }
    }

    /// Needs attention, with a way out.
    pub(super) fn warn(
        check: &'static str,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Check {
        Check {
            check,
            status: Status::Warn,
            detail: detail.into(),
            way_out: Some(way_out.into()),
            damage: false,
        }
    }

    /// Does not work, with a way out.
    pub(super) fn fail(
        check: &'static str,
        detail: impl Into<String>,
        way_out: impl Into<String>,
    ) -> Check {
        Check {
            check,
            status: Status::Fail,
            detail: detail.into(),
            way_out: Some(way_out.into()),
            damage: false,
        }
    }

    /// A check for each known damage.
    pub(super) fn of_damage(report: &RepoReport) -> impl Iterator<Item = Check> {
        let repo = &report.repo;
        let check = move |damage: &Damage| {
            let what = damage
                .mpack_key
                .map_or_else(|| "its index".to_owned(), |key| format!("pack {key}"));
            let Damage { since, found_by, detail, .. } = damage;
            let detail = format!(
                "{repo}: {what} is damaged: {detail} (found by {found_by}, {})",
                time(*since)
            );
            Check {
                damage: true,
                ..Check::fail("damage", detail, format!("packhouse verify --repair {repo}"))
            }
        };
        report.damaged.iter().map(check)
    }

    /// A check for a failed consolidation, if the last one of the repo failed for a reason that may
    /// stand.
    pub(super) fn of_gc(report: &RepoReport) -> Option<Check> {
        let repo = &report.repo;
        let last = report.last_gc.as_ref().filter(|_| report.gc_failed())?;
        let (error, at) = (last.error.as_deref().unwrap_or("no reason"), time(last.finished_at));
        let detail = format!("{repo}: the last consolidation failed, {at}: {error}");
        Some(Check::warn("gc", detail, format!("fix the cause, then: packhouse gc {repo}")))
    }

    /// Whether jobs have failed, and whether a worker runs those that wait.
    pub(super) fn of_jobs(health: Result<Health>) -> Check {
        const CHECK: &str = "jobs";
        let health = match health {
            Ok(health) => health,
            Err(error) => return Check::fail(CHECK, error.to_string(), "follow the message"),
        };
        let Health { jobs_failed, jobs_queued, jobs_running, .. } = health;
        // An older server says nothing of its clock, and nothing of leases.
        let waiting = match health.at.map_or(0, |now| health.jobs_without_worker(now)) {
            0 => None,
            jobs => Some(format!("{} queued, no worker seen", plural(jobs, "job"))),
        };
        let failed = (jobs_failed > 0).then(|| format!("{} failed", plural(jobs_failed, "job")));
        let way_out = match (&failed, &waiting) {
            (None, None) => {
                let detail =
                    format!("none has failed; {jobs_queued} queued, {jobs_running} running");
                return Check::ok(CHECK, detail);
            }
            (Some(_), _) => "packhouse jobs list --status failed, then: packhouse jobs retry ID",
            (None, Some(_)) => "start packhouse worker, or packhouse serve, which has workers",
        };
        let detail: Vec<String> = failed.into_iter().chain(waiting).collect();
        Check::warn(CHECK, detail.join("; "), way_out)
    }

    /// Whether there is room on a disk.
    pub(super) fn of_disk(disk: Disk, detail: String, way_out: &str) -> Check {
        const CHECK: &str = "free space";
        match disk {
            Disk::Full => Check::fail(CHECK, detail, way_out),
            Disk::NearlyFull => Check::warn(CHECK, detail, way_out),
            Disk::Free => Check::ok(CHECK, detail),
        }
    }

    /// The exit code of this check alone.
    pub(super) fn exit(&self) -> Exit {
        match (self.status, self.damage) {
            (_, true) => Exit::Damage,
            (Status::Fail, false) => Exit::Refused,
            (Status::Ok | Status::Warn, false) => Exit::Done,
        }
    }

    /// The check for people: a line, and one for the way out.
    pub(super) fn describe(&self, output: &Output) -> Vec<String> {
        let (tone, status) = match self.status {
            Status::Ok => (Tone::Good, "ok  "),
            Status::Warn => (Tone::Warn, "warn"),
            Status::Fail => (Tone::Bad, "fail"),
        };
        let mut lines = vec![format!(
            "{}  {:<12}  {}",
            output.paint(tone, status),
            self.check,
            escaped(&self.detail)
        )];
        lines.extend(
            self.way_out.as_ref().map(|way_out| {
                format!("{:20}{}", "", output.paint(Tone::Strong, escaped(way_out)))
            }),
        );
        lines
    }
}
