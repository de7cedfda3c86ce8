//! `packhouse prune`: deletes packs that are no longer needed.

use std::time::Duration;

use clap::Args;
use packhouse_host::{Error, Operation, PruneOptions, PruneReport};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, parse_duration, plural, size, time};

/// `packhouse prune …`
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Keep packs this long after they were replaced: 36h, 8d, 0s. URLs from earlier fetches stop
    /// working when their pack is deleted
    #[arg(long, value_name = "DURATION", default_value = "8d", value_parser = parse_duration)]
    grace: Duration,
    /// Also delete packs in storage that no repo refers to, if they are older than a day. Reads all
    /// packs that repos need first
    #[arg(long)]
    orphans: bool,
    /// Don't read needed packs again that were verified within this time; 0s reads all of them
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = parse_duration)]
    trust_verified: Duration,
    /// With --orphans: delete packs even if the catalog looks older than they are (a restored
    /// backup, a copy without its -wal). They may be the only copy of pushed data
    #[arg(long, requires = "orphans", conflicts_with = "later")]
    delete_newer_than_catalog: bool,
    /// Show what would be deleted without deleting anything
    #[arg(long)]
    dry_run: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with = "dry_run")]
    later: bool,
}

/// Deletes packs, or shows what would be deleted.
pub(crate) async fn run(args: Prune, context: &Context) -> anyhow::Result<Exit> {
    let watch = context.bars.watch(BAR_DELAY);
    let Prune { grace, orphans, delete_newer_than_catalog: newer, dry_run, trust_verified, .. } =
        args;
    let options = PruneOptions { grace, orphans, newer, dry_run, trust_verified };
    if args.later {
        let queued = context.client().await?.queue(None, Operation::Prune(options)).await?;
        return super::jobs::print_queued(&queued, &context.output);
    }
    let pruned = watched(&context.output, watch.progress(), async {
        Ok(context.client_for(dry_run).await?.prune(options, watch.progress()).await?)
    })
    .await;
    drop(watch);
    let (report, failed) = match pruned {
        Ok(report) => (report, None),
        // What was deleted before it failed is shown as well.
        Err(error) => match error.downcast_ref::<Error>() {
            Some(Error::PruneUnfinished { report, .. }) => (report.as_ref().clone(), Some(error)),
            _ => return Err(error),
        },
    };
    context.output.result(&report, || describe(&report, args.orphans, &context.output))?;
    let found = if report.kept.is_empty() { Exit::Done } else { Exit::Damage };
    Ok(failed.map_or(Exit::Done, |error| context.output.failure(&error)).max(found))
}

fn describe(report: &PruneReport, orphans: bool, output: &Output) -> Vec<String> {
    let planned = report.dry_run.unwrap_or_default();
    let packs = |count: u64, bytes: u64| match count {
        0 => plural(0, "pack"),
        _ => format!("{}, {}", plural(count, "pack"), size(bytes)),
    };
    let (verb, tone) = match (planned, report.packs_deleted) {
        (true, _) => ("would be deleted", Tone::Warn),
        (false, 0) => ("deleted", Tone::Dim),
        (false, _) => ("deleted", Tone::Good),
    };
    let mut lines = vec![
        output.paint(tone, format!("{} {verb}", packs(report.packs_deleted, report.bytes_deleted))),
    ];
    if let Some(due) = report.next_due {
        lines.push(format!(
            "{} pending; the next is due {}",
            packs(report.packs_waiting, report.bytes_waiting),
            time(due)
        ));
    }
    if report.packs_kept > 0 {
        let kept = format!(
            "{} kept: other packs are missing or damaged, and these may have the last good copy",
            plural(report.packs_kept, "pack")
        );
        lines.push(output.paint(Tone::Bad, kept));
        for kept in &report.kept {
            lines.push(format!("  {}  {}", output.paint(Tone::Name, &kept.repo), kept.pack));
            lines.push(format!("    {}", escaped(&kept.detail)));
        }
    }
    if report.answers_deleted > 0 {
        lines.push(format!("{} deleted", plural(report.answers_deleted, "expired fetch result")));
    }
    if report.orphans > 0 {
        let note = match report.orphans_deleted {
            _ if !orphans => "--orphans deletes those older than a day".to_owned(),
            0 => "none is older than a day".to_owned(),
            deleted => format!(
                "{deleted} older than a day {}",
                if planned { "would be deleted" } else { "were deleted" }
            ),
        };
        let unknown = packs(report.orphans, report.orphan_bytes);
        lines.push(
            output
                .paint(Tone::Warn, format!("{unknown} in storage that no repo refers to; {note}")),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::args::read;
    use crate::verbs::Verb;

    #[test]
    fn a_grace_is_a_duration() {
        let grace = |line: &str| match read(line).unwrap().verb {
            Verb::Prune(prune) => prune.grace.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!(grace("prune"), 8 * 24 * 3600);
        for (line, seconds) in
            [("0", 0), ("0s", 0), ("90", 90), ("36h", 129_600), ("1d12h", 129_600), ("1w", 604_800)]
        {
            assert_eq!(grace(&format!("prune --dry-run --grace {line}")), seconds, "{line}");
        }
        for line in ["-1s", "soon", "1mo", ""] {
            assert_eq!(
                read(&format!("prune --grace={line}")).unwrap_err().exit_code(),
                2,
                "{line}"
            );
        }
    }
}
