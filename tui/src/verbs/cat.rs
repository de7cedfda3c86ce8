//! `packhouse cat`: one record.

use clap::Args;
use futures::TryStreamExt;
use packhouse_host::{Client, Content, Error, Progress, RecordReport, RepoName};
use serde::Serialize;

use crate::context::Context;
use crate::exit::Exit;
use crate::interrupt::{goes_on, watched};
use crate::output::Output;
use crate::progress::BAR_DELAY;

/// Largest object that `--json` prints, in bytes: it is one text.
const MAX_JSON: u64 = 64 << 20;

/// `packhouse cat …`
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// Name of the repo
    #[arg(value_name = "OWNER/SLUG")]
    repo: RepoName,
    /// ID of a record, or its first 4 digits or more; of a tag, its text
    #[arg(value_name = "ID", allow_hyphen_values = true)]
    id: String,
    /// Print a commit, snapshot or tag as it was pushed: in MessagePack, not in JSON
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// An object with its content.
#[derive(Serialize)]
struct ObjectReport<'a> {
    #[serde(flatten)]
    record: &'a RecordReport,
    /// `utf-8`, or `hex` if it is no text.
    encoding: &'static str,
    content: String,
}

/// Prints the content of an object as it is, and other records as JSON.
pub(crate) async fn run(args: Cat, context: &Context) -> anyhow::Result<Exit> {
    let output = &context.output;
    let client = context.client_to_read().await?;
    let watch = context.bars.watch(BAR_DELAY);
    watched(output, watch.progress(), print(&args, client.as_ref(), output, watch.progress()))
        .await?;
    Ok(Exit::Done)
}

async fn print(
    args: &Cat,
    client: &dyn Client,
    output: &Output,
    progress: &Progress,
) -> anyhow::Result<()> {
    let record = client.record(&args.repo, &args.id).await?;
    match (&record.fields, record.content_bytes) {
        (Some(fields), _) if !args.raw => {
            let text = serde_json::to_string_pretty(fields)?;
            output.result(&record, || vec![text])
        }
        (None, Some(bytes)) if output.json() => {
            if bytes > MAX_JSON {
                return Err(Error::Usage(format!(
                    "object {} has {bytes} bytes, and JSON is printed of {MAX_JSON} at most; \
                     leave out --json",
                    record.place.id
                ))
                .into());
            }
            let stream = read(args, client, &record).await?.stream;
            let content: Vec<u8> = stream
                .try_fold(Vec::new(), async |mut all, chunk| {
                    all.extend_from_slice(&chunk);
                    Ok(all)
                })
                .await?;
            let (encoding, content) = match String::from_utf8(content) {
                Ok(text) => ("utf-8", text),
                Err(error) => ("hex", hex::encode(error.as_bytes())),
            };
            output.result(&ObjectReport { record: &record, encoding, content }, Vec::new)
        }
        _ => {
            let mut stream = read(args, client, &record).await?.stream;
            while let Some(chunk) = stream.try_next().await? {
                output.bytes(&chunk);
                if !goes_on(output, progress)? {
                    break;
                }
            }
            Ok(())
        }
    }
}

/// The bytes of the record, by its whole ID: more records may have come meanwhile.
async fn read(
    args: &Cat,
    client: &dyn Client,
    record: &RecordReport,
) -> packhouse_host::Result<Content> {
    client.content(&args.repo, &record.place.id).await
}
