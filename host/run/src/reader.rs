//! The packs of a run, and how their bytes are read.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error as IoError, ErrorKind};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_core::{Head, Span};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_pack::pieces::Piece;
use packhouse_pack::splice::Sources;
use packhouse_vault::{StoredPack, Vault};
use tokio::runtime::Handle;

use crate::calls::compare;
use crate::damage::{damaged_pack, missing_pack};
use crate::open_packs::{OpenPack, OpenPacks};

/// The location of the bytes of a pack of the run.
#[derive(Debug)]
enum PackLocation {
    /// In the vault, under the directory's key.
    Stored,
    /// The same; the directory has only some of the rows.
    InPart,
    /// In staging: being pushed.
    Staged(File, PathBuf, Vec<Head>),
}

/// A pack of the run.
#[derive(Debug)]
pub struct RunPack {
    /// Its directory, with all rows of the pack if [`RunPack::has_all_rows`].
    pub directory: Directory,
    place: PackLocation,
}

impl RunPack {
    /// A pack of the repo.
    pub fn stored(directory: Directory) -> RunPack {
        RunPack { directory, place: PackLocation::Stored }
    }

    /// A pack of the repo, with the rows that are known of it. A plan may copy others of it, too: it
    /// is proven that they are whole records.
    pub fn in_part(directory: Directory) -> RunPack {
        RunPack { directory, place: PackLocation::InPart }
    }

    /// The same pack, if it is stored, without its rows: its bytes can be read.
    pub fn without_rows(&self) -> RunPack {
        RunPack::in_part(self.directory.without_rows())
    }

    /// Whether its directory has all rows of the pack.
    pub const fn has_all_rows(&self) -> bool {
        !matches!(self.place, PackLocation::InPart)
    }

    /// A pack that is being pushed, with its branch heads.
    pub fn staged(directory: Directory, file: File, path: PathBuf, heads: Vec<Head>) -> RunPack {
        RunPack { directory, place: PackLocation::Staged(file, path, heads) }
    }

    /// Whether it is in the vault, not in staging.
    pub fn is_stored(&self) -> bool {
        !matches!(self.place, PackLocation::Staged(..))
    }

    /// Its branch heads; none if it is already stored.
    pub fn heads(&self) -> &[Head] {
        match &self.place {
            PackLocation::Staged(_, _, heads) => heads,
            PackLocation::Stored | PackLocation::InPart => &[],
        }
    }
}

/// Where the packs of a run are.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    pub(crate) repo: RepoName,
    pub(crate) vault: Vault,
    pub(crate) runtime: Handle,
    pub(crate) packs: Arc<Vec<RunPack>>,
}

impl Places {
    /// The key of a pack.
    pub(crate) fn key(&self, pack: u32) -> MpackKey {
        self.packs[pack as usize].directory.key
    }

    fn damaged(&self, pack: u32, detail: String) -> Error {
        damaged_pack(&self.vault, &self.repo, &self.key(pack), detail)
    }

    /// The size of a pack, in bytes.
    pub(crate) fn size(&self, pack: u32) -> u64 {
        self.packs[pack as usize].directory.pack_bytes
    }

    /// The error for a span that can't be read.
    pub(crate) fn unreadable(&self, pack: u32, end: u64, path: PathBuf, error: IoError) -> Error {
        match error.kind() {
            ErrorKind::UnexpectedEof => {
                let detail = format!("it ends before byte {end}, which is in its directory");
                self.damaged(pack, detail)
            }
            _ => Error::io("reading", path)(error),
        }
    }

    /// Opens a pack of the vault.
    pub(crate) fn open(&self, pack: u32) -> Result<StoredPack> {
        let key = self.key(pack);
        let found = self.vault.open_cached_here(&key, &self.runtime)?;
        let stored = found.ok_or_else(|| missing_pack(&self.vault, &self.repo, &key))?;
        self.check_size(pack, &stored)?;
        Ok(stored)
    }

    fn check_size(&self, pack: u32, stored: &StoredPack) -> Result<()> {
        let expected = self.size(pack);
        if stored.bytes == expected {
            return Ok(());
        }
        Err(self.damaged(pack, format!("it has {} bytes; {expected} were stored", stored.bytes)))
    }
}

/// The packs of a run, and how their bytes are read.
#[derive(Debug)]
pub struct PackReader {
    pub(crate) places: Places,
    /// Packs of which only parts are downloaded, with those parts: in order, and disjoint.
    partly: BTreeMap<u32, (StoredPack, Vec<Range<u64>>)>,
    pub(crate) open: OpenPacks,
    scratch: Vec<u8>,
}

impl PackReader {
    /// The packs of a run, in the order of their numbers.
    pub fn new(
        repo: RepoName,
        vault: Vault,
        runtime: Handle,
        packs: Arc<Vec<RunPack>>,
    ) -> PackReader {
        PackReader {
            places: Places { repo, vault, runtime, packs },
            partly: BTreeMap::new(),
            open: OpenPacks::default(),
            scratch: Vec::new(),
        }
    }

    /// The repo of the run.
    pub fn repo(&self) -> &RepoName {
        &self.places.repo
    }

    /// Reads a pack from a file that contains only some of its bytes, as long as no other bytes are
    /// read.
    pub fn hold_parts(&mut self, pack: u32, stored: StoredPack, parts: Vec<Range<u64>>) {
        self.partly.insert(pack, (stored, parts));
    }

    /// A span outside of the prefetched parts: the whole pack is needed.
    fn need(&mut self, span: Span) {
        let lies_in = |parts: &Vec<Range<u64>>| {
            let after = parts.partition_point(|part| part.start <= span.offset);
            after.checked_sub(1).is_some_and(|n| span.offset + span.length <= parts[n].end)
        };
        if self.partly.get(&span.pack).is_some_and(|(_, parts)| !lies_in(parts)) {
            self.partly.remove(&span.pack);
        }
    }

    /// Of some packs, by their numbers, the small ones of the vault that there is room for in memory.
    pub(crate) fn small_packs(&self, is_wanted: &[bool]) -> Vec<u32> {
        let packs = (0..).zip(self.places.packs.iter()).zip(is_wanted);
        let wanted = packs.filter(|(_, is_wanted)| **is_wanted).map(|(pack, _)| pack);
        let whole = wanted.filter(|(n, pack)| pack.is_stored() && !self.partly.contains_key(n));
        self.open.fitting(whole.map(|(n, pack)| (n, pack.directory.pack_bytes)))
    }

    /// The error for a pack whose bytes have changed.
    pub fn damaged(&self, pack: u32, detail: String) -> Error {
        self.places.damaged(pack, detail)
    }

    /// Reads a run of pieces of one pack into a buffer. `again`: whether the pack will be read again and
    /// again.
    fn fill(&mut self, run: &[Piece], buffer: &mut [u8], again: bool) -> Result<()> {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
        let PackReader { places, partly, open, scratch } = self;
        let pack = first.span.pack;
        let found = match (&places.packs[pack as usize].place, partly.get(&pack)) {
            (PackLocation::Staged(file, path, _), _) => OpenPack::File(file, path),
            (_, Some((stored, _))) => {
                places.check_size(pack, stored)?;
                OpenPack::File(&stored.file, &stored.path)
            }
            (_, None) => open.get(pack, again, || places.open(pack))?,
        };
        let read = found.read_run(run, buffer, scratch);
        read.map_err(|error| places.unreadable(pack, last.end(), found.path(), error))
    }

    /// The bytes of a span of a pack.
    ///
    /// # Errors
    /// If the pack can't be read, or is too short.
    pub fn read(&mut self, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; span.length as usize];
        self.need(span);
        self.fill(&[Piece { span, to: 0 }], &mut bytes, false)?;
        Ok(bytes)
    }

    /// Law 7: whether the encoding `a` of a record is preferred to `b`: it is longer, or as long
    /// and greater by bytes.
    ///
    /// # Errors
    /// When a pack can't be read.
    pub fn prefers(&mut self, a: Span, b: Span) -> Result<bool> {
        match a.length.cmp(&b.length) {
            Ordering::Equal => Ok(self.compare(a, b)? == Ordering::Greater),
            by_length => Ok(by_length == Ordering::Greater),
        }
    }

    /// Compares two records without loading either completely.
    pub(crate) fn compare(&mut self, a: Span, b: Span) -> Result<Ordering> {
        compare(a, b, |a, b| Ok((self.read(a)?, self.read(b)?)))
    }
}

impl Sources for PackReader {
    fn read_run(&mut self, run: &[Piece], buffer: &mut [u8]) -> Result<()> {
        self.fill(run, buffer, true)
    }
}
