//! Writes uploads to files in staging.

use std::io::Write;
use std::path::PathBuf;

use axum::body::Bytes;
use futures::Stream;
use packhouse_model::error::{Error, Result};
use packhouse_model::progress::Progress;
use packhouse_store::{Produce, StagedFile, StagedPack, UploadProgress, blocking, joined};
use tracing::Instrument;

use super::super::guard::Authorized;
use super::super::problem::ApiResult;
use super::super::state::AppState;
use super::feed::{Allowance, feed};
use super::source::BodySource;

/// Receives a body that is a pack into staging, and reads it back. `name` is the name of the pack
/// in reports and errors.
pub(crate) async fn receive<E: std::fmt::Display>(
    state: &AppState,
    authorized: &Authorized,
    name: impl Into<PathBuf>,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    allowance: &mut Allowance,
    progress: &Progress,
) -> ApiResult<StagedPack> {
    let permit = state.permits.write_pack_from_network(authorized.token()).await?;
    let (sender, source) = BodySource::new();
    let feeding = feed(body, sender, allowance, &state.limits);
    let (store, repo, name, progress) =
        (state.store.clone(), authorized.repo.clone(), name.into(), progress.clone());
    // If the client disconnects, feeding stops, and with it the work; its permit is freed when the
    // work has ended.
    let receiving = async move {
        let _permit = permit;
        store
            .receive_from(&repo, name, Box::new(source), UploadProgress::default(), &progress)
            .await
    };
    let receiving = tokio::spawn(receiving.in_current_span());
    let (fed, received) = tokio::join!(feeding, joined(receiving));
    // If the body was cut off, report that, not the failure that it caused.
    fed?;
    Ok(received??)
}

/// Receives a body that will become a pack into a file, for parsing. `length` is the declared
/// length in bytes, or 0. Returns its length.
pub(crate) async fn spool<E: std::fmt::Display>(
    state: &AppState,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    allowance: &mut Allowance,
    length: u64,
) -> ApiResult<(StagedFile, u64)> {
    // The pack that is created from it needs as much again.
    state.store.need_space(length.min(allowance.left).saturating_mul(2))?;
    let (sender, mut source) = BodySource::new();
    let staged = state.store.stage().await?;
    let writing = blocking(move || {
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        loop {
            chunk.clear();
            source.produce(&mut chunk)?;
            if chunk.is_empty() {
                return Ok((staged, bytes));
            }
            (&staged.file).write_all(&chunk).map_err(Error::io("writing", staged.path()))?;
            bytes += chunk.len() as u64;
        }
    });
    let (fed, written) = tokio::join!(feed(body, sender, allowance, &state.limits), writing);
    fed?;
    Ok(written?)
}
