//! `verify --repair`: restores missing and damaged data from any intact copy that the store has.
//!
//! ```text
//! verify ─▶ a local copy of the pack itself: stored again
//!        ─▶ else each entity: another pack on a shelf, a retired one, an answer to a fetch
//!           else copied into a new pack: from what is left of damaged packs, from other repos
//!           ─▶ one transaction, as a push
//!        ─▶ all packs sound, the index not: rebuilt from the packs
//!        ─▶ verify
//! ```
//!
//! Copies are made by [`super::salvage`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek, Write};

use jiff::Timestamp;
use packhouse_catalog::{
    LockMode, PackRow, PublishOutcome, Push, PushedPack, RepoRow, RunsToMerge, Shelf, Snapshot,
};
use packhouse_model::error::{DamageError, Error, Result};
use packhouse_model::names::{MpackKey, RepoName, ShelfId};
use packhouse_model::progress::Progress;
use packhouse_model::report::{ProblemKind, Repaired, VerifyReport};
use packhouse_model::span::TARGET;
use packhouse_vault::StoredPack;

use super::gc::standing;
use super::load::{distinct_packs, examine};
use super::lost::{Candidate, Lost, LostRecords, add_lost, lost_of, name, take};
use super::salvage::SalvagedPack;
use super::verify::Seen;
use super::verify_catalog::entities;
use super::{Store, TRIES, blocking};

/// What to do about a pack that could not be repaired whole.
const WHAT_IS_LEFT: &str = "push the same bytes again, or restore it from a backup";

/// How an attempt ended.
struct Mended {
    repaired: Vec<Repaired>,
    /// What has no intact copy, by the pack that the index maps it to.
    left: BTreeMap<MpackKey, LostRecords>,
}

impl From<Vec<Repaired>> for Mended {
    fn from(repaired: Vec<Repaired>) -> Mended {
        Mended { repaired, left: BTreeMap::new() }
    }
}

impl Store {
    /// Verifies a repo and repairs what it can; the problems in the report are the remaining ones.
    #[tracing::instrument(target = TARGET, name = "repair", skip_all, fields(packhouse.repo = %repo))]
    pub async fn repair(&self, repo: &RepoName, progress: &Progress) -> Result<VerifyReport> {
        let row = self.known_repo(repo).await?;
        let mut repaired: Vec<Repaired> = Vec::new();
        for _ in 0..TRIES {
            let mut seen = self.verified(&row, WHAT_IS_LEFT, progress).await?;
            repaired.extend(seen.report.repaired.take().into_iter().flatten());
            let mended = match seen.report.ok {
                true => Some(Mended::from(Vec::new())),
                false => self.mend(&mut seen, progress).await?,
            };
            match mended {
                // It changed in the meantime.
                None => {}
                Some(Mended { repaired: now, left }) if now.is_empty() => {
                    self.prepare_fetches(&row, RunsToMerge::Due).await;
                    add_lost(&mut seen.report, &left);
                    return Ok(VerifyReport { repaired: Some(repaired), ..seen.report });
                }
                Some(mended) => repaired.extend(mended.repaired),
            }
        }
        Err(Error::Busy { repo: repo.clone(), what: "it was repaired" })
    }

    /// Repairs what it can, and reports it. None: the repo has changed since.
    async fn mend(&self, seen: &mut Seen, progress: &Progress) -> Result<Option<Mended>> {
        let packs = seen.packs();
        // The packs that are found are protected from deletion until they are on a shelf.
        let mut lock = self.catalog.lock(LockMode::Publishing).await?;
        let mut bad: BTreeMap<i64, &PackRow> = packs
            .iter()
            .filter(|pack| !seen.contents.contains_key(&pack.id))
            .map(|pack| (pack.id, pack))
            .collect();
        let mut done = self.restore_from_copies(&seen.row, &mut bad).await?;
        let problems = &seen.report.problems;
        let is_entity_lost = problems.iter().any(|found| found.kind == ProblemKind::LostEntity);
        if bad.is_empty() && !is_entity_lost {
            // An index is only made from packs that were read: those restored just now were not.
            return match seen.is_index_damaged && done.is_empty() {
                true => Ok(self.rebuild_index(seen, &lock).await?.map(Mended::from)),
                false => Ok(Some(done.into())),
            };
        }

        let mut snapshot = self.catalog.snapshot(seen.row.id).await?;
        if !is_as_seen(seen, snapshot.as_mut()).await? {
            return Ok(None);
        }
        let mut lost = match lost_of(seen, snapshot.as_mut()).await {
            // What is lost can't be told from a damaged index, nor the index be made without it.
            Err(Error::Damage(DamageError::DamagedCatalog { .. })) => {
                return Ok(Some(done.into()));
            }
            lost => lost?,
        };
        let mut from = self.find(seen, snapshot.as_mut(), &mut lost, progress).await?;
        let mut salvaged = Vec::new();
        // What whole packs have comes first, in an attempt of its own.
        if from.is_empty() && !lost.is_empty() {
            // The search may take long, and needs no lock: what it finds, it copies.
            let retired = snapshot.retired().await?.into_iter().map(|retired| retired.pack);
            drop((snapshot, lock));
            let copies = self.copy_lost(seen, retired.collect(), &lost, progress).await?;
            lock = self.catalog.lock(LockMode::Publishing).await?;
            snapshot = self.catalog.snapshot(seen.row.id).await?;
            if !is_as_seen(seen, snapshot.as_mut()).await? {
                return Ok(None);
            }
            salvaged = self.store_salvaged(&seen.row, copies).await?;
            from.extend(salvaged.iter().filter_map(|new| take(&mut lost, &new.pack)));
        }
        let left = name(seen, &lost, snapshot.as_mut()).await?;
        drop(snapshot);
        let broken: Vec<&Shelf> =
            seen.shelves.iter().filter(|shelf| bad.contains_key(&shelf.pack.id)).collect();
        if from.is_empty() && broken.iter().all(|shelf| shelf.mapped.total() > 0) {
            return Ok(Some(Mended { repaired: done, left }));
        }
        let mut repaired = repaired(seen, &bad, &from);
        repaired.extend(salvaged.iter().map(SalvagedPack::repaired));
        let push = Push {
            repo: seen.row.clone(),
            packs: from,
            known: Vec::new(),
            edges: Vec::new(),
            heads: Vec::new(),
            broken: broken.iter().map(|shelf| shelf.id).collect(),
            complete: None,
            forced: false,
            fence: self.fence,
            now: self.now(),
        };
        match self.catalog.publish_push(&push, &lock).await? {
            PublishOutcome::Done { .. } => done.extend(repaired),
            PublishOutcome::Changed => return Ok(None),
            PublishOutcome::LeaseLost => return Err(self.lease_lost()),
        }
        Ok(Some(Mended { repaired: done, left }))
    }

    /// Restores packs of which there is a local copy, and takes them from `bad`.
    async fn restore_from_copies(
        &self,
        row: &RepoRow,
        bad: &mut BTreeMap<i64, &PackRow>,
    ) -> Result<Vec<Repaired>> {
        let (mut done, mut restored) = (Vec::new(), Vec::new());
        for pack in bad.values() {
            if self.restore_from_copy(row, pack).await? {
                restored.push(pack.id);
                let detail = "it was restored from the local copy".into();
                done.push(Repaired { pack: Some(pack.key), entities: 0, from: Vec::new(), detail });
            }
        }
        bad.retain(|id, _| !restored.contains(id));
        Ok(done)
    }

    /// Finds packs that contain lost entities, and removes those from `lost`.
    async fn find(
        &self,
        seen: &Seen,
        snapshot: &mut dyn Snapshot,
        lost: &mut Lost,
        progress: &Progress,
    ) -> Result<Vec<PushedPack>> {
        let repo = &seen.row.name;
        let mut found = Vec::new();
        for pack in distinct_packs(&seen.shelves) {
            let Some(contents) = seen.contents.get(&pack.id) else { continue };
            let (key, bytes, records) = (pack.key, pack.bytes, pack.records);
            found.extend(take(
                lost,
                &Candidate { key, bytes, records, entities: contents.entities.clone() },
            ));
        }
        for retired in snapshot.retired().await? {
            if lost.is_empty() {
                break;
            }
            progress.at(&repo.to_string(), packhouse_model::progress::Phase::Verify, 0, 0)?;
            let key = retired.pack.key;
            let Some(stored) = self.vault.open_uncached(&key).await? else { continue };
            if let Some((candidate, _)) = read(stored, key).await? {
                found.extend(take(lost, &candidate));
            }
        }
        // A pack that was assembled for a fetch of this repo becomes one of its packs.
        if !lost.is_empty() {
            for key in self.catalog.expired_answers(seen.row.id, Timestamp::MAX).await? {
                let Some(stored) = self.vault.open_answer(&seen.row.repo_id, &key).await? else {
                    continue;
                };
                let Some((candidate, stored)) = read(stored, key).await? else { continue };
                if let Some(taken) = take(lost, &candidate) {
                    self.store_copy(stored, &key).await?;
                    found.push(taken);
                }
            }
        }
        Ok(found)
    }

    /// Stores a pack again from a copy on the local disk, if there is an intact one.
    async fn restore_from_copy(&self, row: &RepoRow, pack: &PackRow) -> Result<bool> {
        if !self.vault.is_remote() {
            return Ok(false);
        }
        let Some(stored) = self.vault.open_cached(&pack.key).await? else { return Ok(false) };
        let key = pack.key;
        let (stored, found) =
            blocking(move || super::load::hash(&stored).map(|found| (stored, found))).await?;
        if found != key {
            return Ok(false);
        }
        self.store_copy(stored, &key).await?;
        tracing::info!(repo = %row.name, "restored pack {key}, which was missing or damaged, from a local copy");
        Ok(true)
    }

    /// Stores bytes that were read and hashed as the pack of their key.
    async fn store_copy(&self, mut stored: StoredPack, key: &MpackKey) -> Result<()> {
        let mut staged = self.stage().await?;
        let staged = blocking(move || {
            let path = staged.path().to_owned();
            let mut chunk = vec![0; 1 << 20];
            stored.file.rewind().map_err(Error::io("reading", &stored.path))?;
            loop {
                match stored.file.read(&mut chunk).map_err(Error::io("reading", &stored.path))? {
                    0 => break,
                    n => staged.file.write_all(&chunk[..n]).map_err(Error::io("writing", &path))?,
                }
            }
            // The written bytes are hashed, not those in memory.
            let written = packhouse_model::files::key_of(&staged.file)
                .map_err(Error::io("reading", &path))?;
            Ok((written, staged))
        })
        .await?;
        match staged {
            (written, staged) if written == *key => self.vault.store(staged, key).await,
            (copied, _) => Err(Error::CopyDiffers { pack: *key, copied }),
        }
    }
}

/// Reads a whole file; none if it is not an intact pack of its key.
async fn read(stored: StoredPack, key: MpackKey) -> Result<Option<(Candidate, StoredPack)>> {
    let (examined, stored) =
        blocking(move || examine(&stored, |_| Ok(())).map(|examined| (examined, stored))).await?;
    let bytes = examined.bytes;
    let Ok(scanned) = examined.sound(&key) else { return Ok(None) };
    let (records, entities) = (scanned.rows.len() as u64, entities(&scanned));
    Ok(Some((Candidate { key, bytes, records, entities }, stored)))
}

/// Whether a repo is still as a verification has seen it.
async fn is_as_seen(seen: &Seen, snapshot: &mut dyn Snapshot) -> Result<bool> {
    Ok(snapshot.repo().revision == seen.row.revision
        && standing(&snapshot.shelves().await?) == standing(&seen.shelves))
}

/// What was repaired, one line for each lost pack.
fn repaired(seen: &Seen, bad: &BTreeMap<i64, &PackRow>, from: &[PushedPack]) -> Vec<Repaired> {
    let pack_of: BTreeMap<ShelfId, &PackRow> =
        seen.shelves.iter().map(|shelf| (shelf.id, &shelf.pack)).collect();
    let mut all: BTreeMap<MpackKey, (u64, BTreeSet<MpackKey>)> =
        bad.values().map(|pack| (pack.key, Default::default())).collect();
    for pack in from {
        for moved in &pack.moved {
            let Some(there) = pack_of.get(&moved.from) else { continue };
            let (entities, keys) = all.entry(there.key).or_default();
            *entities += 1;
            keys.insert(pack.key);
        }
    }
    let mapped: BTreeMap<MpackKey, u64> =
        seen.shelves.iter().fold(BTreeMap::new(), |mut sums, shelf| {
            *sums.entry(shelf.pack.key).or_default() += shelf.mapped.total();
            sums
        });
    let report = |(pack, (entities, from)): (MpackKey, (u64, BTreeSet<MpackKey>))| {
        let of = mapped.get(&pack).copied().unwrap_or(0);
        let detail = match (entities, of) {
            (0, 0) => "the index did not use it; it was removed from its shelf".to_owned(),
            (0, _) => return None,
            _ if entities >= of => {
                format!("all {entities} records of it are read from other packs now")
            }
            _ => format!("{entities} of {of} records of it are read from other packs now"),
        };
        Some(Repaired { pack: Some(pack), entities, from: from.into_iter().collect(), detail })
    };
    all.into_iter().filter_map(report).collect()
}
