//! A body that arrives, as the source of a pack.

use axum::body::Bytes;
use packhouse_model::error::{Error, Result};
use packhouse_store::{CHUNK, Produce};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Chunks of a body that wait to be written. Their size depends on the network: some kilobytes.
const WAITING: usize = 16;

/// A chunk of a body.
pub(super) enum Piece {
    /// Some bytes.
    Bytes(Bytes),
    /// The end. It is explicit, because a body that was cut off is not a complete pack.
    End,
}

/// A body, as the source of a pack.
pub(super) struct BodySource {
    pieces: Receiver<Piece>,
    rest: Bytes,
    ended: bool,
}

impl BodySource {
    pub(super) fn new() -> (Sender<Piece>, BodySource) {
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
