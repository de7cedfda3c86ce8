//! Entities that no branch, tag or release has reached for some time, and that a consolidation may
//! drop.
//!
//! Entities are kept if they are reachable from the heads, from former heads that branches
//! abandoned within the age, from tags or releases, or if they were pushed within the age,
//! reachable or not. Entities that were reported to a client as present count as pushed at that
//! time ([`packhouse_catalog::Catalog::freshen`]). The host computes this itself, from the records.
//! The component then plans a pack from directories that list only the kept entities, so that the
//! result has the canonical form.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{DroppedEntity, FRESH_FOR, IndexRow, RepoRow, Shelf, Snapshot, entity_of};
use packhouse_core::{EntityId, Head, Kind, Span};
use packhouse_model::error::{DeletionError, Error, Result};
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::progress::Progress;
use packhouse_model::report::GcDropped;
use packhouse_pack::{Directory, references};
use packhouse_run::{PackReader, RunPack};

use super::prefetch::Reads;
use super::{Store, blocking};

/// A repo's packs and index, without what has expired.
pub(super) struct Retained {
    pub(super) packs: Vec<RunPack>,
    pub(super) index: Vec<IndexRow>,
    pub(super) dropped: Vec<DroppedEntity>,
}

/// Where records are: the number of their pack, and their span in it.
type Places = HashMap<(Kind, EntityId), Span>;

impl Store {
    /// Looks for what has been unreachable for an age.
    ///
    /// # Errors
    /// [`DeletionError::AllUnreachable`] for a repo without branches, tags and releases: nothing of
    /// it would be left.
    pub(super) async fn unexpired(
        &self,
        row: &RepoRow,
        snapshot: &mut dyn Snapshot,
        (shelves, heads): (&[Shelf], &[Head]),
        (packs, index): (Vec<RunPack>, Vec<(IndexRow, ShelfId)>),
        age: Duration,
        progress: &Progress,
    ) -> Result<Retained> {
        let since = before(self.agreed_time().await?, age)?;
        let young: HashSet<ShelfId> =
            shelves.iter().filter(|shelf| made_at(shelf) > since).map(|shelf| shelf.id).collect();
        // A time that is kept may be too early by so much. With an age of nothing, nothing is
        // recent.
        let early = if age.is_zero() { SignedDuration::ZERO } else { FRESH_FOR };
        let freshened =
            snapshot.freshened(since.checked_sub(early).unwrap_or(Timestamp::MIN)).await?;
        let is_recent = |shelf: &ShelfId| freshened.everything || young.contains(shelf);
        let mut recent: Vec<(Kind, EntityId)> = index
            .iter()
            .filter(|(_, shelf)| is_recent(shelf))
            .filter_map(|(row, _)| entity_of(&row.entity))
            .collect();
        recent.extend(freshened.entities.iter().filter_map(entity_of));
        let mut roots: Vec<(Kind, EntityId)> =
            heads.iter().map(|head| (Kind::Commit, head.commit)).collect();
        roots
            .extend(snapshot.left_heads(since).await?.into_iter().map(|head| (Kind::Commit, head)));
        roots.extend(snapshot.released().await?.into_iter().map(|commit| (Kind::Commit, commit)));
        roots.extend(
            index
                .iter()
                .filter_map(|(row, _)| entity_of(&row.entity))
                .filter(|(kind, _)| *kind == Kind::Tag),
        );
        if roots.is_empty() {
            return Err(DeletionError::AllUnreachable(row.name.clone()).into());
        }
        roots.extend(recent);
        let packs = Arc::new(packs);
        let mut reader = self.run_packs(&row.name, packs.clone());
        self.prefetch(&mut reader, &packs, Reads::Metadata, progress).await?;
        let places = places(&packs);
        let reached = blocking(move || reach(&mut reader, &places, roots)).await?;
        let packs = Arc::try_unwrap(packs).map_err(|_| Error::Cancelled)?;
        Ok(split(shelves, packs, index, &reached))
    }
}

/// The time that was an age ago.
fn before(now: Timestamp, age: Duration) -> Result<Timestamp> {
    let age =
        SignedDuration::try_from(age).map_err(|_| Error::Usage("the age is too long".into()))?;
    Ok(now.checked_sub(age).unwrap_or(Timestamp::MIN))
}

/// When a shelf was created. If not recorded: no later than its pack was stored.
fn made_at(shelf: &Shelf) -> Timestamp {
    shelf.made_at.unwrap_or(shelf.pack.stored_at)
}

/// Where commits, snapshots and tags are. Any encoding will do: they agree on what they reach (law
/// 7).
fn places(packs: &[RunPack]) -> Places {
    let mut places = Places::new();
    for (number, pack) in (0..).zip(packs) {
        for row in pack.directory.rows().filter(|row| row.kind != Kind::Object) {
            places.entry((row.kind, row.id)).or_insert_with(|| row.span(number));
        }
    }
    places
}

/// Everything that roots reach, they included. What a repo never had leads nowhere.
fn reach(
    reader: &mut PackReader,
    places: &Places,
    roots: Vec<(Kind, EntityId)>,
) -> Result<HashSet<(Kind, EntityId)>> {
    let mut reached = HashSet::new();
    let mut next = roots;
    while let Some((kind, id)) = next.pop() {
        if !reached.insert((kind, id)) {
            continue;
        }
        let Some(span) = places.get(&(kind, id)) else { continue };
        let bytes = reader.read(*span)?;
        let named = references(kind, &bytes)
            .map_err(|error| reader.damaged(span.pack, format!("{kind} {id}: {}", error.reason)))?;
        next.extend(named);
    }
    Ok(reached)
}

/// Parts what is reached from what is dropped.
fn split(
    shelves: &[Shelf],
    packs: Vec<RunPack>,
    index: Vec<(IndexRow, ShelfId)>,
    reached: &HashSet<(Kind, EntityId)>,
) -> Retained {
    let is_kept = |kind: Kind, id: EntityId| reached.contains(&(kind, id));
    let (kept, gone): (Vec<_>, Vec<_>) = index
        .into_iter()
        .partition(|(row, _)| entity_of(&row.entity).is_none_or(|(kind, id)| is_kept(kind, id)));
    // The length of a dropped record is that of the encoding which the index maps, in the pack of
    // its shelf.
    let pack_of: HashMap<ShelfId, _> =
        shelves.iter().map(|shelf| (shelf.id, shelf.pack.key)).collect();
    let mut lengths: BTreeMap<(IndexRow, MpackKey), u64> = BTreeMap::new();
    let mut filtered = Vec::with_capacity(packs.len());
    for pack in packs {
        let directory = &pack.directory;
        let (rows, others): (Vec<_>, Vec<_>) =
            directory.rows().partition(|row| is_kept(row.kind, row.id));
        for row in &others {
            // A pack may hold several encodings of one entity.
            lengths.insert((IndexRow::of(row), directory.key), row.length);
        }
        if !rows.is_empty() {
            filtered.push(if others.is_empty() {
                pack
            } else {
                RunPack::stored(Directory::new(directory.key, directory.pack_bytes, &rows))
            });
        }
    }
    let dropped = gone.into_iter().map(|(row, shelf)| {
        let length = pack_of.get(&shelf).and_then(|pack| lengths.get(&(row, *pack)));
        DroppedEntity { entity: row.entity, shelf, bytes: length.copied().unwrap_or(0) }
    });
    Retained {
        packs: filtered,
        dropped: dropped.collect(),
        index: kept.into_iter().map(|(row, _)| row).collect(),
    }
}

/// The report of what is dropped.
pub(super) fn dropped_report(dropped: &[DroppedEntity]) -> GcDropped {
    let mut report = GcDropped::default();
    for one in dropped {
        let Some((kind, id)) = entity_of(&one.entity) else { continue };
        match kind {
            Kind::Commit => report.commits += 1,
            Kind::Snapshot => report.snapshots += 1,
            Kind::Object => report.objects += 1,
            // Tags are kept.
            Kind::Tag => continue,
        }
        report.bytes += one.bytes;
        report.entities.push(format!("{kind} {id}"));
    }
    report
}
