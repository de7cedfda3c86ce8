//! `packhouse policy show|set|check`: automatic consolidation.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use packhouse_host::{Policy, PolicyCheck, PolicyReport, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::output::Output;
use crate::style::Tone;
use crate::text::{parse_duration, plural, rules, size, span};

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
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).multiple(true).args(["max_packs", "growth", "max_age", "scrub_age", "off", "default"])))]
pub(crate) struct PolicySet {
    /// Name of the repo [default: all repos without a policy of their own]
    #[arg(value_name = "OWNER/SLUG")]
    repo: Option<RepoName>,
    /// Consolidate a repo that has more packs than this
    #[arg(long, value_name = "N")]
    max_packs: Option<u64>,
    /// Consolidate when the bytes pushed since the last consolidation exceed GROWTH times the
    /// consolidated bytes; each byte is then written about 1 + 1/GROWTH times
    #[arg(long, value_name = "GROWTH")]
    growth: Option<f64>,
    /// Consolidate when a pack has waited this long
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_age: Option<Duration>,
    /// Read and check every pack of the store within this time, while a worker or a server runs;
    /// 0s: never. Stays as it is unless given [default: 30 days]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "repo")]
    scrub_age: Option<Duration>,
    /// Turn automatic consolidation off
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age", "default"])]
    off: bool,
    /// Reset to the default policy, or the default policy to the built-in one
    #[arg(long, conflicts_with_all = ["max_packs", "growth", "max_age", "scrub_age"])]
    default: bool,
}

impl PolicySet {
    /// The policy to set. In the policy of all repos, consolidation and scrubbing are set apart from
    /// each other: what is not given stays as it is in `current`.
    fn policy(&self, current: Policy) -> Policy {
        let rules = Policy {
            max_packs: self.max_packs,
            growth: self.growth,
            max_age_seconds: self.max_age.map(|age| age.as_secs()),
            scrub_age_seconds: None,
        };
        let is_given = rules != Policy::OFF || self.off;
        let consolidation = if is_given { rules } else { current };
        let scrub_age = self.scrub_age.map(|age| age.as_secs()).or(current.scrub_age_seconds);
        Policy { scrub_age_seconds: scrub_age, ..consolidation }
    }
}

/// Shows, sets or checks policies.
pub(crate) async fn run(args: PolicyVerb, context: &Context) -> anyhow::Result<Exit> {
    let only_reads =
        matches!(args, PolicyVerb::Show { .. } | PolicyVerb::Check { queue: false, .. });
    let store = context.client_for(only_reads).await?;
    let output = &context.output;
    match args {
        PolicyVerb::Show { repo } => print(&store.policy(repo.as_ref()).await?, output)?,
        PolicyVerb::Set(args) => {
            let current = match &args.repo {
                Some(_) => Policy::OFF,
                None => store.policy(None).await?.policy,
            };
            let policy = (!args.default).then(|| args.policy(current));
            print(&store.set_policy(args.repo.as_ref(), policy).await?, output)?;
        }
        PolicyVerb::Check { repo, queue } => {
            let checks = store.check_policies(repo.as_ref(), queue).await?;
            if checks.is_empty() {
                output.note("No repo has more than one pack.");
            }
            for check in &checks {
                output.result(check, || describe(check, output))?;
            }
        }
    }
    Ok(Exit::Done)
}

fn print(report: &PolicyReport, output: &Output) -> anyhow::Result<()> {
    let scrubbing = match (&report.repo, report.policy.scrub_age()) {
        (Some(_), _) => String::new(),
        (None, None) => "; packs are not scrubbed".into(),
        (None, Some(age)) => {
            format!("; every pack read within {}", span(age))
        }
    };
    let of = report.repo.as_ref().map_or_else(|| "all repos".into(), ToString::to_string);
    let from = if report.set { "" } else { "  (inherited)" };
    output.result(report, || {
        vec![format!(
            "{}  {}{scrubbing}{}",
            output.paint(Tone::Name, of),
            rules(&report.policy),
            output.paint(Tone::Dim, from)
        )]
    })
}

fn describe(check: &PolicyCheck, output: &Output) -> Vec<String> {
    let name = output.paint(Tone::Name, &check.repo);
    let kind = match check.gc.and_then(|gc| gc.geometric) {
        Some(_) => "geometric consolidation",
        None => "full consolidation",
    };
    let verdict = match (check.due, check.job) {
        (true, Some(job)) => output.paint(Tone::Warn, format!("{kind} due, job {job}")),
        (true, None) => output.paint(Tone::Warn, format!("{kind} due")),
        (false, _) => output.paint(Tone::Good, "not due"),
    };
    let mut sizes = format!("{}, {}", plural(check.packs, "pack"), size(check.bytes));
    if check.packs > 1 {
        sizes.push_str(&format!(", {} of them consolidated", size(check.consolidated_bytes)));
    }
    let mut lines = vec![format!("{name}  {verdict}  {sizes}")];
    lines.extend(check.reasons.iter().map(|reason| format!("  {reason}")));
    lines
}
