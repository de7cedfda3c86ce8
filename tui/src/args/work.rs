//! Arguments of `packhouse worker`, `jobs`, `policy` and `migrate`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use packhouse_host::{JobStatus, RepoName};

use super::duration;

/// `packhouse worker …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// Number of concurrent jobs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) concurrency: u8,
    /// Name of the worker in the list of jobs [default: host and process ID]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How long a job stays assigned to a worker that no longer renews it
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = lease)]
    pub(crate) lease: Duration,
    /// Maximum number of attempts per job
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// How often to check repos against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration, conflicts_with = "no_policies")]
    pub(crate) policies: Duration,
    /// Run queued jobs only; ignore policies
    #[arg(long)]
    pub(crate) no_policies: bool,
    /// Exit when no job is left
    #[arg(long)]
    pub(crate) drain: bool,
    /// How long jobs may take to finish on shutdown before they go back to the queue
    #[arg(long, alias = "patience", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) shutdown_timeout: Duration,
    /// Write metrics to this file, for the textfile collector of Prometheus
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

/// A lease that is long enough to be renewed.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    if lease < Duration::from_secs(1) {
        return Err("expected a lease of at least one second".into());
    }
    Ok(lease)
}

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

/// `packhouse policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show the policy of a repo, or the default policy
    Show {
        /// Name of the repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
    },
    /// Set the policy; rules you leave out are removed
    Set(PolicySet),
    /// Check which repos are due for consolidation, and why
    Check {
        /// Name of the repo [default: all repos with more than one pack]
        #[arg(value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
        /// Queue a consolidation of each repo that is due
        #[arg(long)]
        queue: bool,
    },
}

/// `packhouse policy set …`
#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["max_packs", "growth", "max_age", "off", "default"])))]
pub(crate) struct PolicySet {
    /// Name of the repo [default: all repos without a policy of their own]
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: Option<RepoName>,
    /// Consolidate a repo that has more packs than this
    #[arg(long, value_name = "N")]
    pub(crate) max_packs: Option<u64>,
    /// Consolidate when the bytes pushed since the last consolidation exceed GROWTH times the
    /// consolidated bytes; each byte is then written about 1 + 1/GROWTH times
    #[arg(long, value_name = "GROWTH")]
    pub(crate) growth: Option<f64>,
    /// Consolidate when a pack has waited this long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_age: Option<Duration>,
    /// Turn automatic consolidation off
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age", "default"])]
    pub(crate) off: bool,
    /// Reset to the default policy, or the default policy to the built-in one
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age"])]
    pub(crate) default: bool,
}

/// `packhouse migrate …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Migrate {
    /// Only list pending migrations; exit 1 if there are any
    #[arg(long)]
    pub(crate) check: bool,
}
