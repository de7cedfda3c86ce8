//! `backup`: a copy of the store in another folder, which is a store itself.
//!
//! ```text
//! most packs ─▶ block deletion: catalog (one state), packs since ─▶ unblock ─▶ verify the copy ─▶ its name
//! ```
//!
//! The catalog lists the packs, and packs never change. Therefore the catalog is copied first, then
//! the packs, while [`LockMode::Publishing`] blocks deletions. Pushes continue. Most packs are
//! linked or copied before that, so deletions don't wait long. A backup is complete, verified and
//! durable, or does not exist; if an update is interrupted, it is either the old or the new backup.
//! See `docs/decisions/0018-backup.md`.

mod folder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use packhouse_catalog::{Catalog, DamageFindings, LockGuard, LockMode};
use packhouse_model::error::{BackupError, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::operation::VerifyOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{BackupProblem, BackupReport, Damage, ProblemKind};
use packhouse_vault::{ListedPack, Vault};
use ring::digest::{SHA256, digest};

use self::folder::{BackupFolder, Manifest};
use super::load::hash;
use super::{Store, blocking};

/// Number of packs per query of the catalog.
const BATCH: usize = 64;

/// Page size of lists of repos.
const PAGE: u32 = 1000;

/// Options of a backup.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackupOptions {
    /// Update an existing backup.
    pub update: bool,
}

/// What has been done so far.
#[derive(Debug, Default)]
struct BackupCounts {
    linked: u64,
    copied: u64,
}

impl Store {
    /// Copies the store to a folder, and verifies the copy. The store can be used in the meantime.
    ///
    /// # Errors
    /// [`BackupError`] when the catalog or the packs are on a server, which has backups of its own;
    /// when the folder exists and is not a backup of this store. When something can't be
    /// read or written: then there is no backup, or the one before. Damage is reported, and is no
    /// error; what is intact is kept.
    pub async fn back_up(
        &self,
        to: &Path,
        options: BackupOptions,
        progress: &Progress,
    ) -> Result<BackupReport> {
        let start = self.clock.now();
        self.is_in_files()?;
        let work =
            BackupFolder::begin(to, options.update, &self.vault.folder(), self.clock.random_id())?;
        let old = if work.is_new() { Vec::new() } else { self.own_backup(&work).await?.contents };

        let mut tally = BackupCounts::default();
        self.bring(&self.known_packs().await?, &work, &mut tally, progress).await?;
        let draft = work.draft()?;
        let lock = self.no_deletions().await?;
        self.catalog.copy_to(&draft).await?;
        self.bring(&self.known_packs().await?, &work, &mut tally, progress).await?;
        let lacks = self.lacks().await?;
        drop(lock);

        let copy = self.with_files(self.catalog.open_copy(&draft).await?, work.folder())?;
        let checked = self.checked(&copy, &work, &lacks, &mut tally, progress).await;
        let contents = contents(copy.catalog.as_ref()).await;
        let repos = copy.names().await;
        copy.catalog.close().await;
        let (problems, packs, removed) = checked?;
        self.catalog.settle_copy(&draft).await?;

        let mark = |contents| Manifest {
            backup_of: self.catalog.identity(),
            made_at: self.clock.now(),
            contents,
        };
        let now = contents?;
        if !work.is_new() && work.catalog().exists() {
            work.put_mark(&mark([old, vec![now.clone()]].concat()))?;
            self.catalog.settle_copy(&work.catalog()).await?;
        }
        work.publish_draft()?;
        work.put_mark(&mark(vec![now]))?;
        for key in &removed {
            copy.vault.remove(key).await?;
        }
        let report = BackupReport {
            directory: work.place().display().to_string(),
            repos: repos?.len() as u64,
            packs: packs.len() as u64,
            bytes: packs.iter().map(|pack| pack.bytes).sum(),
            linked: tally.linked,
            copied: tally.copied,
            removed: removed.len() as u64,
            verified: packs.len() as u64,
            ok: problems.is_empty(),
            problems,
            elapsed_ms: self.millis_since(start),
        };
        work.finish()?;
        Ok(report)
    }

    /// Refuses stores on servers.
    fn is_in_files(&self) -> Result<()> {
        if self.catalog.is_file() && self.vault.file_of(&MpackKey::new([0; 32])).is_some() {
            return Ok(());
        }
        let (catalog, packs) = (self.catalog.place(), self.vault.place());
        Err(BackupError::OnServer { catalog, packs }.into())
    }

    /// An existing backup must be one of this store, and must not have been written to: those
    /// changes would be lost.
    async fn own_backup(&self, work: &BackupFolder) -> Result<Manifest> {
        let mark = work.mark()?;
        let (folder, this) = (work.place().to_owned(), self.catalog.identity());
        if mark.backup_of != this {
            return Err(BackupError::OtherStore { folder, other: mark.backup_of, this }.into());
        }
        if work.catalog().exists() {
            let catalog = self.catalog.open_copy(&work.catalog()).await?;
            let now = contents(catalog.as_ref()).await;
            catalog.close().await;
            if !mark.contents.contains(&now?) {
                return Err(BackupError::WrittenTo(folder).into());
            }
        }
        Ok(mark)
    }

    /// Packs in storage that the catalog knows.
    async fn known_packs(&self) -> Result<Vec<ListedPack>> {
        let mut known = Vec::new();
        for batch in self.vault.list().await?.chunks(BATCH) {
            let keys: Vec<_> = batch.iter().map(|pack| pack.key).collect();
            let found = self.catalog.knows_packs(&keys).await?;
            known
                .extend(batch.iter().zip(found).filter(|(_, known)| *known).map(|(pack, _)| *pack));
        }
        Ok(known)
    }

    async fn names(&self) -> Result<Vec<RepoName>> {
        let mut names: Vec<RepoName> = Vec::new();
        loop {
            let page = self.catalog.repos(names.last(), PAGE).await?;
            if page.is_empty() {
                return Ok(names);
            }
            names.extend(page.into_iter().map(|repo| repo.name));
        }
    }

    /// Links or copies packs that the backup lacks.
    async fn bring(
        &self,
        packs: &[ListedPack],
        work: &BackupFolder,
        tally: &mut BackupCounts,
        progress: &Progress,
    ) -> Result<()> {
        let total = packs.iter().map(|pack| pack.bytes).sum();
        let mut done = 0;
        for pack in packs {
            progress.at("the store", Phase::Copy, done, total)?;
            self.bring_one(&pack.key, work, tally).await?;
            done += pack.bytes;
        }
        progress.at("the store", Phase::Copy, done, total)
    }

    async fn bring_one(
        &self,
        key: &MpackKey,
        work: &BackupFolder,
        tally: &mut BackupCounts,
    ) -> Result<()> {
        let Some(from) = self.vault.file_of(key) else { return Ok(()) };
        let Ok(within) = from.strip_prefix(self.vault.folder()) else { return Ok(()) };
        let to = work.folder().join(within);
        if to.exists() {
            return Ok(());
        }
        // A missing pack was pruned; if it is needed, the verification reports it.
        match work.take(&from, &to, self.clock.random_id())? {
            Some(true) => tally.copied += 1,
            Some(false) => tally.linked += 1,
            None => {}
        }
        Ok(())
    }

    /// The store of a copied catalog, with packs in a folder. It is not opened in the usual way,
    /// because it does not have its final path yet.
    fn with_files(&self, catalog: Arc<dyn Catalog>, folder: &Path) -> Result<Store> {
        let vault = Vault::local(folder)?;
        Ok(Store {
            catalog,
            vault,
            begun: Arc::default(),
            recorder: None,
            fence: None,
            ..self.clone()
        })
    }

    /// Reads the whole copy. Returns its problems, its intact packs, and the packs that it does not
    /// need.
    async fn checked(
        &self,
        copy: &Store,
        work: &BackupFolder,
        lacks: &[BackupProblem],
        tally: &mut BackupCounts,
        progress: &Progress,
    ) -> Result<(Vec<BackupProblem>, Vec<ListedPack>, Vec<MpackKey>)> {
        let mut problems = self.problems(copy, work, progress).await?;
        if self.heal(copy, work, &problems, tally).await? {
            problems = self.problems(copy, work, progress).await?;
        }
        for key in bad_packs(&problems) {
            copy.vault.remove(&key).await?;
        }
        // Packs that the store lacks and the backup has are reported: otherwise the loss would be
        // noticed only after the backup is gone.
        let is_new = |lack: &&BackupProblem| {
            !problems.iter().any(|known| (&known.repo, known.pack) == (&lack.repo, lack.pack))
        };
        let lacks: Vec<_> = lacks.iter().filter(is_new).cloned().collect();
        problems.extend(lacks.into_iter().map(|lack| in_backup(lack, self, work)));
        let known: BTreeMap<MpackKey, ListedPack> =
            copy.known_packs().await?.into_iter().map(|pack| (pack.key, pack)).collect();
        let sound = self.sound_packs(copy, known.values().copied().collect()).await?;
        let listed = copy.vault.list().await?.into_iter().map(|pack| pack.key);
        let unknown = listed.filter(|key| !known.contains_key(key));
        // As long as there are problems, nothing is removed.
        let removed =
            if problems.is_empty() || work.is_new() { unknown.collect() } else { Vec::new() };
        Ok((problems, sound, removed))
    }

    /// Replaces copies that have suffered, where the pack itself is intact. Whether there was one.
    async fn heal(
        &self,
        copy: &Store,
        work: &BackupFolder,
        problems: &[BackupProblem],
        tally: &mut BackupCounts,
    ) -> Result<bool> {
        let mut healed = false;
        for key in bad_packs(problems) {
            if let Some(pack) = self.vault.open(&key).await?
                && blocking(move || hash(&pack)).await? == key
            {
                copy.vault.remove(&key).await?;
                self.bring_one(&key, work, tally).await?;
                healed = true;
            }
        }
        Ok(healed)
    }

    /// Those of the copy's packs that are sound; the others are removed. Packs that shelves hold
    /// were read with their repos.
    async fn sound_packs(&self, copy: &Store, packs: Vec<ListedPack>) -> Result<Vec<ListedPack>> {
        let needed: BTreeSet<MpackKey> = copy.catalog.held_packs().await?.into_iter().collect();
        let mut sound = Vec::new();
        for pack in packs {
            if !needed.contains(&pack.key)
                && let Some(stored) = copy.vault.open(&pack.key).await?
                && blocking(move || hash(&stored)).await? != pack.key
            {
                tracing::warn!(
                    "pack {}, which is pending deletion or a job, is damaged and was left out",
                    pack.key
                );
                copy.vault.remove(&pack.key).await?;
                continue;
            }
            sound.push(pack);
        }
        Ok(sound)
    }

    /// Blocks the deletion of packs. If the store is read-only and was never written to, there is
    /// nothing to lock, and no process that deletes.
    async fn no_deletions(&self) -> Result<Option<LockGuard>> {
        match self.catalog.lock(LockMode::Publishing).await {
            Err(error) if error.is_read_only() => {
                tracing::debug!("backing up a read-only store without a lock: {error}");
                Ok(None)
            }
            lock => lock.map(Some),
        }
    }

    /// The packs of this store that are missing, of the wrong size, or known to be damaged.
    /// Findings are recorded.
    async fn lacks(&self) -> Result<Vec<BackupProblem>> {
        let mut lacks = Vec::new();
        let mut findings = DamageFindings::at(self.now());
        for name in self.names().await? {
            let Some(row) = self.catalog.repo(&name).await? else { continue };
            let Some(needs) = self.needs_of(row.id).await? else { continue };
            for pack in &needs.packs {
                let known = needs.damage.iter().find(|known| known.mpack_key == Some(pack.key));
                let (kind, detail) = match (self.vault.size_of(&pack.key).await?, known) {
                    (None, _) => (
                        ProblemKind::MissingPack,
                        format!("{} is missing", self.vault.place_of(&pack.key)),
                    ),
                    (Some(bytes), _) if bytes != pack.bytes => (
                        ProblemKind::DamagedPack,
                        format!(
                            "{} has {bytes} bytes; {} were stored",
                            self.vault.place_of(&pack.key),
                            pack.bytes
                        ),
                    ),
                    (Some(_), Some(known)) => (ProblemKind::DamagedPack, known.detail.clone()),
                    (Some(_), None) => continue,
                };
                if known.is_none() {
                    findings.damaged.push(Damage {
                        mpack_key: Some(pack.key),
                        since: findings.at,
                        found_by: "backup".into(),
                        detail: detail.clone(),
                    });
                }
                let (repo, pack) = (name.clone(), Some(pack.key));
                lacks.push(BackupProblem { repo, kind, entity: None, pack, detail });
            }
        }
        self.note_found(&findings).await;
        Ok(lacks)
    }

    /// The problems that the verification of the copy has found, as problems of the original.
    async fn problems(
        &self,
        copy: &Store,
        work: &BackupFolder,
        progress: &Progress,
    ) -> Result<Vec<BackupProblem>> {
        let mut problems = Vec::new();
        let (there, here) = (work.folder().display().to_string(), self.vault.place());
        for repo in copy.names().await? {
            for problem in copy.verify(&repo, VerifyOptions::default(), progress).await?.problems {
                let detail = problem.detail.replace(&there, &here);
                let (kind, entity, pack) = (problem.kind, problem.entity, problem.pack);
                problems.push(BackupProblem { repo: repo.clone(), kind, entity, pack, detail });
            }
        }
        Ok(problems)
    }
}

/// A problem of a pack of the store that the backup has.
fn in_backup(mut lack: BackupProblem, store: &Store, work: &BackupFolder) -> BackupProblem {
    let file = lack.pack.and_then(|key| store.vault.file_of(&key));
    let within = file.as_deref().and_then(|file| file.strip_prefix(store.vault.folder()).ok());
    if let (Some(file), Some(within)) = (&file, within) {
        lack.detail = format!(
            "{}. This backup has an intact copy: copy {} to {}, then run: packhouse verify {}",
            lack.detail,
            work.place().join(within).display(),
            file.display(),
            lack.repo
        );
    }
    lack
}

/// A digest of a catalog's contents: it changes with each publication.
async fn contents(catalog: &dyn Catalog) -> Result<String> {
    let mut text = String::new();
    let mut after = None;
    loop {
        let page = catalog.repos(after.as_ref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        for repo in page {
            text.push_str(&format!("{} {} {}\n", repo.repo_id.0, repo.name, repo.revision));
        }
    }
    Ok(hex::encode(digest(&SHA256, text.as_bytes())))
}

/// Packs that are missing or damaged.
fn bad_packs(problems: &[BackupProblem]) -> BTreeSet<MpackKey> {
    let of_packs = |one: &&BackupProblem| {
        matches!(one.kind, ProblemKind::DamagedPack | ProblemKind::MissingPack)
    };
    problems.iter().filter(of_packs).filter_map(|one| one.pack).collect()
}
