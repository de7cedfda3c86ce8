//! What a consolidation reads of its packs and of the index.

use std::collections::BTreeSet;

use packhouse_catalog::{DroppedEntity, EntityKey, IndexRow, Shelf, Snapshot, entity_key};
use packhouse_core::{Head, Kind};
use packhouse_model::error::Result;
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::span::TARGET;
use packhouse_pack::Directory;
use packhouse_run::RunPack;

use super::Planning;
use super::selection::Selection;
use crate::Store;

/// Index rows that a page of the catalog holds, and entities that are looked up at once.
const PAGE: u32 = 8192;

/// What a consolidation copies from, and what it must contain.
pub(super) struct Sources {
    /// The packs, with directories of the records that may be copied.
    pub(super) packs: Vec<RunPack>,
    /// Records of these packs, also those that are left out because the index maps them elsewhere.
    pub(super) records: u64,
    /// The packs with such records.
    pub(super) left_out: BTreeSet<MpackKey>,
    /// What the new pack must contain, in order. None: all of the index, which is not read yet.
    pub(super) index: Option<Vec<IndexRow>>,
    /// Entities that are dropped from the index.
    pub(super) dropped: Vec<DroppedEntity>,
    /// The branch heads of the new pack.
    pub(super) heads: Vec<Head>,
}

impl Store {
    /// Reads the directories of the selected packs, and the part of the index that is needed to
    /// tell which of their records are copied.
    #[tracing::instrument(target = TARGET, name = "read directories", skip_all)]
    pub(super) async fn read_sources(
        &self,
        planning: &Planning<'_>,
        shelves: &[Shelf],
        selection: &Selection,
        snapshot: &mut dyn Snapshot,
    ) -> Result<Sources> {
        let row = planning.row;
        let mut packs = self.directories(&row.name, &selection.sources).await?;
        let mut heads = snapshot.heads().await?;
        let (mut index, mut dropped, mut left_out) = (None, Vec::new(), BTreeSet::new());
        if let Some(age) = planning.options.expire_unreachable {
            let read = (packs, read_index(snapshot).await?);
            let kept =
                self.unexpired(row, snapshot, (shelves, &heads), read, age, planning.progress);
            let kept = kept.await?;
            (packs, index, dropped) = (kept.packs, Some(kept.index), kept.dropped);
        }
        let records = packs.iter().map(|pack| pack.directory.len()).sum();
        if !selection.is_whole {
            let mapped = index_of(&packs, selection, snapshot).await?;
            left_out = leave_out_unmapped(&mut packs, &mapped);
            heads.retain(|head| contains(&mapped, &entity_key(Kind::Commit, head.commit)));
            index = Some(mapped);
        }
        Ok(Sources { packs, records, left_out, index, dropped, heads })
    }
}

/// The index of a repo, in order, a page at a time.
#[derive(Default)]
pub(super) struct IndexPages {
    last: Option<EntityKey>,
}

impl IndexPages {
    /// The next page; `None` at the end.
    pub(super) async fn next(
        &mut self,
        snapshot: &mut dyn Snapshot,
    ) -> Result<Option<Vec<(IndexRow, ShelfId)>>> {
        let page = snapshot.index_page(self.last.as_ref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(None) };
        self.last = Some(last.entity);
        Ok(Some(page))
    }
}

/// The whole index of a repo, in order.
async fn read_index(snapshot: &mut dyn Snapshot) -> Result<Vec<(IndexRow, ShelfId)>> {
    let (mut index, mut pages) = (Vec::new(), IndexPages::default());
    while let Some(page) = pages.next(snapshot).await? {
        index.extend(page);
    }
    Ok(index)
}

/// What the index maps to the selected shelves, in order. What is in the packs is looked up. If the
/// shelves count more than that, the whole index is read: the proof then names what is missing.
async fn index_of(
    packs: &[RunPack],
    selection: &Selection,
    snapshot: &mut dyn Snapshot,
) -> Result<Vec<IndexRow>> {
    let is_selected = |shelf: &ShelfId| {
        selection.shelves.binary_search_by_key(shelf, |(selected, _)| *selected).is_ok()
    };
    let mut index: Vec<IndexRow> = Vec::new();
    for pack in packs {
        let mut rows = pack.directory.rows();
        loop {
            let page = rows.by_ref().take(PAGE as usize);
            let entities: Vec<EntityKey> = page.map(|row| entity_key(row.kind, row.id)).collect();
            if entities.is_empty() {
                break;
            }
            let found = snapshot.lookup(&entities).await?;
            let mapped = entities.into_iter().zip(found).filter_map(|(entity, found)| {
                let (shelf, fingerprint) = found?;
                is_selected(&shelf).then_some(IndexRow { entity, fingerprint })
            });
            index.extend(mapped);
        }
    }
    index.sort_unstable();
    index.dedup();
    if index.len() as u64 == selection.entities {
        return Ok(index);
    }
    let mut pages = IndexPages::default();
    index.clear();
    while let Some(page) = pages.next(snapshot).await? {
        let mapped = page.into_iter().filter(|(_, shelf)| is_selected(shelf));
        index.extend(mapped.map(|(row, _)| row));
    }
    Ok(index)
}

/// Leaves the records of entities out that are not in `index`: other packs have them. Returns the
/// packs with such records.
fn leave_out_unmapped(packs: &mut Vec<RunPack>, index: &[IndexRow]) -> BTreeSet<MpackKey> {
    let mut left_out = BTreeSet::new();
    for pack in packs.iter_mut() {
        let directory = &pack.directory;
        let is_mapped = |kind, id| contains(index, &entity_key(kind, id));
        if directory.rows().all(|row| is_mapped(row.kind, row.id)) {
            continue;
        }
        left_out.insert(directory.key);
        let rows: Vec<_> = directory.rows().filter(|row| is_mapped(row.kind, row.id)).collect();
        *pack = RunPack::stored(Directory::new(directory.key, directory.pack_bytes, &rows));
    }
    packs.retain(|pack| !pack.directory.is_empty());
    left_out
}

/// Whether an index, in order, has an entity.
fn contains(index: &[IndexRow], entity: &EntityKey) -> bool {
    index.binary_search_by_key(entity, |row| row.entity).is_ok()
}
