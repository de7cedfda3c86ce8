//! `packhouse metrics`: current metrics of the store, for Prometheus.

use crate::context::Context;
use crate::exit::Exit;

/// Prints the metrics.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let text = context.client_to_read().await?.metrics().await?;
    context.output.raw(&text)?;
    Ok(Exit::Done)
}
