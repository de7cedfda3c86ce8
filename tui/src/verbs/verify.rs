//! `packhouse verify`: reads and hashes all packs, and lists problems.

use clap::Args;
use packhouse_host::{NEWER_WAY_OUT, Operation, RepoName, VerifyOptions, VerifyReport};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, plural, size};
use crate::verbs::each::each;

/// `packhouse verify …`
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Repos to verify [default: all]
    #[arg(value_name = "OWNER/SLUG")]
    repos: Vec<RepoName>,
    /// Repair missing and damaged packs from intact copies of their records in the store, and a damaged index from the packs
    #[arg(long)]
    repair: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with = "repair")]
    later: bool,
}

/// Verifies the named repos, or all.
pub(crate) async fn run(args: Verify, context: &Context) -> anyhow::Result<Exit> {
    let (output, options) = (&context.output, VerifyOptions { repair: args.repair });
    let watch = context.bars.watch(BAR_DELAY);
    let progress = watch.progress();
    watched(output, progress, async {
        let store = context.client().await?;
        let repos = match args.repos.is_empty() {
            true => super::repos::names(&*store).await?,
            false => args.repos,
        };
        if !args.later
            && let Some(store) = context.opened_store()
            && let Some(newer) = store.newer_packs().await?
        {
            output.warning(format!("{newer}. {NEWER_WAY_OUT}"));
        }
        if repos.is_empty() {
            output.note("There are no repos to verify.");
        }
        let ended = each(&repos, context, async |repo| {
            if args.later {
                let queued = store.queue(Some(repo), Operation::Verify(options)).await?;
                return super::jobs::print_queued(&queued, output);
            }
            let report = store.verify(repo, options, progress).await?;
            output.result(&report, || describe(&report, output))?;
            Ok(if report.ok { Exit::Done } else { Exit::Damage })
        })
        .await?;
        let verb = if args.later { "queued" } else { "verified" };
        ended.sum_up(verb, 0).iter().for_each(|sum| output.note(sum));
        Ok(ended.exit)
    })
    .await
}

fn describe(report: &VerifyReport, output: &Output) -> Vec<String> {
    let verdict = match report.ok {
        true => output.paint(Tone::Good, "ok"),
        false => output.paint(Tone::Bad, plural(report.problems.len() as u64, "problem")),
    };
    let mut lines = vec![format!(
        "{}  {verdict}  {} read, {}, {} hashed",
        output.paint(Tone::Name, &report.repo),
        size(report.bytes_checked),
        plural(report.packs_checked, "pack"),
        plural(report.objects_checked, "object"),
    )];
    for repaired in report.repaired.iter().flatten() {
        lines.push(format!(
            "  {} {}",
            output.paint(Tone::Good, "repaired"),
            escaped(&repaired.detail)
        ));
        let packs = repaired.pack.iter().map(|pack| ("pack", pack));
        let packs = packs.chain(repaired.from.iter().map(|from| ("from", from)));
        lines.extend(
            packs.map(|(what, pack)| format!("    {} {pack}", output.paint(Tone::Dim, what))),
        );
    }
    for problem in &report.problems {
        let kind = serde_json::to_value(problem.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or("problem");
        lines.push(format!("  {} {}", output.paint(Tone::Bad, kind), escaped(&problem.detail)));
        if let Some(entity) = &problem.entity {
            lines.push(format!("    {} {}", output.paint(Tone::Dim, "entity"), escaped(entity)));
        }
        if let Some(pack) = &problem.pack {
            lines.push(format!("    {} {pack}", output.paint(Tone::Dim, "pack")));
        }
    }
    lines
}
