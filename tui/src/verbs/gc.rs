//! `packhouse gc`: merges each repo's packs into one, or shows what that would do.

use packhouse_host::GcReport;

use crate::args::Gc;
use crate::context::Context;
use crate::exit::Exit;
use crate::format::{bytes, change, count, millis, some};
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::PATIENCE;
use crate::style::Tone;

/// Consolidates, or plans to.
pub(crate) async fn run(asked: Gc, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let watch = context.bars.watch(PATIENCE);
    let progress = watch.progress();
    watched(output, progress, async {
        let store = context.open().await?;
        let repos = match asked.all {
            true => store.repos().await?.into_iter().map(|repo| repo.repo).collect(),
            false => asked.repos,
        };
        if repos.is_empty() {
            output.note("there are no repos; make one with: packhouse repo create OWNER/SLUG");
        }
        super::each(&repos, context, async |repo| {
            let report = match asked.dry_run {
                true => store.plan_gc(repo, progress).await?.report,
                false => store.gc(repo, progress).await?,
            };
            output.result(&report, || describe(&report, output))?;
            Ok(Exit::Done)
        })
        .await
    })
    .await
}

/// A consolidation in words.
fn describe(report: &GcReport, output: &Output) -> Vec<String> {
    let name = output.paint(Tone::Name, &report.repo);
    if report.skipped {
        let why = if report.packs_before == 0 { "no packs".into() } else { some(report.packs_before, "pack") };
        return vec![format!("{name}  {}", output.paint(Tone::Dim, format!("nothing to do: {why}")))];
    }
    let planned = report.dry_run.unwrap_or_default();
    let packs = format!("{} → {}", some(report.packs_before, "pack"), count(report.packs_after));
    let sizes = format!(
        "{} → {} ({})",
        bytes(report.bytes_before),
        bytes(report.bytes_after),
        change(report.bytes_before, report.bytes_after)
    );
    let tone = if planned { Tone::Warn } else { Tone::Good };
    let time = output.paint(Tone::Dim, format!("{} in {}", if planned { "planned" } else { "done" }, millis(report.elapsed_ms)));
    let mut lines = vec![format!("{name}  {}  {sizes}  {time}", output.paint(tone, packs))];
    lines.push(format!(
        "  {}, {}, {}, {}; {} not repeated",
        some(report.commits, "commit"),
        some(report.snapshots, "snapshot"),
        some(report.objects, "object"),
        some(report.tags, "tag"),
        some(report.duplicates_dropped, "duplicate"),
    ));
    if let Some(key) = &report.consolidated_key {
        lines.push(format!("  {} {key}", output.paint(Tone::Dim, "pack")));
    }
    if let Some(digest) = &report.plan_digest {
        lines.push(format!("  {} {digest}", output.paint(Tone::Dim, "plan")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use indicatif::{MultiProgress, ProgressDrawTarget};
    use packhouse_host::MpackKey;

    use super::*;
    use crate::args::Globals;
    use crate::style::Style;

    fn plain() -> Output {
        let hidden = MultiProgress::with_draw_target(ProgressDrawTarget::hidden());
        Output::new(&Globals::default(), (Style::PLAIN, Style::PLAIN), hidden)
    }

    fn report() -> GcReport {
        GcReport {
            repo: "a/b".parse().unwrap(),
            packs_before: 7,
            packs_after: 1,
            consolidated_key: Some(MpackKey::new([5; 32])),
            skipped: false,
            objects: 112,
            commits: 16,
            snapshots: 16,
            tags: 1,
            bytes_before: 2_097_152,
            bytes_after: 791_982,
            duplicates_dropped: 190,
            rows_changed: 15,
            elapsed_ms: 412,
            component: "sha256:ab".into(),
            dry_run: None,
            plan_digest: None,
        }
    }

    #[test]
    fn a_consolidation_is_told_in_three_lines() {
        assert_eq!(
            describe(&report(), &plain()),
            [
                "a/b  7 packs → 1  2.00 MiB → 773 KiB (-62%)  done in 412 ms".to_owned(),
                "  16 commits, 16 snapshots, 112 objects, 1 tag; 190 duplicates not repeated".to_owned(),
                format!("  pack sha256:{}", "05".repeat(32)),
            ]
        );
    }

    #[test]
    fn a_plan_shows_its_digest_and_no_key() {
        let plan = GcReport { consolidated_key: None, dry_run: Some(true), plan_digest: Some("sha256:cd".into()), ..report() };
        let lines = describe(&plan, &plain());
        assert!(lines[0].ends_with("planned in 412 ms"), "{lines:?}");
        assert_eq!(lines[2], "  plan sha256:cd");
    }

    #[test]
    fn nothing_to_do_says_why() {
        let skipped = |packs| GcReport { skipped: true, packs_before: packs, packs_after: packs, ..report() };
        assert_eq!(describe(&skipped(1), &plain()), ["a/b  nothing to do: 1 pack"]);
        assert_eq!(describe(&skipped(0), &plain()), ["a/b  nothing to do: no packs"]);
    }
}
