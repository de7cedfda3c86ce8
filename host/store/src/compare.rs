//! A push, compared with the repo: which of its files are new, which are packs of the repo that are
//! missing or damaged, and where the index maps what they hold.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_catalog::{EntityKey, PackRow, RepoRow, Snapshot, entity_key};
use packhouse_core::row::Fingerprint;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, ShelfId};
use packhouse_model::report::Damage;
use packhouse_model::span::TARGET;

use super::Store;
use super::damage::CONCURRENT_CHECKS;
use super::receive::{StagedPack, entities_of};

/// A push compared with the repo.
pub(super) struct PushComparison {
    /// The numbers of the files that become packs on shelves of their own: those whose bytes the
    /// repo does not have, and those with records that the index maps to a missing or damaged pack.
    pub(super) fresh: Vec<usize>,
    /// The numbers of the files that are packs of the repo which are missing or damaged: they are
    /// stored again.
    pub(super) lost: Vec<usize>,
    /// Other shelves whose packs are missing or damaged.
    pub(super) broken: BTreeSet<ShelfId>,
    /// Where the index maps what the files hold.
    pub(super) index: KnownEntities,
}

/// Where the index maps some entities.
pub(super) struct KnownEntities {
    /// In order.
    entities: Vec<EntityKey>,
    places: Vec<Option<(ShelfId, Fingerprint)>>,
    /// The packs on those shelves.
    pub(super) shelves: BTreeMap<ShelfId, PackRow>,
}

impl KnownEntities {
    async fn read(snapshot: &mut dyn Snapshot, received: &[StagedPack]) -> Result<KnownEntities> {
        let entities = entities_of(received);
        let places = snapshot.lookup(&entities).await?;
        let mapped: BTreeSet<ShelfId> = places.iter().flatten().map(|(shelf, _)| *shelf).collect();
        let shelves = snapshot.packs_on(&mapped.into_iter().collect::<Vec<_>>()).await?;
        Ok(KnownEntities { entities, places, shelves })
    }

    /// Where the index maps an entity of the push.
    pub(super) fn place(&self, entity: &EntityKey) -> Option<(ShelfId, Fingerprint)> {
        self.entities.binary_search(entity).ok().and_then(|at| self.places[at])
    }

    /// Whether the index maps a record of a file to one of some shelves.
    fn maps_to(&self, shelves: &BTreeSet<ShelfId>, one: &StagedPack) -> bool {
        one.written.scanned.rows.iter().any(|row| {
            let place = self.place(&entity_key(row.kind, row.id));
            place.is_some_and(|(shelf, fingerprint)| {
                fingerprint == row.fingerprint && shelves.contains(&shelf)
            })
        })
    }
}

impl Store {
    /// Compares a push with the repo, and checks that the repo's packs exist. No pack is read.
    #[tracing::instrument(target = TARGET, name = "compare", skip_all)]
    pub(super) async fn compare_push(
        &self,
        row: &RepoRow,
        snapshot: &mut dyn Snapshot,
        received: &[StagedPack],
    ) -> Result<PushComparison> {
        let mut fresh = fresh_files(snapshot, received).await?;
        let index = KnownEntities::read(snapshot, received).await?;
        let held = held_files(received, &fresh);
        let keys: Vec<MpackKey> = held.keys().copied().collect();
        let shelved: Vec<PackRow> = snapshot.shelved(&keys).await?.into_iter().flatten().collect();
        let known = snapshot.damage().await?;
        let packs = index.shelves.values().chain(&shelved).map(|pack| (pack.key, pack)).collect();
        let wrong = self.wrong_of(packs, &known).await?;

        let stored_again: BTreeSet<MpackKey> =
            shelved.iter().map(|pack| pack.key).filter(|key| wrong.contains(key)).collect();
        let lost = stored_again.iter().map(|key| held[key]).collect();
        let is_broken =
            |pack: &PackRow| wrong.contains(&pack.key) && !stored_again.contains(&pack.key);
        let broken: BTreeSet<ShelfId> = index
            .shelves
            .iter()
            .filter(|(_, pack)| is_broken(pack))
            .map(|(shelf, _)| *shelf)
            .collect();
        if !broken.is_empty() {
            tracing::warn!(repo = %row.name, "packs that the index maps pushed records to are missing or damaged");
            let heals = |number: &usize| index.maps_to(&broken, &received[*number]);
            fresh.extend(held.into_values().filter(heals));
            fresh.sort_unstable();
        }
        Ok(PushComparison { fresh, lost, broken, index })
    }

    /// Those of some packs that are missing, of the wrong size, or remembered as damaged.
    async fn wrong_of(
        &self,
        packs: BTreeMap<MpackKey, &PackRow>,
        known: &[Damage],
    ) -> Result<BTreeSet<MpackKey>> {
        let remembered: BTreeSet<MpackKey> =
            known.iter().filter_map(|damage| damage.mpack_key).collect();
        let looks: Vec<_> = packs
            .into_values()
            .map(|pack| {
                let known = remembered.contains(&pack.key);
                async move {
                    Ok::<_, Error>(
                        (known || self.looks_wrong(pack).await?.is_some()).then_some(pack.key),
                    )
                }
            })
            .collect();
        let found: Vec<Option<MpackKey>> =
            stream::iter(looks).buffered(CONCURRENT_CHECKS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

/// The numbers of the files whose bytes the repo does not have; of equal ones the first.
async fn fresh_files(snapshot: &mut dyn Snapshot, received: &[StagedPack]) -> Result<Vec<usize>> {
    let keys: Vec<MpackKey> = received.iter().map(|one| one.written.key).collect();
    let held = snapshot.holds(&keys).await?;
    let mut met = BTreeSet::new();
    Ok((0..received.len()).filter(|i| !held[*i] && met.insert(keys[*i])).collect())
}

/// The first file of each key that the repo has, by key.
fn held_files(received: &[StagedPack], fresh: &[usize]) -> BTreeMap<MpackKey, usize> {
    let mut held = BTreeMap::new();
    for (number, one) in received.iter().enumerate() {
        held.entry(one.written.key).or_insert(number);
    }
    held.retain(|_, number| !fresh.contains(number));
    held
}
