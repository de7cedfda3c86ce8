//! Checks that the packs that repos need exist and are intact, before other packs are deleted that
//! may be the last good copy of their data.
//!
//! A repo that has retired a pack needs the packs on its shelves instead. All of them are read and
//! hashed, bypassing caches, unless the caller trusts recent verifications. Each pack is read once
//! per prune, without a lock; then, under the lock, packhouse checks that the shelves are still the
//! same.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use packhouse_catalog::{DamageFindings, PackRow, UnneededPack};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{Damage, KeptPack};

use super::Store;
use super::load::distinct_packs;

/// The checks of one prune.
pub(super) struct CheckedPacks {
    now: Timestamp,
    /// The maximum age of a trusted verification.
    trust: SignedDuration,
    /// Whether nothing is deleted: then a pack that was hashed when it was stored is as good as one
    /// that was read since.
    dry_run: bool,
    /// Packs, with their problems.
    packs: BTreeMap<MpackKey, Option<String>>,
    /// The packs that were read by this prune.
    read: BTreeSet<MpackKey>,
}

/// What a repo needs.
pub(super) struct RepoNeeds {
    pub(super) name: RepoName,
    /// The packs on its shelves.
    pub(super) packs: Vec<PackRow>,
    /// Its known damage.
    pub(super) damage: Vec<Damage>,
}

/// A missing or damaged pack of a repo.
pub(super) struct Lack {
    pub(super) repo: RepoName,
    /// The pack that is missing or damaged; none if the index does not match the packs.
    pack: Option<MpackKey>,
    /// What is wrong.
    wrong: String,
}

impl Lack {
    /// Why a pack that was replaced is kept.
    fn keeps_replaced(&self) -> String {
        let what = match self.pack {
            None => self.of_index(),
            Some(pack) => {
                format!("pack {pack}, which replaces it, is damaged: {}", self.wrong)
            }
        };
        format!("{what}. {}", self.way_out())
    }

    /// Why an expired answer is kept.
    pub(super) fn keeps_answer(&self) -> String {
        let what = match self.pack {
            None => self.of_index(),
            Some(pack) => {
                format!("pack {pack}, which the repo needs, is damaged: {}", self.wrong)
            }
        };
        format!(
            "it is an expired fetch result that may be the last good copy: {what}. {}",
            self.way_out()
        )
    }

    /// Why orphans in a place are kept.
    pub(super) fn keeps_orphan(&self, place: &str) -> String {
        let what = match self.pack {
            None => format!("a repo is damaged: {}", self.of_index()),
            Some(pack) => {
                format!(
                    "pack {pack}, which a repo needs, is missing or damaged in {place}: {}",
                    self.wrong
                )
            }
        };
        format!(
            "{what}; no orphan is deleted while anything is missing or damaged. Run: packhouse verify {}",
            self.repo
        )
    }

    fn of_index(&self) -> String {
        format!("the index of the repo does not match its packs: {}", self.wrong)
    }

    fn way_out(&self) -> String {
        format!(
            "Run: packhouse verify --repair {}; or push the lost data again, or restore it from a backup",
            self.repo
        )
    }
}

impl CheckedPacks {
    pub(super) fn new(now: Timestamp, trust: SignedDuration, dry_run: bool) -> CheckedPacks {
        CheckedPacks { now, trust, dry_run, packs: BTreeMap::new(), read: BTreeSet::new() }
    }

    /// The damage to record.
    pub(super) fn findings(&self) -> DamageFindings {
        let mut findings = DamageFindings::at(self.now);
        for (key, wrong) in &self.packs {
            match wrong {
                Some(detail) => findings.damaged.push(Damage {
                    mpack_key: Some(*key),
                    since: self.now,
                    found_by: "prune".into(),
                    detail: detail.clone(),
                }),
                None => findings.sound.extend(self.read.get(key)),
            }
        }
        findings
    }

    fn is_sound(&self, key: &MpackKey) -> bool {
        self.packs.get(key).is_some_and(Option::is_none)
    }

    /// Whether its last verification is recent enough. A time in the future is not.
    fn trusts(&self, pack: &PackRow) -> bool {
        let stored_at = self.dry_run.then_some(pack.stored_at);
        let age = pack.verified_at.or(stored_at).map(|at| self.now.duration_since(at));
        !self.trust.is_zero() && age.is_some_and(|age| !age.is_negative() && age <= self.trust)
    }
}

impl Store {
    /// What a repo needs; none if it was deleted.
    pub(super) async fn needs_of(&self, repo: i64) -> Result<Option<RepoNeeds>> {
        let mut snapshot = match self.catalog.snapshot(repo).await {
            Ok(snapshot) => snapshot,
            Err(Error::DeletedMeanwhile) => return Ok(None),
            Err(error) => return Err(error),
        };
        let name = snapshot.repo().name.clone();
        Ok(Some(RepoNeeds {
            name,
            packs: distinct_packs(&snapshot.shelves().await?),
            damage: snapshot.damage().await?,
        }))
    }

    /// Separates packs whose replacements are intact from those that are kept.
    pub(super) async fn with_sound_replacement(
        &self,
        packs: &[UnneededPack],
        checked: &mut CheckedPacks,
        progress: &Progress,
    ) -> Result<(Vec<UnneededPack>, Vec<KeptPack>)> {
        let repos: BTreeSet<i64> =
            packs.iter().flat_map(|unneeded| unneeded.repos.iter().copied()).collect();
        let mut lacking: BTreeMap<i64, Lack> = BTreeMap::new();
        for repo in repos {
            if let Some(lack) = self.lack_of(repo, checked, progress).await? {
                lacking.insert(repo, lack);
            }
        }
        let (mut good, mut kept) = (Vec::new(), Vec::new());
        for unneeded in packs {
            let lacks: Vec<_> =
                unneeded.repos.iter().filter_map(|repo| lacking.get(repo)).collect();
            if lacks.is_empty() {
                good.push(unneeded.clone());
            }
            let pack = unneeded.pack.key;
            kept.extend(lacks.into_iter().map(|lack| KeptPack {
                repo: lack.repo.clone(),
                pack,
                detail: lack.keeps_replaced(),
            }));
        }
        Ok((good, kept))
    }

    /// The first missing or damaged pack of a repo, if there is one.
    pub(super) async fn lack_of(
        &self,
        repo: i64,
        checked: &mut CheckedPacks,
        progress: &Progress,
    ) -> Result<Option<Lack>> {
        let Some(RepoNeeds { name, packs, damage: known }) = self.needs_of(repo).await? else {
            return Ok(None);
        };
        if let Some(damage) = known.iter().find(|damage| damage.mpack_key.is_none()) {
            return Ok(Some(Lack { repo: name, pack: None, wrong: damage.detail.clone() }));
        }
        let total = packs.iter().map(|pack| pack.bytes).sum();
        let (mut done, mut lack) = (0, None);
        for pack in &packs {
            progress.at(&name.to_string(), Phase::Verify, done, total)?;
            let damaged = known.iter().any(|damage| damage.mpack_key == Some(pack.key));
            if let Some(wrong) = self.check_pack(pack, damaged, checked).await? {
                lack.get_or_insert((pack.key, wrong));
            }
            done += pack.bytes;
        }
        match lack {
            None => Ok(None),
            // It may have been replaced and deleted during the check.
            Some(_) if !self.still_needs(repo, checked).await? => {
                Box::pin(self.lack_of(repo, checked, progress)).await
            }
            Some((pack, wrong)) => Ok(Some(Lack { repo: name, pack: Some(pack), wrong })),
        }
    }

    /// Whether the packs that a repo needs are those that were checked, intact or not.
    async fn still_needs(&self, repo: i64, checked: &CheckedPacks) -> Result<bool> {
        let wrong = |key: &MpackKey| checked.packs.get(key).is_some_and(Option::is_some);
        let needs = self.needs_of(repo).await?;
        Ok(needs.is_some_and(|needs| needs.packs.iter().any(|pack| wrong(&pack.key))))
    }

    /// Reads a pack, and returns its problem, if any.
    async fn check_pack(
        &self,
        pack: &PackRow,
        damaged: bool,
        checked: &mut CheckedPacks,
    ) -> Result<Option<String>> {
        if let Some(found) = checked.packs.get(&pack.key) {
            return Ok(found.clone());
        }
        let wrong = if checked.trusts(pack) && !damaged {
            self.looks_wrong(pack).await?
        } else {
            let place = self.vault.place_of(&pack.key);
            let found = self.vault.hash_uncached(&pack.key).await?;
            checked.read.insert(pack.key);
            match found {
                Some(found) if found == pack.key => None,
                Some(found) => Some(format!("hash mismatch: the SHA-256 of {place} is {found}")),
                None => Some(format!("{place} is missing")),
            }
        };
        checked.packs.insert(pack.key, wrong.clone());
        Ok(wrong)
    }

    /// Whether the repos that have retired packs need only packs that were checked and are intact.
    pub(super) async fn still_replaced(
        &self,
        packs: &[UnneededPack],
        checked: &CheckedPacks,
    ) -> Result<bool> {
        let repos: BTreeSet<i64> =
            packs.iter().flat_map(|unneeded| unneeded.repos.iter().copied()).collect();
        for repo in repos {
            let Some(needs) = self.needs_of(repo).await? else { continue };
            if !needs.packs.iter().all(|pack| checked.is_sound(&pack.key)) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
