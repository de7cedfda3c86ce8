//! Ranges of files.
//!
//! Ranges that lie near each other are read together, as a *run*; what lies between them is dropped.

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Result as IoResult};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use packhouse_model::error::{Error, Result};

/// Gaps up to this size between ranges of a file are read, too, in bytes: a page of memory.
pub(crate) const FILE_GAP: u64 = 4 << 10;
/// The longest run of several ranges, in bytes.
pub(crate) const LONGEST_RUN: u64 = 8 << 20;

/// Ranges of an object that are read together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) range: Range<u64>,
    /// The numbers of the ranges in it.
    parts: Vec<usize>,
}

/// The runs of some ranges, in order: neighbours are joined if they are at most `gap` bytes apart.
pub(crate) fn runs(ranges: &[Range<u64>], gap: u64) -> Vec<Run> {
    let mut order: Vec<usize> = (0..ranges.len()).filter(|n| !ranges[*n].is_empty()).collect();
    order.sort_unstable_by_key(|n| (ranges[*n].start, ranges[*n].end));
    let mut runs: Vec<Run> = Vec::new();
    for n in order {
        let range = &ranges[n];
        match runs.last_mut() {
            Some(last) if last.takes(range, gap) => {
                last.range.end = last.range.end.max(range.end);
                last.parts.push(n);
            }
            _ => runs.push(Run { range: range.clone(), parts: vec![n] }),
        }
    }
    runs
}

impl Run {
    /// Whether a range that does not start before it belongs to it.
    fn takes(&self, range: &Range<u64>, gap: u64) -> bool {
        let joined = range.end.max(self.range.end) - self.range.start;
        let is_near = range.start <= self.range.end.saturating_add(gap);
        range.end <= self.range.end || is_near && joined <= LONGEST_RUN
    }

    /// Puts its ranges where `out` has them; false if its bytes end before one of them.
    pub(crate) fn cut(&self, ranges: &[Range<u64>], bytes: &Bytes, out: &mut [Bytes]) -> bool {
        let wanted: u64 = self.parts.iter().map(|n| ranges[*n].end - ranges[*n].start).sum();
        for n in &self.parts {
            let from = (ranges[*n].start - self.range.start) as usize;
            let length = (ranges[*n].end - ranges[*n].start) as usize;
            let Some(part) = bytes.get(from..).and_then(|rest| rest.get(..length)) else {
                return false;
            };
            // A slice keeps all of the run in memory.
            let is_little = wanted < bytes.len() as u64 / 2;
            out[*n] = if is_little { Bytes::copy_from_slice(part) } else { bytes.slice_ref(part) };
        }
        true
    }
}

/// The ranges of runs that were all read.
pub(crate) fn cut_all(
    ranges: &[Range<u64>],
    runs: &[Run],
    read: &[Bytes],
    place: impl FnOnce() -> String,
) -> Result<Vec<Bytes>> {
    let mut out = vec![Bytes::new(); ranges.len()];
    for (run, bytes) in runs.iter().zip(read) {
        if !run.cut(ranges, bytes, &mut out) {
            return Err(too_short(run, place()));
        }
    }
    Ok(out)
}

/// The error for an object that ends before a run does.
pub(crate) fn too_short(run: &Run, place: String) -> Error {
    let reason = format!("it ends before byte {}", run.range.end);
    Error::io("reading", place)(IoError::new(ErrorKind::UnexpectedEof, reason))
}

/// Ranges of a file; shorter ones where it ends before a range does.
pub(crate) fn read_file(file: &File, ranges: &[Range<u64>]) -> IoResult<Vec<Bytes>> {
    let end = file.metadata()?.len();
    let read = |range: &Range<u64>| {
        let length = range.end.min(end).saturating_sub(range.start);
        let mut bytes = vec![0; length as usize];
        file.read_exact_at(&mut bytes, range.start)?;
        Ok(bytes.into())
    };
    ranges.iter().map(read).collect()
}

/// Ranges of a file, of which neighbours are read together.
pub(crate) fn read_runs(
    file: &File,
    ranges: &[Range<u64>],
    place: impl FnOnce() -> String,
) -> Result<Vec<Bytes>> {
    let runs = runs(ranges, FILE_GAP);
    let read: Vec<_> = runs.iter().map(|run| run.range.clone()).collect();
    match read_file(file, &read) {
        Ok(read) => cut_all(ranges, &runs, &read, place),
        Err(e) => Err(Error::io("reading", place())(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(ranges: &[Range<u64>], gap: u64) -> Vec<Range<u64>> {
        runs(ranges, gap).into_iter().map(|run| run.range).collect()
    }

    #[test]
    fn near_neighbours_are_one_run() {
        assert_eq!(joined(&[41..50, 0..10, 20..30, 15..20, 45..48, 7..7], 5), [0..30, 41..50]);
        assert_eq!(joined(&[], 5), []);
        let far = 3 * LONGEST_RUN;
        assert_eq!(joined(&[0..LONGEST_RUN, 9..far, 10..20], 5), [0..LONGEST_RUN, 9..far]);
    }

    #[test]
    fn a_part_does_not_keep_a_run_in_memory() {
        let bytes = Bytes::from((0..100).collect::<Vec<u8>>());
        let ranges = [90..95, 3..3, 4..7];
        let runs = runs(&ranges, 100);
        let mut out = vec![Bytes::new(); 3];
        assert!(runs[0].cut(&ranges, &bytes.slice(4..95), &mut out));
        assert_eq!(out, [&[90, 91, 92, 93, 94][..], &[], &[4, 5, 6]]);
        assert!(bytes.is_unique(), "they are copies");
        assert!(!runs[0].cut(&ranges, &bytes.slice(4..94), &mut out));
    }
}
