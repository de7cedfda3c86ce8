//! The bytes of a plan, gathered from source packs.
//!
//! First a chunk of the output is laid out; then its copies are read in the order of the sources,
//! adjacent pieces in one read. Therefore even a plan that copies from scattered places reads long
//! runs.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use packhouse_core::{Span, Step};
use packhouse_model::error::{Error, Result};

use super::pipeline::{CHUNK, Produce};

/// Maximum gap between two spans that is read and discarded, instead of splitting the read.
const GAP: u64 = 16 << 10;
/// Maximum length of a run of spans that is read at once.
const RUN: u64 = 1 << 20;

/// Opens the files of source packs.
pub trait Sources: Send {
    /// The pack's file and its path, for messages.
    ///
    /// # Errors
    /// If the pack is missing.
    fn open(&mut self, pack: u32) -> Result<(&File, PathBuf)>;

    /// The error for a pack that ends before a span does.
    fn truncated(&self, pack: u32, offset: u64) -> Error;
}

/// Produces what the steps of a plan write.
#[derive(Debug)]
pub struct Splice<'a, S> {
    steps: &'a [Step],
    sources: S,
    /// The next step, and how much of it was written.
    step: usize,
    within: u64,
    runs: Vec<Piece>,
    scratch: Vec<u8>,
}

/// A part of the chunk that is copied from a source.
#[derive(Clone, Copy, Debug)]
struct Piece {
    span: Span,
    /// Its position in the chunk.
    to: usize,
}

impl<'a, S: Sources> Splice<'a, S> {
    /// A splice at its start.
    pub fn new(steps: &'a [Step], sources: S) -> Self {
        Splice { steps, sources, step: 0, within: 0, runs: Vec::new(), scratch: Vec::new() }
    }

    /// Lays out the next chunk: literals in place, pieces noted.
    fn lay_out(&mut self, chunk: &mut Vec<u8>) {
        self.runs.clear();
        let mut length = 0usize;
        while length < CHUNK
            && let Some(step) = self.steps.get(self.step)
        {
            let part = (step.bytes() - self.within).min((CHUNK - length) as u64);
            match step {
                Step::Literal(bytes) => {
                    chunk.resize(length, 0);
                    let from = self.within as usize;
                    chunk.extend_from_slice(&bytes[from..from + part as usize]);
                }
                Step::Copy(span) => {
                    let span =
                        Span { pack: span.pack, offset: span.offset + self.within, length: part };
                    self.runs.push(Piece { span, to: length });
                }
            }
            length += part as usize;
            self.within += part;
            if self.within == step.bytes() {
                self.step += 1;
                self.within = 0;
            }
        }
        chunk.resize(length, 0);
    }

    /// Reads adjacent pieces: `pieces` is one run, by offset.
    fn read(&mut self, pieces: &[Piece], chunk: &mut [u8]) -> Result<()> {
        let (Some(first), Some(last)) = (pieces.first(), pieces.last()) else { return Ok(()) };
        let (pack, begin) = (first.span.pack, first.span.offset);
        let end = last.span.offset + last.span.length;
        let (file, path) = self.sources.open(pack)?;
        let read = if let [piece] = pieces {
            file.read_exact_at(&mut chunk[piece.to..piece.to + piece.span.length as usize], begin)
        } else {
            self.scratch.resize((end - begin) as usize, 0);
            file.read_exact_at(&mut self.scratch, begin)
        };
        match read {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(self.sources.truncated(pack, end));
            }
            Err(e) => return Err(Error::io("reading", path)(e)),
        }
        if pieces.len() > 1 {
            for piece in pieces {
                let from = (piece.span.offset - begin) as usize;
                let length = piece.span.length as usize;
                chunk[piece.to..piece.to + length]
                    .copy_from_slice(&self.scratch[from..from + length]);
            }
        }
        Ok(())
    }
}

impl<S: Sources> Produce for Splice<'_, S> {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        self.lay_out(chunk);
        let mut pieces = std::mem::take(&mut self.runs);
        pieces.sort_unstable_by_key(|p| p.span);
        let mut from = 0;
        for at in 1..=pieces.len() {
            let joins = pieces.get(at).is_some_and(|next| {
                let (first, last) = (&pieces[from].span, &pieces[at - 1].span);
                next.span.pack == last.pack
                    && next.span.offset >= last.offset + last.length
                    && next.span.offset - (last.offset + last.length) <= GAP
                    && next.span.offset + next.span.length - first.offset <= RUN
            });
            if !joins {
                self.read(&pieces[from..at], chunk)?;
                from = at;
            }
        }
        self.runs = pieces;
        Ok(())
    }
}
