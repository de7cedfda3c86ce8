//! `packhouse jobs list|show|retry|cancel`.

use clap::Subcommand;
use packhouse_host::{JobReport, JobStatus, JobsQuery, Queued, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{escaped, time};

/// `packhouse jobs …`
#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// List jobs, newest first
    List {
        /// Filter by repo
        #[arg(long, value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
        /// Filter by status: queued, running, done, failed, cancelled
        #[arg(long, value_name = "STATUS")]
        status: Option<JobStatus>,
        /// Show only jobs before this one
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// Maximum number of jobs to show
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show a job and its result
    Show {
        /// Job ID
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Retry a failed or cancelled job
    Retry {
        /// Job ID
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Cancel a queued or running job
    Cancel {
        /// Job ID
        #[arg(value_name = "ID")]
        id: i64,
    },
}

/// Lists, shows, retries or cancels jobs.
pub(crate) async fn run(args: Jobs, context: &Context) -> anyhow::Result<Exit> {
    let store = context.client_for(matches!(args, Jobs::List { .. } | Jobs::Show { .. })).await?;
    let output = &context.output;
    match args {
        Jobs::List { repo, status, before, limit } => {
            let jobs = store.jobs(&JobsQuery { repo, status, before, limit }).await?;
            list(&jobs, output)?;
        }
        Jobs::Show { id } => {
            let job = store.job(id).await?;
            output.result(&job, || describe(&job, output))?;
        }
        Jobs::Retry { id } => {
            let job = store.retry_job(id).await?;
            output.result(&job, || vec![headline(&job, output)])?;
        }
        Jobs::Cancel { id } => {
            let job = store.cancel_job(id).await?;
            output.result(&job, || vec![headline(&job, output)])?;
        }
    }
    Ok(Exit::Done)
}

/// Prints a queued job.
pub(super) fn print_queued(queued: &Queued, output: &Output) -> anyhow::Result<Exit> {
    let of = queued.repo.as_ref().map_or_else(|| "the store".into(), ToString::to_string);
    output.result(queued, || {
        vec![format!(
            "{}  job {} {}; see: packhouse jobs show {}",
            output.paint(Tone::Name, of),
            queued.job,
            queued.status,
            queued.job
        )]
    })?;
    Ok(Exit::Done)
}

fn list(jobs: &[JobReport], output: &Output) -> anyhow::Result<()> {
    use Side::{Left, Right};
    if output.json() {
        return jobs.iter().try_for_each(|job| output.result(job, Vec::new));
    }
    if jobs.is_empty() {
        output.note("No jobs found. Jobs are queued by --async and by policies.");
    }
    let mut table = Table::new(&[
        ("JOB", Right),
        ("TYPE", Left),
        ("REPO", Left),
        ("STATUS", Left),
        ("ATTEMPT", Right),
        ("SINCE", Left),
        ("", Left),
    ]);
    for job in jobs {
        let since = job.finished_at.or(job.started_at).unwrap_or(job.created_at);
        table.row([
            job.id.to_string().into(),
            job.operation.job_type().into(),
            Cell::new(Tone::Name, of(job)),
            Cell::new(tone(job), job.status_text()),
            job.attempt.to_string().into(),
            time(since).into(),
            job.reason.as_deref().unwrap_or_default().into(),
        ]);
    }
    output.table(&table, 0)
}

fn of(job: &JobReport) -> String {
    job.repo.as_ref().map_or_else(|| "the store".into(), ToString::to_string)
}

const fn tone(job: &JobReport) -> Tone {
    match job.status {
        _ if job.healed => Tone::Dim,
        JobStatus::Queued | JobStatus::Running => Tone::Warn,
        JobStatus::Done => Tone::Good,
        JobStatus::Failed => Tone::Bad,
        JobStatus::Cancelled => Tone::Dim,
    }
}

fn headline(job: &JobReport, output: &Output) -> String {
    let status = output.paint(tone(job), job.status_text());
    format!(
        "job {}  {}  {}  {status}",
        job.id,
        job.operation.job_type(),
        output.paint(Tone::Name, of(job))
    )
}

fn describe(job: &JobReport, output: &Output) -> Vec<String> {
    let mut lines = vec![headline(job, output)];
    let mut line = |name: &str, value: Option<String>| {
        lines.extend(value.map(|value| {
            format!("  {} {}", output.paint(Tone::Dim, format!("{name:<8}")), escaped(&value))
        }));
    };
    line("created", Some(time(job.created_at)));
    line("started", job.started_at.map(|at| format!("{}, attempt {}", time(at), job.attempt)));
    line("finished", job.finished_at.map(time));
    line(
        "next",
        (job.status == JobStatus::Queued).then(|| format!("not before {}", time(job.run_at))),
    );
    line("worker", job.worker.clone());
    line("lease", job.lease_until.map(|until| format!("until {}", time(until))));
    line("trace", job.traceparent.clone());
    line("reason", job.reason.clone());
    line("code", job.error_code.clone());
    line("result", job.result.as_ref().map(ToString::to_string));
    lines
}
