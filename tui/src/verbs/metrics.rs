//! `packhouse metrics`: current metrics of the store, for Prometheus.

use packhouse_host::worker::store_metrics;

use crate::context::Context;
use crate::exit::Exit;

/// Prints the metrics.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let text = match context.remote()? {
        // A server adds its own.
        Some(remote) => remote.metrics().await?,
        None => store_metrics(&context.open_once().await?).await?,
    };
    context.output.raw(&text)?;
    Ok(Exit::Done)
}
