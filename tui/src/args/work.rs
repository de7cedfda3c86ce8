//! `worker`, `jobs`, `policy` and `migrate`: what is asked of work that is done later.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use packhouse_host::{JobStatus, RepoName};

use super::duration;

/// `packhouse worker …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Worker {
    /// Jobs that are done at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) concurrency: u8,
    /// Its name, for whoever looks at jobs [default: host and process]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// How long a job stays its own should it die
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = lease)]
    pub(crate) lease: Duration,
    /// How often a job is begun before it is given up
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) attempts: u32,
    /// How often repos are held against their policies
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration, conflicts_with = "no_policies")]
    pub(crate) policies: Duration,
    /// Do what was asked for, and nothing by itself
    #[arg(long)]
    pub(crate) no_policies: bool,
    /// End when there is nothing to do
    #[arg(long)]
    pub(crate) drain: bool,
    /// How long jobs may go on when it is asked to stop; then they are given back
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) patience: Duration,
    /// Keep measurements for Prometheus in a file (for its textfile collector)
    #[arg(long, value_name = "FILE")]
    pub(crate) metrics: Option<PathBuf>,
}

/// A lease must be renewed in time.
fn lease(text: &str) -> Result<Duration, String> {
    let lease = duration(text)?;
    if lease < Duration::from_secs(1) {
        return Err("a lease of at least one second is expected".into());
    }
    Ok(lease)
}

/// `packhouse jobs …`
#[derive(Debug, Subcommand)]
pub(crate) enum Jobs {
    /// List jobs, newest first
    List {
        /// Of one repo
        #[arg(long, value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
        /// That are so far: queued, running, done, failed, cancelled
        #[arg(long, value_name = "STATUS")]
        status: Option<JobStatus>,
        /// Before the one with this number
        #[arg(long, value_name = "ID")]
        before: Option<i64>,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
    },
    /// Show one job, and what came of it
    Show {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Try one again that failed or was cancelled
    Retry {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Take one back that waits or runs: it publishes nothing more
    Cancel {
        /// Its number
        #[arg(value_name = "ID")]
        id: i64,
    },
}

/// `packhouse policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyVerb {
    /// Show the policy of a repo, or of all that have none of their own
    Show {
        /// The repo
        #[arg(value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
    },
    /// Set it: what is not given speaks for nothing
    Set(PolicySet),
    /// Tell which repos are due, and why; changes nothing unless asked to
    Check {
        /// One repo [default: all with more than one pack]
        #[arg(value_name = "OWNER/SLUG")]
        repo: Option<RepoName>,
        /// Ask workers to consolidate those that are due
        #[arg(long)]
        queue: bool,
    },
}

/// `packhouse policy set …`
#[derive(Debug, ClapArgs)]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true).args(["max_packs", "growth", "max_age", "off", "default"])))]
pub(crate) struct PolicySet {
    /// The repo [default: all that have none of their own]
    #[arg(value_name = "OWNER/SLUG")]
    pub(crate) repo: Option<RepoName>,
    /// Consolidate a repo with more packs than that
    #[arg(long, value_name = "N")]
    pub(crate) max_packs: Option<u64>,
    /// Consolidate when the bytes pushed since exceed so many times the consolidated ones; each
    /// byte is then written about 1 + 1/GROWTH times
    #[arg(long, value_name = "GROWTH")]
    pub(crate) growth: Option<f64>,
    /// Consolidate when a pack has waited so long
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) max_age: Option<Duration>,
    /// Consolidate nothing by itself
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age", "default"])]
    pub(crate) off: bool,
    /// Take it back: the policy of all counts again, or the built-in one
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age"])]
    pub(crate) default: bool,
}

/// `packhouse migrate …`
#[derive(Debug, ClapArgs)]
pub(crate) struct Migrate {
    /// Only say what is to be done; exit 1 when something is
    #[arg(long)]
    pub(crate) check: bool,
}
