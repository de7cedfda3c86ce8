//! Write, hash and read back in parallel.
//!
//! ```text
//! produce ──chunks──▶ write to staging
//!                        │ bytes available          (a flusher starts the disk early)
//!                        ▼
//!                     read back: scan records, hash every object, and all bytes for the key
//! ```
//!
//! The read-back reads the file, not memory: its rows are the evidence for the proof. Where a
//! processor does not hash two messages at once, the writer hashes for the key: then both cores
//! hash. Memory use is a few chunks, regardless of the size. A pack of one chunk is written and read
//! back by the caller's thread: to start others takes longer. A crash here leaves a staging file,
//! which the next start removes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, PoisonError};

use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use packhouse_sha256::{Sha256, hashes_two_at_once};

use super::scan::{ScanError, ScannedPack, Source, scan, scan_and_sum};

/// Bytes of a chunk.
pub const CHUNK: usize = 4 << 20;
/// Number of chunks in progress: being produced, waiting, being written.
const CHUNKS: usize = 3;
/// New bytes after which the flusher starts writing to disk.
const FLUSH: u64 = 32 << 20;

/// A complete pack in staging, and its scan. It is not durable yet: storing it makes it so.
#[must_use = "a staged pack is invisible until it is published"]
#[derive(Debug)]
pub struct WrittenPack {
    /// The SHA-256 of its bytes, computed by the host.
    pub key: MpackKey,
    /// Its size.
    pub bytes: u64,
    /// Its records.
    pub scanned: ScannedPack,
}

/// Why nothing was written.
#[derive(Debug)]
pub enum WriteError {
    /// The file that was read back is not a valid pack.
    Bad(super::scan::BadPack),
    /// Producing, writing or reading failed, or the work was cancelled.
    Failed(Error),
}

/// Produces a pack's bytes, one chunk at a time.
pub trait Produce: Send {
    /// Appends up to [`CHUNK`] bytes to an empty `chunk`; none means the end.
    ///
    /// # Errors
    /// Whatever ends the work.
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()>;
}

/// The writer's position, for the threads that follow it.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    available: u64,
    ended: bool,
    stopped: bool,
}

impl Shared {
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until more than `from` bytes are written, or the writer ends. Returns the bytes
    /// written, and whether the work was cancelled.
    fn wait_beyond(&self, from: u64) -> (u64, bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self
            .changed
            .wait_while(state, |s| s.available <= from && !s.ended && !s.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        (state.available, state.stopped)
    }
}

struct ReadBack<'a> {
    file: &'a File,
    shared: &'a Shared,
}

impl Source for ReadBack<'_> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (available, stopped) = self.shared.wait_beyond(offset);
        if stopped {
            return Err(io::Error::other("stopped"));
        }
        let n = usize::try_from(available - offset).unwrap_or(usize::MAX).min(buf.len());
        self.file.read_at(&mut buf[..n], offset)
    }
}

/// Writes what `source` produces to `file` (empty, open for reading and writing), and reads it back.
///
/// `tick` gets the number of bytes read back; its error ends the work.
///
/// # Errors
/// [`WriteError`]; the file must not be used then.
pub fn write_and_read_back(
    file: &File,
    path: &Path,
    source: &mut dyn Produce,
    tick: &mut (dyn FnMut(u64) -> Result<()> + Send),
) -> Result<WrittenPack, WriteError> {
    write_in(!hashes_two_at_once(), file, path, source, tick)
}

fn write_in(
    in_two_threads: bool,
    file: &File,
    path: &Path,
    source: &mut dyn Produce,
    tick: &mut (dyn FnMut(u64) -> Result<()> + Send),
) -> Result<WrittenPack, WriteError> {
    let [mut first, mut second] = [(); 2].map(|()| Vec::with_capacity(CHUNK));
    source.produce(&mut first).map_err(WriteError::Failed)?;
    if !first.is_empty() {
        source.produce(&mut second).map_err(WriteError::Failed)?;
    }
    if second.is_empty() {
        return write_one(file, path, &first, tick);
    }
    let source = &mut Begun { chunks: [first, second].into(), source };
    let shared = Shared::default();
    let (read, written) = std::thread::scope(|scope| {
        let (full, chunks) = sync_channel::<Vec<u8>>(1);
        let (recycle, empty) = sync_channel::<Vec<u8>>(CHUNKS);
        for _ in 0..CHUNKS {
            recycle.send(Vec::with_capacity(CHUNK)).expect("the channel has room for all chunks");
        }
        let producer = scope.spawn(move || produce(source, &empty, &full));
        let writer = scope.spawn(|| {
            let sum = in_two_threads.then(Sha256::new);
            let written = write(file, path, &chunks, &recycle, &shared, sum);
            // Both channels close here, which ends a producer that still waits.
            drop((chunks, recycle));
            shared.update(|s| if written.is_ok() { s.ended = true } else { s.stopped = true });
            written
        });
        let flusher = scope.spawn(|| flush(file, path, &shared));

        let read = read_back(ReadBack { file, shared: &shared }, path, !in_two_threads, tick);
        if read.is_err() {
            shared.update(|s| s.stopped = true);
        }
        let written = writer.join().expect("the writer does not panic");
        let produced = producer.join().expect("the producer does not panic");
        let flushed = flusher.join().expect("the flusher does not panic");
        (read, produced.and(flushed).and(written))
    });
    match (written, read) {
        // What ended the reading ended the writing as well.
        (_, Err(ReadError::Ended(error))) => Err(WriteError::Failed(error)),
        (Ok(Some((sum_of_written, bytes))), Ok((scanned, sum_of_read))) => {
            let sum = sum_of_written.or(sum_of_read).expect("one of the two has hashed");
            Ok(WrittenPack { key: MpackKey::new(sum), bytes, scanned })
        }
        // A failing disk explains a failing read-back, not the other way round.
        (Err(error), _) => Err(WriteError::Failed(error)),
        (_, Err(error)) => Err(error.into()),
        (Ok(None), Ok(_)) => Err(WriteError::Failed(Error::Cancelled)),
    }
}

/// Writes a pack of one chunk, and reads it back.
fn write_one(
    mut file: &File,
    path: &Path,
    chunk: &[u8],
    tick: &mut (dyn FnMut(u64) -> Result<()> + Send),
) -> Result<WrittenPack, WriteError> {
    file.write_all(chunk).map_err(Error::io("writing", path)).map_err(WriteError::Failed)?;
    let (scanned, sum) = read_back(file, path, true, tick)?;
    let sum = sum.expect("it was asked for");
    Ok(WrittenPack { key: MpackKey::new(sum), bytes: chunk.len() as u64, scanned })
}

/// Why a file was not read back.
enum ReadError {
    /// It is not a valid pack.
    Bad(super::scan::BadPack),
    /// It can't be read.
    Failed(Error),
    /// The progress callback has ended it.
    Ended(Error),
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> WriteError {
        match error {
            ReadError::Bad(bad) => WriteError::Bad(bad),
            ReadError::Failed(error) | ReadError::Ended(error) => WriteError::Failed(error),
        }
    }
}

/// Scans what was written; `summed`: and hashes all of it.
fn read_back<S: Source>(
    source: S,
    path: &Path,
    summed: bool,
    tick: &mut (dyn FnMut(u64) -> Result<()> + Send),
) -> Result<(ScannedPack, Option<[u8; 32]>), ReadError> {
    let mut ended = None;
    let tick = |bytes| {
        tick(bytes).map_err(|error| {
            ended = Some(error);
            io::Error::other("stopped")
        })
    };
    let scanned = match summed {
        true => scan_and_sum(source, tick).map(|(scanned, sum)| (scanned, Some(sum))),
        false => scan(source, tick).map(|scanned| (scanned, None)),
    };
    scanned.map_err(|error| match (ended, error) {
        (Some(error), _) => ReadError::Ended(error),
        (None, ScanError::Bad(bad)) => ReadError::Bad(bad),
        (None, ScanError::Io(error)) => ReadError::Failed(Error::io("reading back", path)(error)),
    })
}

/// A producer whose first chunks were taken already.
struct Begun<'a> {
    chunks: VecDeque<Vec<u8>>,
    source: &'a mut dyn Produce,
}

impl Produce for Begun<'_> {
    fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
        match self.chunks.pop_front() {
            Some(taken) => *chunk = taken,
            None => self.source.produce(chunk)?,
        }
        Ok(())
    }
}

fn produce(
    source: &mut dyn Produce,
    empty: &Receiver<Vec<u8>>,
    full: &SyncSender<Vec<u8>>,
) -> Result<()> {
    while let Ok(mut chunk) = empty.recv() {
        chunk.clear();
        source.produce(&mut chunk)?;
        let last = chunk.is_empty();
        // The receiver is gone: the writer has failed, and reports why.
        if full.send(chunk).is_err() || last {
            break;
        }
    }
    Ok(())
}

/// Writes until an empty chunk: the end. Gives the sum, if it is to be made, and the number of
/// bytes; `None` when the chunks just stop coming.
fn write(
    mut file: &File,
    path: &Path,
    chunks: &Receiver<Vec<u8>>,
    recycle: &SyncSender<Vec<u8>>,
    shared: &Shared,
    mut sum: Option<Sha256>,
) -> Result<Option<(Option<[u8; 32]>, u64)>> {
    let mut bytes = 0;
    while let Ok(chunk) = chunks.recv() {
        if chunk.is_empty() {
            return Ok(Some((sum.map(Sha256::finish), bytes)));
        }
        if shared.is_stopped() {
            return Ok(None);
        }
        file.write_all(&chunk).map_err(Error::io("writing", path))?;
        bytes += chunk.len() as u64;
        shared.update(|s| s.available = bytes);
        if let Some(sum) = &mut sum {
            sum.update(&chunk);
        }
        // The producer may have ended; then the chunk is not needed again.
        let _ = recycle.send(chunk);
    }
    Ok(None)
}

impl Shared {
    /// Whether the work was cancelled, without waiting.
    fn is_stopped(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).stopped
    }
}

/// Starts writing to disk while the rest is produced, so that the sync at the end is fast.
fn flush(file: &File, path: &Path, shared: &Shared) -> Result<()> {
    let mut flushed = 0;
    loop {
        let (available, stopped) = shared.wait_beyond(flushed + FLUSH);
        if stopped || available <= flushed + FLUSH {
            return Ok(());
        }
        file.sync_data().map_err(Error::io("writing", path))?;
        flushed = available;
    }
}

#[cfg(test)]
mod tests {
    use packhouse_model::digest::sha256;

    use super::*;
    use crate::scan::scan;
    use crate::testing::{large_pack, some_pack};

    struct Bytes<'a>(&'a [u8], usize);

    impl Produce for Bytes<'_> {
        fn produce(&mut self, chunk: &mut Vec<u8>) -> Result<()> {
            // Chunks of any size: a producer may have less than one that is full.
            let (now, later) = self.0.split_at(self.0.len().min(self.1));
            chunk.extend_from_slice(now);
            self.0 = later;
            Ok(())
        }
    }

    fn written(
        in_two_threads: bool,
        bytes: &[u8],
        tick: &mut (dyn FnMut(u64) -> Result<()> + Send),
    ) -> Result<WrittenPack, WriteError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pack");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        write_in(in_two_threads, &file, &path, &mut Bytes(bytes, 70_001), tick)
    }

    #[test]
    fn key_and_rows_are_those_of_the_bytes_whichever_thread_hashes_them() {
        for pack in [large_pack(), some_pack(3 << 20), some_pack(100), vec![0x80]] {
            let rows = scan(pack.as_slice(), |_| Ok(())).unwrap().rows;
            for in_two_threads in [false, true] {
                let written = written(in_two_threads, &pack, &mut |_| Ok(())).unwrap();
                assert_eq!(written.key, MpackKey::new(sha256(&pack)));
                assert_eq!((written.bytes, &written.scanned.rows), (pack.len() as u64, &rows));
            }
        }
    }

    #[test]
    fn a_byte_that_differs_is_found_whichever_thread_hashes() {
        let mut pack = large_pack();
        let object = scan(pack.as_slice(), |_| Ok(())).unwrap().rows[500];
        pack[(object.offset + object.length) as usize - 1] ^= 1;
        for in_two_threads in [false, true] {
            let Err(WriteError::Bad(bad)) = written(in_two_threads, &pack, &mut |_| Ok(())) else {
                panic!()
            };
            assert!(bad.reason.contains("hash mismatch"), "{bad}");
        }
    }

    #[test]
    fn an_error_of_the_progress_callback_ends_the_work() {
        for pack in [large_pack(), some_pack(100)] {
            let stopped = written(false, &pack, &mut |_| Err(Error::Cancelled));
            assert!(matches!(stopped, Err(WriteError::Failed(Error::Cancelled))));
        }
    }

    /// Law 5: a file that is full is not a pack, however small it would be.
    #[test]
    fn law_5_a_pack_that_can_not_be_written_is_none() {
        let full = File::options().read(true).write(true).open("/dev/full").unwrap();
        for pack in [large_pack(), some_pack(100)] {
            let mut bytes = Bytes(&pack, CHUNK);
            let failed = write_in(false, &full, Path::new("full"), &mut bytes, &mut |_| Ok(()));
            let Err(WriteError::Failed(Error::Io { doing, source, .. })) = failed else { panic!() };
            assert_eq!((doing, source.kind()), ("writing", io::ErrorKind::StorageFull));
        }
    }
}
