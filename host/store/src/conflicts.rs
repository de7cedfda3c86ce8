//! Encoding conflicts of a push: entities that the repo has in another encoding. The component reads
//! both, and says which is preferred.

use std::collections::BTreeMap;

use packhouse_catalog::{EntityKey, PackRow, entity_key};
use packhouse_core::row::Fingerprint;
use packhouse_core::{EncodingConflict, Row};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{RepoName, ShelfId};
use packhouse_run::RunPack;

use super::Store;
use super::compare::PushComparison;
use super::placement::PushedEntity;

/// A pushed entity that the index maps in another encoding: to this shelf, in that encoding.
pub(super) type DifferentEntity = (PushedEntity, ShelfId, Fingerprint);

/// Those of some pushed entities that the repo has in another encoding. What can't be read is not
/// compared, and stays mapped as it is until its own encoding is pushed again.
pub(super) fn different(
    chosen: &[PushedEntity],
    comparison: &PushComparison,
) -> Vec<DifferentEntity> {
    let differs = |pushed: &PushedEntity| {
        let (shelf, fingerprint) = comparison.index.place(&pushed.entity)?;
        let is_other = fingerprint != pushed.row.fingerprint && !comparison.broken.contains(&shelf);
        is_other.then_some((*pushed, shelf, fingerprint))
    };
    chosen.iter().filter_map(differs).collect()
}

impl Store {
    /// Finds the stored encodings, and adds their packs to the run.
    pub(super) async fn find_conflicts(
        &self,
        repo: &RepoName,
        shelves: &BTreeMap<ShelfId, PackRow>,
        different: &[DifferentEntity],
        packs: &mut Vec<RunPack>,
    ) -> Result<Vec<EncodingConflict>> {
        if different.is_empty() {
            return Ok(Vec::new());
        }
        let needed: BTreeMap<i64, &PackRow> = different
            .iter()
            .filter_map(|(_, shelf, _)| shelves.get(shelf))
            .map(|pack| (pack.id, pack))
            .collect();
        let first = packs.len();
        let needed: Vec<PackRow> = needed.into_values().cloned().collect();
        packs.extend(self.directories(repo, &needed).await?);
        // Where each of the entities is in the pack that the index maps it to.
        let wanted: BTreeMap<EntityKey, Fingerprint> =
            different.iter().map(|(c, _, fingerprint)| (c.entity, *fingerprint)).collect();
        let mut places: BTreeMap<(i64, EntityKey), (u32, Row)> = BTreeMap::new();
        for (i, pack) in needed.iter().enumerate() {
            let number = (first + i) as u32;
            for row in packs[first + i].directory.rows() {
                let entity = entity_key(row.kind, row.id);
                // A pack may repeat an entity: it is the encoding that the index maps which has to
                // be beaten.
                if wanted.get(&entity) == Some(&row.fingerprint) {
                    places.insert((pack.id, entity), (number, row));
                }
            }
        }
        let mut conflicts = Vec::with_capacity(different.len());
        for (c, shelf, _) in different {
            let place = shelves.get(shelf).and_then(|pack| places.get(&(pack.id, c.entity)));
            let Some((pack, row)) = place else {
                let (kind, id) = (c.row.kind, c.row.id);
                return Err(Error::Damage(DamageError::Lost {
                    repo: repo.clone(),
                    kind,
                    id,
                    wanted_by: "the push".into(),
                }));
            };
            conflicts.push(EncodingConflict {
                kind: c.row.kind,
                pushed: c.row.span(c.pack),
                stored: row.span(*pack),
            });
        }
        Ok(conflicts)
    }
}
