//! Passes on an upload as it arrives, with limits on its length and on the time without data.

use axum::body::Bytes;
use axum::http::StatusCode;
use futures::{Stream, StreamExt};
use packhouse_model::error::Result;
use tokio::sync::mpsc::Sender;
use tokio::time::Instant;

use super::super::limits::ServeLimits;
use super::super::problem::{ApiResult, Problem};
use super::pace::{slow, too_slow};
use super::source::Piece;

/// The remaining bytes that a request may send.
#[derive(Debug)]
pub(crate) struct Allowance {
    pub(super) left: u64,
    limit: u64,
}

impl Allowance {
    pub(crate) fn new(limits: &ServeLimits) -> Allowance {
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

/// Passes a body on until it ends, or the receiver is gone.
pub(super) async fn feed<E: std::fmt::Display>(
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
                // A byte per minute would hold a slot for ever.
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

/// The problem of a body that stalls for too long.
pub(crate) fn silent(limits: &ServeLimits) -> Problem {
    let detail = format!("the body stalled for {} s; nothing was stored", limits.silence.as_secs());
    Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::stream;
    use packhouse_model::error::Error;
    use packhouse_store::{CHUNK, Produce};

    use super::super::source::BodySource;
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

    #[tokio::test]
    async fn a_reader_that_has_seen_enough_ends_the_feeding() {
        let (sender, source) = BodySource::new();
        drop(source);
        let body = Box::pin(stream::pending::<Result<Bytes, String>>());
        assert_eq!(feed(body, sender, &mut Allowance::new(&limits(9)), &limits(9)).await, Ok(()));
    }
}
