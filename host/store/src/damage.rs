//! Damage: its record, and what a push can repair.
//!
//! What a verb finds missing or damaged is recorded in the catalog, with the time and the verb, and
//! shown until it is found intact: by a verification, by a prune that reads it, or by storing the
//! same bytes again. A damaged local copy of a pack is not damage.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, TryStreamExt, stream};
use packhouse_catalog::{DamageFindings, EntityKey, PackRow, RepoRow, Snapshot, entity_key};
use packhouse_core::row::Fingerprint;
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName, ShelfId};
use packhouse_model::report::Damage;

use super::Store;
use super::push::{StagedPack, fresh_files};

/// Packs that are looked for at once.
pub(super) const CONCURRENT_CHECKS: usize = 16;

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
    /// Where the index maps an entity of the push.
    pub(super) fn place(&self, entity: &EntityKey) -> Option<(ShelfId, Fingerprint)> {
        self.entities.binary_search(entity).ok().and_then(|at| self.places[at])
    }
}

impl Store {
    /// Passes on the result of a verb, and records damage that it has met.
    pub(super) async fn remembering<T>(
        &self,
        repo: i64,
        found_by: &str,
        done: Result<T>,
    ) -> Result<T> {
        let Err(error) = &done else { return done };
        let damage = |mpack_key, detail| Damage {
            mpack_key,
            since: self.now(),
            found_by: found_by.to_owned(),
            detail,
        };
        let found = match error {
            Error::MissingPack { key, place, .. } => {
                damage(Some(*key), format!("{place} is missing"))
            }
            Error::DamagedPack { key, detail, .. } => damage(Some(*key), detail.clone()),
            Error::Lost { kind, id, wanted_by, .. } => {
                damage(None, format!("{kind} {id} is lost (wanted by {wanted_by})"))
            }
            _ => return done,
        };
        let mut findings = DamageFindings::at(found.since);
        match found.mpack_key {
            Some(_) => findings.damaged.push(found),
            None => findings.repo = Some((repo, Some(found))),
        }
        self.note_found(&findings).await;
        done
    }

    /// Remembers what reading packs has shown, if the catalog can be written: nothing depends on
    /// it.
    pub(super) async fn note_found(&self, findings: &DamageFindings) {
        let DamageFindings { sound, damaged, repo, .. } = findings;
        if sound.is_empty() && damaged.is_empty() && repo.is_none() {
            return;
        }
        if let Err(error) = self.catalog.note_findings(findings).await {
            tracing::warn!("damage could not be recorded: {error}");
        }
    }

    /// What is wrong with a stored pack, as far as it shows without reading it; none: it exists,
    /// and has the right size.
    pub(super) async fn looks_wrong(&self, pack: &PackRow) -> Result<Option<String>> {
        let place = self.vault.place_of(&pack.key);
        Ok(match self.vault.size_of(&pack.key).await? {
            Some(bytes) if bytes == pack.bytes => None,
            Some(bytes) => Some(format!("{place} has {bytes} bytes; {} were stored", pack.bytes)),
            None => Some(format!("{place} is missing")),
        })
    }

    /// Fails for a pack that is missing, is of the wrong size, or is remembered as damaged.
    pub(super) async fn must_be_there(
        &self,
        repo: &RepoName,
        pack: &PackRow,
        known: &[Damage],
    ) -> Result<()> {
        let key = &pack.key;
        match self.vault.size_of(key).await? {
            None => return Err(self.missing(repo, key)),
            Some(bytes) if bytes != pack.bytes => {
                let detail = format!("it has {bytes} bytes; {} were stored", pack.bytes);
                return Err(self.damaged(repo, key, detail));
            }
            Some(_) => {}
        }
        match known.iter().find(|damage| damage.mpack_key == Some(*key)) {
            None => Ok(()),
            Some(Damage { since, found_by, detail, .. }) => Err(self.damaged(
                repo,
                key,
                format!("{detail} (found by {found_by} at {since}; not verified since)"),
            )),
        }
    }

    /// Compares a push with the repo, and checks that the repo's packs exist. No pack is read.
    pub(super) async fn compare_push(
        &self,
        row: &RepoRow,
        snapshot: &mut dyn Snapshot,
        received: &[StagedPack],
    ) -> Result<PushComparison> {
        let mut fresh = fresh_files(snapshot, received).await?;
        let rows = || received.iter().flat_map(|one| &one.written.scanned.rows);
        let mut entities: Vec<EntityKey> = rows().map(|row| entity_key(row.kind, row.id)).collect();
        entities.sort_unstable();
        entities.dedup();
        let places = snapshot.lookup(&entities).await?;
        let mapped: BTreeSet<ShelfId> = places.iter().flatten().map(|(shelf, _)| *shelf).collect();
        let shelves = snapshot.packs_on(&mapped.into_iter().collect::<Vec<_>>()).await?;
        let index = KnownEntities { entities, places, shelves };

        // The first file of each key that the repo has.
        let mut held: BTreeMap<MpackKey, usize> = BTreeMap::new();
        for (number, one) in received.iter().enumerate() {
            held.entry(one.written.key).or_insert(number);
        }
        held.retain(|_, number| !fresh.contains(number));
        let keys: Vec<MpackKey> = held.keys().copied().collect();
        let shelved = snapshot.shelved(&keys).await?;
        let known = snapshot.damage().await?;
        let packs = index
            .shelves
            .values()
            .chain(shelved.iter().flatten())
            .map(|pack| (pack.key, pack))
            .collect();
        let wrong = self.wrong_of(packs, &known).await?;

        let lost = shelved
            .iter()
            .flatten()
            .filter(|pack| wrong.contains(&pack.key))
            .map(|pack| held[&pack.key]);
        let lost: Vec<usize> = lost.collect();
        let stored_again: BTreeSet<MpackKey> =
            lost.iter().map(|number| received[*number].written.key).collect();
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
            let heals = |number: &usize| {
                received[*number].written.scanned.rows.iter().any(|row| {
                    let place = index.place(&entity_key(row.kind, row.id));
                    place.is_some_and(|(shelf, fingerprint)| {
                        fingerprint == row.print && broken.contains(&shelf)
                    })
                })
            };
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
