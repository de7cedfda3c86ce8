//! `packhouse fetch`: a pack with the wanted commits that the caller does not have.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::anyhow;
use clap::Args;
use packhouse_host::{Error, FetchReport, FetchRequest, RepoName};

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::watched;
use crate::output::Output;
use crate::progress::BAR_DELAY;
use crate::style::Tone;
use crate::text::{escaped, plural, size, time};
use crate::verbs::record;
use crate::verbs::record::Recorder;

/// `packhouse fetch …`
#[derive(Debug, Args)]
pub(crate) struct Fetch {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// Commits to fetch, with everything that they reach [default: every branch head]
    #[arg(long, value_name = "ID", num_args = 1..)]
    want: Vec<String>,
    /// Commits that you have already; unknown IDs are ignored
    #[arg(long, value_name = "ID", num_args = 1..)]
    have: Vec<String>,
    /// Lifetime of the URL in seconds, up to seven days
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    ttl: u64,
    /// Also write the pack to a file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Record the planning to a tape, for `packhouse replay`
    #[arg(long, value_name = "TAPE")]
    record: Option<PathBuf>,
}

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
        let written = file.map(|file| escaped(&file.display().to_string()));
        describe(&report, written, &context.output)
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

/// `written` is the file that has the pack.
fn describe(report: &FetchReport, written: Option<String>, output: &Output) -> Vec<String> {
    let how = if report.reused { "stored pack" } else { "assembled pack" };
    let mut lines = vec![
        match report.mpack_key {
            Some(key) => {
                format!("{}  {}", output.paint(Tone::Name, key), output.paint(Tone::Dim, how))
            }
            None => format!("{how}; its key is known when it is downloaded"),
        },
        format!(
            "{}: {}, {}, {}, {}",
            size(report.bytes),
            plural(report.commit_count, "commit"),
            plural(report.snapshot_count, "snapshot"),
            plural(report.object_count, "object"),
            plural(report.tag_count, "tag"),
        ),
    ];
    // On a local store, the URL is that of the user's own file, which does not expire.
    if written.is_none() || !report.mpack_url.starts_with("file:") {
        let expires = output.paint(Tone::Dim, format!("expires {}", time(report.expires_at)));
        lines.push(format!("{}  {expires}", report.mpack_url));
    }
    if report.missing > 0 {
        let warning =
            format!("{} missing: the history of the repo is shallow", plural(report.missing, "id"));
        lines.push(output.paint(Tone::Warn, warning));
    }
    lines.extend(written.map(|file| format!("Wrote {file}")));
    lines
}

#[cfg(test)]
mod tests {
    use crate::args::read;
    use crate::verbs::Verb;

    #[test]
    fn fetch_takes_lists_of_ids_and_a_week_at_most() {
        let Verb::Fetch(fetch) = read("fetch a/b --want 1 2 --have 3 --want 4").unwrap().verb
        else {
            panic!("not fetch")
        };
        assert_eq!(
            (fetch.want, fetch.have, fetch.ttl),
            (vec!["1".into(), "2".into(), "4".into()], vec!["3".into()], 3600)
        );
        assert!(read("fetch a/b --ttl 604800").is_ok());
        for line in [
            "fetch a/b --ttl 0",
            "fetch a/b --ttl 604801",
            "fetch a/b --ttl -1",
            "fetch a/b --ttl 1h",
            "fetch",
        ] {
            assert_eq!(read(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
