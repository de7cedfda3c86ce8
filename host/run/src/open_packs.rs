//! The packs that a run has open.
//!
//! A plan copies from packs in turns, again for each chunk that is written. A small pack is read once
//! and stays in memory, as long as there is room for it; others stay open, the last ones that were
//! used.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Result as IoResult;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use packhouse_model::error::Result;
use packhouse_pack::pieces::{Piece, copy_run, read_run};
use packhouse_vault::StoredPack;

/// Packs that are open at once: far below the limit on open files.
const OPEN_PACKS: usize = 128;
/// The largest pack that is read whole, in bytes.
const SMALL_PACK: u64 = 64 << 10;
/// Bytes of small packs in memory at once, with what it takes to keep each.
const SMALL_PACKS: u64 = 32 << 20;
/// Bytes that it takes to keep a pack in memory, at most: its path and its entry.
const KEPT: u64 = 512;

/// A pack whose bytes can be read, with its path.
#[derive(Debug)]
pub(crate) enum OpenPack<'a> {
    /// In memory.
    Bytes(&'a [u8], &'a Path),
    /// In a file.
    File(&'a File, &'a Path),
}

impl OpenPack<'_> {
    /// Its path, for messages.
    pub(crate) fn path(&self) -> PathBuf {
        let (OpenPack::Bytes(_, path) | OpenPack::File(_, path)) = self;
        path.to_path_buf()
    }

    /// Reads a run of pieces into a buffer.
    pub(crate) fn read_run(
        &self,
        run: &[Piece],
        buffer: &mut [u8],
        scratch: &mut Vec<u8>,
    ) -> IoResult<()> {
        match self {
            OpenPack::Bytes(bytes, _) => copy_run(bytes, run, buffer),
            OpenPack::File(file, _) => read_run(file, run, buffer, scratch),
        }
    }
}

/// The packs that a run has open, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct OpenPacks {
    /// Files, with when they were last used.
    files: BTreeMap<u32, (StoredPack, u64)>,
    uses: u64,
    small: HashMap<u32, (Bytes, PathBuf)>,
    small_bytes: u64,
}

impl OpenPacks {
    /// An open pack. `open` opens it, if it is not. `again`: whether it will be needed again and again.
    ///
    /// # Errors
    /// Those of `open`.
    pub(crate) fn get(
        &mut self,
        pack: u32,
        again: bool,
        open: impl FnOnce() -> Result<StoredPack>,
    ) -> Result<OpenPack<'_>> {
        self.uses += 1;
        if !self.small.contains_key(&pack) && !self.files.contains_key(&pack) {
            let stored = open()?;
            // One that can't be read whole stays a file: then the error is of the record that is
            // asked for.
            match again.then(|| self.read_small(&stored)).flatten() {
                Some(bytes) => self.keep(pack, bytes, stored.path),
                None => {
                    self.make_room();
                    self.files.insert(pack, (stored, self.uses));
                }
            }
        }
        if let Some((bytes, path)) = self.small.get(&pack) {
            return Ok(OpenPack::Bytes(bytes, path));
        }
        let (stored, used) = self.files.get_mut(&pack).expect("it was opened above");
        *used = self.uses;
        Ok(OpenPack::File(&stored.file, &stored.path))
    }

    /// All of a small pack, if there is room for it.
    fn read_small(&self, stored: &StoredPack) -> Option<Bytes> {
        if !fits(self.small_bytes, stored.bytes) {
            return None;
        }
        let mut bytes = vec![0; stored.bytes as usize];
        stored.file.read_exact_at(&mut bytes, 0).ok()?;
        Some(bytes.into())
    }

    /// Which of packs can be read ahead, of those with their sizes in `packs`: small ones, until there
    /// is no room.
    pub(crate) fn fitting(&self, packs: impl Iterator<Item = (u32, u64)>) -> Vec<u32> {
        let mut taken = self.small_bytes;
        let mut fits = |bytes| {
            let fits = fits(taken, bytes);
            taken += if fits { bytes + KEPT } else { 0 };
            fits
        };
        packs
            .filter(|(pack, bytes)| !self.small.contains_key(pack) && fits(*bytes))
            .map(|(pack, _)| pack)
            .collect()
    }

    /// Keeps a small pack that was read ahead.
    pub(crate) fn keep(&mut self, pack: u32, bytes: Bytes, path: PathBuf) {
        self.small_bytes += bytes.len() as u64 + KEPT;
        self.small.insert(pack, (bytes, path));
    }

    fn make_room(&mut self) {
        if self.files.len() >= OPEN_PACKS
            && let Some((oldest, _)) = self.files.iter().min_by_key(|(_, (_, used))| *used)
        {
            let oldest = *oldest;
            self.files.remove(&oldest);
        }
    }
}

/// Whether a pack is small, and there is room for it beside `taken` bytes.
const fn fits(taken: u64, bytes: u64) -> bool {
    bytes <= SMALL_PACK && taken + bytes + KEPT <= SMALL_PACKS
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Write};

    use packhouse_core::Span;

    use super::*;

    fn stored(bytes: &[u8]) -> StoredPack {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        StoredPack { file, path: "some".into(), bytes: bytes.len() as u64 }
    }

    fn piece(offset: u64, length: u64, to: usize) -> Piece {
        Piece { span: Span { pack: 0, offset, length }, to }
    }

    fn opened(packs: &mut OpenPacks, pack: u32, bytes: &[u8]) -> (bool, Vec<u8>) {
        let mut is_opened = false;
        let open = || {
            is_opened = true;
            Ok(stored(bytes))
        };
        let found = packs.get(pack, true, open).unwrap();
        let mut read = vec![0; bytes.len()];
        let all = [piece(0, bytes.len() as u64, 0)];
        found.read_run(&all, &mut read, &mut Vec::new()).unwrap();
        (is_opened, read)
    }

    #[test]
    fn small_packs_are_opened_once_until_there_is_no_room() {
        let mut packs = OpenPacks::default();
        let small = vec![7; SMALL_PACK as usize];
        let room = (SMALL_PACKS / (SMALL_PACK + KEPT)) as u32;
        let many = room + OPEN_PACKS as u32 + 1;
        for round in 0..2 {
            for pack in 0..many {
                let (is_opened, read) = opened(&mut packs, pack, &small);
                assert_eq!(read, small);
                // The last ones are more than stay open.
                assert_eq!(is_opened, round == 0 || pack >= room, "pack {pack}");
            }
        }
        assert!(packs.files.len() == OPEN_PACKS && packs.small.len() == room as usize);
    }

    #[test]
    fn packs_that_fit_can_be_read_ahead() {
        let mut packs = OpenPacks::default();
        let sizes = [(0, SMALL_PACK), (1, SMALL_PACK + 1), (2, 7), (3, SMALL_PACKS)];
        assert_eq!(packs.fitting(sizes.into_iter()), [0, 2]);
        packs.keep(0, vec![7; SMALL_PACK as usize].into(), PathBuf::new());
        assert_eq!(packs.fitting(sizes.into_iter()), [2], "it is there");
        let room = SMALL_PACKS / (SMALL_PACK + KEPT);
        let many = packs.fitting((1..2000).map(|n| (n, SMALL_PACK)));
        assert_eq!(many.len() as u64, room - 1);
    }

    #[test]
    fn packs_in_memory_and_in_files_read_alike() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (file, path) = (stored(&bytes), PathBuf::new());
        for pack in [OpenPack::Bytes(&bytes, &path), OpenPack::File(&file.file, &path)] {
            let (mut buffer, mut scratch) = ([0; 8], Vec::new());
            let run = [piece(3, 2, 6), piece(250, 6, 0)];
            pack.read_run(&run, &mut buffer, &mut scratch).unwrap();
            assert_eq!(buffer, [250, 251, 252, 253, 254, 255, 3, 4]);
            for (offset, length) in [(250, 7), (256, 1), (u64::MAX - 9, 1)] {
                let (one, mut buffer) = ([piece(offset, length, 0)], vec![0; length as usize]);
                let error = pack.read_run(&one, &mut buffer, &mut scratch).unwrap_err();
                assert_ne!(error.kind(), ErrorKind::Other, "{error}");
            }
            let beyond = [piece(3, 2, 0), piece(255, 2, 2)];
            let error = pack.read_run(&beyond, &mut buffer, &mut scratch).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        }
    }
}
