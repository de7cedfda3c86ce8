//! `packhouse prune`: deletes packs that are no longer needed.

use packhouse_host::{Error, Operation, PruneOptions, PruneReport};

use crate::args::Prune;
use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, plural, size, time};

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
