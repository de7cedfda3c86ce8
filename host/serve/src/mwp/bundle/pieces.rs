//! A pack that is assembled from bytes and from spans of a body.

use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use packhouse_core::msgpack::{put_array, put_map, put_str};
use packhouse_model::error::{Error, Result};
use packhouse_store::{CHUNK, Produce};

use super::sections::{Object, Records};

/// A pack to be written: bytes, and spans of a file.
pub(crate) struct AssembledBody {
    body: File,
    pieces: VecDeque<Piece>,
}

enum Piece {
    Bytes(Vec<u8>),
    Span(Range<u64>),
}

impl Produce for AssembledBody {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        while chunk.len() < CHUNK {
            match self.pieces.front_mut() {
                None => break,
                Some(Piece::Bytes(bytes)) => chunk.append(bytes),
                Some(Piece::Span(span)) => {
                    let (start, room) = (chunk.len(), (CHUNK - chunk.len()) as u64);
                    let taken = room.min(span.end - span.start);
                    chunk.resize(start + taken as usize, 0);
                    self.body
                        .read_exact_at(&mut chunk[start..], span.start)
                        .map_err(Error::io("reading", "an uploaded body"))?;
                    span.start += taken;
                    if span.start < span.end {
                        break;
                    }
                }
            }
            self.pieces.pop_front();
        }
        Ok(())
    }
}

/// Puts pieces together.
#[derive(Default)]
pub(super) struct Pieces(VecDeque<Piece>);

impl Pieces {
    /// Small bytes, to those before.
    pub(super) fn write(&mut self, put: impl FnOnce(&mut Vec<u8>)) {
        if !matches!(self.0.back(), Some(Piece::Bytes(_))) {
            self.0.push_back(Piece::Bytes(Vec::new()));
        }
        if let Some(Piece::Bytes(bytes)) = self.0.back_mut() {
            put(bytes);
        }
    }

    pub(super) fn section(&mut self, name: &str, records: &Records) {
        self.write(|out| {
            put_str(out, name);
            put_array(out, records.0.len() as u32);
        });
        // They are adjacent.
        if let (Some(first), Some(last)) = (records.0.first(), records.0.last()) {
            self.0.push_back(Piece::Span(first.start..last.end));
        }
    }

    pub(super) fn objects(&mut self, objects: &[Object]) {
        self.write(|out| {
            put_str(out, "objects");
            put_array(out, objects.len() as u32);
        });
        for object in objects {
            self.write(|out| {
                put_map(out, 2);
                put_str(out, "object_id");
                put_str(out, &object.id);
                put_str(out, "content");
            });
            self.0.push_back(Piece::Span(object.content.clone()));
        }
    }

    pub(super) fn of(self, body: File) -> AssembledBody {
        AssembledBody { body, pieces: self.0 }
    }
}
