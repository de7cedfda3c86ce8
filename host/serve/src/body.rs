//! Bodies that are packs: from the network into staging, chunk by chunk, never whole in memory.
//!
//! ```text
//! socket ─▶ feed: how much, how silent ─▶ a few chunks ─▶ BodySource, on a thread ─▶ write, hash, read back
//! ```
//!
//! A slow writer slows the client down. A client that disconnects ends the work: its partial pack
//! is a file in staging, removed at once.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{StatusCode, header};
use futures::{Stream, StreamExt};
use packhouse_model::error::{Error, Result};
use packhouse_model::progress::Progress;
use packhouse_pack::pipeline::{CHUNK, Produce};
use packhouse_store::{StagedPack, UploadProgress, blocking, joined};
use packhouse_vault::StagedFile;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;

use super::auth::Authorized;
use super::body_memory::MemoryPermit;
use super::limits::{BODY_SILENCE, BODY_WITHIN, SLOWEST, ServeLimits};
use super::problem::{ApiResult, Problem};
use super::state::AppState;

/// Pieces of a body that wait to be written. They are as large as the network makes them: some
/// kilobytes.
const WAITING: usize = 16;

/// A piece of a body.
enum Piece {
    Bytes(Bytes),
    /// Explicit, and not concluded from silence: a body that was cut off is not a complete pack.
    End,
}

/// A body, as the source of a pack.
pub(super) struct BodySource {
    pieces: Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

impl BodySource {
    fn new() -> (Sender<Piece>, BodySource) {
        let (sender, pieces) = channel(WAITING);
        (sender, BodySource { pieces, rest: Bytes::new(), ended: false })
    }
}

impl Produce for BodySource {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        while chunk.len() < CHUNK && !self.ended {
            if self.rest.is_empty() {
                match self.pieces.blocking_recv() {
                    Some(Piece::Bytes(bytes)) => self.rest = bytes,
                    Some(Piece::End) => self.ended = true,
                    // `feed` knows why, and reports it.
                    None => return Err(Error::Cancelled),
                }
            }
            let n = self.rest.len().min(CHUNK - chunk.len());
            chunk.extend_from_slice(&self.rest.split_to(n));
        }
        Ok(())
    }
}

/// How many more bytes a request may send.
#[derive(Debug)]
pub(super) struct Allowance {
    left: u64,
    limit: u64,
}

impl Allowance {
    pub(super) fn new(limits: &ServeLimits) -> Allowance {
        Allowance { left: limits.upload_bytes, limit: limits.upload_bytes }
    }

    fn take(&mut self, bytes: usize) -> ApiResult<()> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(Problem::too_much(format!(
                    "the limit of this server is {} bytes a request",
                    self.limit
                )));
            }
        }
        Ok(())
    }
}

/// Takes a body that is a pack into staging and reads it back. `name` is what the pack is called in
/// reports and errors.
pub(super) async fn receive<E: std::fmt::Display>(
    state: &AppState,
    authorized: &Authorized,
    name: impl Into<PathBuf>,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    allowance: &mut Allowance,
    progress: &Progress,
) -> ApiResult<StagedPack> {
    let making = state.making_while_it_comes(authorized.token()).await?;
    let (sender, source) = BodySource::new();
    let feeding = feed(body, sender, allowance, &state.limits);
    let (store, repo, name, progress) =
        (state.store.clone(), authorized.repo.clone(), name.into(), progress.clone());
    // A client that goes away ends the feeding, and with it the work; its place is free when it has
    // ended.
    let receiving = tokio::spawn(async move {
        let _making = making;
        store
            .receive_from(&repo, name, Box::new(source), UploadProgress::default(), &progress)
            .await
    });
    let (fed, received) = tokio::join!(feeding, joined(receiving));
    // A body that broke off is why nothing was received, not the other way round.
    fed?;
    Ok(received??)
}

/// Takes a body that is to become a pack into a file of its own, to be looked through. `length` is
/// what the client says of it, in bytes, or 0. Gives its length.
pub(super) async fn spool<E: std::fmt::Display>(
    state: &AppState,
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    allowance: &mut Allowance,
    length: u64,
) -> ApiResult<(StagedFile, u64)> {
    // The pack that is made of it takes as much again.
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

/// Passes a body on until it ends, or the receiver is gone.
async fn feed<E: std::fmt::Display>(
    mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    to: Sender<Piece>,
    allowance: &mut Allowance,
    limits: &ServeLimits,
) -> ApiResult<()> {
    let (begun, mut received) = (Instant::now(), 0_u64);
    loop {
        let next = tokio::select! {
            // The receiver has failed, and reports why.
            () = to.closed() => return Ok(()),
            next = tokio::time::timeout(limits.silence, body.next()) => next,
        };
        let piece = match next {
            Err(_) => return Err(silent(limits)),
            Ok(Some(Err(error))) => {
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    format!("the body was cut off: {error}"),
                ));
            }
            Ok(Some(Ok(bytes))) => {
                allowance.take(bytes.len())?;
                received += bytes.len() as u64;
                // A byte a minute would hold a place for ever.
                if too_slow(begun.elapsed(), received, limits.silence) {
                    return Err(slow());
                }
                Piece::Bytes(bytes)
            }
            Ok(None) => Piece::End,
        };
        let last = matches!(piece, Piece::End);
        if to.send(piece).await.is_err() || last {
            return Ok(());
        }
    }
}

/// Reads a small body whole, and runs `read` on it off the async threads. The memory of such bodies
/// is bounded: the permit is kept for as long as the result.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where small bodies are read; those who call this ask again"
)]
pub(super) async fn whole<T: Send + 'static>(
    state: &AppState,
    request: Request,
    most: usize,
    read: impl FnOnce(&[u8]) -> ApiResult<T> + Send + 'static,
) -> ApiResult<(T, MemoryPermit)> {
    let (mut bytes, mut held) = (Vec::new(), MemoryPermit::default());
    let share = state.memory.share_of(&request);
    let length = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.map_or(most, |length: usize| length.min(most));
    let mut body = request.into_body().into_data_stream();
    let coming = async {
        let (begun, mut waited) = (Instant::now(), Duration::ZERO);
        loop {
            let piece = tokio::time::timeout(BODY_SILENCE, body.next()).await.map_err(|_| {
                let silence = BODY_SILENCE.as_secs();
                let detail = format!("the body stalled for {silence} s; nothing was changed");
                Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
            })?;
            let Some(piece) = piece else { break };
            let piece = piece.map_err(|error| {
                Problem::new(StatusCode::BAD_REQUEST, format!("the body was cut off: {error}"))
            })?;
            if bytes.len() + piece.len() > most {
                return Err(Problem::too_much(format!("the body is longer than {most} bytes")));
            }
            let waits = Instant::now();
            held.grow(&share, bytes.len() + piece.len(), length).await?;
            // That was the server's time.
            waited += waits.elapsed();
            bytes.extend_from_slice(&piece);
            if too_slow(begun.elapsed().saturating_sub(waited), bytes.len() as u64, BODY_SILENCE) {
                return Err(slow());
            }
        }
        Ok(())
    };
    match tokio::time::timeout(BODY_WITHIN, coming).await {
        Ok(come) => come?,
        Err(_) => {
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body was not received within 30 s",
            ));
        }
    }
    // The place in memory goes with the work: a client that goes away does not free it before.
    let (value, held) = blocking(move || Ok((read(&bytes), held))).await?;
    Ok((value?, held))
}

/// Whether so much has come too slowly: a client earns time by sending, and has some besides.
fn too_slow(elapsed: Duration, received: u64, slack: Duration) -> bool {
    elapsed > slack + Duration::from_secs(received / SLOWEST)
}

fn slow() -> Problem {
    let detail = format!("the body is slower than {SLOWEST} bytes a second; nothing was changed");
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

pub(super) fn silent(limits: &ServeLimits) -> Problem {
    let detail = format!("the body stalled for {} s; nothing was stored", limits.silence.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn limits(upload_bytes: u64) -> ServeLimits {
        ServeLimits { upload_bytes, silence: Duration::from_millis(50), ..ServeLimits::default() }
    }

    /// The result of a body, and how feeding it ended.
    async fn through(
        body: impl Stream<Item = Result<Bytes, String>> + Unpin,
        limits: &ServeLimits,
    ) -> (Result<Vec<u8>>, ApiResult<()>) {
        let (sender, mut source) = BodySource::new();
        let mut allowance = Allowance::new(limits);
        let reading = tokio::task::spawn_blocking(move || {
            let mut whole = Vec::new();
            loop {
                let mut chunk = Vec::new();
                source.produce(&mut chunk)?;
                if chunk.is_empty() {
                    return Ok(whole);
                }
                assert!(chunk.len() <= CHUNK);
                whole.extend(chunk);
            }
        });
        let fed = feed(body, sender, &mut allowance, limits).await;
        (reading.await.unwrap(), fed)
    }

    fn pieces(lengths: &[usize]) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        stream::iter(lengths.iter().map(|n| Ok(Bytes::from(vec![7; *n]))).collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn a_body_arrives_as_it_is_however_it_was_cut() {
        for lengths in [&[][..], &[0, 3, 0, 5], &[CHUNK - 1, 2, CHUNK * 2]] {
            let (whole, fed) = through(pieces(lengths), &limits(u64::MAX)).await;
            assert_eq!((whole.unwrap().len(), fed), (lengths.iter().sum(), Ok(())));
        }
    }

    #[tokio::test]
    async fn what_is_too_much_breaks_off_or_falls_silent_is_no_shorter_pack() {
        let broken = stream::iter([Ok(Bytes::from_static(b"ab")), Err("reset".to_owned())]);
        let silent = Box::pin(pieces(&[2]).chain(stream::pending()));
        let bodies: [(Box<dyn Stream<Item = _> + Unpin>, u16); 3] =
            [(Box::new(pieces(&[3, 3])), 413), (Box::new(broken), 400), (Box::new(silent), 408)];
        for (body, status) in bodies {
            let (whole, fed) = through(body, &limits(5)).await;
            assert!(matches!(whole, Err(Error::Cancelled)), "{status}");
            assert_eq!(fed.unwrap_err().status.as_u16(), status);
        }
    }

    #[test]
    fn a_client_earns_time_by_sending() {
        let slow =
            |seconds, received| too_slow(Duration::from_secs(seconds), received, BODY_SILENCE);
        assert!(!slow(10, 0) && slow(11, 0));
        assert!(!slow(20, 10 * SLOWEST) && slow(21, 10 * SLOWEST));
    }

    #[tokio::test]
    async fn a_reader_that_has_seen_enough_ends_the_feeding() {
        let (sender, source) = BodySource::new();
        drop(source);
        let body = Box::pin(stream::pending::<Result<Bytes, String>>());
        assert_eq!(feed(body, sender, &mut Allowance::new(&limits(9)), &limits(9)).await, Ok(()));
    }
}
