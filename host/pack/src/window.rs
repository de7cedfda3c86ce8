//! A window that moves over a source, and hashes the bytes that it passes.

use std::io;
use std::ops::Range;

use packhouse_sha256::{Ahead, Sha256};

/// Size of the window in bytes.
pub(super) const WINDOW: usize = 1 << 20;

/// The source of a scan.
pub trait Source {
    /// Reads at `offset` into `buf`; 0 means the end. May wait for bytes to be written.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

/// A window that moves over a source.
pub(super) struct Bytes<S, T> {
    source: S,
    tick: T,
    window: Box<[u8]>,
    start: usize,
    end: usize,
    /// Position in the source of the window's end.
    read: u64,
    ended: bool,
    /// The SHA-256 of all bytes, if it is wanted: of those before `summed` in the window. Where two
    /// messages can be hashed at once, it is hashed beside others, and is ahead of `start` or behind.
    sum: Option<Sha256>,
    summed: usize,
    tapped: Option<Tap>,
    /// The position of the last tick.
    told: u64,
}

/// Hashes the bytes that the window passes, from `from` on.
struct Tap {
    sum: Sha256,
    from: usize,
    held: bool,
}

impl<S: Source, T: FnMut(u64) -> io::Result<()>> Bytes<S, T> {
    /// `summed`: whether the SHA-256 of all bytes is wanted.
    pub(super) fn new(source: S, summed: bool, tick: T) -> Self {
        let window = vec![0; WINDOW].into_boxed_slice();
        Bytes {
            source,
            tick,
            window,
            start: 0,
            end: 0,
            read: 0,
            ended: false,
            sum: summed.then(Sha256::new),
            summed: 0,
            tapped: None,
            told: 0,
        }
    }

    /// The position in the source, in bytes.
    pub(super) fn position(&self) -> u64 {
        self.read - (self.end - self.start) as u64
    }

    /// At least `n` bytes from here, without moving; fewer only at the end. `n` is at most half a
    /// window.
    pub(super) fn peek(&mut self, n: usize) -> io::Result<&[u8]> {
        debug_assert!(n <= WINDOW / 2);
        while self.end - self.start < n && !self.ended {
            self.fill()?;
        }
        Ok(&self.window[self.start..self.end])
    }

    /// At least one byte from here; none only at the end.
    pub(super) fn some(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    pub(super) fn advance(&mut self, n: usize) {
        self.start += n;
    }

    /// Adds bytes of the window to a sum.
    fn add(&mut self, sum: &mut Sha256, bytes: Range<usize>) {
        match &mut self.sum {
            Some(all) => {
                let mut ahead = Ahead::new(all, &self.window[self.summed..self.end]);
                sum.update_beside(&self.window[bytes], &mut ahead);
                self.summed = self.end - ahead.left();
            }
            None => sum.update(&self.window[bytes]),
        }
    }

    /// Ends a sum.
    pub(super) fn finish(&mut self, sum: Sha256) -> [u8; 32] {
        match &mut self.sum {
            Some(all) => {
                let mut ahead = Ahead::new(all, &self.window[self.summed..self.end]);
                let sum = sum.finish_beside(&mut ahead);
                self.summed = self.end - ahead.left();
                sum
            }
            None => sum.finish(),
        }
    }

    /// Moves on by `n` bytes of the window, and adds them to a sum.
    pub(super) fn pass(&mut self, n: usize, sum: Option<&mut Sha256>) {
        if let Some(sum) = sum {
            self.add(sum, self.start..self.start + n);
        }
        self.start += n;
    }

    /// Moves on by `n` bytes of the window; their sum.
    pub(super) fn digest(&mut self, n: usize) -> [u8; 32] {
        let mut sum = Sha256::new();
        self.pass(n, Some(&mut sum));
        self.finish(sum)
    }

    fn fill(&mut self) -> io::Result<()> {
        self.flush_tap();
        self.sum_passed();
        let kept = if self.sum.is_some() { self.start.min(self.summed) } else { self.start };
        self.window.copy_within(kept..self.end, 0);
        self.end -= kept;
        self.start -= kept;
        self.summed = self.summed.saturating_sub(kept);
        if let Some(tap) = &mut self.tapped {
            tap.from = self.start;
        }
        let n = self.source.read_at(self.read, &mut self.window[self.end..])?;
        self.ended = n == 0;
        self.end += n;
        self.read += n as u64;
        if self.read - self.told >= WINDOW as u64 {
            self.told = self.read;
            (self.tick)(self.read)?;
        }
        Ok(())
    }

    /// Adds the bytes before `start` to the sum of all: up to 63 of them wait for the next.
    fn sum_passed(&mut self) {
        if let Some(all) = &mut self.sum
            && self.summed < self.start
        {
            let mut ahead = Ahead::new(all, &self.window[self.summed..self.start]);
            ahead.hash_blocks();
            self.summed = self.start - ahead.left();
        }
    }

    /// Passes all that is left, and reports the last bytes.
    pub(super) fn pass_rest(&mut self) -> io::Result<()> {
        while !self.ended {
            self.start = self.end;
            self.fill()?;
        }
        self.start = self.end;
        (self.tick)(self.read)
    }

    /// The sum of all bytes up to here, if it was wanted.
    pub(super) fn into_sum(self) -> Option<[u8; 32]> {
        let mut sum = self.sum?;
        sum.update(self.window.get(self.summed..self.start).unwrap_or_default());
        Some(sum.finish())
    }

    /// Hashes all bytes from here on.
    pub(super) fn tap(&mut self) {
        self.tapped = Some(Tap { sum: Sha256::new(), from: self.start, held: false });
    }

    fn flush_tap(&mut self) {
        if let Some(mut tap) = self.tapped.take() {
            if !tap.held {
                self.add(&mut tap.sum, tap.from..self.start);
            }
            tap.from = self.start;
            self.tapped = Some(tap);
        }
    }

    /// Excludes the following bytes from the hash, or includes them again.
    pub(super) fn hold_tap(&mut self, held: bool) {
        self.flush_tap();
        if let Some(tap) = &mut self.tapped {
            tap.held = held;
        }
    }

    /// The sum of the bytes since [`Self::tap`].
    pub(super) fn untap(&mut self) -> [u8; 32] {
        self.flush_tap();
        let sum = self.tapped.take().map_or_else(Sha256::new, |tap| tap.sum);
        self.finish(sum)
    }
}

/// A pack in memory.
impl Source for &[u8] {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let rest = self.get(usize::try_from(offset).unwrap_or(usize::MAX)..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

/// A pack in a file.
impl Source for &std::fs::File {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(*self, buf, offset)
    }
}
