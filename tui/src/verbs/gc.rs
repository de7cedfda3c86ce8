//! `packhouse gc`: consolidates the packs of each repo into one, or shows the plan.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args};
use packhouse_host::{
    GcCost, GcDropped, GcOptions, GcPlanReport, GcProof, GcReport, Operation, RepoName,
};
use tokio::time::Instant;

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{change, count, duration, parse_duration, plural, size};
use crate::verbs::each::each;
use crate::verbs::record::{self, Recorder};

/// `packhouse gc …`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["repos", "all"])))]
pub(crate) struct Gc {
    /// Repos to consolidate
    #[arg(value_name = "OWNER/SLUG")]
    repos: Vec<RepoName>,
    /// Consolidate all repos
    #[arg(long)]
    all: bool,
    /// Consolidate only the smallest packs, so many that each pack that is left is at least FACTOR
    /// times as large as all smaller ones together. The default FACTOR is 2
    #[arg(long, value_name = "FACTOR", num_args = 0..=1, require_equals = true,
        default_missing_value = GEOMETRIC, value_parser = clap::value_parser!(u32).range(2..))]
    geometric: Option<u32>,
    /// Write at most this many bytes: consolidate fewer packs, and stop before the repo that would
    /// need more
    #[arg(long, value_name = "BYTES")]
    max_bytes: Option<u64>,
    /// End within this time: consolidate fewer packs, and stop before the repo that would take
    /// longer: 1h, 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    max_time: Option<Duration>,
    /// Show the plan without changing anything
    #[arg(long)]
    dry_run: bool,
    /// Queue a job for a worker instead
    #[arg(long = "async", conflicts_with_all = ["dry_run", "record"])]
    later: bool,
    /// Drop what no branch, tag or release has reached for this long: 90d, 12h
    #[arg(long, value_name = "AGE", value_parser = parse_duration, conflicts_with = "record")]
    expire_unreachable: Option<Duration>,
    /// Record the planning to a tape, for `packhouse replay`. With several repos, or if TAPE is a
    /// folder, each repo gets its own tape in it
    #[arg(long, value_name = "TAPE")]
    record: Option<PathBuf>,
}

/// The default of `--geometric`.
const GEOMETRIC: &str = "2";

/// What the repos of a verb may use up together.
struct Budget {
    options: GcOptions,
    started: Instant,
    /// Bytes written so far.
    written: u64,
    /// The repos that were left.
    left: Vec<String>,
    is_reached: bool,
}

impl Budget {
    fn new(options: GcOptions) -> Budget {
        Budget { options, started: Instant::now(), written: 0, left: Vec::new(), is_reached: false }
    }

    /// The options for the next repo.
    fn next(&self) -> GcOptions {
        let GcOptions { max_bytes, max_time, .. } = self.options;
        GcOptions {
            max_bytes: max_bytes.map(|most| most.saturating_sub(self.written)),
            max_time: max_time.map(|most| most.saturating_sub(self.started.elapsed())),
            ..self.options
        }
    }

    /// Counts what a repo has used up, or would.
    fn add<P>(&mut self, report: &GcReport<P>) {
        self.written = self.written.saturating_add(report.bytes_written);
        self.is_reached |= report.budget_reached;
    }
}

/// Consolidates repos, or shows their plans.
pub(crate) async fn run(args: Gc, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let options = GcOptions {
        geometric: args.geometric,
        expire_unreachable: args.expire_unreachable,
        max_bytes: args.max_bytes,
        max_time: args.max_time,
    };
    options.check()?;
    let mut budget = Budget::new(options);
    let watch = context.bars.watch(BAR_DELAY);
    let progress = watch.progress();
    watched(output, progress, async {
        let client = context.client_for(args.dry_run).await?;
        let repos = match args.all {
            true => super::repos::names(&*client).await?,
            false => args.repos,
        };
        if repos.is_empty() {
            output.note("There are no repos; create one with: packhouse repo create OWNER/SLUG");
        }
        let done = each(&repos, context, async |repo| {
            if budget.is_reached {
                budget.left.push(repo.to_string());
                return Ok(Exit::Done);
            }
            if args.later {
                let queued = client.queue(Some(repo), Operation::Gc(options)).await?;
                return super::jobs::print_queued(&queued, output);
            }
            let options = budget.next();
            let tape = args
                .record
                .as_deref()
                .map(|record| record::of_repo(record, repo, repos.len() > 1))
                .transpose()?;
            let recorder = Recorder::new(&client, tape, context)?;
            if args.dry_run {
                let planned = recorder.client().plan_gc(repo, options, progress).await;
                // A failed run has a tape, too.
                recorder.print_tape(output);
                let planned = planned?;
                budget.add(planned.report());
                output.result(planned.report(), || describe_plan(planned.report(), output))?;
            } else {
                let done = recorder.client().gc(repo, options, progress).await;
                recorder.print_tape(output);
                let report = done?;
                budget.add(&report);
                output.result(&report, || describe(&report, output))?;
            }
            Ok(Exit::Done)
        })
        .await;
        if !budget.left.is_empty() {
            output.note(format!("The budget is reached; left: {}", budget.left.join(", ")));
        }
        let verb = match (args.later, args.dry_run) {
            (true, _) => "queued",
            (false, true) => "planned",
            (false, false) => "consolidated",
        };
        let ended = done?;
        ended.sum_up(verb, budget.left.len()).iter().for_each(|sum| output.note(sum));
        Ok(ended.exit)
    })
    .await
}

/// Describes a consolidation.
fn describe(report: &GcReport, output: &Output) -> Vec<String> {
    let mut lines = describe_packs(report, false, output);
    if report.skipped {
        return lines;
    }
    if let Some(key) = &report.consolidated_key {
        lines.push(format!("  {} {key}", output.paint(Tone::Dim, "pack")));
    }
    lines.extend(report.dropped.as_ref().map(|dropped| losses(dropped, false, output)));
    if let Some(proven) = &report.phase.proven {
        lines.push(format!("  {} {}", output.paint(Tone::Dim, "verified"), proof(proven)));
    }
    lines
}

/// Describes the plan of a consolidation.
fn describe_plan(report: &GcPlanReport, output: &Output) -> Vec<String> {
    let mut lines = describe_packs(report, true, output);
    if report.skipped {
        return lines;
    }
    if let Some(digest) = &report.phase.plan_digest {
        lines.push(format!("  {} {digest}", output.paint(Tone::Dim, "plan")));
    }
    lines.extend(report.dropped.as_ref().map(|dropped| losses(dropped, true, output)));
    if let Some(cost) = &report.phase.cost {
        lines.push(format!("  {} {}", output.paint(Tone::Dim, "cost"), price(cost)));
    }
    lines
}

/// Describes the packs before and after, and what they hold; or says that there is nothing to do.
fn describe_packs<P>(report: &GcReport<P>, planned: bool, output: &Output) -> Vec<String> {
    let name = output.paint(Tone::Name, &report.repo);
    if report.skipped {
        return vec![format!("{name}  {}", output.paint(Tone::Dim, why_skipped(report)))];
    }
    let packs = format!("{} → {}", plural(report.packs_before, "pack"), count(report.packs_after));
    let sizes = format!(
        "{} → {} ({})",
        size(report.bytes_before),
        size(report.bytes_after),
        change(report.bytes_before, report.bytes_after)
    );
    let tone = if planned { Tone::Warn } else { Tone::Good };
    let time = output.paint(
        Tone::Dim,
        format!("{} in {}", if planned { "planned" } else { "done" }, duration(report.elapsed_ms)),
    );
    let kind = match report.geometric {
        Some(_) => format!(", {} written", size(report.bytes_written)),
        None => String::new(),
    };
    let budget = if report.budget_reached { "; budget reached" } else { "" };
    vec![
        format!("{name}  {}  {sizes}{kind}  {time}{budget}", output.paint(tone, packs)),
        format!(
            "  {}, {}, {}, {}; {} removed",
            plural(report.commits, "commit"),
            plural(report.snapshots, "snapshot"),
            plural(report.objects, "object"),
            plural(report.tags, "tag"),
            plural(report.duplicates_dropped, "duplicate"),
        ),
    ]
}

/// Why nothing was done.
fn why_skipped<P>(report: &GcReport<P>) -> String {
    let packs = match report.packs_before {
        0 => "no packs".to_owned(),
        packs => plural(packs, "pack"),
    };
    match report.geometric {
        _ if report.budget_reached => {
            format!("nothing done: {packs}, and the budget allows no less")
        }
        Some(factor) if report.packs_before > 1 => format!(
            "nothing to do: {packs}, each at least {factor} times as large as all smaller ones together"
        ),
        _ => format!("nothing to do: {packs}"),
    }
}

/// Describes the unreachable records that are dropped.
fn losses(dropped: &GcDropped, planned: bool, output: &Output) -> String {
    let name = output.paint(Tone::Dim, if planned { "would drop" } else { "dropped" });
    if dropped.entities.is_empty() {
        return format!("  {name} nothing: everything is reachable, or was until recently");
    }
    let counts = [
        plural(dropped.commits, "commit"),
        plural(dropped.snapshots, "snapshot"),
        plural(dropped.objects, "object"),
    ]
    .join(", ");
    let commits: Vec<&str> = dropped
        .entities
        .iter()
        .filter_map(|entity| entity.strip_prefix("commit "))
        .take(5)
        .collect();
    let more = if dropped.commits > 5 { "; use --json to list all" } else { "" };
    format!("  {name} {counts}, {}: commits {}{more}", size(dropped.bytes), commits.join(", "))
}

/// Describes what was verified before the new pack replaced the old ones.
fn proof(proven: &GcProof) -> String {
    let index = if proven.entities == 1 {
        "1 index entry".into()
    } else {
        format!("{} index entries", count(proven.entities))
    };
    let sources = match proven.sources_hashed {
        0 => String::new(),
        packs => format!("; {} with duplicates hashed", plural(packs, "pack")),
    };
    format!(
        "{} read back, {} compared, {} hashed, {index} checked{sources}",
        size(proven.bytes_read_back),
        plural(proven.records, "record"),
        plural(proven.objects_hashed, "object"),
    )
}

/// Describes the cost of a plan.
fn price(cost: &GcCost) -> String {
    let time =
        cost.expected_ms.map_or_else(String::new, |time| format!("; about {}", duration(time)));
    let download = match cost.bytes_to_download {
        0 => String::new(),
        bytes_to_download => format!("downloads {}, ", size(bytes_to_download)),
    };
    format!(
        "{download}reads {}, writes {}, uses {} of disk until the old packs are deleted{time}",
        size(cost.bytes_to_read),
        size(cost.bytes_to_write),
        size(cost.peak_disk),
    )
}

#[cfg(test)]
mod tests {
    use indicatif::{MultiProgress, ProgressDrawTarget};
    use packhouse_host::{GcDone, GcPlanned, MpackKey};

    use super::*;
    use crate::args::read;
    use crate::globals::Globals;
    use crate::style::Style;
    use crate::verbs::Verb;

    #[test]
    fn gc_wants_repos_or_all_and_not_both() {
        assert!(matches!(read("gc --all").unwrap().verb, Verb::Gc(Gc { all: true, .. })));
        assert!(
            matches!(read("gc a/b c/d").unwrap().verb, Verb::Gc(Gc { repos, .. }) if repos.len() == 2)
        );
        for line in ["gc", "gc --dry-run", "gc --all a/b"] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn the_factor_is_optional_and_no_repo() {
        let factor = |line: &str| match read(line).unwrap().verb {
            Verb::Gc(Gc { geometric, repos, .. }) => (geometric, repos.len()),
            _ => unreachable!("the line is of gc"),
        };
        assert_eq!(factor("gc a/b"), (None, 1));
        assert_eq!(factor("gc a/b --geometric"), (Some(2), 1));
        assert_eq!(factor("gc --geometric a/b"), (Some(2), 1));
        assert_eq!(factor("gc --geometric 3 a/b c/d"), (Some(3), 2));
        assert_eq!(factor("gc --geometric=4 a/b"), (Some(4), 1));
        for line in ["gc a/b --geometric 1", "gc a/b --geometric=x", "gc --geometric 3"] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

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
            budget_reached: false,
            geometric: None,
            objects: 112,
            commits: 16,
            snapshots: 16,
            tags: 1,
            bytes_before: 2_097_152,
            bytes_after: 791_982,
            bytes_written: 791_982,
            duplicates_dropped: 190,
            rows_changed: 15,
            elapsed_ms: 412,
            component: "sha256:ab".into(),
            phase: GcDone {
                plan_digest: None,
                proven: Some(GcProof {
                    entities: 145,
                    records: 145,
                    objects_hashed: 112,
                    bytes_read_back: 791_982,
                    sources_hashed: 3,
                }),
            },
            dropped: None,
        }
    }

    #[test]
    fn a_consolidation_takes_four_lines() {
        assert_eq!(
            describe(&report(), &plain()),
            [
                "a/b  7 packs → 1  2.0 MiB → 773.4 KiB (-62%)  done in 412 ms".to_owned(),
                "  16 commits, 16 snapshots, 112 objects, 1 tag; 190 duplicates removed".to_owned(),
                format!("  pack sha256:{}", "05".repeat(32)),
                "  verified 773.4 KiB read back, 145 records compared, 112 objects hashed, 145 index entries checked; 3 packs with \
                 duplicates hashed"
                    .to_owned(),
            ]
        );
    }

    #[test]
    fn a_geometric_consolidation_says_what_it_wrote() {
        let report = GcReport {
            geometric: Some(2),
            budget_reached: true,
            packs_after: 3,
            bytes_written: 2048,
            ..report()
        };
        assert_eq!(
            describe(&report, &plain())[0],
            "a/b  7 packs → 3  2.0 MiB → 773.4 KiB (-62%), 2.0 KiB written  done in 412 ms; budget reached"
        );
    }

    #[test]
    fn the_repos_of_a_verb_share_the_budget() {
        let mut budget = Budget::new(GcOptions { max_bytes: Some(1_000_000), ..GcOptions::FULL });
        budget.add(&report());
        assert_eq!(budget.next().max_bytes, Some(1_000_000 - 791_982));
        budget.add(&report());
        assert_eq!((budget.next().max_bytes, budget.is_reached), (Some(0), false));
        budget.add(&GcReport { budget_reached: true, ..report() });
        assert!(budget.is_reached);
    }

    #[test]
    fn a_plan_shows_its_digest_its_cost_and_no_key() {
        let cost = GcCost {
            bytes_to_read: 2_097_152,
            bytes_to_download: 0,
            bytes_to_write: 791_982,
            peak_disk: 802_510,
            expected_ms: Some(1_500),
        };
        let planned = |cost| {
            let phase = GcPlanned {
                dry_run: true,
                plan_digest: Some("sha256:cd".into()),
                cost: Some(cost),
            };
            GcPlanReport { consolidated_key: None, ..report().with_phase(phase) }
        };
        let lines = describe_plan(&planned(cost), &plain());
        assert!(lines[0].ends_with("planned in 412 ms"), "{lines:?}");
        assert_eq!(
            lines[2..],
            [
                "  plan sha256:cd",
                "  cost reads 2.0 MiB, writes 773.4 KiB, uses 783.7 KiB of disk until the old packs are deleted; about 1.5 s"
            ]
        );
        let far = planned(GcCost { bytes_to_download: 1_048_576, ..cost });
        assert!(describe_plan(&far, &plain())[3].starts_with("  cost downloads 1.0 MiB, reads"));
        let first = planned(GcCost { expected_ms: None, ..cost });
        assert!(
            describe_plan(&first, &plain())[3].ends_with("deleted"),
            "there is no estimate before the first measurement"
        );
    }

    #[test]
    fn nothing_to_do_says_why() {
        let skipped =
            |packs| GcReport { skipped: true, packs_before: packs, packs_after: packs, ..report() };
        assert_eq!(describe(&skipped(1), &plain()), ["a/b  nothing to do: 1 pack"]);
        assert_eq!(describe(&skipped(0), &plain()), ["a/b  nothing to do: no packs"]);
        let geometric = GcReport { geometric: Some(2), ..skipped(3) };
        assert_eq!(
            describe(&geometric, &plain()),
            [
                "a/b  nothing to do: 3 packs, each at least 2 times as large as all smaller ones together"
            ]
        );
        let stopped = GcReport { budget_reached: true, ..skipped(3) };
        assert_eq!(
            describe(&stopped, &plain()),
            ["a/b  nothing done: 3 packs, and the budget allows no less"]
        );
    }
}
