//! The packs of a run, and how their bytes are read.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use packhouse_core::{Head, Span};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_pack::Directory;
use packhouse_pack::splice::Sources;
use packhouse_vault::{StoredPack, Vault};
use tokio::runtime::Handle;

use crate::calls::compare;
use crate::damage::{damaged_pack, missing_pack};

/// Packs that are open at once: far below the limit on open files.
const OPEN_PACKS: usize = 128;

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

/// The packs of a run, and how their bytes are read.
#[derive(Debug)]
pub struct PackReader {
    repo: RepoName,
    vault: Vault,
    pub(crate) runtime: Handle,
    pub(crate) packs: Arc<Vec<RunPack>>,
    /// Packs of which only parts are downloaded, with those parts: in order, and disjoint.
    partly: BTreeMap<u32, (StoredPack, Vec<Range<u64>>)>,
    /// Packs that are open, with when they were last used.
    open: BTreeMap<u32, (StoredPack, u64)>,
    uses: u64,
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
            repo,
            vault,
            runtime,
            packs,
            partly: BTreeMap::new(),
            open: BTreeMap::new(),
            uses: 0,
        }
    }

    /// The repo of the run.
    pub fn repo(&self) -> &RepoName {
        &self.repo
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

    fn key(&self, pack: u32) -> MpackKey {
        self.packs[pack as usize].directory.key
    }

    /// The error for a pack whose bytes have changed.
    pub fn damaged(&self, pack: u32, detail: String) -> Error {
        damaged_pack(&self.vault, &self.repo, &self.key(pack), detail)
    }

    fn right_size(&self, pack: u32, stored: &StoredPack) -> Result<()> {
        let expected = self.packs[pack as usize].directory.pack_bytes;
        if stored.bytes == expected {
            return Ok(());
        }
        Err(self.damaged(pack, format!("it has {} bytes; {expected} were stored", stored.bytes)))
    }

    /// The bytes of a span of a pack.
    ///
    /// # Errors
    /// If the pack can't be read, or is too short.
    pub fn read(&mut self, span: Span) -> Result<Vec<u8>> {
        let mut bytes = vec![0; span.length as usize];
        self.need(span);
        let (file, path) = Sources::open(self, span.pack)?;
        match file.read_exact_at(&mut bytes, span.offset) {
            Ok(()) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.truncated(span.pack, span.offset + span.length))
            }
            Err(e) => Err(Error::io("reading", path)(e)),
        }
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
    fn open(&mut self, pack: u32) -> Result<(&File, PathBuf)> {
        self.uses += 1;
        let packs = self.packs.clone();
        let run_pack = &packs[pack as usize];
        if let PackLocation::Staged(file, path, _) = &self.packs[pack as usize].place {
            return Ok((file, path.clone()));
        }
        if let Some((stored, _)) = self.partly.get(&pack) {
            self.right_size(pack, stored)?;
        } else if !self.open.contains_key(&pack) {
            let key = run_pack.directory.key;
            let found = self.runtime.block_on(self.vault.open_cached(&key))?;
            let stored = found.ok_or_else(|| missing_pack(&self.vault, &self.repo, &key))?;
            self.right_size(pack, &stored)?;
            if self.open.len() >= OPEN_PACKS
                && let Some(oldest) =
                    self.open.iter().min_by_key(|(_, (_, used))| *used).map(|(pack, _)| *pack)
            {
                self.open.remove(&oldest);
            }
            self.open.insert(pack, (stored, 0));
        }
        if let Some((stored, _)) = self.partly.get(&pack) {
            return Ok((&stored.file, stored.path.clone()));
        }
        let (stored, used) = self.open.get_mut(&pack).expect("it was opened above");
        *used = self.uses;
        Ok((&stored.file, stored.path.clone()))
    }

    fn truncated(&self, pack: u32, offset: u64) -> Error {
        self.damaged(pack, format!("it ends before byte {offset}, which is in its directory"))
    }
}
