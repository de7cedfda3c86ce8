//! Pieces of packs that are read into a buffer: near ones in one read.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::os::unix::fs::FileExt;

use packhouse_core::Span;

/// Maximum gap between two pieces that is read and discarded, instead of splitting the read.
const GAP: u64 = 16 << 10;
/// Maximum length of a run of several pieces that is read at once.
const RUN: u64 = 1 << 20;

/// Bytes of a pack, and where they go in a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// The bytes.
    pub span: Span,
    /// Their position in the buffer.
    pub to: usize,
}

impl Piece {
    /// Where it ends in its pack.
    pub const fn end(&self) -> u64 {
        self.span.offset + self.span.length
    }

    fn place(&self) -> std::ops::Range<usize> {
        self.to..self.to + self.span.length as usize
    }
}

/// Pieces, in the order of their spans, in runs: each is of one pack, and is read at once.
pub fn runs(mut pieces: &[Piece]) -> impl Iterator<Item = &[Piece]> {
    std::iter::from_fn(move || {
        let all = pieces;
        let first = all.first()?;
        let joins = |pair: &&[Piece]| {
            let (last, next) = (&pair[0], &pair[1]);
            next.span.pack == first.span.pack
                && next.span.offset >= last.end()
                && next.span.offset - last.end() <= GAP
                && next.end() - first.span.offset <= RUN
        };
        let (run, rest) = all.split_at(1 + all.windows(2).take_while(joins).count());
        pieces = rest;
        Some(run)
    })
}

/// Reads a run from the file of its pack. `scratch` is reused by reads of several pieces.
///
/// # Errors
/// When the file can't be read, or ends before the run does.
pub fn read_run(
    file: &File,
    run: &[Piece],
    buffer: &mut [u8],
    scratch: &mut Vec<u8>,
) -> IoResult<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let begin = first.span.offset;
    if let [one] = run {
        return file.read_exact_at(&mut buffer[one.place()], begin);
    }
    scratch.resize((last.end() - begin) as usize, 0);
    file.read_exact_at(scratch, begin)?;
    for piece in run {
        let from = (piece.span.offset - begin) as usize;
        let place = piece.place();
        let until = from + place.len();
        buffer[place].copy_from_slice(&scratch[from..until]);
    }
    Ok(())
}

/// Copies a run from the bytes of its pack.
///
/// # Errors
/// When the bytes end before the run does.
pub fn copy_run(bytes: &[u8], run: &[Piece], buffer: &mut [u8]) -> IoResult<()> {
    for piece in run {
        let (from, place) = (piece.span.offset as usize, piece.place());
        let found = bytes.get(from..).and_then(|rest| rest.get(..place.len()));
        let found = found.ok_or_else(|| IoError::from(ErrorKind::UnexpectedEof))?;
        buffer[place].copy_from_slice(found);
    }
    Ok(())
}
