//! A repo as the catalog and the packs of a run have it.

use std::sync::Arc;

use packhouse_catalog::{Snapshot, entity_key};
use packhouse_core::ports::Ancestor;
use packhouse_core::record::{Snapshot as SnapshotRecord, Tag};
use packhouse_core::row::Fingerprint;
use packhouse_core::{EntityId, Kind};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_run::{PackReader, RunPack};
use ring::digest::{SHA256, digest};
use tokio::runtime::Handle;

use super::ProofError;
use super::view::{Located, RepoView};

/// One state of a repo, and the packs that its records are read from. It blocks: not for async
/// threads.
pub(crate) struct StoredRepo {
    snapshot: Box<dyn Snapshot>,
    reader: PackReader,
    packs: Arc<Vec<RunPack>>,
    runtime: Handle,
    /// The rows of all snapshots, by id: pack and number. Made when the first one is located.
    snapshots: Option<Vec<(EntityId, u32, u64)>>,
}

impl StoredRepo {
    /// The state and the packs of a run that has ended.
    pub(crate) fn new(
        snapshot: Box<dyn Snapshot>,
        reader: PackReader,
        packs: Arc<Vec<RunPack>>,
    ) -> StoredRepo {
        StoredRepo { snapshot, reader, packs, runtime: Handle::current(), snapshots: None }
    }

    /// Reads a record, and compares it with its row.
    fn record(&mut self, record: &Located) -> Result<Vec<u8>, ProofError> {
        let bytes = self.reader.read(record.row.span(record.pack))?;
        let sum = digest(&SHA256, &bytes);
        match sum.as_ref().starts_with(&record.row.print) {
            true => Ok(bytes),
            false => Err(changed(record, "it has changed since it was stored")),
        }
    }

    /// The row of an encoding of a snapshot.
    fn find(&mut self, id: EntityId, print: Fingerprint) -> Option<Located> {
        let packs = &self.packs;
        let rows = self.snapshots.get_or_insert_with(|| {
            let mut rows = Vec::new();
            for (pack, number) in (0u32..).zip(packs.iter()) {
                for (at, row) in (0..).zip(number.directory.rows()) {
                    if row.kind == Kind::Snapshot {
                        rows.push((row.id, pack, at));
                    }
                }
            }
            rows.sort_unstable();
            rows
        });
        let first = rows.partition_point(|(found, ..)| *found < id);
        let same = rows[first..].iter().take_while(|(found, ..)| *found == id);
        same.filter_map(|(_, pack, at)| {
            let row = packs.get(*pack as usize)?.directory.row(*at)?;
            Some(Located { pack: *pack, row })
        })
        .find(|found| found.row.print == print)
    }
}

fn changed(record: &Located, what: &str) -> ProofError {
    let detail =
        format!("{} {}: {what}, at byte {}", record.row.kind, record.row.id, record.row.offset);
    ProofError::Source { pack: record.pack, detail }
}

impl RepoView for StoredRepo {
    fn history(&mut self, commits: &[EntityId], limit: u32) -> Result<Vec<Ancestor>> {
        let found = self.runtime.block_on(self.snapshot.history(commits, limit))?;
        Ok(found.into_iter().map(|edges| Ancestor { edges, generation: 0 }).collect())
    }

    fn walk_floor(&mut self) -> Result<Option<u64>> {
        Ok(Some(0))
    }

    fn tags_of(&mut self, commits: &[EntityId]) -> Result<Vec<EntityId>> {
        let mut tags = Vec::new();
        for (number, pack) in (0u32..).zip(self.packs.clone().iter()) {
            for row in pack.directory.rows().filter(|row| row.kind == Kind::Tag) {
                let bytes = self.reader.read(row.span(number))?;
                if Tag::parse(&bytes).is_ok_and(|tag| commits.contains(&tag.commit)) {
                    tags.push(row.id);
                }
            }
        }
        Ok(tags)
    }

    fn knows(&mut self, kind: Kind, ids: &[EntityId]) -> Result<Vec<bool>> {
        let keys: Vec<_> = ids.iter().map(|id| entity_key(kind, *id)).collect();
        let found = self.runtime.block_on(self.snapshot.lookup(&keys))?;
        Ok(found.iter().map(Option::is_some).collect())
    }

    fn locate(&mut self, snapshots: &[EntityId]) -> Result<Vec<Option<Located>>> {
        let keys: Vec<_> = snapshots.iter().map(|id| entity_key(Kind::Snapshot, *id)).collect();
        let found = self.runtime.block_on(self.snapshot.lookup(&keys))?;
        let mut located = Vec::with_capacity(found.len());
        for (id, found) in snapshots.iter().zip(found) {
            located.push(match found {
                None => None,
                Some((_, print)) => Some(self.find(*id, print).ok_or_else(|| {
                    Error::Damage(DamageError::Lost {
                        repo: self.reader.repo().clone(),
                        kind: Kind::Snapshot,
                        id: *id,
                        wanted_by: "a commit of its history".to_owned(),
                    })
                })?),
            });
        }
        Ok(located)
    }

    fn read(
        &mut self,
        snapshots: &[Located],
        each: &mut dyn FnMut(&Located, Kind, EntityId) -> Result<(), ProofError>,
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
