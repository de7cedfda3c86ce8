//! `packhouse metrics`: measurements of the store as it is now, for Prometheus.

use crate::context::Context;
use crate::exit::Exit;

/// Prints them.
pub(crate) async fn run(context: &Context) -> anyhow::Result<Exit> {
    let text = context.client().await?.metrics().await?;
    context.output.raw(&text)?;
    Ok(Exit::Done)
}
