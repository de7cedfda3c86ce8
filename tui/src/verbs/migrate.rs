//! `packhouse migrate`: migrates the catalog, or lists pending migrations.

use clap::Args;
use packhouse_host::catalog::convert_index::{convert_indexes, old_indexes};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::location;
use crate::style::Tone;
use crate::text::plural;

/// `packhouse migrate …`
#[derive(Debug, Args)]
pub(crate) struct Migrate {
    /// Only list pending migrations; exit 1 if there are any
    #[arg(long)]
    check: bool,
}

/// The applied and pending migrations of the catalog.
#[derive(Debug, Serialize)]
struct Report {
    catalog: String,
    applied: Vec<i64>,
    pending: Vec<String>,
    /// A migration that this version does not know.
    unknown: Option<i64>,
    up_to_date: bool,
    /// Repos whose indexes are as an older version wrote them; none if migrations are pending.
    old_indexes: Option<u64>,
    /// Rows of indexes that were converted.
    converted_rows: u64,
}

/// Lists pending migrations; without `--check`, applies them first.
pub(crate) async fn run(args: &Migrate, context: &Context) -> anyhow::Result<Exit> {
    context.require_local("migrate")?;
    let options = location::options(&context.globals)?;
    // On a database server this creates the tables; a folder is created with its first repo.
    let absent = options.absent().await?;
    let catalog = options.catalog;
    if let (Some(absent), Some(_)) = (absent, catalog.file()) {
        return Err(absent.into());
    }
    let mut converted_rows = 0;
    if !args.check {
        converted_rows = convert_indexes(catalog.open().await?.as_ref()).await?;
    }
    let found = catalog.migrations().await?;
    let pending: Vec<String> =
        found.pending().map(|(version, name)| format!("{version} {name}")).collect();
    let up_to_date = pending.is_empty() && found.unknown().is_none();
    let old_indexes = match up_to_date {
        true => Some(old_indexes(catalog.open().await?.as_ref()).await?),
        false => None,
    };
    let report = Report {
        catalog: found.catalog.clone(),
        applied: found.applied.clone(),
        pending,
        unknown: found.unknown(),
        up_to_date,
        old_indexes,
        converted_rows,
    };
    let output = &context.output;
    output.result(&report, || match (up_to_date, report.unknown) {
        (true, _) => {
            let mut lines = vec![format!(
                "{}  {}",
                output.paint(Tone::Name, &report.catalog),
                output.paint(Tone::Good, "up to date")
            )];
            if report.converted_rows > 0 {
                lines.push(format!("converted {}", plural(report.converted_rows, "index row")));
            }
            if let Some(repos @ 1..) = report.old_indexes {
                lines.push(format!(
                    "{} with the index of an older version. Convert with: packhouse migrate",
                    plural(repos, "repo")
                ));
            }
            lines
        }
        (false, Some(unknown)) => {
            vec![output.paint(
                Tone::Bad,
                format!(
                    "{} was created by a newer packhouse: it has migration {unknown}",
                    report.catalog
                ),
            )]
        }
        (false, None) => {
            let mut lines = vec![format!("{} has pending migrations:", report.catalog)];
            lines.extend(report.pending.iter().map(|pending| format!("  {pending}")));
            lines.push("Apply them with: packhouse migrate".into());
            lines
        }
    })?;
    Ok(if up_to_date { Exit::Done } else { Exit::Refused })
}
