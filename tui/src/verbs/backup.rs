//! `packhouse backup`: copies the store to another folder and verifies the copy.

use std::path::PathBuf;

use clap::Args;
use packhouse_host::{BackupOptions, BackupReport};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{count, duration, escaped, plural, size};

/// `packhouse backup …`
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// Folder for the backup; it must be empty or not exist yet
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Update the backup in DIR: add new packs, remove packs that are no longer needed
    #[arg(long)]
    update: bool,
}

/// Creates or updates a backup.
pub(crate) async fn run(args: Backup, context: &Context) -> anyhow::Result<Exit> {
    context.require_local("backup")?;
    let watch = context.bars.watch(BAR_DELAY);
    let options = BackupOptions { update: args.update };
    let report = watched(&context.output, watch.progress(), async {
        let store = context.open_once().await?;
        Ok(store.back_up(&args.directory, options, watch.progress()).await?)
    })
    .await?;
    drop(watch);
    context.output.result(&report, || describe(&report, &context.output))?;
    Ok(if report.ok { Exit::Done } else { Exit::Damage })
}

fn describe(report: &BackupReport, output: &Output) -> Vec<String> {
    let verdict = match report.ok {
        true => output.paint(Tone::Good, "verified"),
        false => output.paint(Tone::Bad, plural(report.problems.len() as u64, "problem")),
    };
    let mut lines = vec![
        format!(
            "{}  {verdict}  in {}",
            output.paint(Tone::Name, escaped(&report.directory)),
            duration(report.elapsed_ms)
        ),
        format!(
            "  {}, {}, {}",
            plural(report.repos, "repo"),
            plural(report.packs, "pack"),
            size(report.bytes)
        ),
        format!(
            "  {} linked, {} copied, {} removed",
            count(report.linked),
            count(report.copied),
            count(report.removed)
        ),
    ];
    for problem in &report.problems {
        let kind = serde_json::to_value(problem.kind).ok();
        let kind = kind.as_ref().and_then(serde_json::Value::as_str).unwrap_or("problem");
        lines.push(format!(
            "  {}  {} {}",
            problem.repo,
            output.paint(Tone::Bad, kind),
            escaped(&problem.detail)
        ));
        if let Some(pack) = &problem.pack {
            lines.push(format!("    {} {pack}", output.paint(Tone::Dim, "pack")));
        }
    }
    if report.ok {
        lines.push(format!(
            "To check the backup: packhouse --data {} verify",
            escaped(&report.directory)
        ));
    }
    lines
}
