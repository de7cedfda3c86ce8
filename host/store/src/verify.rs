//! `verify`: reads every pack on the repo's shelves, hashes every object, and compares with the
//! directories, the index and the graph. Only changes the record of damage, and directories that do
//! not match their intact packs: a directory is a cache, and is rebuilt at once. [`super::repair`]
//! does other repairs.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;
use packhouse_catalog::{
    CompletePack, DamageFindings, IndexRow, PackRow, RepoRow, Shelf, Snapshot,
};
use packhouse_core::record::{Commit, Tag};
use packhouse_core::{Edges, Kind, Row};
use packhouse_model::error::{Error, Result};
use packhouse_model::names::{MpackKey, RepoName};
use packhouse_model::operation::VerifyOptions;
use packhouse_model::progress::{Phase, Progress};
use packhouse_model::report::{Damage, Problem, ProblemKind, Repaired, VerifyReport};
use packhouse_model::span::TARGET;
use packhouse_pack::{Directory, ScannedPack};
use packhouse_vault::StoredPack;

use super::complete::complete_pack;
use super::load::{distinct_packs, examine};
use super::repo::mapped_packs;
use super::verify_catalog::{Contents, entities, verify_catalog};
use super::verify_graph::FoundTag;
use super::{Store, blocking};

/// What to do about a missing or damaged pack.
pub(super) const WAY_OUT: &str =
    "run verify with --repair, push the same bytes again, or restore it from a backup";

/// The data that a verification has read.
pub(super) struct Seen {
    pub(super) report: VerifyReport,
    /// The repo and its shelves, at the start.
    pub(super) row: RepoRow,
    pub(super) shelves: Vec<Shelf>,
    /// The contents of the intact packs, by the catalog's number of the pack.
    pub(super) contents: BTreeMap<i64, Contents>,
    /// Whether the index could not be read, or does not match the packs or its own counts.
    pub(super) is_index_damaged: bool,
}

/// The packs of a repo, while they are checked.
struct PackCheck<'a> {
    row: &'a RepoRow,
    /// Bytes of all packs.
    total: u64,
    /// What to do about a pack that is missing or damaged.
    way_out: &'static str,
    report: &'a mut VerifyReport,
    progress: &'a Progress,
    /// The only pack to which the index maps something, if it is not known whether it is complete.
    unchecked: Option<MpackKey>,
    /// What was found out about that.
    complete: Option<CompletePack>,
}

impl PackCheck<'_> {
    fn found(&mut self, kind: ProblemKind, pack: MpackKey, detail: String) {
        self.report.problems.push(Problem { kind, entity: None, pack: Some(pack), detail });
    }
}

impl Seen {
    /// Its packs, each once.
    pub(super) fn packs(&self) -> Vec<PackRow> {
        distinct_packs(&self.shelves)
    }

    /// The damage to record. A damaged directory is not recorded: it could not be rebuilt because
    /// nothing can be written, and the next verification rebuilds it.
    fn findings(&self, at: Timestamp) -> DamageFindings {
        let damage = |mpack_key, detail: &str| Damage {
            mpack_key,
            since: at,
            found_by: "verify".into(),
            detail: detail.to_owned(),
        };
        let mut findings = DamageFindings::at(at);
        let mut other = None;
        for problem in &self.report.problems {
            match problem.kind {
                ProblemKind::MissingPack | ProblemKind::DamagedPack => {
                    findings
                        .damaged
                        .extend(problem.pack.map(|key| damage(Some(key), &problem.detail)));
                }
                // Nothing of the packs is damaged.
                ProblemKind::DamagedDirectory | ProblemKind::BadBranchName => {}
                ProblemKind::LostEntity
                | ProblemKind::UnindexedEntity
                | ProblemKind::DamagedCatalog => {
                    other.get_or_insert_with(|| damage(None, &problem.detail));
                }
            }
        }
        findings.sound = self
            .packs()
            .iter()
            .filter(|pack| self.contents.contains_key(&pack.id))
            .map(|pack| pack.key)
            .collect();
        findings.repo = Some((self.row.id, other));
        findings
    }
}

impl Store {
    /// Checks everything of a repo; on request mends what it can, and then only reports as a problem
    /// what is left.
    ///
    /// # Errors
    /// If the catalog can't be read, or the work is cancelled. Damage is not an error here, but a
    /// finding. [`packhouse_model::error::Error::Busy`] when a repo that is mended keeps changing.
    #[tracing::instrument(target = TARGET, name = "verify", skip_all, fields(packhouse.repo = %repo))]
    pub async fn verify(
        &self,
        repo: &RepoName,
        options: VerifyOptions,
        progress: &Progress,
    ) -> Result<VerifyReport> {
        if options.repair {
            return self.repair(repo, progress).await;
        }
        let row = self.known_repo(repo).await?;
        Ok(self.verified(&row, WAY_OUT, progress).await?.report)
    }

    /// Verifies a repo, and records the findings. `way_out` says what to do about a missing or
    /// damaged pack.
    pub(super) async fn verified(
        &self,
        row: &RepoRow,
        way_out: &'static str,
        progress: &Progress,
    ) -> Result<Seen> {
        let seen = self
            .until_current(row.id, || Box::pin(self.verify_once(row, way_out, progress)))
            .await?;
        self.note_found(&seen.findings(self.now())).await;
        Ok(seen)
    }

    async fn verify_once(
        &self,
        row: &RepoRow,
        way_out: &'static str,
        progress: &Progress,
    ) -> Result<Seen> {
        let mut snapshot = self.catalog.snapshot(row.id).await?;
        let row = snapshot.repo().clone();
        let shelves = snapshot.shelves().await?;
        let packs = distinct_packs(&shelves);
        let total = packs.iter().map(|pack| pack.bytes).sum();
        let mut report = VerifyReport {
            repo: row.name.clone(),
            packs_checked: 0,
            objects_checked: 0,
            bytes_checked: 0,
            ok: true,
            problems: Vec::new(),
            repaired: None,
        };
        let mut contents: BTreeMap<i64, Contents> = BTreeMap::new();
        let unchecked = self.unchecked_pack(snapshot.as_mut(), &shelves).await?;
        let mut check = PackCheck {
            row: &row,
            total,
            way_out,
            report: &mut report,
            progress,
            unchecked,
            complete: None,
        };
        for pack in &packs {
            if let Some(found) = self.verify_pack(pack, &mut check).await? {
                contents.insert(pack.id, found);
            }
        }
        let complete = check.complete;
        let is_index_damaged =
            verify_catalog(snapshot.as_mut(), &shelves, &contents, &mut report.problems).await?;
        report.ok = report.problems.is_empty();
        if let (Some(key), true) = (unchecked, report.ok) {
            self.note_complete(&row, &key, complete).await;
        }
        Ok(Seen { report, row, shelves, contents, is_index_damaged })
    }

    /// The only pack to which the index maps something, if it is not known whether it is complete.
    async fn unchecked_pack(
        &self,
        snapshot: &mut dyn Snapshot,
        shelves: &[Shelf],
    ) -> Result<Option<MpackKey>> {
        match &mapped_packs(shelves)[..] {
            [only] if !self.is_checked(snapshot, only).await? => Ok(Some(only.key)),
            _ => Ok(None),
        }
    }

    /// Reads a pack whole, and checks its directory. None when it is not sound.
    #[tracing::instrument(target = TARGET, name = "verify pack", skip_all)]
    async fn verify_pack(
        &self,
        pack: &PackRow,
        check: &mut PackCheck<'_>,
    ) -> Result<Option<Contents>> {
        let place = self.vault.place_of(&pack.key);
        let Some(stored) = self.vault.open_uncached(&pack.key).await? else {
            let missing = self.missing(&check.row.name, &pack.key);
            if self.is_stale(check.row.id, &missing).await? {
                return Err(missing);
            }
            let detail = format!("{place} is missing; {}", check.way_out);
            check.found(ProblemKind::MissingPack, pack.key, detail);
            return Ok(None);
        };
        let (progress, name) = (check.progress.clone(), check.row.name.to_string());
        let (before, total) = (check.report.bytes_checked, check.total);
        let (examined, stored) = blocking(move || {
            let examined =
                examine(&stored, |done| progress.at(&name, Phase::Verify, before + done, total))?;
            Ok((examined, stored))
        })
        .await?;
        check.report.packs_checked += 1;
        check.report.bytes_checked += examined.bytes;
        let bytes = examined.bytes;
        let scanned = match examined.sound(&pack.key) {
            Ok(scanned) => scanned,
            Err(detail) => {
                let detail = format!("{detail}, in {place}; {}", check.way_out);
                check.found(ProblemKind::DamagedPack, pack.key, detail);
                return Ok(None);
            }
        };
        self.verify_directory(&Directory::of(pack.key, bytes, &scanned), check).await?;
        check.report.objects_checked +=
            scanned.rows.iter().filter(|row| row.kind == Kind::Object).count() as u64;
        if check.unchecked == Some(pack.key) {
            let found = complete_pack(&scanned, &stored.file);
            let found = found.map_err(Error::io("reading", &stored.path))?;
            check.complete = found.map(|found| found.complete);
        }
        contents_of(&scanned, &stored).map(Some)
    }

    /// Rebuilds a directory that does not match its sound pack.
    async fn verify_directory(
        &self,
        directory: &Directory,
        check: &mut PackCheck<'_>,
    ) -> Result<()> {
        let pack = directory.key;
        let Some(kept) = self.vault.directory(&pack).await? else { return Ok(()) };
        if let Some(kept) = Directory::read(pack, kept).filter(|kept| kept == directory) {
            // Earlier builds did not store the frame.
            if kept.frame() != directory.frame() {
                self.keep_directory(directory.clone()).await;
            }
            return Ok(());
        }
        match self.put_directory(directory.clone()).await {
            Ok(()) => check.report.repaired.get_or_insert_default().push(Repaired {
                pack: Some(pack),
                entities: 0,
                from: Vec::new(),
                detail: "its directory did not match the pack, and was rebuilt".into(),
            }),
            Err(error) => {
                let detail = format!(
                    "its directory does not match the pack, and could not be rebuilt ({error}). Run verify where the store can be written, or remove the .dir file beside the pack"
                );
                check.found(ProblemKind::DamagedDirectory, pack, detail);
            }
        }
        Ok(())
    }
}

/// What the records of a sound pack say.
fn contents_of(scanned: &ScannedPack, stored: &StoredPack) -> Result<Contents> {
    let (mut edges, mut tags) = (Vec::new(), Vec::new());
    let is_parsed = |row: &&Row| matches!(row.kind, Kind::Commit | Kind::Tag);
    for row in scanned.rows.iter().filter(is_parsed) {
        let mut bytes = vec![0; row.length as usize];
        stored
            .file
            .read_exact_at(&mut bytes, row.offset)
            .map_err(Error::io("reading", &stored.path))?;
        if row.kind == Kind::Tag {
            let named = Tag::parse(&bytes).map(|tag| tag.commit);
            tags.extend(named.map(|commit| FoundTag {
                row: IndexRow::of(row),
                tag: row.id,
                commit,
            }));
        } else if let Ok(Commit { id, parents, snapshot, .. }) = Commit::parse(&bytes) {
            edges.push(Edges { commit: id, parents, snapshot });
        }
    }
    Ok(Contents { entities: entities(scanned), edges, tags })
}
