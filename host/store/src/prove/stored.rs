//! A repo as the catalog and the packs of a run have it.

use std::sync::Arc;

use bytes::Bytes;
use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::ports::Ancestor;
use packhouse_core::record::{Snapshot as SnapshotRecord, Tag};
use packhouse_core::{EntityId, Kind, Span};
use packhouse_model::error::Result;
use packhouse_run::{BasePack, LocatedRow, Locator, Planned, RunPack, SeenHistory, SpanReader};
use ring::digest::{SHA256, digest};
use tokio::runtime::Handle;

use super::ProofError;
use super::view::{RepoView, batches};

/// One state of a repo, and the packs that its records are read from. It blocks: not for async
/// threads.
pub(crate) struct StoredRepo {
    snapshot: Box<dyn Snapshot>,
    /// What this host has read of its history while it was planned.
    seen: SeenHistory,
    packs: Arc<Vec<RunPack>>,
    runtime: Handle,
    locator: Locator,
    reader: SpanReader,
    base: Option<BasePack>,
}

impl StoredRepo {
    /// The state and the packs of a run that has ended.
    pub(crate) fn new(planned: Planned) -> StoredRepo {
        let Planned { packs, index, seen, locator, reader, base } = planned;
        let runtime = Handle::current();
        StoredRepo { snapshot: index, seen, packs: Arc::new(packs), runtime, locator, reader, base }
    }

    /// The base that the component was told of.
    pub(crate) fn base(&self) -> Option<BasePack> {
        self.base.clone()
    }

    /// The packs, with the rows that the component has located or paged.
    pub(crate) fn packs(&self) -> Arc<Vec<RunPack>> {
        self.packs.clone()
    }

    /// Reads records, and compares each with its row.
    fn records(&mut self, records: &[LocatedRow]) -> Result<Vec<Bytes>, ProofError> {
        let spans: Vec<Span> = records.iter().map(|found| found.row.span(found.pack)).collect();
        let read = self.reader.read(&spans)?;
        for (record, bytes) in records.iter().zip(&read) {
            if !digest(&SHA256, bytes).as_ref().starts_with(&record.row.fingerprint) {
                return Err(changed(record, "it has changed since it was stored"));
            }
        }
        Ok(read)
    }
}

fn changed(record: &LocatedRow, what: &str) -> ProofError {
    let detail =
        format!("{} {}: {what}, at byte {}", record.row.kind, record.row.id, record.row.offset);
    ProofError::Source { pack: record.pack, detail }
}

impl RepoView for StoredRepo {
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        match self.seen.history(commits, limit) {
            Some(seen) => Ok(seen),
            None => self.runtime.block_on(self.snapshot.history(commits, limit)),
        }
    }

    fn walk_floor(&mut self) -> Result<Option<u64>> {
        self.runtime.block_on(self.snapshot.walk_floor())
    }

    fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<EntityId>> {
        let tags = self.runtime.block_on(self.snapshot.tags_of(commits))?;
        Ok(tags.into_iter().map(|tag| tag.entity).collect())
    }

    fn knows(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>> {
        let keys: Vec<_> = ids.iter().map(|id| entity_key(kind, *id)).collect();
        let found = self.runtime.block_on(self.snapshot.lookup(&keys))?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    fn packs_of(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<Option<u32>>> {
        let index = self.snapshot.as_mut();
        let found = self.runtime.block_on(self.locator.locate(index, kind, ids))?;
        Ok(found.into_iter().map(|found| found.map(|found| found.pack)).collect())
    }

    fn tags_outside(&mut self, pack: u32) -> Result<Vec<(EntityId, EntityId)>, ProofError> {
        let mut tags = Vec::new();
        for number in (0..self.packs.len() as u32).filter(|number| *number != pack) {
            let known = &self.packs[number as usize];
            let directory = match known.has_all_rows() {
                true => known.directory.clone(),
                false => self.runtime.block_on(self.locator.whole(number))?,
            };
            let rows = (0..).zip(directory.rows()).filter(|(_, row)| row.kind == Kind::Tag);
            tags.extend(rows.map(|(at, row)| LocatedRow { pack: number, number: at, row }));
        }
        let mut found = Vec::with_capacity(tags.len());
        for batch in batches(&tags) {
            for (record, bytes) in batch.iter().zip(self.records(batch)?) {
                let tag = Tag::parse(&bytes).map_err(|error| changed(record, &error.reason))?;
                found.push((record.row.id, tag.commit));
            }
        }
        Ok(found)
    }

    fn locate(&mut self, snapshots: &[EntityId]) -> Result<Vec<Option<LocatedRow>>> {
        let index = self.snapshot.as_mut();
        self.runtime.block_on(self.locator.locate(index, Kind::Snapshot, snapshots))
    }

    fn read(
        &mut self,
        snapshots: &[LocatedRow],
        each: &mut dyn FnMut(&LocatedRow, Kind, EntityId) -> Result<(), ProofError>,
    ) -> Result<(), ProofError> {
        for (record, bytes) in snapshots.iter().zip(self.records(snapshots)?) {
            let snapshot =
                SnapshotRecord::parse(&bytes).map_err(|error| changed(record, &error.reason))?;
            if snapshot.id != record.row.id {
                return Err(changed(record, &format!("it is the record of {}", snapshot.id)));
            }
            if let Some(parent) = snapshot.parent {
                each(record, Kind::Snapshot, parent)?;
            }
            for (_, object) in &snapshot.entries {
                each(record, Kind::Object, *object)?;
            }
        }
        Ok(())
    }
}
