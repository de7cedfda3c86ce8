//! Reads a stored pack whole: its records, and its key.

use std::fs::File;
use std::io::Error as IoError;
use std::path::Path;

use packhouse_model::error::{Error, Result};
use packhouse_model::names::MpackKey;

use crate::scan::{BadPack, ScannedPack, Summed, sum_to_end};

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
    let mut stopped = None;
    let read = sum_to_end(file, |bytes| {
        tick(bytes).map_err(|error| {
            stopped = Some(error);
            IoError::other("stopped")
        })
    });
    if let Some(error) = stopped {
        return Err(error);
    }
    let Summed { sum, bytes, scanned } = read.map_err(Error::io("reading", path))?;
    Ok(ExaminedPack { key: MpackKey::new(sum), bytes, scanned })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use packhouse_model::digest::sha256;

    use super::*;
    use crate::testing::large_pack;

    fn examined(bytes: &[u8]) -> ExaminedPack {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        examine(&file, Path::new("pack"), |_| Ok(())).unwrap()
    }

    #[test]
    fn the_key_is_of_all_bytes_even_where_the_scan_ended_early() {
        let mut pack = large_pack();
        assert!(examined(&pack).scanned.is_ok());
        assert_eq!(examined(&pack).key, MpackKey::new(sha256(&pack)));
        for at in [0, 1000, pack.len() / 2, pack.len() - 1] {
            pack[at] ^= 0xff;
            let found = examined(&pack);
            assert!(found.scanned.is_err(), "byte {at}");
            assert_eq!((found.key, found.bytes), (MpackKey::new(sha256(&pack)), pack.len() as u64));
            pack[at] ^= 0xff;
        }
    }
}
