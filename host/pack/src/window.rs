//! A window that moves over a source, and can hash the bytes that it passes.

use std::io;

use ring::digest::{Context, SHA256};

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
    tapped: Option<Tap>,
    /// The position of the last tick.
    told: u64,
}

/// Hashes the bytes that the window passes, from `from` on.
struct Tap {
    sum: Context,
    from: usize,
    held: bool,
}
impl<S: Source, T: FnMut(u64) -> io::Result<()>> Bytes<S, T> {
    pub(super) fn new(source: S, tick: T) -> Self {
        let window = vec![0; WINDOW].into_boxed_slice();
        Bytes {
            source,
            tick,
            window,
            start: 0,
            end: 0,
            read: 0,
            ended: false,
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

    fn fill(&mut self) -> io::Result<()> {
        self.flush_tap();
        self.window.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if let Some(tap) = &mut self.tapped {
            tap.from = 0;
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

    /// Reports the last bytes.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        (self.tick)(self.read)
    }

    /// Hashes all bytes from here on.
    pub(super) fn tap(&mut self) {
        self.tapped = Some(Tap { sum: Context::new(&SHA256), from: self.start, held: false });
    }

    fn flush_tap(&mut self) {
        if let Some(tap) = &mut self.tapped {
            if !tap.held {
                tap.sum.update(&self.window[tap.from..self.start]);
            }
            tap.from = self.start;
        }
    }

    /// Excludes the following bytes from the hash, or includes them again.
    pub(super) fn hold_tap(&mut self, held: bool) {
        self.flush_tap();
        if let Some(tap) = &mut self.tapped {
            tap.held = held;
        }
    }

    pub(super) fn untap(&mut self) -> Context {
        self.flush_tap();
        self.tapped.take().map_or_else(|| Context::new(&SHA256), |tap| tap.sum)
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
