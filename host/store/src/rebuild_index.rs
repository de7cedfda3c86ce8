//! Rebuilds the index of a repo from its packs, when it is damaged and all packs are sound.
//!
//! Which pack an entity is mapped to follows from the packs ([`super::placement`]); of several
//! shelves with one pack it is the newest, so that nothing expires earlier than it would have. An
//! index that would not have as many entities as the catalog counts is not published: what a pack
//! that is no longer known held would be forgotten silently (law 12).

use std::collections::BTreeMap;
use std::sync::Arc;

use packhouse_catalog::{
    IndexRow, IndexedEntity, LockGuard, PublishOutcome, RebuiltIndex, entity_of,
};
use packhouse_core::Counts;
use packhouse_model::error::Result;
use packhouse_model::names::ShelfId;
use packhouse_model::report::{Problem, ProblemKind, Repaired};

use super::gc::standing;
use super::placement::{PushedEntity, choose};
use super::verify::Seen;
use super::{Store, blocking};

impl Store {
    /// Rebuilds an index from the sound packs of a repo, and reports it; if it can't, it adds why to
    /// the problems. None: the repo has changed since.
    pub(super) async fn rebuild_index(
        &self,
        seen: &mut Seen,
        lock: &LockGuard,
    ) -> Result<Option<Vec<Repaired>>> {
        let packs = seen.packs();
        let directories = Arc::new(self.directories(&seen.row.name, &packs).await?);
        let mut reader = self.run_packs(&seen.row.name, directories.clone());
        let is_consolidated: Vec<bool> = packs.iter().map(|pack| pack.consolidated).collect();
        let chosen = blocking(move || {
            choose(&mut reader, &directories, &vec![true; directories.len()], &is_consolidated)
        })
        .await?;

        let (counts, counted) = (counts(&chosen), seen.row.sums.mapped);
        if counts != counted {
            seen.report.problems.push(Problem {
                kind: ProblemKind::DamagedCatalog,
                entity: None,
                pack: None,
                detail: format!(
                    "the index can't be rebuilt: its packs have {} entities, and the catalog counts {}. Restore the catalog from a backup (made with packhouse backup)",
                    counts.total(),
                    counted.total()
                ),
            });
            return Ok(Some(Vec::new()));
        }
        let shelves: BTreeMap<i64, ShelfId> =
            seen.shelves.iter().map(|shelf| (shelf.pack.id, shelf.id)).collect();
        let shelf_of: Vec<ShelfId> = packs.iter().map(|pack| shelves[&pack.id]).collect();
        let entity = |one: &PushedEntity| IndexedEntity {
            row: IndexRow { entity: one.entity, fingerprint: one.row.fingerprint },
            shelf: shelf_of[one.pack as usize],
            bytes: one.row.length,
        };
        let index = RebuiltIndex {
            repo: seen.row.clone(),
            shelves: standing(&seen.shelves),
            entities: chosen.iter().map(entity).collect(),
            fence: self.fence,
            now: self.now(),
        };
        match self.catalog.rebuild_index(&index, lock).await? {
            PublishOutcome::Done { .. } => Ok(Some(vec![Repaired {
                pack: None,
                entities: counts.total(),
                from: packs.iter().map(|pack| pack.key).collect(),
                detail: "the index was damaged, and was rebuilt from the packs".into(),
            }])),
            PublishOutcome::Changed => Ok(None),
            PublishOutcome::LeaseLost => Err(self.lease_lost()),
        }
    }
}

/// How many entities of each kind there are.
fn counts(entities: &[PushedEntity]) -> Counts {
    let mut counts = Counts::default();
    for (kind, _) in entities.iter().filter_map(|one| entity_of(&one.entity)) {
        *counts.of(kind) += 1;
    }
    counts
}
