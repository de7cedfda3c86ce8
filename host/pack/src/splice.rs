//! The bytes of a plan, gathered from source packs.
//!
//! First a chunk of the output is laid out; then its copies are read in the order of the sources,
//! adjacent pieces in one read. Therefore even a plan that copies from scattered places reads long
//! runs.

use packhouse_core::{Span, Step};
use packhouse_model::error::Result;

use super::pieces::{Piece, runs};
use super::pipeline::{CHUNK, Produce};

/// Reads source packs.
pub trait Sources: Send {
    /// Reads a run of pieces of one pack into a buffer.
    ///
    /// # Errors
    /// If the pack is missing, ends before the run does, or can't be read.
    fn read_run(&mut self, run: &[Piece], buffer: &mut [u8]) -> Result<()>;
}

/// Produces what the steps of a plan write.
#[derive(Debug)]
pub struct Splice<'a, S> {
    steps: &'a [Step],
    sources: S,
    /// The next step, and how much of it was written.
    step: usize,
    within: u64,
    pieces: Vec<Piece>,
}

impl<'a, S: Sources> Splice<'a, S> {
    /// A splice at its start.
    pub fn new(steps: &'a [Step], sources: S) -> Self {
        Splice { steps, sources, step: 0, within: 0, pieces: Vec::new() }
    }

    /// Lays out the next chunk: literals in place, pieces noted.
    fn lay_out(&mut self, chunk: &mut Vec<u8>) {
        self.pieces.clear();
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
                    self.pieces.push(Piece { span, to: length });
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
}

impl<S: Sources> Produce for Splice<'_, S> {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        self.lay_out(chunk);
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_unstable_by_key(|p| p.span);
        for run in runs(&pieces) {
            self.sources.read_run(run, chunk)?;
        }
        self.pieces = pieces;
        Ok(())
    }
}
