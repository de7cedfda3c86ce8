//! `packhouse metrics`: measurements of the store as it is now, for Prometheus.

use packhouse_host::worker::store_metrics;

use crate::context::Context;
use crate::exit::Exit;

/// Prints them.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let text = store_metrics(&context.open().await?).await?;
    context.output.raw(&text)?;
    Ok(Exit::Done)
}
