//! Prints the demo. Plain and coloured output have the same text.

use std::time::Duration;

use packhouse_host::GcReport;

use super::{Fetches, Fragmented, RepoOutcome};
use crate::output::Output;
use crate::style::Tone;
use crate::table::{Cell, Side, Table};
use crate::text::{change, count, duration, plural, size};

use Side::{Left, Right};

/// Prints the introduction.
pub(super) fn opening(output: &Output) -> anyhow::Result<()> {
    output.line(output.paint(
        Tone::Strong,
        "packhouse demo: five repos in a temporary folder, which is removed at the end",
    ))?;
    heading(1, "Every push adds a pack", output)
}

/// Prints the heading of a numbered step.
pub(super) fn heading(number: u32, text: &str, output: &Output) -> anyhow::Result<()> {
    output.line("")?;
    output.line(format!(
        "{} {}",
        output.paint(Tone::Name, number),
        output.paint(Tone::Strong, text)
    ))
}

/// Prints the repos before consolidation.
pub(super) fn fragmented(repos: &[Fragmented], output: &Output) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("REPO", Left),
        ("HISTORY", Left),
        ("PACKS", Right),
        ("SIZE", Right),
        ("COMMITS", Right),
        ("SNAPSHOTS", Right),
        ("OBJECTS", Right),
        ("TAGS", Right),
    ]);
    for Fragmented { repo, about, pushes, report, .. } in repos {
        table.row([
            Cell::new(Tone::Name, repo.to_string()),
            Cell::new(Tone::Dim, format!("{pushes} pushes {about}")),
            Cell::new(Tone::Warn, count(report.packs)),
            size(report.bytes).into(),
            count(report.commits).into(),
            count(report.snapshots).into(),
            count(report.objects).into(),
            count(report.tags).into(),
        ]);
    }
    output.table(&table, 2)
}

/// Prints what clients fetch before consolidation.
pub(super) fn fetches(
    repos: &[Fragmented],
    fetches: &[Fetches],
    output: &Output,
) -> anyhow::Result<()> {
    let mut table = Table::new(&[
        ("REPO", Left),
        ("EVERYTHING", Right),
        ("OBJECTS", Right),
        ("NEW", Right),
        ("OBJECTS", Right),
        ("TIME", Right),
    ]);
    for (repo, fetches) in repos.iter().zip(fetches) {
        table.row([
            Cell::new(Tone::Name, repo.repo.to_string()),
            size(fetches.all.bytes).into(),
            count(fetches.all.object_count).into(),
            size(fetches.new.bytes).into(),
            count(fetches.new.object_count).into(),
            Cell::new(Tone::Dim, time(fetches.took)),
        ]);
    }
    output.table(&table, 2)
}

/// Prints the result of one repo; with `--json`, its only document.
pub(super) fn consolidated(gc: &GcReport, output: &Output) -> anyhow::Result<()> {
    output.result(gc, || {
        let key = gc.consolidated_key.map(|key| key.to_string()).unwrap_or_default();
        vec![format!(
            "  {}  {:>8} → {}  {}",
            output.paint(Tone::Name, format!("{:<17}", gc.repo.to_string())),
            plural(gc.packs_before, "pack"),
            output.paint(Tone::Good, count(gc.packs_after)),
            output.paint(Tone::Dim, key),
        )]
    })
}

/// Prints the summary.
pub(super) fn closing(outcomes: &[RepoOutcome], output: &Output) -> anyhow::Result<()> {
    heading(4, "Results", output)?;
    let sum = |what: fn(&RepoOutcome) -> u64| outcomes.iter().map(what).sum::<u64>();
    let mut table = Table::new(&[
        ("REPO", Left),
        ("PACKS", Right),
        ("SIZE", Right),
        ("SAVED", Right),
        ("", Right),
        ("DUPLICATES", Right),
        ("GC", Right),
        ("FETCH", Right),
    ]);
    for RepoOutcome { repo, gc, before, after, .. } in outcomes {
        let (old, new) = (gc.bytes_before, gc.bytes_after);
        table.row([
            Cell::new(Tone::Name, repo.to_string()),
            Cell::new(Tone::Good, arrow(count(gc.packs_before), count(gc.packs_after))),
            arrow(size(old), size(new)).into(),
            size(old.saturating_sub(new)).into(),
            Cell::new(Tone::Good, change(old, new)),
            count(gc.duplicates_dropped).into(),
            Cell::new(Tone::Dim, duration(gc.elapsed_ms)),
            Cell::new(Tone::Dim, arrow(time(before.took), time(after.took))),
        ]);
    }
    let (old, new) =
        (sum(|outcome| outcome.gc.bytes_before), sum(|outcome| outcome.gc.bytes_after));
    let (before, after) = (
        outcomes.iter().map(|outcome| outcome.before.took).sum(),
        outcomes.iter().map(|outcome| outcome.after.took).sum(),
    );
    table.row(
        [
            "all".to_owned(),
            arrow(
                count(sum(|outcome| outcome.gc.packs_before)),
                count(sum(|outcome| outcome.gc.packs_after)),
            ),
            arrow(size(old), size(new)),
            size(old.saturating_sub(new)),
            change(old, new),
            count(sum(|outcome| outcome.gc.duplicates_dropped)),
            duration(sum(|outcome| outcome.gc.elapsed_ms)),
            arrow(time(before), time(after)),
        ]
        .map(|text| Cell::new(Tone::Strong, text)),
    );
    output.table(&table, 2)?;

    let entities = sum(|outcome| {
        outcome.gc.commits + outcome.gc.snapshots + outcome.gc.objects + outcome.gc.tags
    });
    let hashed = sum(|outcome| outcome.verify.objects_checked);
    let fact = |label: &str, text: String| {
        output.line(format!("  {} {text}", output.paint(Tone::Good, format!("{label:<10}"))))
    };
    output.line("")?;
    fact(
        "complete",
        format!("{}: each one is in the consolidated pack of its repo", plural(entities, "record")),
    )?;
    fact(
        "intact",
        format!(
            "{} read, {} hashed, no problems found",
            size(sum(|outcome| outcome.verify.bytes_checked)),
            plural(hashed, "object")
        ),
    )?;
    fact("identical", format!("{} fetches returned the same bytes as before", outcomes.len() * 2))?;
    if let Some(RepoOutcome { gc, .. }) = outcomes.first() {
        fact("planned by", gc.component.clone())?;
    }
    heading(5, "Next steps", output)?;
    for (command, why) in [
        ("packhouse repo create you/notes", "create a repo"),
        ("packhouse push you/notes bundle.mpack", "push a pack file written by a Muse client"),
        ("packhouse console", "open the interactive console"),
        (
            "packhouse serve --insecure-loopback",
            "run a Muse remote for this machine, without tokens",
        ),
    ] {
        output.line(format!(
            "  {}  {}",
            output.paint(Tone::Name, format!("{command:<38}")),
            output.paint(Tone::Dim, why)
        ))?;
    }
    Ok(())
}

fn time(time: Duration) -> String {
    duration(time.as_millis() as u64)
}

fn arrow(before: String, after: String) -> String {
    format!("{before} → {after}")
}
