//! Reads a stored pack whole: its records, and its key.

use std::fs::File;
use std::io::{Error as IoError, Result as IoResult};
use std::path::Path;

use packhouse_model::digest::finish;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;
use ring::digest::{Context, SHA256};

use crate::scan::{BadPack, ScanError, ScannedPack, Source, scan};

/// What a pack's bytes are, all of them read and every object hashed.
#[derive(Debug)]
pub struct ExaminedPack {
    /// SHA-256 of the bytes.
    pub key: MpackKey,
    /// How many there are.
    pub bytes: u64,
    /// Its records, or what is wrong with them.
    pub scanned: Result<ScannedPack, BadPack>,
}

impl ExaminedPack {
    /// The records of a well-formed pack whose bytes match `key`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn sound(self, key: &MpackKey) -> Result<ScannedPack, String> {
        match self.scanned {
            Ok(scanned) if self.key == *key => Ok(scanned),
            Ok(_) => Err(format!("hash mismatch: its SHA-256 is {}", self.key)),
            Err(bad) => Err(bad.to_string()),
        }
    }
}

/// A source that hashes what goes by. A scan reads each byte once, in order.
struct Hashing<S> {
    source: S,
    sum: Context,
    bytes: u64,
}

impl<S: Source> Source for &mut Hashing<S> {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> IoResult<usize> {
        let n = self.source.read_at(offset, buf)?;
        self.sum.update(&buf[..n]);
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Reads a pack whole. `path` is for messages; `tick` learns how many bytes have been read, and
/// stops the reading with an error.
///
/// # Errors
/// Those of `tick`; [`Error::Io`] when the file can't be read.
pub fn examine(
    file: &File,
    path: &Path,
    mut tick: impl FnMut(u64) -> Result<()>,
) -> Result<ExaminedPack> {
    let mut source = Hashing { source: file, sum: Context::new(&SHA256), bytes: 0 };
    let mut stopped = None;
    let scanned = scan(&mut source, |bytes| {
        tick(bytes).map_err(|error| {
            stopped = Some(error);
            IoError::other("stopped")
        })
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let scanned = match scanned {
        Ok(scanned) => Ok(scanned),
        Err(ScanError::Bad(bad)) => Err(bad),
        Err(ScanError::Io(e)) => return Err(Error::io("reading", path)(e)),
    };
    // What a scan that ended early left unread belongs to the key as well.
    let mut rest = vec![0; 1 << 20];
    loop {
        let at = source.bytes;
        match (&mut source).read_at(at, &mut rest).map_err(Error::io("reading", path))? {
            0 => break,
            _ => tick(source.bytes)?,
        }
    }
    let key = MpackKey::new(finish(source.sum));
    Ok(ExaminedPack { key, bytes: source.bytes, scanned })
}
