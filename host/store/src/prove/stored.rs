//! A repo as the catalog and the packs of a run have it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::ports::Ancestor;
use packhouse_core::record::{Snapshot as SnapshotRecord, Tag};
use packhouse_core::{EntityId, Kind, Row};
use packhouse_model::error::Result;
use packhouse_run::{LocatedRow, Locator, PackReader, RunPack};
use ring::digest::{SHA256, digest};
use tokio::runtime::Handle;

use super::ProofError;
use super::view::RepoView;

/// One state of a repo, and the packs that its records are read from. It blocks: not for async
/// threads.
pub(crate) struct StoredRepo {
    snapshot: Box<dyn Snapshot>,
    reader: PackReader,
    packs: Arc<Vec<RunPack>>,
    runtime: Handle,
    locator: Locator,
    /// Tags without a recorded commit, with their commits. Read when tags are first asked for.
    unrecorded: Option<BTreeMap<EntityId, EntityId>>,
}

impl StoredRepo {
    /// The state and the packs of a run that has ended.
    pub(crate) fn new(
        snapshot: Box<dyn Snapshot>,
        reader: PackReader,
        packs: Arc<Vec<RunPack>>,
        locator: Locator,
    ) -> StoredRepo {
        let runtime = Handle::current();
        StoredRepo { snapshot, reader, packs, locator, runtime, unrecorded: None }
    }

    /// The commits of tags that an older packhouse stored, and for which the catalog has none
    /// recorded: from their records.
    fn read_unrecorded(&mut self) -> Result<BTreeMap<EntityId, EntityId>> {
        let unrecorded = self.runtime.block_on(self.snapshot.tags_without_commit(u32::MAX))?;
        if unrecorded.is_empty() {
            return Ok(BTreeMap::new());
        }
        let unrecorded: HashSet<EntityId> = unrecorded.into_iter().collect();
        let mut tags = BTreeMap::new();
        for (number, pack) in (0u32..).zip(self.packs.clone().iter()) {
            let is_one = |row: &Row| row.kind == Kind::Tag && unrecorded.contains(&row.id);
            for row in pack.directory.rows().filter(is_one) {
                let bytes = self.reader.read(row.span(number))?;
                // What can't be read was refused when it was pushed.
                if let Ok(tag) = Tag::parse(&bytes) {
                    tags.insert(row.id, tag.commit);
                }
            }
        }
        Ok(tags)
    }

    /// Reads a record, and compares it with its row.
    fn record(&mut self, record: &LocatedRow) -> Result<Vec<u8>, ProofError> {
        let bytes = self.reader.read(record.row.span(record.pack))?;
        let sum = digest(&SHA256, &bytes);
        match sum.as_ref().starts_with(&record.row.fingerprint) {
            true => Ok(bytes),
            false => Err(changed(record, "it has changed since it was stored")),
        }
    }
}

fn changed(record: &LocatedRow, what: &str) -> ProofError {
    let detail =
        format!("{} {}: {what}, at byte {}", record.row.kind, record.row.id, record.row.offset);
    ProofError::Source { pack: record.pack, detail }
}

impl RepoView for StoredRepo {
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        self.runtime.block_on(self.snapshot.history(commits, limit))
    }

    fn walk_floor(&mut self) -> Result<Option<u64>> {
        self.runtime.block_on(self.snapshot.walk_floor())
    }

    fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<EntityId>> {
        let recorded = self.runtime.block_on(self.snapshot.tags_of(commits))?;
        let mut tags: Vec<EntityId> = recorded.into_iter().map(|tag| tag.entity).collect();
        if self.unrecorded.is_none() {
            self.unrecorded = Some(self.read_unrecorded()?);
        }
        if let Some(unrecorded) = self.unrecorded.as_ref().filter(|tags| !tags.is_empty()) {
            let commits: HashSet<&EntityId> = commits.iter().collect();
            let theirs = unrecorded.iter().filter(|(_, commit)| commits.contains(commit));
            tags.extend(theirs.map(|(tag, _)| *tag));
        }
        Ok(tags)
    }

    fn knows(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>> {
        let keys: Vec<_> = ids.iter().map(|id| entity_key(kind, *id)).collect();
        let found = self.runtime.block_on(self.snapshot.lookup(&keys))?;
        Ok(found.iter().map(Option::is_some).collect())
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
        for record in snapshots {
            let bytes = self.record(record)?;
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
