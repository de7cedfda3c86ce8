//! Finds records: index → shelf → pack → directory.
//!
//! A row counts if it has the index's fingerprint. A directory is a cache: when it misses an entity
//! of the index, it is read whole, then rebuilt from its pack, once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_catalog::{PackRow, Snapshot, entity_key};
use packhouse_core::{EntityId, Kind, Location, Row};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{RepoName, ShelfId};
use packhouse_pack::Directory;
use packhouse_pack::directory::{DirectoryHead, LookupDirectory, NearRows, WantedRow};
use packhouse_vault::Vault;

use crate::directories::{Directories, DirectoryFile};
use crate::heads::DirectoryHeads;

/// Directories that are searched at once.
const DIRECTORIES: usize = 16;

/// The place of an entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocatedRow {
    /// Number of the pack in the run.
    pub pack: u32,
    /// Number of the row in the pack's directory.
    pub number: u64,
    /// The row.
    pub row: Row,
}

impl LocatedRow {
    /// Where the record is.
    pub const fn location(&self) -> Location {
        Location { at: self.row.span(self.pack), row: self.number }
    }
}

/// Finds records of a repo, as of one snapshot of the catalog.
#[derive(Debug)]
pub struct Locator {
    directories: Directories,
    heads: Arc<DirectoryHeads>,
    packs: Vec<PackRow>,
    numbers: HashMap<i64, u32>,
    /// The packs of shelves that were looked up.
    shelves: BTreeMap<ShelfId, Option<u32>>,
    /// Rows that were read near others, by pack.
    near: BTreeMap<u32, NearRows>,
    /// Directories that had to be read whole.
    whole: BTreeMap<u32, Directory>,
    /// Snapshots that were located: the proof of a plan locates them again.
    snapshots: HashMap<EntityId, LocatedRow>,
}

/// Snapshots that are kept: about 10 MB.
const MAX_SNAPSHOTS: usize = 1 << 16;

/// A row that is sought in a pack: its number in the request, and the row.
type Sought = (usize, WantedRow);

impl Locator {
    /// Finds records in the packs of a repo, whose numbers are their places in `packs`. `heads` is
    /// shared by all runs of the process.
    pub fn new(
        repo: RepoName,
        vault: Vault,
        heads: Arc<DirectoryHeads>,
        packs: Vec<PackRow>,
    ) -> Locator {
        let numbers = packs.iter().zip(0..).map(|(pack, number)| (pack.id, number)).collect();
        Locator {
            directories: Directories::new(repo, vault),
            heads,
            packs,
            numbers,
            shelves: BTreeMap::new(),
            near: BTreeMap::new(),
            whole: BTreeMap::new(),
            snapshots: HashMap::new(),
        }
    }

    /// This locator; one without packs stays.
    pub(crate) fn take(&mut self) -> Locator {
        let (repo, vault) = (self.directories.repo().clone(), self.directories.vault.clone());
        std::mem::replace(self, Locator::new(repo, vault, self.heads.clone(), Vec::new()))
    }

    pub(crate) fn directories(&self) -> &Directories {
        &self.directories
    }

    /// The packs, by number.
    pub fn packs(&self) -> &[PackRow] {
        &self.packs
    }

    /// The places of entities of one kind, in the order of `ids`; `None` for one that is not in the
    /// index. `index` is always the same snapshot. A few thousand IDs at once are best.
    ///
    /// # Errors
    /// [`DamageError::Lost`] for an entity that is in the index and in no pack; when a pack whose
    /// directory must be rebuilt is missing or damaged; when the catalog or a directory can't be
    /// read.
    pub async fn locate(
        &mut self,
        index: &mut dyn Snapshot,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<LocatedRow>>> {
        if kind != Kind::Snapshot {
            return self.locate_new(index, kind, ids).await;
        }
        let known = |id: &EntityId| self.snapshots.get(id).copied();
        let mut located: Vec<Option<LocatedRow>> = ids.iter().map(known).collect();
        let new: Vec<usize> = (0..ids.len()).filter(|n| located[*n].is_none()).collect();
        if new.is_empty() {
            return Ok(located);
        }
        let new_ids: Vec<EntityId> = new.iter().map(|n| ids[*n]).collect();
        let found = self.locate_new(index, kind, &new_ids).await?;
        if self.snapshots.len() + found.len() <= MAX_SNAPSHOTS {
            self.snapshots.extend(found.iter().flatten().map(|found| (found.row.id, *found)));
        }
        for (n, found) in new.into_iter().zip(found) {
            located[n] = found;
        }
        Ok(located)
    }

    async fn locate_new(
        &mut self,
        index: &mut dyn Snapshot,
        kind: Kind,
        ids: &[EntityId],
    ) -> Result<Vec<Option<LocatedRow>>> {
        let keys: Vec<_> = ids.iter().map(|id| entity_key(kind, *id)).collect();
        let indexed = index.lookup(&keys).await?;
        self.resolve(index, indexed.iter().flatten().map(|(shelf, _)| *shelf)).await?;
        let mut by_pack: BTreeMap<u32, Vec<Sought>> = BTreeMap::new();
        let mut lost = Vec::new();
        for (n, (id, indexed)) in ids.iter().zip(&indexed).enumerate() {
            let Some((shelf, fingerprint)) = *indexed else { continue };
            let sought = (n, WantedRow { kind, id: *id, fingerprint });
            match self.shelves.get(&shelf).copied().flatten() {
                Some(pack) => by_pack.entry(pack).or_default().push(sought),
                None => lost.push(sought),
            }
        }
        let mut found = vec![None; ids.len()];
        lost.extend(self.search(by_pack, &mut found).await?);
        self.search_elsewhere(&lost, &mut found).await?;
        Ok(found)
    }

    /// Looks up the packs of shelves that are not known yet.
    async fn resolve(
        &mut self,
        index: &mut dyn Snapshot,
        shelves: impl Iterator<Item = ShelfId>,
    ) -> Result<()> {
        let mut unknown: Vec<_> =
            shelves.filter(|shelf| !self.shelves.contains_key(shelf)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let packs = index.packs_on(&unknown).await?;
        for shelf in unknown {
            let number = packs.get(&shelf).and_then(|pack| self.numbers.get(&pack.id));
            self.shelves.insert(shelf, number.copied());
        }
        Ok(())
    }

    /// Searches packs for rows, and gives those that they don't have.
    async fn search(
        &mut self,
        by_pack: BTreeMap<u32, Vec<Sought>>,
        found: &mut [Option<LocatedRow>],
    ) -> Result<Vec<Sought>> {
        let mut near = std::mem::take(&mut self.near);
        let tasks: Vec<_> = by_pack
            .into_iter()
            .map(|(pack, sought)| (pack, sought, near.remove(&pack).unwrap_or_default()))
            .collect();
        let this = &*self;
        let searches = tasks.into_iter().map(async |(pack, sought, mut near)| {
            let rows: Vec<WantedRow> = sought.iter().map(|(_, row)| *row).collect();
            let rows = this.look_up(pack, &rows, &mut near).await?;
            Result::<_, Error>::Ok((pack, rows, sought, near))
        });
        let searched: Vec<_> =
            stream::iter(searches).buffer_unordered(DIRECTORIES).try_collect().await?;
        self.near = near;
        let mut missed = Vec::new();
        for (pack, rows, sought, near) in searched {
            self.near.insert(pack, near);
            let left = take(pack, sought, rows, found);
            if !left.is_empty() {
                missed.extend(self.search_whole(pack, left, found).await?);
            }
        }
        Ok(missed)
    }

    /// Rows of a pack, at most `limit` from number `first`, each checked by the table of the
    /// directory. `None` if they are not all right, or are known from a whole directory.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub(crate) async fn page(
        &self,
        pack: u32,
        first: u64,
        limit: u64,
    ) -> Result<Option<Vec<LocatedRow>>> {
        let Some(head) = self.head(pack).await?.filter(|_| !self.whole.contains_key(&pack)) else {
            return Ok(None);
        };
        if first >= head.rows {
            return Ok(Some(Vec::new()));
        }
        let file = self.file(pack);
        let rows = LookupDirectory::new(&head, &file).checked_page(first, limit).await?;
        let located = |(number, row)| LocatedRow { pack, number, row };
        Ok(rows.map(|rows| (first..).zip(rows).map(located).collect()))
    }

    /// The whole directory of a pack.
    ///
    /// # Errors
    /// When it has to be rebuilt, and the pack is missing or damaged; when it can't be read.
    pub async fn whole(&self, pack: u32) -> Result<Directory> {
        match self.whole.get(&pack) {
            Some(directory) => Ok(directory.clone()),
            None => self.directories.whole(&self.packs[pack as usize]).await,
        }
    }

    /// Numbers of the spine of a pack; `None` if it does not have `count` of them, or is damaged.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub(crate) async fn spine(
        &self,
        pack: u32,
        first: u64,
        limit: u64,
        count: u64,
    ) -> Result<Option<Vec<u32>>> {
        let Some(head) = self.head(pack).await? else { return Ok(None) };
        LookupDirectory::new(&head, &self.file(pack)).spine(first, limit, count).await
    }

    /// Rows of a pack with their numbers, by reading as little as possible.
    async fn look_up(
        &self,
        pack: u32,
        rows: &[WantedRow],
        near: &mut NearRows,
    ) -> Result<Vec<Option<(u64, Row)>>> {
        if let Some(directory) = self.whole.get(&pack) {
            return Ok(scan(directory, rows));
        }
        match self.head(pack).await? {
            Some(head) => LookupDirectory::new(&head, &self.file(pack)).locate(rows, near).await,
            None => Ok(vec![None; rows.len()]),
        }
    }

    fn file(&self, pack: u32) -> DirectoryFile<'_> {
        DirectoryFile { vault: &self.directories.vault, pack: &self.packs[pack as usize] }
    }

    /// The head of a pack's directory; `None` if there is no valid one of the current version.
    pub(crate) async fn head(&self, pack: u32) -> Result<Option<Arc<DirectoryHead>>> {
        self.directories.head(&self.heads, &self.packs[pack as usize]).await
    }

    /// Searches a pack whose directory missed rows: it is missing, old or damaged, or the pack does
    /// not have them. Gives those that the pack does not have.
    async fn search_whole(
        &mut self,
        pack: u32,
        sought: Vec<Sought>,
        found: &mut [Option<LocatedRow>],
    ) -> Result<Vec<Sought>> {
        let row = self.packs[pack as usize].clone();
        let mut left = sought;
        let stored = self.directories.stored(&row).await?;
        let is_intact = stored.is_some();
        if let Some(directory) = stored {
            left = self.scan_whole(pack, directory, left, found);
        }
        if left.is_empty() || is_intact && self.heads.was_rebuilt(&row.key) {
            return Ok(left);
        }
        let directory = self.directories.rebuild(&row).await?;
        self.heads.note_rebuilt(row.key);
        Ok(self.scan_whole(pack, directory, left, found))
    }

    /// Searches a whole directory, which later searches of this run use, too.
    fn scan_whole(
        &mut self,
        pack: u32,
        directory: Directory,
        sought: Vec<Sought>,
        found: &mut [Option<LocatedRow>],
    ) -> Vec<Sought> {
        self.heads.forget(&directory.key);
        self.near.remove(&pack);
        let rows: Vec<WantedRow> = sought.iter().map(|(_, row)| *row).collect();
        let left = take(pack, sought, scan(&directory, &rows), found);
        self.whole.insert(pack, directory);
        left
    }

    /// Searches all packs for rows that the packs of their shelves don't have.
    ///
    /// # Errors
    /// [`DamageError::Lost`] for the first that no pack has.
    async fn search_elsewhere(
        &self,
        lost: &[Sought],
        found: &mut [Option<LocatedRow>],
    ) -> Result<()> {
        let mut left = lost.to_vec();
        for pack in 0..self.packs.len() as u32 {
            if left.is_empty() {
                return Ok(());
            }
            let rows: Vec<WantedRow> = left.iter().map(|(_, row)| *row).collect();
            let rows = self.look_up(pack, &rows, &mut NearRows::default()).await?;
            left = take(pack, left, rows, found);
        }
        let Some((_, WantedRow { kind, id, .. })) = left.first() else { return Ok(()) };
        Err(Error::Damage(DamageError::Lost {
            repo: self.directories.repo().clone(),
            kind: *kind,
            id: *id,
            wanted_by: "a fetch".into(),
        }))
    }
}

/// Puts rows that a pack has where they were sought from, and gives those that it does not have.
fn take(
    pack: u32,
    sought: Vec<Sought>,
    rows: Vec<Option<(u64, Row)>>,
    found: &mut [Option<LocatedRow>],
) -> Vec<Sought> {
    let mut left = Vec::new();
    for (sought, row) in sought.into_iter().zip(rows) {
        match row {
            Some((number, row)) => found[sought.0] = Some(LocatedRow { pack, number, row }),
            None => left.push(sought),
        }
    }
    left
}

/// Rows of a whole directory with their numbers: the first of those that repeat.
fn scan(directory: &Directory, wanted: &[WantedRow]) -> Vec<Option<(u64, Row)>> {
    let mut found: HashMap<WantedRow, Option<(u64, Row)>> =
        wanted.iter().map(|row| (*row, None)).collect();
    for (number, row) in (0..).zip(directory.rows()) {
        let sought = WantedRow { kind: row.kind, id: row.id, fingerprint: row.fingerprint };
        if let Some(place) = found.get_mut(&sought) {
            place.get_or_insert((number, row));
        }
    }
    wanted.iter().map(|row| found.get(row).copied().flatten()).collect()
}
