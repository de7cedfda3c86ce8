//! `packhouse fetch`: a pack with the wanted commits that the caller does not have.

use std::time::Duration;

use anyhow::anyhow;
use packhouse_host::{Error, FetchReport, FetchRequest};

use crate::args::Fetch;
use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{plural, size, time};
use crate::verbs::record;
use crate::verbs::record::Recorder;

/// Fetches a pack.
pub(crate) async fn run(args: Fetch, context: &Context) -> anyhow::Result<Exit> {
    let file = args.output.clone();
    let request = FetchRequest {
        want: args.want,
        have: args.have,
        ttl: Duration::from_secs(args.ttl),
        output: args.output,
    };
    let watch = context.bars.watch(BAR_DELAY);
    let report = watched(&context.output, watch.progress(), async {
        let tape = args
            .record
            .as_deref()
            .map(|record| record::of_repo(record, &args.repo, false))
            .transpose()?;
        let recorder = Recorder::new(&context.client().await?, tape, context)?;
        let report = recorder.client().fetch(&args.repo, &request, watch.progress()).await;
        recorder.print_tape(&context.output);
        report.map_err(|error| with_output(error, &request))
    })
    .await?;
    drop(watch);
    context.output.result(&report, || {
        let mut lines = describe(&report, &context.output);
        lines.extend(
            file.map(|file| format!("Wrote {}", crate::text::escaped(&file.display().to_string()))),
        );
        lines
    })?;
    Ok(Exit::Done)
}

/// What is assembled is kept in the store, unless a file takes it.
fn with_output(error: Error, request: &FetchRequest) -> anyhow::Error {
    match error.is_read_only() && request.output.is_none() {
        true => anyhow!(
            "{error}. A read-only store can only write the pack to a file: use fetch --output FILE"
        ),
        false => error.into(),
    }
}

fn describe(report: &FetchReport, output: &Output) -> Vec<String> {
    let how = if report.reused { "stored pack" } else { "assembled pack" };
    let mut lines = vec![
        format!("{}  {}", output.paint(Tone::Name, report.mpack_key), output.paint(Tone::Dim, how)),
        format!(
            "{}: {}, {}, {}, {}",
            size(report.bytes),
            plural(report.commit_count, "commit"),
            plural(report.snapshot_count, "snapshot"),
            plural(report.object_count, "object"),
            plural(report.tag_count, "tag"),
        ),
        format!(
            "{}  {}",
            report.mpack_url,
            output.paint(Tone::Dim, format!("expires {}", time(report.expires_at)))
        ),
    ];
    if report.missing > 0 {
        let warning =
            format!("{} missing: the history of the repo is shallow", plural(report.missing, "id"));
        lines.push(output.paint(Tone::Warn, warning));
    }
    lines
}
